"""The closed loop: runs the four packages as processes over Parquet files.

The names below are imported when they are first used.

Examples
--------
>>> import qa_loop
>>> sections = {
...     "run": {"name": "small", "rounds": 1},
...     "scenes": {"dataset": "rooms", "scenes": 4},
...     "train": {"model": "tiny", "steps": 2, "batch_size": 4, "learning_rate": 1e-4},
...     "eval": {"count": 8, "runners": ["majority"]},
... }
>>> config = qa_loop.parse_config(sections, source="small.toml")
>>> [stage.name for stage in qa_loop.plan(config)]  # doctest: +NORMALIZE_WHITESPACE
['ingest', 'eval-questions', 'round_00-eval', 'round_00-eval-confidence', 'round_00-majority', 'round_01-questions',
 'round_01-train', 'round_01-confidence', 'round_01-feedback', 'round_01-eval', 'round_01-eval-confidence']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa_loop.config import LoopConfig, load_config, parse_config
    from qa_loop.errors import QALoopError, StageError
    from qa_loop.manifest import Manifest, load_manifest
    from qa_loop.report import write_report
    from qa_loop.results import Comparison, comparison, format_comparison, read_scores
    from qa_loop.run import Outcome, run_loop
    from qa_loop.stage import Stage
    from qa_loop.stages import plan
    from qa_loop.status import RunStatus, run_status

__version__ = "0.1.0"

_MODULES: dict[str, tuple[str, ...]] = {
    "config": ("LoopConfig", "load_config", "parse_config"),
    "errors": ("QALoopError", "StageError"),
    "manifest": ("Manifest", "load_manifest"),
    "report": ("write_report",),
    "results": ("Comparison", "comparison", "format_comparison", "read_scores"),
    "run": ("Outcome", "run_loop"),
    "stage": ("Stage",),
    "stages": ("plan",),
    "status": ("RunStatus", "run_status"),
}
_OWNER = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module of a public name."""
    if name not in _OWNER:
        raise AttributeError(f"module 'qa_loop' has no attribute '{name}'")
    return getattr(import_module(f"qa_loop.{_OWNER[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_OWNER})


__all__ = [
    "Comparison", "LoopConfig", "Manifest", "Outcome", "QALoopError", "RunStatus", "Stage", "StageError", "comparison",
    "format_comparison", "load_config", "load_manifest", "parse_config", "plan", "read_scores", "run_loop",
    "run_status", "write_report",
]  # fmt: skip
