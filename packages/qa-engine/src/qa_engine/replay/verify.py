"""Replay the program of every stored question against its scene and compare with what is stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any

import polars as pl

from qa_engine.errors import QAEngineError
from qa_engine.executor import HERE, Executor
from qa_engine.facts.batch import SCENES_PER_BATCH, Batch
from qa_engine.facts.profiles import get_profile
from qa_engine.facts.scene import Facts
from qa_engine.programs import ProgramError, run_program
from qa_engine.scenes.store import SCENES_PER_STRIP, Store
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

BOUNDS = ("answer_low", "answer_high")
"""Further columns that it reads where they are there, for scenes whose vertical or scale may be off."""

ANSWER_TYPES = ("choice", "integer", "number", "json")
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
        `scene`, or the column: `program`, `answer_type`, `answer_value`, `ground_truth`, `options` or `unit`; or
        `answer_low`, `answer_high` where the answer leaves its bounds, and `ground_truth` where it flips, within the
        errors that are stated of the scene.
    stored, replayed : str
    """

    question_id: str
    scene_name: str
    question_type: str
    problem: str
    stored: str
    replayed: str


def verify(
    store: Store,
    questions: pl.DataFrame,
    *,
    executor: Executor = HERE,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Difference]:
    """Replay all questions.

    Parameters
    ----------
    store : Store
    questions : DataFrame
        With at least `COLUMNS`, and `BOUNDS` where these are known.
    executor : Executor
        Where the work is done, which changes nothing in the result.
    progress : callable
        Called with questions done and to do.

    Returns
    -------
    list of Difference
        Empty where everything agrees.
    """
    columns = [*COLUMNS, *(name for name in BOUNDS if name in questions.columns)]
    table = questions.select(columns).with_row_index("row").sort("scene_name", "profile", maintain_order=True)
    runs = table.select(pl.struct("scene_name", "profile").rle().alias("run"))["run"].struct.unnest()
    stops = runs["len"].cum_sum().to_list()
    groups = [
        (key["scene_name"], key["profile"], table[stop - n : stop])
        for key, n, stop in zip(runs["value"], runs["len"], stops, strict=True)
    ]
    batches = [groups[i : i + SCENES_PER_BATCH] for i in range(0, len(groups), SCENES_PER_BATCH)]
    found: list[tuple[int, Difference]] = []
    done = 0
    with executor.crew(_Replayer, store) as crew:
        replayed = crew.map("replay", batches, run=SCENES_PER_STRIP // SCENES_PER_BATCH)
        for batch, differences in zip(batches, replayed, strict=True):
            found += differences
            done += sum(len(rows) for *_, rows in batch)
            progress(done, len(questions))
    return [difference for _, difference in sorted(found, key=itemgetter(0))]


class _Replayer:
    """A worker that replays the questions about some scenes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.looks = SightingIndex(store).of, FrameEvidence(store).of, RecordingIndex(store).of

    def replay(self, batch: Sequence[tuple[str | None, str | None, pl.DataFrame]]) -> list[tuple[int, Difference]]:
        """Compare the rows of some scenes, given as scene, profile and rows: number of the row, and what differs."""
        self.store.expect([name for name, *_ in batch if name is not None])
        known: list[Facts | QAEngineError] = [
            _facts(self.store, name, profile, self.looks) for name, profile, _ in batch
        ]
        by_profile: dict[str, list[Facts]] = {}
        for facts in known:
            if isinstance(facts, Facts):
                by_profile.setdefault(facts.profile, []).append(facts)
        for part in by_profile.values():
            Batch(part).prefetch_distances()
        found: list[tuple[int, Difference]] = []
        for (*_, rows), facts in zip(batch, known, strict=True):
            worlds = facts.worlds() if isinstance(facts, Facts) else []
            for row in rows.iter_rows(named=True):
                differences = (
                    list(compare(row, facts))
                    if isinstance(facts, Facts)
                    else [_difference(row, "scene", "", str(facts))]
                )
                if not differences:
                    differences = list(_elsewhere(row, worlds))
                found += [(row["row"], difference) for difference in differences]
        return found


def _elsewhere(row: dict[str, Any], worlds: Sequence[Facts]) -> Iterator[Difference]:
    """Replay a question in the worlds that its scene may truly be, up to the first in which it does not hold."""
    bounds = [row.get(name) for name in BOUNDS]
    for world in worlds:
        try:
            value = run_program(row["program"], world).value
        except ProgramError as error:
            yield _difference(row, "program", row["program"], f"{error.code} within the errors of the scene: {error}")
            return
        if row["answer_type"] in ("choice", "json"):
            chosen = row["answer_type"] == "choice"
            options, truth = row["options"], row["ground_truth"]
            text = options[LETTERS.index(truth)].partition(". ")[2] if chosen else truth
            if str(value) != text:
                yield _difference(row, "ground_truth", text, f"{value} within the errors of the scene")
                return
            continue
        for name, bound, sign in zip(BOUNDS, bounds, (1, -1), strict=True):
            if bound is not None and sign * (bound - float(value)) > TOLERANCE * max(abs(bound), 1):
                yield _difference(row, name, repr(bound), f"{value!r} within the errors of the scene")
                return


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
    if row["answer_type"] == "json":
        if str(result.value) != row["ground_truth"]:
            yield _difference(row, "ground_truth", row["ground_truth"], str(result.value))
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
