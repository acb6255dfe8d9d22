"""Which of four objects is the closest to another."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason, Reject, first_broken
from qa_engine.checks.ambiguity import MIN_CLOSEST_M, MIN_OPTION_GAP_M
from qa_engine.checks.noise import distance_noise_m
from qa_engine.facts.batch import Batch, ranges
from qa_engine.tasks.base import Answers, Basis, Candidates, Draw, Knob, Tags, Task, choices

OPTIONS = 4

MAX_SETS_PER_PRIMARY = 100
"""Option sets tried per object: all of them where there are fewer, otherwise a draw. Twenty categories would give
3,876 sets for each."""


def measure(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Take the option whose closest object is the closest; the margin is the lead over the next option."""
    primary = np.repeat(batch.first_row[roles[:, 0]], OPTIONS)
    return _answers(batch.nearest_distance(primary, roles[:, 1:].ravel()).reshape(-1, OPTIONS))


def pairs(batch: Batch, roles: Rows) -> tuple[Rows, Rows, Rows]:
    """Pair the object of each question with every object of its options."""
    codes = roles[:, 1:].ravel()
    option, place = ranges(batch.member_start[codes], batch.boxes[codes])
    question = option // OPTIONS
    return question, batch.first_row[roles[question, 0]], batch.by_code[place]


def _answers(distance: Array) -> Answers:
    ranked = np.sort(distance, axis=1)
    return choices(np.argmin(distance, axis=1), ranked[:, 1] - ranked[:, 0])


def find(batch: Batch, rng: Draw) -> Candidates:
    """Find the objects, each the only one of its category, with four other categories at clearly different distances.

    Options are a draw from all sets of four, taken without a look at distances, so no category is the answer more often
    than geometry makes it.
    """
    pool = np.flatnonzero((batch.boxes > 0) & (batch.boxes == batch.counts))
    n_pool = np.bincount(batch.scene_of_code[pool], minlength=len(batch))
    n_unique = np.diff(batch.unique_start)
    enough = (n_pool > OPTIONS) & (n_unique > 0)
    rejects = [
        Reject(
            Reason.TOO_FEW_OBJECTS,
            detail=f"{n_unique[k]} of 1 categories with one object, {n_pool[k]} of {OPTIONS + 1} categories",
            scene=k,
        )
        for k in np.flatnonzero(~enough).tolist()
    ]
    primary, roles = _draw(batch, pool, np.flatnonzero(enough), rng)
    distance = _category_distance(batch, primary, roles[:, 1:])
    scene = batch.scene_of_code[roles[:, 0]]
    kept, broken = first_broken(scene, _rules(batch, roles, distance))
    distance = distance[kept]
    answers = _answers(distance)
    difficulty = {"distance_m": distance.min(axis=1), "n_options": np.full(len(kept), OPTIONS)}
    return Candidates(scene[kept], roles[kept], answers, answers.margin, difficulty, rejects + broken)


