"""Answer questions that others wrote, from geometry alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum

import numpy as np
import polars as pl

from qa_engine.arrays import Rows
from qa_engine.errors import QAEngineError
from qa_engine.executor import HERE, Executor
from qa_engine.facts.batch import SCENES_PER_BATCH, Batch
from qa_engine.facts.points import use_points
from qa_engine.facts.scene import Facts
from qa_engine.scenes.store import SCENES_PER_STRIP, Store
from qa_engine.tasks import TASKS, Task, answer_texts
from qa_engine.tasks.base import PLACEHOLDER, Conditions, all_orders, fill
from qa_engine.tasks.certainty import hold_everywhere
from qa_engine.tasks.grammar import named_by_text, parse_questions
from qa_engine.views.sightings import SightingIndex
from qa_engine.views.thresholds import FIRST_SEEN_PX

ANSWERS = {
    "prediction": pl.String,
    "value": pl.Float64,
    "program": pl.String,
    "margin": pl.Float64,
    "answer_low": pl.Float64,
    "answer_high": pl.Float64,
    "evidence": pl.String,
    "status": pl.String,
    "reason": pl.String,
}
"""Columns of the answers, after the `id` of the question."""

ALIASES = {"coat rack": "coat hanger"}
"""Names that questions use for another category of the metadata: the only one in VSI-Bench's 5,130 rows."""


class AnswerReason(StrEnum):
    """Why a question is not answered: a closed list."""

    UNKNOWN_QUESTION_TYPE = "unknown_question_type"
    """No task has this question type."""
    NOT_PARSED = "not_parsed"
    """The text is not the wording of its question type."""
    UNKNOWN_SCENE = "unknown_scene"
    """The store has no such scene, or cannot read it."""
    UNKNOWN_CATEGORY = "unknown_category"
    """The scene has no such category."""
    NOT_UNIQUE = "not_unique"
    """ "The chair" in a scene with several."""
    NO_BOX = "no_box"
    """The category is counted but has no box."""
    SAME_OBJECT = "same_object"
    """Two operands are one object."""
    NO_ROOM_SIZE = "no_room_size"
    """The scene has no floor area."""
    NO_OBSERVATIONS = "no_observations"
    """Nobody looked at what the frames show, or they have no times."""
    NOT_SEEN = "not_seen"
    """A category is in no frame."""
    NO_OPTIONS = "no_options"
    """A choice without options."""
    NOT_AN_OPTION = "not_an_option"
    """The right answer is not among the options."""
    NOT_IN_TEXT = "not_in_text"
    """The answer depends on what the text does not name, such as the image that is shown; `verify` replays it."""
    SCENE_UNSURE = "scene_unsure"
    """Vertical or scale of the scene are less sure than the answer needs: it flips within their stated error."""


