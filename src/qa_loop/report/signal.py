"""Sections on what steers a run: clean passes, gates, further evaluations, what the extra passes cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qa_contract.pages import Cell, Column, Heading, Note, Section, Table, percent_cell
from qa_contract.pages.parts import Part

from qa_loop.report.run import Run
from qa_loop.report.truth import suspects_found
from qa_loop.results import OVERALL
from qa_loop.stage import round_folder

PASSES = ("panel-pass", "panel-blind", "clean-pass", "clean-blind")
"""Kinds of stages that answer questions for the signal alone."""


def signal_sections(run: Run, truth: Path | None = None) -> list[Section]:
    """Show calibration before and after, headroom, suspects and refits, round by round, and what the passes cost.

    Parameters
    ----------
    run : Run
    truth : Path, optional
        Table `questions` with the true answers, of scenes that were spoilt on purpose.
    """
    if not run.config.confidence.calibrated:
        return []
    rounds = [(number, facts) for number, facts in _of_rounds(run, "signal", "signal.json") if facts]
    if not rounds:
        return []
    columns = ["round", "answers", "panel", "ECE before", "ECE after", "Brier before", "Brier after"]
    columns += ["headroom", "suspects", "suspect scenes", Column("old map", "text")]
    rows = []
    for number, facts in rounds:
        errors = facts["calibration"]["all"]
        refit = facts.get("refit") or {}
        verdict = {True: "fit again", False: "serves", None: "-"}[refit.get("refit")]
        figures = [_three(errors[name]) for name in ("ece_before", "ece_after", "brier_before", "brier_after")]
        rows.append(
            [
                number,
                facts["rows"],
                facts["panel"],
                *figures,
                _three(facts["mean_headroom"]),
                facts["suspects"],
                len(facts.get("suspect_scenes", ())),
                verdict,
            ]
        )
    note = (
        "The model that a round begins with answers the panel and a sample of the candidates, with and without frames. "
        "Calibration errors are on scenes that the map has not seen. Headroom: expected score above chance less the "
        "same without frames. Old map: does the calibrator of the round before still serve?"
    )
    parts: list[Part | str] = [Note(note), Table(columns, rows)]
    if truth is not None:
        parts += [Heading("Suspects against true answers"), *_found(run, truth)]
    if types := _by_type(rounds):
        parts += [Heading("Calibration error per question type"), types]
    parts.append(_cost(run))
    return [Section("Clean passes", parts)]


def _found(run: Run, truth: Path) -> list[Part]:
    """Say how many suspects are wrong, and how many of the wrong are suspects."""
    found = [(t, suspects_found(run.folder, t, truth)) for t in range(1, run.config.run.rounds + 1)]
    rows = [[t, f.wrong, f.suspects, f.hits, _three(f.precision), _three(f.recall)] for t, f in found if f]
    note = (
        "Wrong: questions of the clean pass whose true answer would score less than 0.5 against their ground truth, "
        f"by {truth.name}."
    )
    return [Note(note), Table(["round", "wrong", "suspects", "of them wrong", "precision", "recall"], rows)]


def gates_sections(run: Run) -> list[Section]:
    """Show what each gate let through, round by round."""
    rounds = [(number, facts) for number, facts in _of_rounds(run, "questions", "manifest.json") if "gates" in facts]
    if not rounds:
        return []
    columns = [Column("gate", "text"), "round", "came", "judged", "refused", Column("share refused", "number")]
    rows = [
        [one["gate"], number, one["seen"], one["judged"], one["refused"], _share(one["refused"], one["seen"])]
        for number, facts in rounds
        for one in facts["gates"]
    ]
    totals = [
        ["all", number, facts["candidates"], "", facts["candidates"] - facts["passed"], ""] for number, facts in rounds
    ]
    note = "In the order in which they apply. Each refusal is a row of the round's rejects, with the figures behind it."
    return [Section("Gates", [Note(note), Table(columns, rows, totals=totals)])]


def further_sections(run: Run) -> list[Section]:
    """Show the overall score of every further evaluation, and of the guard, round by round."""
    names = [entry.name for entry in run.config.eval[1:]] + (["guard"] if run.config.guard else [])
    found = {name: [(n, s) for (kind, n), s in sorted(run.scores.items()) if kind == f"eval:{name}"] for name in names}
    rounds = sorted({number for scores in found.values() for number, _ in scores})
    if not rounds:
        return []
    columns = [Column("evaluation", "text"), *(f"round {number}" for number in rounds)]
    rows = []
    for name, scores in found.items():
        by_round = {number: cells.get(OVERALL) for number, cells in scores}
        cells = [by_round.get(number) for number in rounds]
        rows.append([name, *(percent_cell(c.mean, c.low, c.high) if c else Cell(None) for c in cells)])
    note = "Mean score in percent with 95% interval (bootstrap over scenes)."
    return [Section("Further evaluations", [Note(note), Table(columns, rows)])]


def _by_type(rounds: list[tuple[int, dict[str, Any]]]) -> Table | None:
    names = sorted({name for _, facts in rounds for name in facts["calibration"]} - {"all"})
    if not names:
        return None
    columns = [Column("question type", "text")]
    columns += [Column(f"round {number}, {when}", "number") for number, _ in rounds for when in ("before", "after")]
    rows = []
    for name in names:
        cells = []
        for _, facts in rounds:
            errors = facts["calibration"].get(name)
            cells += [_three(errors[f"ece_{when}"]) if errors else Cell(None) for when in ("before", "after")]
        rows.append([name, *cells])
    return Table(columns, rows)


def _cost(run: Run) -> str:
    """Say what the extra passes cost beside training."""
    records = run.manifest.stages.values()
    passes = [r for r in records if any(r.name.endswith(f"-{kind}") for kind in PASSES)]
    trained = [r for r in records if "-train" in r.name]
    parts = []
    for name, unit in (("seconds", "s"), ("flops", "FLOPs")):
        extra, training = (sum(getattr(r, name) or 0 for r in group) for group in (passes, trained))
        if extra:
            share = f" ({100 * extra / training:.0f}% of training)" if training else ""
            parts.append(f"{extra:,.0f} {unit}{share}" if name == "seconds" else f"{extra:.2e} {unit}{share}")
    return f"The passes took {' and '.join(parts)}." if parts else ""


def _of_rounds(run: Run, stage: str, file: str) -> list[tuple[int, dict[str, Any]]]:
    """Read a file of figures of every round; empty where it is not there."""
    found = []
    for number in range(1, run.config.run.rounds + 1):
        path = run.folder / round_folder(number) / stage / file
        try:
            found.append((number, json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError):
            found.append((number, {}))
    return found


def _three(value: float | None) -> Cell:
    return Cell(None) if value is None else Cell(round(value, 3))


def _share(part: int, whole: int) -> Cell:
    return Cell(f"{100 * part / whole:.0f}%") if whole else Cell(None)
