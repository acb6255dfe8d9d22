"""The page of a scan: what was found, what to mend first, what is asked, and how the steps went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.cli import shell
from qa_contract.pages import (
    Card,
    Cards,
    Cell,
    Column,
    Facts,
    Figure,
    Items,
    Note,
    Page,
    Part,
    Row,
    Section,
    Table,
    Warn,
    href,
)
from qa_contract.tableio import read_table
from qa_contract.tables import QUESTIONS

from qa_engine.checks import Reason
from qa_engine.errors import IngestReason
from qa_engine.facts.scene import Facts as SceneFacts
from qa_engine.scan.steps import Outcome, Work, aligned_scenes, rejected
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store
from qa_engine.scenes.worlds import errors_in_words
from qa_engine.show.explanation import explanation_of
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.sightings import SightingIndex

PLAN_PX = 380.0
TONES = {"done": "good", "lost": "warn", "left out": "soft", "failed": "bad"}
STATES = {"done": "done", "lost": "done, with losses", "left out": "left out", "failed": "failed"}


def scan_page(work: Work, outcomes: Sequence[Outcome]) -> Page:
    """Lay out what is there, as far as the steps came."""
    store = Store(work.store) if (work.store / "scenes.parquet").is_file() else None
    questions = None
    if (work.questions / "manifest.json").is_file():
        questions = read_table(work.questions, "questions", QUESTIONS)
    facts = [("folder", str(work.root.name)), ("read as", work.dataset or "unknown")]
    if store is not None:
        facts.append(("scenes", f"{len(store.scene_names()):,}"))
    if questions is not None:
        facts.append(("questions", f"{len(questions):,}"))
    failed = [f"Step '{outcome.step}' failed: {outcome.told}" for outcome in outcomes if outcome.state == "failed"]
    sections = [Section("What to mend first", list(_mend(work)), "mend")]
    if store is not None:
        sections.append(Section("Scenes", [_scenes(work, store, questions)], "scenes"))
        if aligned := aligned_scenes(work):
            sections.append(Section("Up and scale", list(_aligned(aligned)), "aligned"))
    if questions is not None and store is not None and len(questions):
        sections.append(Section("Questions", [_types(questions), *_not_asked(work)], "questions"))
        sections.append(Section("How they are answered", [_samples(store, questions)], "samples"))
    elif questions is not None:
        sections.append(Section("Questions", ["None.", *_not_asked(work)], "questions"))
    sections.append(Section("Steps", [_steps(outcomes), *_next(work, questions)], "steps"))
    return Page("Scan", sections, subtitle="From scans to checked questions", facts=facts, warnings=failed)


def _mend(work: Work) -> Iterator[Part | str]:
    """Say what was refused, what is suspicious, and what nobody can tell but the owner."""
    folders = (work.store, work.scans, work.frames_only)
    known = [folder for folder in folders if (folder / "rejects.parquet").is_file()]
    # What was suspected before a scan was turned or lifted is settled: the checks looked at it again after that.
    lost, doubts = rejected(known, "ingest"), rejected(known[:1], "check")
    found = work.diagnosis
    problems = [] if found is None or known else found.problems
    if not lost and not doubts and not problems:
        yield "Nothing was refused, and nothing is suspicious."
    for rows, title in ((lost, "Refused"), (doubts, "Suspicious, but taken")):
        if rows:
            columns = [
                Column(title, "text"),
                Column("times"),
                Column("for example", "prose"),
                Column("what to do", "prose"),
            ]
            yield Table(columns, [Row([reason, n, _short(detail), _fix(reason)]) for reason, n, detail in rows])
    if problems:
        columns = [Column("Scene", "text"), Column("found", "prose"), Column("what to do", "prose")]
        yield Table(columns, [Row([one.scene_name, one.problem, one.fix]) for one in problems])
    if found is not None and found.missing:
        lacks = ((part.name, part.used_for, part.source) for part in found.missing)
        yield Items([f"No {name}, which is for {used_for}. Get it from {source}." for name, used_for, source in lacks])
    if found is not None and found.untold:
        yield Warn("What the data of these scenes does not tell; look at a page below, or at a known length, once.")
        yield Items([f"{name}: whether {'; '.join(words)}" for name, words in found.untold.items()])
    for row in work.differences[:20]:
        yield Warn(f"{row['question_id']}: {row['problem']} is {row['stored']}, the program gives {row['replayed']}")


def _short(detail: str, most: int = 240) -> str:
    return detail if len(detail) <= most else detail[: most - 1] + "…"


def _fix(reason: str) -> str:
    return IngestReason(reason).fix if reason in set(IngestReason) else ""


def _scenes(work: Work, store: Store, questions: pl.DataFrame | None) -> Table:
    """List the scenes with what each gave."""
    asked = {} if questions is None else dict(questions["scene_name"].value_counts().iter_rows())
    columns = [
        Column("scene", "text"),
        Column("objects"),
        Column("categories"),
        Column("frames"),
        Column("with pose"),
        Column("room, m²", format=lambda value: f"{value:.1f}"),
        Column("questions"),
    ]
    rows = []
    pages = work.out / "pages" / "scenes"
    for scene in store.iter_scenes():
        frames = store.frames(scene)
        posed = sum(frame.world_from_camera is not None for frame in frames)
        name = f"{scene.scene_name}.html"
        link = href(Path("pages", "scenes", name)) if (pages / name).is_file() else ""
        title = Cell(scene.scene_name, link=link)
        n = asked.get(scene.scene_name, 0)
        few = Cell(n, tone="bad" if questions is not None and n == 0 else "")
        rows.append(Row([title, len(scene), len(scene.category_counts), len(frames), posed, scene.room_size_m2, few]))
    return Table(columns, rows)


def _aligned(scenes: Sequence[Scene]) -> Iterator[Part | str]:
    """Say how sure vertical and scale of the scenes are, and by what."""
    yield Note(
        "The checks doubted how these scans lie or how large they are, so both were concluded. Bounds of answers hold "
        "the errors that are left, and what would flip within them is not asked."
    )
    yield Items([f"{scene.scene_name}: {errors_in_words(scene)}" for scene in scenes])
    columns = [
        Column("scene", "text"),
        Column("about", "text"),
        Column("by", "text"),
        Column("value", format=lambda value: f"{value:.3g}"),
        Column("within (95%)", format=lambda value: f"{value:.2g}"),
        Column("unit", "text"),
        Column("evidence", "prose"),
    ]
    yield Table(
        columns,
        [
            Row([scene.scene_name, clue.about, clue.source, clue.value, clue.error, clue.unit, clue.words])
            for scene in scenes
            for clue in scene.clues
        ],
    )


def _types(questions: pl.DataFrame) -> Table:
    """Count the questions by type."""
    counted = questions.group_by("question_type").agg(
        pl.len().alias("n"), pl.col("scene_name").n_unique().alias("scenes"), pl.col("question").first()
    )
    columns = [Column("type", "text"), Column("questions"), Column("scenes"), Column("for example", "prose")]
    rows = counted.sort("n", "question_type", descending=[True, False])
    return Table(
        columns,
        [Row([kind, n, scenes, _short(text.split("\n")[0])]) for kind, n, scenes, text in rows.iter_rows()],
    )


def _not_asked(work: Work) -> Iterator[Part | str]:
    """Say why other questions are not asked."""
    rows = rejected([work.questions], "generate")
    if rows:
        yield Note("Why others are not asked; each reason once per scene and type at least.")
        known = {str(reason): reason for reason in Reason}
        columns = [Column("reason", "text"), Column("times"), Column("for example", "prose")]
        yield Table(columns, [Row([reason, n, _short(detail)]) for reason, n, detail in rows if reason in known])


def _samples(store: Store, questions: pl.DataFrame) -> Cards:
    """Explain the first question of each type."""
    sightings, evidence = SightingIndex(store), FrameEvidence(store)
    cards = []
    for row in questions.sort("question_id").unique("question_type", keep="first", maintain_order=True).to_dicts():
        scene = store.load_scene(row["scene_name"])
        told = explanation_of(row, SceneFacts(scene, row["profile"] or "exact", sightings.of, evidence.of))
        parts: list[Part | str] = [told.question]
        if told.options:
            marked = zip(told.options, told.is_answer, strict=True)
            parts.append(Items([(text, "good") if right else text for text, right in marked]))
        facts: list[tuple[str, Any]] = [("answer", told.answer), *told.facts, ("program", told.program)]
        parts += [Facts(facts), Figure(told.above(PLAN_PX).svg(), row["scene_name"])]
        cards.append(Card(told.question_type, parts, tags={"type": told.question_type}))
    return Cards(cards, wide=True)


def _steps(outcomes: Sequence[Outcome]) -> Table:
    columns = [Column("step", "text"), Column("", "text"), Column("figures", "prose"), Column("seconds")]
    rows = [
        Row([one.step, Cell(STATES[one.state], tone=TONES[one.state]), one.told, one.seconds or None])
        for one in outcomes
    ]
    return Table(columns, rows)


def _next(work: Work, questions: pl.DataFrame | None) -> Iterator[Part | str]:
    """Name the commands that follow."""
    if questions is not None and len(questions):
        yield Note("Next: train on them, or write them for another trainer.")
        yield Items(
            [
                shell("qa-trainer", "sft", "questions", "--store", "store", "--model", "MODEL", "--out", "run"),
                shell("qa-engine", "export", "questions", "--store", "store", "--out", "exported"),
            ]
        )
