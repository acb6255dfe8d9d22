"""Tables of an experiment: what its pools hold, how its arms did, what they cost, what follows."""

from __future__ import annotations

import polars as pl

from qa_contract.tables.declaration import QUESTION_ID, QUESTION_TYPE, SCENE_NAME, Table, always, maybe

_ARM = always(pl.String, "way to choose what is trained on; warmup, blind, majority: no arm")
_UNIT = {
    "arm": _ARM,
    "schedule": always(
        pl.String, "decayed: a run of its own, its learning rate falls to 0; constant: read off a long run"
    ),
    "budget": always(pl.Int64, "samples trained on after the warm-up"),
    "seed": always(pl.Int64, "of the experiment; arms are paired by it"),
    "waste": always(pl.Float64, "share of useless questions in the pool"),
    "noise": always(pl.Float64, "share of wrong boxes in the store that the pool is about"),
}
_TEST = always(pl.String, "name of the held-out set")

POOL_FLAGS = Table(
    name="pool_flags",
    rows="question of a pool",
    written_by="`qa-loop experiment`",
    about="What only the arm `oracle` and the report know.",
    key=("question_id",),
    columns={
        "question_id": QUESTION_ID,
        "kind": always(pl.String, "useful; wrong: its answer is, by a wrong box; or the kind of waste"),
    },
)

UNIT_SCORES = Table(
    name="unit_scores",
    rows="unit, test, question type and scene",
    written_by="`qa-loop experiment`",
    about="A unit is an arm with a budget, a seed and a pool.",
    key=("arm", "schedule", "budget", "seed", "waste", "noise", "test", "question_type", "scene_name"),
    columns={
        **_UNIT,
        "test": _TEST,
        "question_type": QUESTION_TYPE,
        "scene_name": SCENE_NAME,
        "n": always(pl.Int64, "scored questions"),
        "score": always(pl.Float64, "their mean score, 0 to 1"),
    },
)

UNIT_COSTS = Table(
    name="unit_costs",
    rows="unit",
    written_by="`qa-loop experiment`",
    about="What a unit was trained on and what that took, as it would alone: passes that units share count for each.",
    key=("arm", "schedule", "budget", "seed", "waste", "noise"),
    columns={
        **_UNIT,
        "rounds": always(pl.Int64, "parts that it was chosen and trained in"),
        "rows": always(
            pl.Int64, "questions chosen; fewer than the budget where the pool ran out, then trained on again"
        ),
        "n_useful": always(pl.Int64, "of them useful"),
        "n_wrong": always(pl.Int64, "of them with a wrong answer"),
        "n_waste": always(pl.Int64, "of them useless"),
        "flops_train": maybe(pl.Float64, "floating-point operations of training after the warm-up, estimated"),
        "flops_gates": maybe(pl.Float64, "of answering without frames what the gates judged"),
        "flops_passes": maybe(pl.Float64, "of answering the panel"),
    },
)

UNIT_COUNTS = Table(
    name="unit_counts",
    rows="unit, test, question type, true and given whole number",
    written_by="`qa-loop experiment`",
    about="Confusion of whole-number answers below 10: a collapse to one answer is visible.",
    key=("arm", "schedule", "budget", "seed", "waste", "noise", "test", "question_type", "truth", "answer"),
    columns={
        **_UNIT,
        "test": _TEST,
        "question_type": QUESTION_TYPE,
        "truth": always(pl.Int64, "true answer"),
        "answer": always(pl.Int64, "answer of the model, -1 where none was read or it is 10 or more"),
        "n": always(pl.Int64, "questions"),
    },
)

SAVINGS = Table(
    name="savings",
    rows="pool, arm, what it is measured against, and axis",
    written_by="`qa-loop experiment`",
    about="How many times fewer samples, or operations, an arm needs than a reference to the score S*.",
    key=("waste", "noise", "arm", "reference", "axis"),
    columns={
        "waste": _UNIT["waste"],
        "noise": _UNIT["noise"],
        "arm": _ARM,
        "reference": always(pl.String, "arm that it is measured against"),
        "axis": always(pl.String, "samples or flops"),
        "goal": always(pl.Float64, "S*: mean score of the target arm with the largest budget"),
        "needed": maybe(pl.Float64, "on the axis, to reach S*; null where it is not reached"),
        "ratio": always(
            pl.Float64, "needed by the reference over needed by the arm; 0 where the arm does not reach S*"
        ),
        "low": always(pl.Float64, "95% interval of ratio, bootstrap over seeds and scenes; 0: not reached"),
        "high": always(pl.Float64, "95% interval of ratio"),
        "reached": always(pl.Float64, "share of the resamples in which the arm reaches S*"),
        "at_least": always(
            pl.Boolean,
            "the ratio is at least so much: the smallest budget is enough, or the reference never gets there",
        ),
        "difference": always(pl.Float64, "score of the arm less that of the reference, both with the largest budget"),
        "difference_low": always(pl.Float64, "95% interval of difference"),
        "difference_high": always(pl.Float64, "95% interval of difference"),
        "seeds": always(pl.Int64, "paired seeds"),
    },
)
