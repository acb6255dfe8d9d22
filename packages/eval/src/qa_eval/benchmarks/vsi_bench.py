"""VSI-Bench (arXiv 2412.14171): ten question types, eight tasks."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qa_eval.benchmarks.base import Benchmark, Metric
from qa_eval.benchmarks.columns import LogColumns
from qa_eval.metrics.aggregate import aggregate
from qa_eval.parsers.lmms_eval import LMMS_EVAL, LMMS_EVAL_CLI
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

HARNESSES = {parser.name: parser for parser in (LMMS_EVAL, LMMS_EVAL_CLI, VLMEVALKIT)}
"""Their code for VSI-Bench."""

NUMBER_TYPES = ("object_counting", "object_size_estimation", "room_size_estimation", "object_abs_distance")
DIRECTION_TYPES = ("object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard")
CHOICE_TYPES = ("object_rel_distance", "obj_appearance_order", "route_planning", *DIRECTION_TYPES)

VSI_METRICS: dict[str, Metric] = {
    **dict.fromkeys(NUMBER_TYPES, "mra"),
    **dict.fromkeys(CHOICE_TYPES, "choice"),
}

VSI_TASKS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in (*NUMBER_TYPES, *CHOICE_TYPES) if name not in DIRECTION_TYPES},
    "object_rel_direction": DIRECTION_TYPES,
}
"""Task to its question types, in the order in which the overall mean adds them: that of the benchmark's file."""

SUBSETS = ("debiased", "pruned")
"""Questions that were kept when those were removed that can be answered without looking, and the removed ones."""


def subset(pruned: object) -> str:
    """Name the subset of a row by its column `pruned`.

    Examples
    --------
    >>> subset(False), subset("True")
    ('debiased', 'pruned')
    """
    return "pruned" if str(pruned).lower() in ("true", "1") else "debiased"


def by_subset(rows: pl.DataFrame) -> Mapping[str, float]:
    """Overall scores of the debiased and of the pruned questions, where the rows name their subset."""
    found = {}
    for name in SUBSETS:
        part = rows.filter(pl.col("group") == name)
        means = aggregate(part["score"].to_numpy(), part["question_type"].to_list(), VSI_TASKS)
        if means.overall is not None:
            found[name] = means.overall
    return found


VSI_COLUMNS = {
    "Obj. Count": "object_counting",
    "Abs. Dist.": "object_abs_distance",
    "Obj. Size": "object_size_estimation",
    "Room Size": "room_size_estimation",
    "Rel. Dist.": "object_rel_distance",
    "Rel. Dir.": "object_rel_direction",
    "Route Plan": "route_planning",
    "Appr. Order": "obj_appearance_order",
}
"""Head of each column of the paper's table 1 to its task."""

VSI_BENCH = Benchmark(
    name="vsi-bench",
    description="VSI-Bench: accuracy and mean relative accuracy; overall = mean of 8 tasks, direction = mean of levels",
    source="arXiv 2412.14171; nyu-visionx/VSI-Bench; vision-x-nyu/thinking-in-space",
    harnesses=HARNESSES,
    metrics=VSI_METRICS,
    tasks=VSI_TASKS,
    columns=VSI_COLUMNS,
    file="test.jsonl or Parquet: id, scene_name, question_type, ground_truth, options (pruned)",
    figures=by_subset,
    log=LogColumns(group=("pruned",)),
)
