"""Replay the program of every stored question against its scene and compare with what is stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any

import polars as pl

from qa_engine.errors import QAEngineError
from qa_engine.facts.batch import SCENES_PER_BATCH, Batch
from qa_engine.facts.profiles import get_profile
from qa_engine.facts.scene import Facts
from qa_engine.programs import ProgramError, run_program
from qa_engine.scenes.store import Store
from qa_engine.tasks import answer_texts
from qa_engine.tasks.base import LETTERS
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex

COLUMNS = (
    "question_id",
    "scene_name",
    "question_type",
    "options",
    "ground_truth",
    "answer_type",
    "answer_value",
    "unit",
    "program",
    "profile",
)
"""Columns of `questions` that a replay reads."""

ANSWER_TYPES = ("choice", "integer", "number")
"""Values of `answer_type`."""

TOLERANCE = 1e-9
"""Relative difference of a stored value that a replay allows: sums may be ordered differently on another processor."""


@dataclass(frozen=True)
class Difference:
    """One question whose stored answer is not what its program gives.

    Attributes
    ----------
    question_id, scene_name, question_type : str
    problem : str
        `scene`, or the column: `program`, `answer_type`, `answer_value`, `ground_truth`, `options` or `unit`.
    stored, replayed : str
    """

    question_id: str
    scene_name: str
    question_type: str
    problem: str
    stored: str
    replayed: str


def verify(
    store: Store, questions: pl.DataFrame, *, progress: Callable[[int, int], None] = lambda done, of: None
) -> list[Difference]:
    """Replay all questions.

    Parameters
    ----------
    store : Store
    questions : DataFrame
        With at least `COLUMNS`.
    progress : callable
        Called with questions done and to do.

    Returns
    -------
    list of Difference
        Empty where everything agrees.
    """
    table = questions.select(COLUMNS).with_row_index("row").sort("scene_name", "profile", maintain_order=True)
    runs = table.select(pl.struct("scene_name", "profile").rle().alias("run"))["run"].struct.unnest()
    stops = runs["len"].cum_sum().to_list()
    groups = [
        (key["scene_name"], key["profile"], slice(stop - n, stop))
        for key, n, stop in zip(runs["value"], runs["len"], stops, strict=True)
    ]
    found: list[tuple[int, Difference]] = []
    looks = SightingIndex(store).of, FrameEvidence(store).of, RecordingIndex(store).of
    for start in range(0, len(groups), SCENES_PER_BATCH):
        batch = groups[start : start + SCENES_PER_BATCH]
        known: list[Facts | QAEngineError] = [_facts(store, name, profile, looks) for name, profile, _ in batch]
        by_profile: dict[str, list[Facts]] = {}
        for facts in known:
            if isinstance(facts, Facts):
                by_profile.setdefault(facts.profile, []).append(facts)
        for part in by_profile.values():
            Batch(part).prefetch_distances()
        for (_, _, place), facts in zip(batch, known, strict=True):
            for row in table[place].iter_rows(named=True):
                differences = (
                    compare(row, facts) if isinstance(facts, Facts) else [_difference(row, "scene", "", str(facts))]
                )
                found += [(row["row"], difference) for difference in differences]
        progress(batch[-1][2].stop, len(questions))
    return [difference for _, difference in sorted(found, key=itemgetter(0))]


def _facts(
    store: Store, scene_name: str | None, profile: str | None, looks: tuple[Callable[..., Any], ...]
) -> Facts | QAEngineError:
    """Load a scene, or say why it cannot be read."""
    if scene_name is None or profile is None:
        return QAEngineError("scene_name and profile must be texts, and one is null")
    try:
        get_profile(profile)
        return Facts(store.load_scene(scene_name), profile, *looks)
    except QAEngineError as error:
        return error


def compare(row: dict[str, Any], facts: Facts) -> Iterator[Difference]:
    """Replay one question, a row with `COLUMNS`."""
    if malformed := list(_malformed(row)):
        yield from malformed
        return
    try:
        result = run_program(row["program"], facts)
    except ProgramError as error:
        yield _difference(row, "program", row["program"], f"{error.code}: {error}")
        return
    if result.unit != row["unit"] and not (result.unit == "" and result.kind == "number"):
        yield _difference(row, "unit", row["unit"], result.unit)
    if row["answer_type"] == "choice":
        yield from _compare_choice(row, str(result.value))
        return
    if result.kind != "number":
        yield _difference(row, "program", row["answer_type"], f"{result.kind} {result.value!r}")
        return
    stored = row["answer_value"]
    if stored is None or not math.isclose(stored, result.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        yield _difference(row, "answer_value", repr(stored), repr(result.value))
    # A value on a rounding border may be written either way within the tolerance; the stored value decides.
    text = answer_texts([result.value if stored is None else stored], row["answer_type"])[0]
    if text != row["ground_truth"]:
        yield _difference(row, "ground_truth", row["ground_truth"], text)


def _malformed(row: dict[str, Any]) -> Iterator[Difference]:
    """Name the columns whose value no question can have, whatever its program gives."""
    for name in ("program", "answer_type", "ground_truth"):
        if row[name] is None:
            yield _difference(row, name, "null", "a text")
    if row["answer_type"] not in (*ANSWER_TYPES, None):
        yield _difference(row, "answer_type", repr(row["answer_type"]), f"one of {', '.join(ANSWER_TYPES)}")
    value = row["answer_value"]
    if value is not None and not math.isfinite(value):
        yield _difference(row, "answer_value", repr(value), "a finite number")
    options = row["options"] or []
    if len(options) > len(LETTERS) or None in options:
        yield _difference(row, "options", repr(options)[:80], f"at most {len(LETTERS)} texts")


def _compare_choice(row: dict[str, Any], text: str) -> Iterator[Difference]:
    options = row["options"] or []
    expected = [f"{LETTERS[i]}. " for i in range(len(options))]
    texts = [option.removeprefix(prefix) for option, prefix in zip(options, expected, strict=True)]
    if len(set(texts)) != len(texts) or not all(map(str.startswith, options, expected)):
        yield _difference(row, "options", repr(options), "one letter and one text each")
    right = [LETTERS[i] for i, option in enumerate(texts) if option == text]
    if right != [row["ground_truth"]]:
        yield _difference(row, "ground_truth", row["ground_truth"], f"{''.join(right) or 'none'} ({text})")


def _difference(row: dict[str, Any], problem: str, stored: str, replayed: str) -> Difference:
    return Difference(row["question_id"], row["scene_name"], row["question_type"], problem, stored, replayed)


def difference_rows(differences: list[Difference]) -> list[dict[str, str]]:
    """Turn differences into plain rows."""
    return [asdict(difference) for difference in differences]
