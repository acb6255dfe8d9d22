"""Forms that rank several objects by a quantity: which has most, which comes at a place, what is their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import Answers, Knob, Options, Tags, Task, choices, order_number
from qa_engine.tasks.forms import SCENE, Context, Quantity, Rule, declare, kept_roles, needed, tagged
from qa_engine.tasks.pools import MAX_PER_GROUP, drawn_sets


def ask_most(
    question_type: str,
    quantity: Quantity,
    *,
    wordings: Sequence[str],
    knob: Knob,
    tags: Tags,
    most: bool,
    k: int,
    min_gap: float,
    min_value: float = -np.inf,
    context: Context = SCENE,
    limit: int = MAX_PER_GROUP,
) -> Task:
    """Ask which of `k` objects has the most, or the least, of a quantity.

    Parameters
    ----------
    min_gap : float
        By which the answer leads, in the unit of the quantity; it also leads by more than the noise of the two.
    min_value : float
        What every one has at least.
    """

    def answer(value: Array) -> Answers:
        ranked = np.sort(value, axis=1)
        lead = ranked[:, -1] - ranked[:, -2] if most else ranked[:, 1] - ranked[:, 0]
        return choices((np.argmax if most else np.argmin)(value, axis=1), lead)

    def rules(value: Array, noise: Array, answers: Answers) -> list[Rule]:
        ends = np.argsort(-value if most else value, axis=1)[:, :2]
        both = np.hypot(*np.take_along_axis(noise, ends, axis=1).T)
        return [
            (Reason.TOO_CLOSE, value.min(axis=1, initial=np.inf) < min_value),
            (Reason.TIE_WITHIN_MARGIN, answers.margin < min_gap),
            (Reason.UNSTABLE, answers.margin < both),
        ]

    program = _keyed("argmax" if most else "argmin", quantity, context, k)
    words = {"wordings": wordings, "program": program, "knob": knob, "tags": tags}
    return _ranked(question_type, quantity, context, k, answer, rules, limit=limit, **words)


def ask_place(
    question_type: str,
    quantity: Quantity,
    *,
    wordings: Sequence[str],
    knob: Knob,
    tags: Tags,
    place: int,
    k: int,
    min_gap: float,
    context: Context = SCENE,
    limit: int = MAX_PER_GROUP,
) -> Task:
    """Ask which of `k` objects comes at a place, from 0, when they are sorted by a quantity, the least first.

    Parameters
    ----------
    min_gap : float
        To the neighbours in the order; it also differs from them by more than the noise of the two.
    """

    def answer(value: Array) -> Answers:
        gaps = np.diff(np.sort(value, axis=1), axis=1)[:, max(place - 1, 0) : place + 1]
        return choices(np.argsort(value, axis=1, kind="stable")[:, place], gaps.min(axis=1))

    def rules(value: Array, noise: Array, answers: Answers) -> list[Rule]:
        return [
            (Reason.TIE_WITHIN_MARGIN, answers.margin < min_gap),
            (Reason.UNSTABLE, answers.margin < np.sqrt(2) * noise.max(axis=1, initial=0.0)),
        ]

    program = f"item({_keyed('sort_by', quantity, context, k)}, {place})"
    words = {"wordings": wordings, "program": program, "knob": knob, "tags": tags}
    return _ranked(question_type, quantity, context, k, answer, rules, limit=limit, **words)


def ask_order(
    question_type: str,
    quantity: Quantity,
    *,
    wordings: Sequence[str],
    knob: Knob,
    tags: Tags,
    k: int,
    min_gap: float,
    context: Context = SCENE,
) -> Task:
    """Ask for the order of `k` objects by a quantity, the least first; four orders are offered.

    Parameters
    ----------
    min_gap : float
        Between any two that follow each other; they also differ by more than the noise of the two.
    """

    def answer(value: Array) -> Answers:
        return choices(order_number(value), np.diff(np.sort(value, axis=1), axis=1).min(axis=1))

    def rules(value: Array, noise: Array, answers: Answers) -> list[Rule]:
        order = np.argsort(value, axis=1)
        value, noise = np.take_along_axis(value, order, axis=1), np.take_along_axis(noise, order, axis=1)
        unstable = np.diff(value, axis=1) < np.hypot(noise[:, 1:], noise[:, :-1])
        return [(Reason.TIE_WITHIN_MARGIN, answers.margin < min_gap), (Reason.UNSTABLE, unstable.any(axis=1))]

    program = f'join({_keyed("sort_by", quantity, context, k)}, ", ")'
    words = {"wordings": wordings, "program": program, "knob": knob, "tags": tags}
    offered = Options(orders=True, offered=4)
    return _ranked(question_type, quantity, context, k, answer, rules, role="object", options=offered, **words)


def _ranked(
    question_type: str,
    quantity: Quantity,
    context: Context,
    k: int,
    answer: Callable[[Array], Answers],
    rules: Callable[[Array, Array, Answers], list[Rule]],
    *,
    wordings: Sequence[str],
    tags: Tags,
    limit: int = MAX_PER_GROUP,
    role: str = "option",
    **more: Any,
) -> Task:
    """Declare a type that lists `k` objects: `answer` and `rules` see their values and noise, (n, k)."""
    c = len(context.roles)

    def flat(roles: Rows) -> tuple[Rows, Rows]:
        return np.repeat(roles[:, :c], k, axis=0), roles[:, c:].ravel()

    def values(batch: Batch, roles: Rows) -> Array:
        return quantity.of(batch, *flat(roles)).reshape(-1, k)

    def kept(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
        value = values(batch, roles)
        return rules(value, quantity.noise(batch, *flat(roles), value.ravel()).reshape(-1, k), answers)

    return declare(
        question_type,
        roles=(*context.roles, *(f"{role}_{j + 1}" for j in range(k))),
        kinds=(*context.kinds, *("name",) * k),
        listed_by=lambda batch, rng: drawn_sets(batch, context.pool(batch), rng, k, limit=limit),
        measure=lambda batch, scene, roles: answer(values(batch, roles)),
        rules=kept,
        wordings=[text.replace("{listed}", ", ".join(f"{{listed_{j}}}" for j in range(k))) for text in wordings],
        margin_unit=quantity.unit,
        listed=tuple(range(c, c + k)),
        tags=tagged(tags, context),
        needs=needed(context, k),
        shows=context.shows,
        **more,
    )


def _keyed(operator: str, quantity: Quantity, context: Context, k: int) -> str:
    """Write the program that picks among the listed objects by a quantity."""
    names = ", ".join(f"{{listed_{j}_literal}}" for j in range(k))
    keys = ", ".join(quantity.program.format(x=f"{{listed_{j}_id}}", **kept_roles(context)) for j in range(k))
    return f"{operator}([{names}], [{keys}])"
