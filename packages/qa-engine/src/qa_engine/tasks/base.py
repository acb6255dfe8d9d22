"""What a question type is: how its candidates are found in a scene, and how they are worded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import permutations
from math import factorial
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reject
from qa_engine.facts.batch import Batch
from qa_engine.views.thresholds import FIRST_SEEN_PX, MIN_TIME_GAP_S

Draw = Callable[[int], np.random.Generator]
"""Makes the random generator of one task in the scene of that number; most tasks need none."""

LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Knob:
    """One property of questions, cut at fixed edges into the cells that feedback is counted in.

    Attributes
    ----------
    name : str
    labels : tuple of str
        One per cell.
    edges : tuple of float
        Ascending, one less than labels; a value on an edge belongs to the upper cell.
    unit : str

    Examples
    --------
    >>> Knob("count", ("2", "3+"), (3,), "objects").cells
    ('count:2', 'count:3+')
    """

    name: str
    labels: tuple[str, ...]
    edges: tuple[float, ...]
    unit: str

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the cells as they stand in the tables."""
        return tuple(f"{self.name}:{label}" for label in self.labels)

    def index(self, values: Array) -> Rows:
        """Cell of each value."""
        return np.searchsorted(np.array(self.edges), values, side="right")


@dataclass(frozen=True)
class Answers:
    """Answers to some questions of one type, as columns of length n.

    Attributes
    ----------
    answer : (n,) int64
        For a choice, the place of the right answer in the task's choices or listed roles; otherwise -1.
    value, low, high : (n,) float64
        For a number, the unrounded answer and its bounds under noise; otherwise NaN.
    margin : (n,) float64
        Distance to the next border at which the answer changes.
    """

    answer: Rows
    value: Array
    low: Array
    high: Array
    margin: Array

    def __len__(self) -> int:
        return len(self.answer)

    def take(self, rows: Rows) -> Answers:
        """Keep some rows, in the order given."""
        return Answers(*(getattr(self, column.name)[rows] for column in fields(self)))

    def put(self, rows: Rows, others: Answers) -> Answers:
        """Replace some rows by others."""
        columns = [getattr(self, column.name).copy() for column in fields(self)]
        for column, name in zip(columns, fields(self), strict=True):
            column[rows] = getattr(others, name.name)
        return Answers(*columns)


def numbers(value: Array, bounds: tuple[Array, Array], *, step: float) -> Answers:
    """Make answers that are numbers written in multiples of `step`.

    The margin is the distance to the value at which the written answer changes.
    """
    in_steps = value / step
    margin = (0.5 - np.abs(in_steps - np.rint(in_steps))) * step
    return Answers(np.full(len(value), -1), value, bounds[0], bounds[1], margin)


def choices(answer: Rows, margin: Array) -> Answers:
    """Make answers that are one of several options."""
    none = np.full(len(answer), np.nan)
    return Answers(answer, none, none, none, margin)


def structures(margin: Array) -> Answers:
    """Make answers that are JSON, which `Task.text` writes; `margin` is what the knob cuts, and is not written."""
    none = np.full(len(margin), np.nan)
    return Answers(np.full(len(margin), -1), none, none, none, margin)