def _draw(batch: Batch, pool: Rows, scenes: Rows, rng: Draw) -> tuple[Rows, Rows]:
    """Draw different sets of four categories of `pool` for each primary category of some scenes.

    Returns places of the primary in `Batch.unique`, (n,), and roles, (n, 5).
    """
    pool_start = np.searchsorted(pool, batch.code_start)
    others, primaries = [np.zeros((0, OPTIONS), dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    unique_start, n_pool = batch.unique_start.tolist(), np.diff(pool_start).tolist()
    for k in scenes.tolist():
        first, last = unique_start[k], unique_start[k + 1]
        sets = _option_sets(last - first, n_pool[k] - 1, partial(rng, k))
        others.append(sets.reshape(-1, OPTIONS))
        primaries.append(np.repeat(np.arange(first, last), sets.shape[1]))
    chosen, primary = np.concatenate(others), np.concatenate(primaries)
    # Places count the pool of a scene without the primary itself.
    start = pool_start[batch.unique_scene[primary]]
    own = np.searchsorted(pool, batch.category_of(batch.unique[primary])) - start
    places = chosen + (chosen >= own[:, None])
    fresh = _first_of_each(np.column_stack([primary, places]))
    primary = primary[fresh]
    options = pool[start[fresh, None] + places[fresh]]
    return primary, np.column_stack([batch.unique[primary], options])


def _option_sets(primaries: int, others: int, rng: Callable[[], np.random.Generator]) -> Rows:
    """Choose sets of four out of `others` categories, ascending: (primaries, sets, 4)."""
    if comb(others, OPTIONS) <= MAX_SETS_PER_PRIMARY:
        return np.broadcast_to(_all_sets(others), (primaries, comb(others, OPTIONS), OPTIONS))
    keys = rng().random((primaries, MAX_SETS_PER_PRIMARY, others), dtype=np.float32)
    return np.sort(np.argpartition(keys, OPTIONS, axis=2)[..., :OPTIONS], axis=2)


def _category_distance(batch: Batch, primary: Rows, options: Rows) -> Array:
    """Distance from primaries (n,), places in `Batch.unique`, to the nearest object of each option (n, 4), metres.

    All categories with a box of a scene are measured from all its primaries, as most of them are asked for many times.
    """
    scene = batch.unique_scene
    owner, place = ranges(batch.row_start[scene], np.diff(batch.row_start)[scene])
    rows = batch.by_code[place]
    distance = batch.distance(batch.unique_rows[owner], rows)
    owner, code = ranges(batch.code_start[scene], np.diff(batch.code_start)[scene])
    sizes = batch.boxes[code]
    nearest = np.full(len(code), np.inf)
    nearest[sizes > 0] = np.minimum.reduceat(distance, (np.cumsum(sizes) - sizes)[sizes > 0])
    start = np.searchsorted(owner, np.arange(len(scene)))
    return nearest[start[primary, None] + options - batch.code_start[scene[primary], None]]


@lru_cache(maxsize=64)
def _all_sets(others: int) -> Rows:
    """All sets of four: (sets, 4)."""
    return np.array(list(combinations(range(others), OPTIONS)), dtype=np.int64).reshape(-1, OPTIONS)


def _first_of_each(keys: Rows) -> Rows:
    """Rows of `keys` without repeats, in order of first appearance."""
    base = int(keys.max(initial=0)) + 1
    number = np.zeros(len(keys), dtype=np.int64)
    for column in keys.T:
        number = number * base + column
    return np.sort(np.unique(number, return_index=True)[1])


def _rules(batch: Batch, roles: Rows, distance: Array) -> list[tuple[Reason, NDArray[np.bool_]]]:
    """Rules that sets break; `distance` (n, 4) belongs to the options."""
    ranked = np.sort(distance, axis=1)
    gap = np.diff(ranked, axis=1)
    rules = [
        (Reason.TOO_CLOSE, ranked[:, 0] < MIN_CLOSEST_M),
        (Reason.TIE_WITHIN_MARGIN, gap.min(axis=1) < MIN_OPTION_GAP_M),
    ]
    if batch.profile == "exact":
        half = batch.largest_half_diagonal_m
        order = np.take_along_axis(roles[:, 1:], np.argsort(distance, axis=1), axis=1)
        noise = [distance_noise_m(half[roles[:, 0]], half[order[:, k]]) for k in (0, 1)]
        rules.append((Reason.UNSTABLE, gap[:, 0] < np.hypot(*noise)))
    return rules


TASK = Task(
    question_type="object_rel_distance",
    answer_type="choice",
    unit="",
    margin_unit="m",
    roles=("primary", "option_1", "option_2", "option_3", "option_4"),
    single=(0,),
    question="Measuring from the closest point of each object, which of these objects ({listed_0}, {listed_1}, "
    "{listed_2}, {listed_3}) is the closest to the {primary}?",
    program="nearest_category({primary_id}, [{listed_0_literal}, {listed_1_literal}, {listed_2_literal}, "
    "{listed_3_literal}])",
    find=find,
    measure=measure,
    knob=Knob("margin", ("<0.3", "0.3-0.6", "0.6-1.2", ">=1.2"), (0.3, 0.6, 1.2), "m"),
    needs="a category with one object, and four more categories",
    tags=Tags("vsi-bench", "relation", ("distance", "comparison")),
    listed=(1, 2, 3, 4),
    basis=Basis(pairs=pairs),
)
