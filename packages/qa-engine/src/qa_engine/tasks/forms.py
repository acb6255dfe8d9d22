"""Forms that many question types share: what a type is declared by, ask for a number, ask for one of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason, Reject, first_broken
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import (
    Answers,
    Candidates,
    Draw,
    Knob,
    Options,
    Tags,
    Task,
    choices,
    numbers,
)
from qa_engine.tasks.pools import Make, drawn_sets, of_scene

Listed = Callable[[Batch, Draw], tuple[Rows, Rows]]
"""Lists candidates: scene (n,) and roles (n, r), by scene."""

Rule = tuple[Reason, NDArray[np.bool_] | np.bool_]
"""A reason, and for which candidates it holds, (n,)."""


@dataclass(frozen=True)
class Quantity:
    """A number that an object has, beside the context of its question.

    Attributes
    ----------
    of : callable
        From a `Batch`, the context (n, c) and codes of objects (n,) to values (n,).
    noise : callable
        From the same and the values to the half-width of their bounds under noise, (n,).
    program : str
        With `{x}` for the object's id and the context's `{role_id}`.
    unit : str
    """

    of: Callable[[Batch, Rows, Rows], Array]
    noise: Callable[[Batch, Rows, Rows, Array], Array]
    program: str
    unit: str


@dataclass(frozen=True)
class Context:
    """What the objects of a question have in common.

    Attributes
    ----------
    pool : callable
    roles, kinds : tuple of str
        Of the context's columns.
    shows : str
        See `Task.shows`.
    frames_needed : str
    needs : str
        Besides objects.
    """

    pool: Make
    roles: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    shows: Literal["video", "frames"] = "video"
    frames_needed: Literal["one", "two", "many"] = "many"
    needs: str = ""


SCENE = Context(of_scene)
"""Objects of a scene, asked about over the frames of its video."""


def declare(
    question_type: str,
    *,
    roles: tuple[str, ...],
    kinds: tuple[str, ...],
    listed_by: Listed,
    measure: Callable[[Batch, Rows, Rows], Answers],
    wordings: Sequence[str],
    program: str,
    knob: Knob,
    tags: Tags,
    needs: str,
    answer_type: str = "choice",
    unit: str = "",
    margin_unit: str = "",
    single: tuple[int, ...] | None = None,
    rules: Callable[[Batch, Rows, Rows, Answers], Sequence[Rule]] = lambda *_: (),
    knob_of: Callable[[Answers], Array] | None = None,
    **more: Any,
) -> Task:
    """Declare a question type by what lists its candidates, what measures them, and the rules that they keep.

    Parameters
    ----------
    question_type : str
    roles, kinds : tuple of str
    listed_by : callable
        From a `Batch` and the maker of random generators to scene (n,) and roles (n, r).
    measure : callable
    wordings : sequence of str
        The type's own wording, and others.
    program : str
    single : tuple of int, optional
        All names, where it is not given.
    rules : callable
        From batch, scene, roles and answers to rules, as `first_broken` takes them.
    knob_of : callable, optional
        What the knob cuts; by default the value of a number and the margin of a choice.
    **more
        Further fields of `Task`.
    """

    def find(batch: Batch, rng: Draw) -> Candidates:
        scene, found = listed_by(batch, rng)
        answers = measure(batch, scene, found)
        broken = [(reason, np.asarray(of)) for reason, of in rules(batch, scene, found, answers)]
        kept, rejects = first_broken(scene, broken)
        lacking = np.flatnonzero(np.bincount(scene, minlength=len(batch)) == 0).tolist()
        rejects += [Reject(Reason.TOO_FEW_OBJECTS, detail=f"needs {needs}", scene=k) for k in lacking]
        answers = answers.take(kept)
        cut = answers.value if task.is_number else answers.margin
        difficulty: dict[str, NDArray[Any]] = {}
        if answer_type == "choice":
            difficulty["n_options"] = np.full(len(kept), float(task.n_options))
        return Candidates(
            scene[kept], found[kept], answers, cut if knob_of is None else knob_of(answers), difficulty, rejects
        )

    task = Task(
        question_type=question_type,
        answer_type=answer_type,
        unit=unit,
        margin_unit=margin_unit or unit,
        roles=roles,
        single=tuple(k for k, kind in enumerate(kinds) if kind == "name") if single is None else single,
        question=wordings[0],
        wordings=tuple(wordings[1:]),
        program=program,
        find=find,
        measure=measure,
        knob=knob,
        needs=needs,
        kinds=kinds,
        tags=tags,
        **more,
    )
    return task


def ask_value(
    question_type: str,
    quantity: Quantity,
    *,
    wordings: Sequence[str],
    knob: Knob,
    tags: Tags,
    context: Context = SCENE,
    integer: bool = True,
    bounds: tuple[float, float] = (1.0, np.inf),
) -> Task:
    """Ask for a quantity of one object.

    Parameters
    ----------
    bounds : (low, high)
        Values outside are not asked for, in the unit of the quantity.
    """
    step = 1.0 if integer else 0.1
    c = len(context.roles)

    def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
        value = quantity.of(batch, roles[:, :c], roles[:, c])
        noise = quantity.noise(batch, roles[:, :c], roles[:, c], value)
        return numbers(value, (np.maximum(value - noise, 0.0), value + noise), step=step)

    def rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
        return [(Reason.TOO_CLOSE, answers.value < bounds[0]), (Reason.TOO_FAR, answers.value > bounds[1])]

    return declare(
        question_type,
        roles=(*context.roles, "object"),
        kinds=(*context.kinds, "name"),
        listed_by=lambda batch, rng: drawn_sets(batch, context.pool(batch), rng, 1),
        measure=measure,
        rules=rules,
        wordings=wordings,
        program=quantity.program.format(x="{object_id}", **kept_roles(context)),
        answer_type="integer" if integer else "number",
        unit=quantity.unit,
        knob=knob,
        tags=tagged(tags, context),
        needs=needed(context, 1),
        shows=context.shows,
    )


def ask_which_way(
    question_type: str,
    quantity: Quantity,
    *,
    wordings: Sequence[str],
    words: tuple[str, str],
    knob: Knob,
    tags: Tags,
    min_gap: float,
    context: Context = SCENE,
) -> Task:
    """Ask of two objects whether the first has more (`words[0]`) or less of a quantity than the second.

    Both orders of the two are candidates, so that neither answer comes more often.
    """
    c = len(context.roles)

    def gap(batch: Batch, roles: Rows) -> tuple[Array, Array]:
        one, two = (quantity.of(batch, roles[:, :c], roles[:, c + j]) for j in (0, 1))
        noise = [quantity.noise(batch, roles[:, :c], roles[:, c + j], value) for j, value in ((0, one), (1, two))]
        return one - two, np.asarray(np.hypot(*noise))

    def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
        more = gap(batch, roles)[0]
        return choices(np.where(more > 0, 0, 1), np.abs(more))

    def rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
        noise = gap(batch, roles)[1]
        return [(Reason.TIE_WITHIN_MARGIN, answers.margin < min_gap), (Reason.UNSTABLE, answers.margin < noise)]

    one, two = (quantity.program.format(x=x, **kept_roles(context)) for x in ("{a_id}", "{b_id}"))
    return declare(
        question_type,
        roles=(*context.roles, "a", "b"),
        kinds=(*context.kinds, "name", "name"),
        listed_by=lambda batch, rng: drawn_sets(batch, context.pool(batch), rng, 2, ordered=True),
        measure=measure,
        rules=rules,
        wordings=wordings,
        program=f'"{words[0]}" if {one} > {two} else "{words[1]}"',
        margin_unit=quantity.unit,
        options=Options(fixed=words),
        knob=knob,
        tags=tagged(tags, context),
        needs=needed(context, 2),
        shows=context.shows,
    )


def kept_roles(context: Context) -> dict[str, str]:
    """Leave the placeholders of the context in a program as they are."""
    return {f"{role}_id": f"{{{role}_id}}" for role in context.roles}


def tagged(tags: Tags, context: Context) -> Tags:
    """Add how many frames a context needs."""
    return replace(tags, frames_needed=context.frames_needed)


def needed(context: Context, k: int) -> str:
    """Say what a scene must have."""
    objects = f"{k} objects that can be referred to" if k > 1 else "an object that can be referred to"
    return f"{objects}, {context.needs}" if context.needs else objects
