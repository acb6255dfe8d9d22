"""Spatial questions with computed answers, made from 3D scenes.

The public names below are imported when they are first used, so that the package itself costs nothing.

Examples
--------
Two generated rooms, three questions about them, and their answers computed again:

>>> import tempfile
>>> from pathlib import Path
>>> import qa_engine
>>> folder = Path(tempfile.mkdtemp())
>>> store = qa_engine.ingest("rooms", out=folder / "store", scenes=2, frames=0, size=32)
>>> questions = qa_engine.generate(store, ["object_counting", "object_abs_distance"], count=3, seed=1)
>>> questions["question_type"].to_list()
['object_counting', 'object_abs_distance', 'object_counting']
>>> qa_engine.verify(store, questions)
[]
>>> answers = qa_engine.answer(store, questions)
>>> answers["prediction"].to_list() == questions["ground_truth"].to_list()
True
>>> facts = qa_engine.Facts(store.load_scene(questions["scene_name"][0]))
>>> result = qa_engine.run_program(questions["program"][0], facts)
>>> round(result.value, 1) == float(questions["ground_truth"][0])
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa_engine.api import answer, generate, ingest
    from qa_engine.datasets import DATASETS
    from qa_engine.datasets.base import Dataset
    from qa_engine.errors import QAEngineError
    from qa_engine.facts.scene import Facts
    from qa_engine.generation.proposers import PROPOSERS
    from qa_engine.generation.samplers import SAMPLERS, Sampler
    from qa_engine.programs import OPERATORS, run_program
    from qa_engine.replay.verify import verify
    from qa_engine.scenes.scene import Scene
    from qa_engine.scenes.store import Store
    from qa_engine.tasks import TASKS, Task
    from qa_engine.views.frame_sets import sample_frames
    from qa_engine.views.observations import observe

_MODULES: dict[str, tuple[str, ...]] = {
    "api": ("answer", "generate", "ingest"),
    "datasets": ("DATASETS",),
    "datasets.base": ("Dataset",),
    "errors": ("QAEngineError",),
    "facts.scene": ("Facts",),
    "generation.proposers": ("PROPOSERS",),
    "generation.samplers": ("SAMPLERS", "Sampler"),
    "programs": ("OPERATORS", "run_program"),
    "replay.verify": ("verify",),
    "scenes.scene": ("Scene",),
    "scenes.store": ("Store",),
    "tasks": ("TASKS", "Task"),
    "views.frame_sets": ("sample_frames",),
    "views.observations": ("observe",),
}
_OWNER = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module of a public name."""
    if name not in _OWNER:
        raise AttributeError(f"module 'qa_engine' has no attribute '{name}'")
    return getattr(import_module(f"qa_engine.{_OWNER[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_OWNER})


__all__ = [
    "DATASETS",
    "OPERATORS",
    "PROPOSERS",
    "SAMPLERS",
    "TASKS",
    "Dataset",
    "Facts",
    "QAEngineError",
    "Sampler",
    "Scene",
    "Store",
    "Task",
    "answer",
    "generate",
    "ingest",
    "observe",
    "run_program",
    "sample_frames",
    "verify",
]
