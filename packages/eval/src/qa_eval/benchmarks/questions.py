"""One's own questions table, scored like VSI-Bench; question types beyond it are tasks of their own."""

from __future__ import annotations

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.vsi_bench import HARNESSES, VSI_COLUMNS, VSI_METRICS, VSI_TASKS

QUESTIONS_TABLE = Benchmark(
    name="questions",
    description="a questions table: VSI-Bench's metrics, any question type; overall = mean of the tasks present",
    source="the questions table that is scored",
    harnesses=HARNESSES,
    metrics=VSI_METRICS,
    tasks=VSI_TASKS,
    columns=VSI_COLUMNS,
    open_types=True,
    file="a questions table, or rows with id, question_type, ground_truth, options",
)