def answer_questions(
    store: Store,
    questions: pl.DataFrame,
    *,
    profile: str = "exact",
    points: bool = True,
    min_visible_px: int = FIRST_SEEN_PX,
    executor: Executor = HERE,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> pl.DataFrame:
    """Answer questions in VSI-Bench's schema.

    Parameters
    ----------
    store : Store
    questions : DataFrame
        Columns `id`, `scene_name`, `question_type`, `question`, `options`.
    profile : str
        A name in `PROFILES`.
    points : bool
        With profile `exact`, take distances from the points of objects where the store has a cloud with both.
    min_visible_px : int
        Pixels whose crossing is the first appearance of a category.
    executor : Executor
        Where the work is done, which changes nothing in the result.
    progress : callable
        Called with questions done and to do.

    Returns
    -------
    DataFrame
        Column `id` and those of `ANSWERS`, in the order of the questions. Where `status` is `not_answerable`, `reason`
        is an `AnswerReason` and the rest is null. `evidence` says what an answer was taken from: `points`, `boxes`,
        `points and boxes`, `counts`, `room_size` or `observations`.
    """
    table = questions.with_row_index("row")
    tasks = _tasks(min_visible_px)
    nowhere = table["scene_name"].is_null()
    parts = [_refused(table["row"].filter(nowhere), AnswerReason.UNKNOWN_SCENE)]
    table = table.filter(~nowhere)
    parsed: list[tuple[str, int, pl.DataFrame]] = []
    for (kind,), rows in table.group_by("question_type", maintain_order=True):
        if kind not in tasks:
            parts.append(_refused(rows["row"], AnswerReason.UNKNOWN_QUESTION_TYPE))
            continue
        if not all(map(named_by_text, tasks[str(kind)])):
            parts.append(_refused(rows["row"], AnswerReason.NOT_IN_TEXT))
            continue
        for number, variant in enumerate(tasks[str(kind)]):
            read = pl.concat([rows, parse_questions(variant, rows["question"])], how="horizontal")
            parsed.append((str(kind), number, read.filter("parsed").sort("scene_name", maintain_order=True)))
            rows = rows.filter(~read["parsed"])
        parts.append(_refused(rows["row"], AnswerReason.NOT_PARSED))
    names = questions["scene_name"].drop_nulls().unique().sort()
    batches = [_batch(part["scene_name"], parsed) for part in names.to_frame().iter_slices(SCENES_PER_BATCH)]
    done = sum(map(len, parts))
    with executor.crew(_Answerer, store, profile, points, min_visible_px) as crew:
        for answered in crew.map("answer", batches, run=SCENES_PER_STRIP // SCENES_PER_BATCH):
            parts += answered
            done += sum(map(len, answered))
            progress(done, len(questions))
    answers = pl.concat(parts)
    return pl.concat([questions.select("id"), answers.sort("row").drop("row")], how="horizontal")


_Asked = tuple[list[str], list[tuple[str, int, pl.DataFrame]]]
"""Scenes, and the questions about them by question type and number of the variant."""


def _tasks(min_visible_px: int) -> dict[str, tuple[Task, ...]]:
    """Look up the wordings of every question type."""
    conditions = Conditions(min_visible_px=min_visible_px)
    tasks = {name: task.under(conditions) for name, task in TASKS.items()}
    return {name: tuple(task.variants) or (task,) for name, task in tasks.items()}


def _batch(names: pl.Series, parsed: Sequence[tuple[str, int, pl.DataFrame]]) -> _Asked:
    """Take the questions about some scenes, which follow each other by name."""
    first, last = pl.lit(names[0]), pl.lit(names[-1])
    own = [(kind, k, rows.filter(pl.col("scene_name").is_between(first, last))) for kind, k, rows in parsed]
    return names.to_list(), [(kind, k, rows) for kind, k, rows in own if len(rows)]


class _Answerer:
    """A worker that answers the questions about some scenes."""

    def __init__(self, store: Store, profile: str, points: bool, min_visible_px: int) -> None:
        self.store, self.profile, self.points = store, profile, points
        self.tasks = _tasks(min_visible_px)
        self.sightings = SightingIndex(store)

    def answer(self, asked: _Asked) -> list[pl.DataFrame]:
        """Answer parsed questions."""
        names, questions = asked
        scenes = _load(self.store, names, self.profile, self.sightings)
        found: list[pl.DataFrame] = []
        for kind, number, rows in questions:
            task = self.tasks[kind][number]
            by_points = self.points and self.profile == "exact" and task.basis.pairs is not None
            found.append(_answer_type(task, rows, scenes, self.store if by_points else None))
        return found


def _load(store: Store, names: list[str], profile: str, sightings: SightingIndex) -> Batch:
    """Load scenes with the distances that questions usually ask for; those that cannot be read are missing."""
    store.expect(names)
    facts = []
    for name in names:
        with suppress(QAEngineError):
            facts.append(Facts(store.load_scene(name), profile, sightings.of))
    scenes = Batch(facts)
    scenes.prefetch_distances()
    return scenes


def _refused(rows: pl.Series, reason: AnswerReason) -> pl.DataFrame:
    """Answer rows with a reason instead."""
    values = {name: pl.lit(None, dtype=dtype) for name, dtype in ANSWERS.items()}
    values |= {"status": pl.lit("not_answerable"), "reason": pl.lit(str(reason))}
    return rows.alias("row").to_frame().with_columns(**values)


def _answer_type(task: Task, rows: pl.DataFrame, scenes: Batch, clouds: Store | None) -> pl.DataFrame:
    """Answer parsed questions of one type, by the points in `clouds` where that is given."""
    n = len(rows)
    place = {name: k for k, name in enumerate(scenes.scene_name)}
    asked = rows["scene_name"].rle().struct.unnest()
    scene = np.repeat([place.get(name, -1) for name in asked["value"].to_list()], asked["len"].to_numpy())
    roles, names = _operands(task, rows, scene, scenes)
    reason = np.full(n, None, dtype=object)
    reason[scene < 0] = AnswerReason.UNKNOWN_SCENE
    known = np.flatnonzero(scene >= 0)
    reason[known] = _operand_reasons(task, scenes, scene[known], roles[known])
    good = np.flatnonzero(reason == None)  # noqa: E711 - compares items
    evidence = np.full(n, task.basis.source, dtype=object)
    if clouds is not None and task.basis.pairs is not None:
        evidence[good] = _by_points(clouds, scenes, *task.basis.pairs(scenes, roles[good]), len(good))
    measured = task.measure(scenes, scene[good], roles[good])
    measured, unsure = hold_everywhere(task, scenes, scene[good], roles[good], measured)
    columns = {name: np.full(n, np.nan) for name in ("value", "margin", "low", "high")}
    for name, column in columns.items():
        column[good] = getattr(measured, name)
    answer = np.full(n, -1)
    answer[good] = measured.answer
    if task.answer_type == "choice":
        unseen = task.basis.source == "observations"
        reason[good[measured.answer < 0]] = AnswerReason.NOT_SEEN if unseen else AnswerReason.NOT_AN_OPTION
    reason[good[unsure]] = AnswerReason.SCENE_UNSURE
    ids = np.append(scenes.first_instance, -1)[roles]
    texts = np.full(n, None, dtype=object)
    if task.text is not None:
        texts[good] = task.text(scenes, scene[good], roles[good])
    elif task.is_number:
        texts[good] = answer_texts(columns["value"][good].tolist(), task.answer_type)
    return _written(task, rows, names, ids, answer, texts, columns, evidence, reason)


def _by_points(store: Store, scenes: Batch, question: Rows, first: Rows, second: Rows, n: int) -> np.ndarray:
    """Measure pairs by points where there are any; say for each of n questions what its distances are between."""
    by_points = use_points(store, scenes, first, second)
    measured = np.bincount(question[by_points], minlength=n)
    mixed = np.where(measured > 0, "points and boxes", "boxes")
    return np.where(measured == np.bincount(question, minlength=n), "points", mixed)


def _operands(task: Task, rows: pl.DataFrame, scene: Rows, scenes: Batch) -> tuple[Rows, list[list[str]]]:
    """Look up category codes, (n, roles), -1 for a category that the scene does not have, and their names by role."""
    keys = zip(scenes.scene_of_code[: len(scenes.categories)].tolist(), scenes.categories, strict=True)
    known = {key: code for code, key in enumerate(keys)}
    roles, names = np.full((len(rows), len(task.roles)), -1, dtype=np.int64), []
    for r, role in enumerate(task.roles):
        asked = rows[role].to_list()
        codes = [
            known.get((k, name), known.get((k, ALIASES.get(name, "")), -1))
            for k, name in zip(scene.tolist(), asked, strict=True)
        ]
        roles[:, r] = codes
        names.append([scenes.categories[code] if code >= 0 else name for code, name in zip(codes, asked, strict=True)])
    return roles, names


def _operand_reasons(task: Task, scenes: Batch, scene: Rows, roles: Rows) -> np.ndarray:
    """Reason why operands cannot be answered about, or None; the first that applies."""
    reason = np.full(len(roles), None, dtype=object)
    if task.basis.source == "room_size":
        reason[np.isnan(scenes.room_size_m2[scene])] = AnswerReason.NO_ROOM_SIZE
    if roles.shape[1] == 0:
        return reason
    if task.basis.source == "observations":
        watched = np.array([part.sightings is not None for part in scenes.facts], dtype=bool)
        reason[~watched[scene]] = AnswerReason.NO_OBSERVATIONS
    boxed = [k for k in range(roles.shape[1]) if k in task.single or k in task.listed]
    codes = np.sort(roles, axis=1)
    reason[(codes[:, 1:] == codes[:, :-1]).any(axis=1)] = AnswerReason.SAME_OBJECT
    reason[(scenes.boxes[roles[:, boxed]] == 0).any(axis=1)] = AnswerReason.NO_BOX
    reason[(scenes.counts[roles[:, list(task.single)]] > 1).any(axis=1)] = AnswerReason.NOT_UNIQUE
    reason[(roles < 0).any(axis=1)] = AnswerReason.UNKNOWN_CATEGORY
    return reason


def _written(
    task: Task,
    rows: pl.DataFrame,
    names: list[list[str]],
    ids: Rows,
    answer: Rows,
    texts: np.ndarray,
    columns: dict[str, np.ndarray],
    evidence: np.ndarray,
    reason: np.ndarray,
) -> pl.DataFrame:
    """Write predictions and programs."""
    prediction: list[str | None] = [None] * len(rows)
    good = [i for i, code in enumerate(reason.tolist()) if code is None]
    if task.answer_type == "choice":
        options = rows["options"].to_list()
        for i in good:
            prediction[i], reason[i] = _letter(options[i], _answer_text(task, [name[i] for name in names], answer[i]))
    else:
        for i in good:
            prediction[i] = texts[i]
    frame = pl.DataFrame({"row": rows["row"]}).with_columns(
        *(pl.Series(f"{role}_id", ids[:, k]) for k, role in enumerate(task.roles)),
        *(pl.Series(f"listed_{j}_id", ids[:, k]) for j, k in enumerate(task.listed)),
        *(_quoted(name, names[k]) for name, k in _literals(task)),
    )
    answered = pl.Series(reason == None)  # noqa: E711 - compares items
    return frame.select(
        "row",
        prediction=pl.Series(prediction, dtype=pl.String),
        value=pl.Series(columns["value"]).fill_nan(None),
        program=pl.when(answered).then(fill(task.program)),
        margin=pl.when(answered).then(pl.Series(columns["margin"]).fill_nan(None)),
        answer_low=pl.Series(columns["low"]).fill_nan(None),
        answer_high=pl.Series(columns["high"]).fill_nan(None),
        evidence=pl.when(answered).then(pl.Series(evidence.tolist(), dtype=pl.String)),
        status=pl.when(answered).then(pl.lit("answered")).otherwise(pl.lit("not_answerable")),
        reason=pl.Series([None if code is None else str(code) for code in reason], dtype=pl.String),
    )


def _answer_text(task: Task, names: list[str], answer: int) -> str:
    """Text of the right option."""
    if task.options.orders:
        return ", ".join(names[task.listed[place]] for place in all_orders(len(task.listed))[answer])
    return task.options.fixed[answer] if task.options.fixed else names[task.listed[answer]]


def _letter(options: list[str] | None, text: str) -> tuple[str | None, AnswerReason | None]:
    """Find the letter of the option `text`, in the writing of VSI-Bench: "A. text"."""
    if not options:
        return None, AnswerReason.NO_OPTIONS
    for option in options:
        letter, _, rest = option.partition(". ")
        if rest == text or ALIASES.get(rest) == text:
            return letter, None
    return None, AnswerReason.NOT_AN_OPTION


def _literals(task: Task) -> list[tuple[str, int]]:
    """List the quoted categories that the task's program uses, and their roles."""
    places = {f"{role}_literal": k for k, role in enumerate(task.roles)}
    places |= {f"listed_{j}_literal": k for j, k in enumerate(task.listed)}
    return [(name, places[name]) for name in dict.fromkeys(PLACEHOLDER.findall(task.program)) if name in places]


def _quoted(name: str, texts: list[str]) -> pl.Series:
    """Put texts in the quotes of a program."""
    quoted = {text: json.dumps(text, ensure_ascii=False) for text in set(texts)}
    return pl.Series(name, [quoted[text] for text in texts], dtype=pl.String)
