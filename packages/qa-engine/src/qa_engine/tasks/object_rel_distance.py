"""Which of four objects is the closest to another."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
import polars as pl

from qa_engine.checks import Reason, Reject
from qa_engine.checks.ambiguity import MIN_CLOSEST_M, MIN_OPTION_GAP_M
from qa_engine.checks.noise import distance_noise_m
from qa_engine.facts import Facts
from qa_engine.tasks.base import Candidates, Knob, Rows, Task, choices

OPTIONS = 4

MAX_SETS_PER_PRIMARY = 100
"""Option sets tried per object: all of them where there are fewer, otherwise a draw. Twenty categories would give
3,876 sets for each."""


def find(facts: Facts, rng: np.random.Generator) -> Candidates:
    """Find the objects, each the only one of its category, with four other categories at clearly different distances.

    The distance of a category is that of its closest object. Options are a draw from all sets of four, taken without a
    look at distances, so no category is the answer more often than geometry makes it.
    """
    pool = np.flatnonzero((facts.boxes > 0) & (facts.boxes == facts.counts))
    if len(pool) <= OPTIONS or len(facts.unique) == 0:
        detail = f"{len(facts.unique)} of 1 categories with one object, {len(pool)} of {OPTIONS + 1} categories"
        return _candidates(np.zeros((0, 1 + OPTIONS), dtype=np.int64), np.zeros((0, OPTIONS)), facts, detail)
    distance = facts.category_distance(facts.unique_rows)
    others = _option_sets(len(facts.unique), len(pool) - 1, rng)
    own = np.searchsorted(pool, facts.unique)[:, None, None]
    codes = pool[others + (others >= own)]
    primary = np.repeat(np.arange(len(codes)), codes.shape[1])
    codes = codes.reshape(-1, OPTIONS)
    keys = np.concatenate([primary[:, None], codes], axis=1)
    keys = keys[_first_of_each(keys)]
    roles = np.concatenate([facts.unique[keys[:, :1]], keys[:, 1:]], axis=1)
    return _candidates(roles, distance[keys[:, :1], keys[:, 1:]], facts)


def _option_sets(primaries: int, others: int, rng: np.random.Generator) -> Rows:
    """Choose sets of four out of `others` categories, ascending: (primaries, sets, 4)."""
    if comb(others, OPTIONS) <= MAX_SETS_PER_PRIMARY:
        return np.broadcast_to(_all_sets(others), (primaries, comb(others, OPTIONS), OPTIONS))
    keys = rng.random((primaries, MAX_SETS_PER_PRIMARY, others), dtype=np.float32)
    return np.sort(np.argpartition(keys, OPTIONS, axis=2)[..., :OPTIONS], axis=2)


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


def _candidates(roles: Rows, distance: np.ndarray, facts: Facts, too_few: str = "") -> Candidates:
    """Refuse the unclear sets; `distance` (n, 4) belongs to the options in `roles`."""
    ranked = np.sort(distance, axis=1)
    reason = np.full(len(roles), "", dtype=object)
    half = np.array([facts.half_diagonal_m[rows].max(initial=0.0) for rows in facts.members])
    if len(roles):
        gap = np.diff(ranked, axis=1)
        if facts.profile == "exact":
            order = np.take_along_axis(roles[:, 1:], np.argsort(distance, axis=1), axis=1)
            noise = [distance_noise_m(half[roles[:, 0]], half[order[:, k]]) for k in (0, 1)]
            reason[gap[:, 0] < np.hypot(*noise)] = Reason.UNSTABLE
        reason[gap.min(axis=1) < MIN_OPTION_GAP_M] = Reason.TIE_WITHIN_MARGIN
        reason[ranked[:, 0] < MIN_CLOSEST_M] = Reason.TOO_CLOSE
    rejects = [Reject(Reason.TOO_FEW_OBJECTS, detail=too_few)] if too_few else []
    for code in (Reason.TOO_CLOSE, Reason.TIE_WITHIN_MARGIN, Reason.UNSTABLE):
        refused = int((reason == code).sum())
        if refused:
            rejects.append(Reject(code, n=refused))
    kept = np.flatnonzero(reason == "")
    ranked, distance = ranked[kept], distance[kept]
    margin = ranked[:, 1] - ranked[:, 0]
    return choices(
        roles[kept],
        np.argmin(distance, axis=1) if len(kept) else np.zeros(0, dtype=np.int64),
        margin,
        knob=margin,
        difficulty={"distance_m": ranked[:, 0], "n_options": np.full(len(kept), OPTIONS)},
        rejects=rejects,
    )


TASK = Task(
    question_type="object_rel_distance",
    answer_type="choice",
    unit="",
    margin_unit="m",
    roles=("primary", "option_1", "option_2", "option_3", "option_4"),
    find=find,
    question=pl.format(
        "Measuring from the closest point of each object, which of these objects ({}, {}, {}, {}) is the closest to "
        "the {}?",
        "listed_0",
        "listed_1",
        "listed_2",
        "listed_3",
        "primary",
    ),
    program=pl.format(
        "nearest_category({}, [{}, {}, {}, {}])",
        "primary_id",
        "listed_0_literal",
        "listed_1_literal",
        "listed_2_literal",
        "listed_3_literal",
    ),
    knob=Knob("margin", ("<0.3", "0.3-0.6", "0.6-1.2", ">=1.2"), (0.3, 0.6, 1.2), "m"),
    needs="a category with one object, and four more categories",
    listed=(1, 2, 3, 4),
)
