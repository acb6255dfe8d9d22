"""Which of four objects is the closest to another."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from qa_engine.checks import Reason, Reject, first_broken
from qa_engine.checks.ambiguity import MIN_CLOSEST_M, MIN_OPTION_GAP_M
from qa_engine.checks.noise import distance_noise_m
from qa_engine.facts import Facts
from qa_engine.tasks.base import Answers, Array, Candidates, Draw, Knob, Rows, Task, choices

OPTIONS = 4

MAX_SETS_PER_PRIMARY = 100
"""Option sets tried per object: all of them where there are fewer, otherwise a draw. Twenty categories would give
3,876 sets for each."""


def measure(facts: Facts, roles: Rows) -> Answers:
    """Take the option whose closest object is the closest; the margin is the lead over the next option."""
    primary = np.repeat(facts.first_row[roles[:, 0]], OPTIONS)
    return _answers(facts.nearest_distance(primary, roles[:, 1:].ravel()).reshape(-1, OPTIONS))


def _answers(distance: Array) -> Answers:
    ranked = np.sort(distance, axis=1)
    return choices(np.argmin(distance, axis=1), ranked[:, 1] - ranked[:, 0])


def find(facts: Facts, rng: Draw) -> Candidates:
    """Find the objects, each the only one of its category, with four other categories at clearly different distances.

    Options are a draw from all sets of four, taken without a look at distances, so no category is the answer more often
    than geometry makes it.
    """
    pool = np.flatnonzero((facts.boxes > 0) & (facts.boxes == facts.counts))
    if len(pool) <= OPTIONS or len(facts.unique) == 0:
        detail = f"{len(facts.unique)} of 1 categories with one object, {len(pool)} of {OPTIONS + 1} categories"
        roles, distance = np.zeros((0, 1 + OPTIONS), dtype=np.int64), np.zeros((0, OPTIONS))
        rejects = [Reject(Reason.TOO_FEW_OBJECTS, detail=detail)]
    else:
        roles = _draw(facts.unique, pool, rng())
        place = np.searchsorted(facts.unique, roles[:, :1])
        distance = facts.category_distance(facts.unique_rows)[place, roles[:, 1:]]
        kept, rejects = first_broken(len(roles), _rules(facts, roles, distance))
        roles, distance = roles[kept], distance[kept]
    answers = _answers(distance)
    difficulty = {"distance_m": distance.min(axis=1), "n_options": np.full(len(roles), OPTIONS)}
    return Candidates(roles, answers, answers.margin, difficulty, rejects)


def _draw(primaries: Rows, pool: Rows, rng: np.random.Generator) -> Rows:
    """Draw different sets of four categories of `pool` for each primary category, (n, 5)."""
    others = _option_sets(len(primaries), len(pool) - 1, rng)
    own = np.searchsorted(pool, primaries)[:, None, None]
    options = pool[others + (others >= own)]
    roles = np.concatenate([np.repeat(primaries, options.shape[1])[:, None], options.reshape(-1, OPTIONS)], axis=1)
    return roles[_first_of_each(roles)]


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


def _rules(facts: Facts, roles: Rows, distance: Array) -> list[tuple[Reason, NDArray[np.bool_]]]:
    """Rules that sets break; `distance` (n, 4) belongs to the options."""
    ranked = np.sort(distance, axis=1)
    gap = np.diff(ranked, axis=1)
    rules = [
        (Reason.TOO_CLOSE, ranked[:, 0] < MIN_CLOSEST_M),
        (Reason.TIE_WITHIN_MARGIN, gap.min(axis=1) < MIN_OPTION_GAP_M),
    ]
    if facts.profile == "exact":
        half = facts.largest_half_diagonal_m
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
    listed=(1, 2, 3, 4),
)
