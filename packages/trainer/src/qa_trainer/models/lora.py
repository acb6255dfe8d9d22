"""Low-rank adapters: which layers get one, where they come from, and the merged model that a run leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_trainer.errors import QATrainerError
from qa_trainer.models.loading import part_of
from qa_trainer.settings.shared import RunSettings

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

ADAPTER = "adapter"
"""Folder of the adapter in a run, and in its state."""
MERGED = "merged"
"""Folder of the merged model in the last checkpoint."""


def check_peft() -> None:
    """Raise an error that says what to install where PEFT is missing.

    Raises
    ------
    QATrainerError
    """
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise QATrainerError("--lora-rank needs 'peft'. Install it with: pip install 'qa-trainer[lora]'") from error


def add_adapter(model: PreTrainedModel, settings: RunSettings, adapter: Path | None) -> PeftModel:
    """Put an adapter on every linear layer of the parts that are trained.

    Parameters
    ----------
    model : PreTrainedModel
        Its weights stay as they are.
    settings : RunSettings
    adapter : Path, optional
        Folder of a saved adapter to go on with; without it the adapter starts as zero, with seeded random numbers.

    Raises
    ------
    QATrainerError
        PEFT is not installed, or no layer is left.
    """
    check_peft()
    import torch
    from peft import PeftModel, get_peft_model

    if adapter is not None:
        return PeftModel.from_pretrained(model, adapter, is_trainable=True)
    torch.manual_seed(settings.seed)
    wrapped: Any = get_peft_model(model, adapter_config(model, settings))
    return wrapped


def adapter_config(model: PreTrainedModel, settings: RunSettings) -> LoraConfig:
    """Describe an adapter on every linear layer of the parts that are trained, the head left out.

    Raises
    ------
    QATrainerError
        No layer is left.
    """
    import torch
    from peft import LoraConfig

    targets = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and part_of(name) not in settings.freeze and "lm_head" not in name
    ]
    if not targets:
        raise QATrainerError(f"--lora-rank: --freeze {' '.join(settings.freeze)} leaves no linear layer to adapt.")
    return LoraConfig(r=settings.lora_rank or 0, lora_alpha=settings.lora_alpha, target_modules=targets)


def save_merged(model: Any, processor: Any, checkpoint: Path) -> None:
    """Add the adapter to the weights and save the whole model beside the adapter, in `MERGED`."""
    merged = model.merge_and_unload()
    merged.save_pretrained(checkpoint / MERGED)
    processor.save_pretrained(checkpoint / MERGED)
