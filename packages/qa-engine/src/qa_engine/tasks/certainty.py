"""Answers in every world that a scene may truly be: bounds grow by the errors stated of it, and flips are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Rows
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import Answers, Task

WIDEST = 0.5
"""A number that may be this part of itself off is not asked."""

BETWEEN_WORLDS = 1.2
"""Between two tilts that are looked at an answer may lie this much further from that of the scene than at both."""


def hold_everywhere(
    task: Task, batch: Batch, scene: Rows, roles: Rows, answers: Answers
) -> tuple[Answers, NDArray[np.bool_]]:
    """Answer questions in all worlds that their scenes may truly be.

    Parameters
    ----------
    task : Task
    batch : Batch
    scene : (n,) int64
    roles : (n, r) int64
    answers : Answers
        In the scenes as they are.

    Returns
    -------
    answers : Answers
        With bounds that hold the answers of all worlds, each with the noise of boxes there.
    unsure : (n,) bool
        Choices, counts and whatever else has no bounds that are another answer in some world, and questions whose words
        ("the lowest shelf") mean another object there.
    """
    unsure = np.zeros(len(answers), dtype=bool)
    own = np.flatnonzero(batch.in_doubt[scene])
    if not len(own):
        return answers, unsure
    if task.text is not None:  # a place on a map moves a little in every world
        unsure[own] = True
        return answers, unsure
    few, asked = answers.take(own), roles[own]
    low, high, flips = few.low.copy(), few.high.copy(), np.zeros(len(own), dtype=bool)
    exact = ~(few.low < few.high)
    for world in batch.worlds:
        other = task.measure(world, scene[own], asked)
        flips |= (other.answer != few.answer) | (exact & (other.value != few.value) & ~np.isnan(few.value))
        flips |= _other_objects(task, batch, world, asked)
        low, high = np.fmin(low, other.low), np.fmax(high, other.high)
    tilted = np.array([bool(part.scene.gravity_error_deg) for part in batch.facts])[scene[own]] & ~exact
    share = np.where(tilted, BETWEEN_WORLDS, 1.0)
    low, high = few.low - share * (few.low - low), few.high + share * (high - few.high)
    unsure[own] = flips
    few = replace(few, low=np.where(few.low >= 0, np.maximum(low, 0), low), high=high)
    return answers.put(own, few), unsure


def too_wide(answers: Answers) -> NDArray[np.bool_]:
    """Tell which numbers may be half of themselves off, (n,)."""
    return answers.high - answers.low > 2 * WIDEST * np.abs(answers.value)


def _other_objects(task: Task, batch: Batch, world: Batch, roles: Rows) -> NDArray[np.bool_]:
    """Tell where a description of an object is not its own in another world, (n,)."""
    n = len(batch.categories)
    moved = np.zeros(len(roles), dtype=bool)
    if batch.reference != "description":
        return moved
    same = np.array([a == b for a, b in zip(batch.object_text, world.object_text, strict=True)], dtype=bool)
    for column in roles[:, task.roles_of_kind("name")].T:
        described = column >= n
        moved[described] |= ~same[column[described] - n]
    return moved
