"""Benchmarks: which metric a question type has, and how scores are averaged."""

from __future__ import annotations

from qa_eval.benchmarks.base import Benchmark
from qa_eval.benchmarks.questions import QUESTIONS_TABLE
from qa_eval.benchmarks.vsi_bench import VSI_BENCH
from qa_eval.errors import unknown_name

BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in (VSI_BENCH, QUESTIONS_TABLE)}
"""Name to benchmark; add one's own with ``BENCHMARKS[name] = Benchmark(...)``."""


def find_benchmark(name: str) -> Benchmark:
    """Look up a benchmark.

    Raises
    ------
    QAEvalError
        The name is unknown; the message suggests the nearest one.

    Examples
    --------
    >>> find_benchmark("vsi-bench").metrics["object_counting"]
    'mra'
    """
    if name not in BENCHMARKS:
        raise unknown_name("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]


__all__ = ["BENCHMARKS", "Benchmark", "find_benchmark"]
