"""Fine-tune a vision-language model on spatial questions, and record its confidence in the same forward pass.

The public names below are imported when they are first used: settings and rewards need no torch, the others do.

Examples
--------
>>> import qa_trainer
>>> settings = qa_trainer.SFTSettings(steps=4, batch_size=8, freeze=("vision",))
>>> settings.micro_batch
8
>>> qa_trainer.REWARDS["choice"](["B. sofa"], ground_truth=["B"], options=[["A. bed", "B. sofa"]])
[1.0]

A run from Python is the run of the command line; the same call goes on with a run that was stopped::

    inputs = qa_trainer.SFTInputs(model="tiny", questions=Path("questions"), store=Path("store"))
    summary = qa_trainer.train_sft(inputs, settings, Path("out"))
    print(summary.loss)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa_trainer.data.questions import load_samples
    from qa_trainer.errors import QATrainerError
    from qa_trainer.estimate.needs import Estimate, estimate_run
    from qa_trainer.frames.sample import sample_frames
    from qa_trainer.frames.settings import SamplingSettings
    from qa_trainer.grpo.run import GRPOInputs, train_grpo
    from qa_trainer.models.loading import load_model, resolve_model
    from qa_trainer.rewards import REWARDS
    from qa_trainer.score.run import score_questions
    from qa_trainer.settings.grpo import GRPOSettings
    from qa_trainer.settings.score import ScoreSettings
    from qa_trainer.settings.sft import SFTSettings
    from qa_trainer.sft.run import SFTInputs, train_sft

_MODULES: dict[str, tuple[str, ...]] = {
    "data.questions": ("load_samples",),
    "errors": ("QATrainerError",),
    "estimate.needs": ("Estimate", "estimate_run"),
    "frames.sample": ("sample_frames",),
    "frames.settings": ("SamplingSettings",),
    "grpo.run": ("GRPOInputs", "train_grpo"),
    "settings.grpo": ("GRPOSettings",),
    "models.loading": ("load_model", "resolve_model"),
    "rewards": ("REWARDS",),
    "score.run": ("score_questions",),
    "settings.score": ("ScoreSettings",),
    "sft.run": ("SFTInputs", "train_sft"),
    "settings.sft": ("SFTSettings",),
}
_OWNER = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module of a public name."""
    if name not in _OWNER:
        raise AttributeError(f"module 'qa_trainer' has no attribute '{name}'")
    return getattr(import_module(f"qa_trainer.{_OWNER[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_OWNER})


__all__ = [
    "REWARDS", "Estimate", "GRPOInputs", "GRPOSettings", "QATrainerError", "SFTInputs", "SFTSettings",
    "SamplingSettings", "ScoreSettings", "estimate_run", "load_model", "load_samples", "resolve_model",
    "sample_frames", "score_questions", "train_grpo", "train_sft",
]  # fmt: skip
