"""The page of a run: one file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qa_contract.files import atomic_path
from qa_contract.pages import Link, Links, Page, Section, Warn, href
from qa_contract.pages.parts import Part
from qa_contract.pages.text import percent

from qa_loop.errors import QALoopError
from qa_loop.pools import short_rounds
from qa_loop.report.others import other_pages
from qa_loop.report.proposers import proposers_sections
from qa_loop.report.run import Run
from qa_loop.report.sections import (
    cards_sections,
    confidence_sections,
    facts_section,
    questions_sections,
    scores_sections,
)
from qa_loop.report.signal import further_sections, gates_sections, signal_sections
from qa_loop.report.tables import RunTables
from qa_loop.results import finished
from qa_loop.sections import LETTERS
from qa_loop.stopping import best_round, ended, guard_drops

REPORT = "report.html"
IN_SAMPLE = "In-sample, plumbing only: the questions are about scenes that the model is trained on."


def write_report(folder: Path, *, others: bool = True, truth: Path | None = None) -> Path:
    """Write `report.html` of a run, finished or not.

    Parameters
    ----------
    folder : Path
    others : bool
        Make the pages of `qa-eval report` and `qa-confidence report` too, which this one links.
    truth : Path, optional
        Table `questions` with the true answers of scenes that were spoilt on purpose: how many suspects are wrong.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    QALoopError
        The folder holds no run, or `truth` is given for a run that finds no suspects.
    """
    folder = Path(folder)
    run = Run.load(folder)
    if truth is not None and not run.config.confidence.calibrated:
        raise QALoopError(
            f"--truth {truth}: {folder} is a run of confidence profile '{run.config.confidence.profile}', which finds "
            'no suspects to compare. Leave --truth out, or run with profile = "calibrated" in [confidence].'
        )
    links: list[Part] = []
    if others:
        (folder / "logs").mkdir(exist_ok=True)
        links = _other_pages(folder)
    tables = RunTables(folder)
    try:
        text = run_page(run, tables, links, truth).html()
    finally:
        tables.close()
    path = folder / REPORT
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def run_page(run: Run, tables: RunTables, links: Sequence[Part] = (), truth: Path | None = None) -> Page:
    """Lay the page out.

    Parameters
    ----------
    run : Run
    tables : RunTables
        Of the same run.
    links : sequence of parts
        Links to further pages about the run.
    truth : Path, optional
        As of `write_report`.
    """
    config = run.config
    sections = [
        Section("Result", [verdict(run), *stopped(run), *links]),
        *scores_sections(run),
        *further_sections(run),
        *confidence_sections(tables),
        *signal_sections(run, truth),
        *gates_sections(run),
        *questions_sections(tables),
        *proposers_sections(run, tables),
        *cards_sections(run, tables),
        facts_section(run),
    ]
    about = (
        f"{config.train.model} on {', '.join(one.called for one in config.scenes)}: {config.run.rounds} rounds of "
        f"{config.questions_per_round:,} questions, seed {config.run.seed}."
    )
    return Page(config.run.name, sections, about, warnings=warnings_of(run, tables))


def warnings_of(run: Run, tables: RunTables) -> list[str]:
    """Say what stands above everything: nothing held out, video after images, lost general ability, letters alone."""
    found = [*([IN_SAMPLE] if run.config.main_eval.in_sample else []), *run.config.cautions]
    for number, n in short_rounds(run.config, run.manifest):
        found.append(
            f"Round {number} trains on {n:,} of {run.config.questions_per_round:,} questions, some of them repeatedly: "
            "the scenes and gates left no more."
        )
    for drop in guard_drops(run.config, run.folder):
        found.append(
            f"General ability fell: after round {drop.round} the guard scores {percent(drop.score)}, before training "
            f"{percent(drop.first)}, and the intervals do not touch."
        )
    if rounds := tables.rounds_of_letters():
        found.append(LETTERS.format(f"round {', '.join(map(str, rounds))}"))
    return found


def verdict(run: Run) -> str:
    """Say in a few sentences how far the model came."""
    table = run.comparison
    if table is None:
        return "Nothing has been evaluated yet."
    whole = next((row for row in table.rows if row.is_overall), None)
    if whole is None or whole.model is None:
        return "No answer could be scored."
    kind = "in-sample" if table.in_sample else "held-out"
    before = f" (round 0: {percent(whole.first.mean)})" if whole.first and table.last_round else ""
    asked = f"{whole.model.n:,} {kind} questions{before}"
    text = f"After round {table.last_round} the model scores {percent(whole.model.mean)} on {asked}."
    if table.last_round == 0 or table.blind_round != table.last_round:
        return text
    n_types = sum(not row.is_overall for row in table.rows)
    names = ": " + ", ".join(table.clear) if table.clear else ""
    return (
        f"{text} It is clearly above both blind and majority on {len(table.clear)} of {n_types} question types{names}."
    )


def stopped(run: Run) -> list[str]:
    """Say why the run ended early, and which round is the best on what is no test."""
    found = []
    if over := ended(run.config, run.folder, manifest=run.manifest):
        found.append(f"It was stopped after round {over.round}: {over.reason}.")
    if best := best_round(run.config, run.folder):
        name = run.config.stop.on if run.config.stop else ""
        found.append(f"The best round on '{name}' is {best[0]}, with {percent(best[1])}.")
    return found


def _other_pages(folder: Path) -> list[Part]:
    """Make the pages of the other packages and link those that were made."""
    links, failures = [], []
    for page in other_pages(finished(folder)):
        problem = page.make(folder)
        if problem:
            failures.append(Warn(f"{page.title} is missing: {problem}"))
        else:
            links.append(Link(page.title, href(page.path), page.about))
    return [*([Links(links)] if links else []), *failures]
