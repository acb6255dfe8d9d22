"""In which order four categories first appear in the frames."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations
from math import comb

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason, Reject, first_broken
from qa_engine.facts.batch import Batch
from qa_engine.tasks.base import (
    Answers,
    Basis,
    Candidates,
    Draw,
    Knob,
    Options,
    Tags,
    Task,
    by_scene,
    choices,
    no_candidates,
    order_number,
)
from qa_engine.views.thresholds import FIRST_SEEN_PX, MIN_TIME_GAP_S

LISTED = 4

MAX_SETS = 200
"""Sets of four tried per scene: all of them where there are fewer, otherwise a draw."""


def category_times(batch: Batch, min_px: float) -> Array:
    """Time at which each category is first seen, (c,) seconds; infinite where it never is, or nothing was observed."""

    def first_seen(batch: Batch) -> Array:
        times = np.full(len(batch.categories), np.inf)
        for part, code in zip(batch.facts, batch.code_start, strict=False):
            if part.sightings is not None:
                seen = part.sightings.first_seen_s(part.scene.instance_id, min_px)
                np.minimum.at(times, part.code + code, seen)
        return times

    return batch.remember(f"first seen {min_px}", first_seen)


def measure(batch: Batch, scene: Rows, roles: Rows, *, min_px: float) -> Answers:
    """Sort by the time of first appearance; the margin is the smallest time between two of them."""
    times = category_times(batch, min_px)[roles]
    with np.errstate(invalid="ignore"):
        gap = np.diff(np.sort(times, axis=1), axis=1).min(axis=1)
    unseen = ~np.isfinite(times).all(axis=1)
    return choices(np.where(unseen, -1, order_number(times)), np.where(unseen, np.nan, gap))


def find(batch: Batch, rng: Draw, *, min_px: float, min_gap_s: float) -> Candidates:
    """Find sets of four categories, all boxes of which are known, whose first appearances are clearly apart."""
    times = category_times(batch, min_px)
    known = (batch.boxes > 0) & (batch.boxes == batch.counts) & np.isfinite(times)

    def in_scene(k: int) -> Candidates:
        if batch.facts[k].sightings is None:
            detail = "the store has no observations of timed frames; run 'qa-engine observe'"
            return no_candidates(LISTED, ["n_options"], [Reject(Reason.NO_OBSERVATIONS, detail=detail, scene=k)])
        first, last = batch.code_start[k : k + 2]
        pool = first + np.flatnonzero(known[first:last])
        if len(pool) < LISTED:
            detail = f"{len(pool)} of {LISTED} categories seen"
            return no_candidates(LISTED, ["n_options"], [Reject(Reason.TOO_FEW_OBJECTS, detail=detail, scene=k)])
        roles = pool[_sets(len(pool), partial(rng, k))]
        scene = np.full(len(roles), k)
        gap = np.diff(np.sort(times[roles], axis=1), axis=1).min(axis=1)
        kept, rejects = first_broken(scene, [(Reason.APPEAR_TOGETHER, gap <= min_gap_s)])
        scene, roles = scene[kept], roles[kept]
        answers = measure(batch, scene, roles, min_px=min_px)
        difficulty = {"n_options": np.full(len(roles), float(LISTED))}
        return Candidates(scene, roles, answers, answers.margin, difficulty, rejects)

    return by_scene(batch, in_scene, no_candidates(LISTED, ["n_options"]))


def _sets(n: int, rng: Callable[[], np.random.Generator]) -> Rows:
    """Choose sets of four out of `n`, ascending, (sets, 4)."""
    if comb(n, LISTED) <= MAX_SETS:
        return np.array(list(combinations(range(n), LISTED)), dtype=np.int64)
    keys = rng().random((MAX_SETS, n))
    return np.unique(np.sort(np.argpartition(keys, LISTED, axis=1)[:, :LISTED], axis=1), axis=0)


def appearance_task(*, min_px: int = FIRST_SEEN_PX, min_gap_s: float = MIN_TIME_GAP_S) -> Task:
    """Make the task for a pixel threshold and a time gap.

    Parameters
    ----------
    min_px : int
        Pixels from which on an object counts as seen; part of the program.
    min_gap_s : float
        Seconds by which two first appearances differ at least.

    Examples
    --------
    >>> appearance_task(min_px=50).program
    'appearance_order([{listed_0_literal}, {listed_1_literal}, {listed_2_literal}, {listed_3_literal}], 50)'
    """
    quoted = ", ".join(f"{{listed_{j}_literal}}" for j in range(LISTED))
    listed = ", ".join(f"{{listed_{j}}}" for j in range(LISTED))
    return Task(
        question_type="obj_appearance_order",
        answer_type="choice",
        unit="",
        margin_unit="s",
        roles=tuple(f"category_{j + 1}" for j in range(LISTED)),
        single=(),
        question=f"What will be the first-time appearance order of the following categories in the video: {listed}?",
        program=f"appearance_order([{quoted}], {min_px})",
        find=partial(find, min_px=min_px, min_gap_s=min_gap_s),
        measure=partial(measure, min_px=min_px),
        knob=Knob("gap", ("<2", "2-4", ">=4"), (2, 4), "s"),
        needs="observations of timed frames (qa-engine observe), four categories seen",
        tags=Tags("vsi-bench", "perception", ("memory", "order")),
        listed=tuple(range(LISTED)),
        parameters=f"{min_px}px",
        options=Options(orders=True, offered=4),
        basis=Basis(source="observations", shown="first"),
        adapt=lambda given: appearance_task(min_px=given.min_visible_px, min_gap_s=given.min_time_gap_s),
    )


TASK = appearance_task()
