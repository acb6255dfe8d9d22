"""Score vision-language models on spatial questions, VSI-Bench bit for bit.

The public names below are imported when they are first used, so that the package itself costs nothing.

Examples
--------
>>> from qa_eval import Answers, find_benchmark, find_parser, score_answers, summarise
>>> answers = Answers([1, 2], ["object_counting", "route_planning"], ["4", "B"], ["3", "(B)"])
>>> benchmark = find_benchmark("vsi-bench")
>>> for parser in ("official", "lenient"):
...     scored = score_answers(answers, benchmark, find_parser(parser))
...     print(parser, scored.score.tolist(), summarise(scored, benchmark).means.overall)
official [0.6, 0.0] 0.3
lenient [0.6, 1.0] 0.8
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa_eval.benchmarks import BENCHMARKS, Benchmark, find_benchmark
    from qa_eval.bridges import read_log
    from qa_eval.errors import QAEvalError
    from qa_eval.parsers import PARSERS, Parser, find_parser
    from qa_eval.report import write_report
    from qa_eval.report.view import write_view
    from qa_eval.runners import RUNNERS, RunnerKind, find_runner
    from qa_eval.runs.inputs import RunOptions
    from qa_eval.runs.run import run
    from qa_eval.scoring.answers import Answers, Scored
    from qa_eval.scoring.compare import compare_runs
    from qa_eval.scoring.inputs import read_answers
    from qa_eval.scoring.score import score_answers
    from qa_eval.scoring.summary import Summary, summarise

__version__ = "0.1.0"

_MODULES: dict[str, tuple[str, ...]] = {
    "benchmarks": ("BENCHMARKS", "Benchmark", "find_benchmark"),
    "bridges": ("read_log",),
    "errors": ("QAEvalError",),
    "parsers": ("PARSERS", "Parser", "find_parser"),
    "report": ("write_report",),
    "report.view": ("write_view",),
    "runners": ("RUNNERS", "RunnerKind", "find_runner"),
    "runs.inputs": ("RunOptions",),
    "runs.run": ("run",),
    "scoring.answers": ("Answers", "Scored"),
    "scoring.compare": ("compare_runs",),
    "scoring.inputs": ("read_answers",),
    "scoring.score": ("score_answers",),
    "scoring.summary": ("Summary", "summarise"),
}
_OWNER = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module of a public name."""
    if name not in _OWNER:
        raise AttributeError(f"module 'qa_eval' has no attribute '{name}'")
    return getattr(import_module(f"qa_eval.{_OWNER[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_OWNER})


__all__ = [
    "BENCHMARKS", "PARSERS", "RUNNERS", "Answers", "Benchmark", "Parser", "QAEvalError", "RunOptions", "RunnerKind",
    "Scored", "Summary", "compare_runs", "find_benchmark", "find_parser", "find_runner", "read_answers", "read_log",
    "run", "score_answers", "summarise", "write_report", "write_view",
]  # fmt: skip