@dataclass(frozen=True)
class Candidates:
    """The accepted candidates of one question type in a batch as columns of length n, and the refused ones.

    Attributes
    ----------
    scene : (n,) int64
        Scene of each candidate, ascending.
    roles : (n, r) int64
        Category code of each role of the task.
    answers : Answers
    knob : (n,) float64
        What the task's cells cut.
    difficulty : dict of str to (n,) array
        Fields of the column `difficulty`.
    rejects : list of Reject
    variant : (n,) int64, optional
        Which of the task's variants words each candidate; the first where not given.
    """

    scene: Rows
    roles: Rows
    answers: Answers
    knob: Array
    difficulty: dict[str, NDArray[np.generic]]
    rejects: list[Reject]
    variant: Rows | None = None

    def __len__(self) -> int:
        return len(self.roles)

    def take(self, rows: Rows) -> Candidates:
        """Keep some rows, in the order given."""
        difficulty = {name: column[rows] for name, column in self.difficulty.items()}
        columns = self.scene[rows], self.roles[rows], self.answers.take(rows), self.knob[rows]
        variant = None if self.variant is None else self.variant[rows]
        return Candidates(*columns, difficulty, self.rejects, variant)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Put candidates one after the other; all have the same difficulty fields, and the first may be empty."""
    return Candidates(
        np.concatenate([part.scene for part in parts]),
        np.concatenate([part.roles for part in parts]),
        Answers(*(np.concatenate([getattr(p.answers, column.name) for p in parts]) for column in fields(Answers))),
        np.concatenate([part.knob for part in parts]),
        {name: np.concatenate([part.difficulty[name] for part in parts]) for name in parts[0].difficulty},
        [reject for part in parts for reject in part.rejects],
        np.concatenate([np.zeros(len(p), dtype=np.int64) if p.variant is None else p.variant for p in parts]),
    )


def by_scene(batch: Batch, find: Callable[[int], Candidates], none: Candidates) -> Candidates:
    """Find candidates scene by scene, where scenes differ too much to be worked on together; `none` has the columns."""
    return joined([none, *(find(k) for k in range(len(batch)))])


def no_candidates(n_roles: int, difficulty: Sequence[str], rejects: Sequence[Reject] = ()) -> Candidates:
    """Say that a scene has no candidates, and why; `difficulty` names the fields that the task has."""
    none, no_rows = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Candidates(
        no_rows,
        no_rows.reshape(0, n_roles),
        choices(no_rows, none),
        none,
        dict.fromkeys(difficulty, none),
        list(rejects),
    )


@dataclass(frozen=True)
class Options:
    """How a choice is offered. Without any of this, the options are what the question lists.

    Attributes
    ----------
    fixed : tuple of str
        The same for all questions, shown in an order drawn by the seed.
    orders : bool
        The options are orders of what is listed; an answer is a row of `all_orders(len(listed))`.
    offered : int
        How many are shown, the right one and a draw of the others; all of them for 0.
    """

    fixed: tuple[str, ...] = ()
    orders: bool = False
    offered: int = 0


@dataclass(frozen=True)
class Basis:
    """What an answer rests on.

    Attributes
    ----------
    source : str
        What it is taken from: `boxes`, `counts`, `room_size` or `observations`.
    shown : str
        What a frame set must show: `all` objects of the operands, the `first` appearance of each operand in the order
        of the answer, or nothing as only what is `seen` is asked about.
    pairs : callable, optional
        From a `Batch` and roles (n, r) to the pairs of objects whose distances decide: question, two rows, (k,) each.
    """

    source: Literal["boxes", "counts", "room_size", "observations"] = "boxes"
    shown: Literal["all", "first", "seen"] = "all"
    pairs: Callable[[Batch, Rows], tuple[Rows, Rows, Rows]] | None = None


@dataclass(frozen=True)
class Conditions:
    """What a user may say that changes what a question type means; a task that heeds it has `adapt`.

    Attributes
    ----------
    min_visible_px : int
        Pixels from which on an object counts as seen in a frame.
    min_time_gap_s : float
        Seconds by which first appearances differ at least.
    screened_by : str or None
        Frame set that has to show what is asked about.
    """

    min_visible_px: int = FIRST_SEEN_PX
    min_time_gap_s: float = MIN_TIME_GAP_S
    screened_by: str | None = None


@dataclass(frozen=True)
class Tags:
    """What a question type trains, for reports and gates.

    Attributes
    ----------
    family : str
        File that the type is declared in.
    level : str
        `perception`, `measurement`, `relation`, `transformation` or `planning`.
    abilities : tuple of str
    frames_needed : str
        `one`, `two` or `many`: how many frames answer the question.
    """

    family: str = "vsi-bench"
    level: Literal["perception", "measurement", "relation", "transformation", "planning"] = "measurement"
    abilities: tuple[str, ...] = ()
    frames_needed: Literal["one", "two", "many"] = "many"


@dataclass(frozen=True)
class Task:
    """One question type.

    Attributes
    ----------
    question_type : str
    answer_type : str
        `integer` (a whole number), `number` (one decimal), `choice`, or `json`, which `text` writes.
    unit, margin_unit : str
        Of the answer and of the margin.
    roles : tuple of str
        Names of the operands.
    single : tuple of int
        Roles that are one object ("the chair"); the others are categories.
    question : str
        Wording, with `{role}` for a category, and `{listed_0}`, ... for what stands in a list. Questions of others are
        read by the same wording.
    program : str
        Wording of the program, with `{role_id}` for an instance id and `{role_literal}` for a category in quotes.
    find : callable
        From a `Batch` and the maker of random generators to `Candidates`, sorted by scene; a generator only draws from
        more combinations than are kept.
    measure : callable
        From a `Batch`, scenes (n,) and roles (n, r) to `Answers`, for any operands that the scenes have.
    knob : Knob
    needs : str
        What a scene must have.
    listed : tuple of int
        Roles that the question lists in an order drawn by the seed; they are the options of a choice that fixes none.
    parameters : str
        What besides the operands makes two questions different; part of the signature.
    options : Options
    basis : Basis
    variants : tuple of Task
        Wordings and programs that candidates choose from, with the first of these roles; itself where there are none.
    adapt : callable, optional
        From `Conditions` to the task under them.
    kinds : tuple of str
        What each role is: `name` (the code of a category or object), `frame` (a row of `Batch.frames`) or `number`;
        all names where it is not given. Of a frame, `{role}` is its number among those shown and `{role_id}` its place
        in the recording.
    wordings : tuple of str
        Other ways to ask, drawn by the seed where the user wants them.
    shows : str
        What is shown with a question: the `video` of the frame set, or only the `frames` of the roles.
    seen_in : tuple of int
        The frame role in which each role is shown, for questions about two images; the first one where not given.
    text : callable, optional
        From a `Batch`, scenes (n,) and roles (n, r) to the n answers as JSON; listed roles come in the order shown.
    tags : Tags
    """

    question_type: str
    answer_type: str
    unit: str
    margin_unit: str
    roles: tuple[str, ...]
    single: tuple[int, ...]
    question: str
    program: str
    find: Callable[[Batch, Draw], Candidates]
    measure: Callable[[Batch, Rows, Rows], Answers]
    knob: Knob
    needs: str
    listed: tuple[int, ...] = ()
    parameters: str = ""
    options: Options = Options()
    basis: Basis = Basis()
    variants: tuple[Task, ...] = ()
    adapt: Callable[[Conditions], Task] | None = None
    kinds: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()
    shows: Literal["video", "frames"] = "video"
    seen_in: tuple[int, ...] = ()
    text: Callable[[Batch, Rows, Rows], list[str]] | None = None
    tags: Tags = Tags()

    def frame_of(self, role: int) -> int:
        """Give the frame role in which a role is shown."""
        return self.seen_in[role] if self.seen_in else self.roles_of_kind("frame")[0]

    def roles_of_kind(self, kind: str) -> list[int]:
        """List the roles of one kind."""
        return [k for k, own in enumerate(self.kinds or ("name",) * len(self.roles)) if own == kind]

    @property
    def is_number(self) -> bool:
        """Whether the answer is a number, which has bounds."""
        return self.answer_type in ("integer", "number")

    @property
    def n_options(self) -> int:
        """Number of options shown; 0 for a number."""
        if self.answer_type != "choice":
            return 0
        return self.options.offered or len(self.options.fixed) or len(self.listed)

    def under(self, conditions: Conditions) -> Task:
        """Give the task under some conditions; itself where it heeds none."""
        return self if self.adapt is None else self.adapt(conditions)


@lru_cache(maxsize=16)
def all_orders(n: int) -> Rows:
    """All orders of n things, (n!, n), by the places of the things in them.

    Examples
    --------
    >>> all_orders(2).tolist()
    [[0, 1], [1, 0]]
    """
    return np.array(list(permutations(range(n))), dtype=np.int64).reshape(factorial(n), n)


def order_number(keys: NDArray[np.generic]) -> Rows:
    """Which of `all_orders` sorts each row of `keys` (n, k), ascending, equal ones from left to right.

    Examples
    --------
    >>> order_number(np.array([[3.0, 5.0], [5.0, 3.0]])).tolist()
    [0, 1]
    """
    k = keys.shape[1]
    place = k ** np.arange(k)
    number = np.zeros(k**k, dtype=np.int64)
    number[all_orders(k) @ place] = np.arange(factorial(k))
    return number[np.argsort(keys, axis=1, kind="stable") @ place]


PLACEHOLDER = re.compile(r"\{(\w+)\}")
"""A place in a wording that is filled by a column."""


def fill(wording: str) -> pl.Expr:
    """Make the expression that fills a wording from columns.

    Examples
    --------
    >>> pl.DataFrame({"a": ["x"], "b_id": [3]}).select(fill("{a} is {b_id}")).item()
    'x is 3'
    """
    parts = PLACEHOLDER.split(wording)
    return pl.concat_str([pl.col(part) if i % 2 else pl.lit(part) for i, part in enumerate(parts)])


def answer_texts(values: Sequence[float], answer_type: str) -> list[str]:
    """Write numbers as VSI-Bench writes its ground truth: whole, or with one decimal, halves to even.

    Examples
    --------
    >>> answer_texts([61.5, 62.5], "integer"), answer_texts([16.45, 2.0], "number")
    (['62', '62'], ['16.4', '2.0'])
    """
    if answer_type == "integer":
        return [str(round(value)) for value in values]
    return [f"{value:.1f}" for value in values]
