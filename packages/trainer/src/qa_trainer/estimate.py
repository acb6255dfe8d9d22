"""Estimate, before a run, what it needs: parameters, memory, arithmetic, time.

Notes
-----
Memory is the sum of the weights, the gradients and AdamW's two moments of what is trained (all float32), the
activations that the backward pass keeps, and the pixels of all micro-batches of a step, which are made before the first
forward pass because the loss divides by the answer tokens of the whole step. Activations are counted per layer and
token from the sizes of the layer; see `_kept_per_token`. The estimate leaves out the fragmentation of the allocator.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa_trainer.models.loading import freeze_parts, part_of, register_own_code
from qa_trainer.sft.settings import SFTSettings

FLOAT = 4
PROMPT_TOKENS = 96
"""Text of a question with its options and the chat template."""
EFFICIENCY = 0.5
"""Share of the device's matrix-product speed that training reaches."""


@dataclass(frozen=True)
class Estimate:
    """What a run needs.

    Attributes
    ----------
    parameters : dict of str to int
        Per part of the model.
    trained : int
        Parameters with a gradient.
    tokens : int
        Of one question, frames included.
    patches : int
        Of the frames of one question, in the vision tower.
    weights_bytes, gradient_bytes, optimizer_bytes, activation_bytes, pixel_bytes : int
        Memory at the end of the forward pass of the first micro-batch.
    flops : float
        Of one optimizer step.
    seconds : float
        One optimizer step on this machine's device.
    """

    parameters: dict[str, int]
    trained: int
    tokens: int
    patches: int
    weights_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    pixel_bytes: int
    flops: float
    seconds: float

    @property
    def total_bytes(self) -> int:
        """Sum of the five."""
        trained = self.weights_bytes + self.gradient_bytes + self.optimizer_bytes
        return trained + self.activation_bytes + self.pixel_bytes


def estimate_sft(model_folder: Path, settings: SFTSettings, *, frames: int, frame_size: tuple[int, int]) -> Estimate:
    """Estimate a run of `sft`; the model is built without memory for its weights.

    Parameters
    ----------
    model_folder : Path
    settings : SFTSettings
    frames : int
        Per question.
    frame_size : (width, height)
        Pixels of a frame on disk.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    register_own_code(model_folder)
    config = AutoConfig.from_pretrained(model_folder, local_files_only=True)
    processor = AutoProcessor.from_pretrained(model_folder, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    freeze_parts(model, settings.freeze)
    parameters: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = part_of(name) or "other"
        parameters[part] = parameters.get(part, 0) + parameter.numel()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    adapted = {
        name: module
        for name, module in model.named_modules()
        if settings.lora_rank is not None
        and isinstance(module, torch.nn.Linear)
        and part_of(name) not in settings.freeze
        and "lm_head" not in name
    }
    if settings.lora_rank is not None:
        trained = settings.lora_rank * sum(sum(module.weight.shape) for module in adapted.values())
    vision = config.vision_config
    # Of one patch; a still image stands for all frames that a patch spans in time.
    values = 3 * getattr(vision, "temporal_patch_size", 1) * _side(vision.patch_size) ** 2
    patches, shown = _patches(config, processor, frame_size)
    tokens = frames * shown + PROMPT_TOKENS
    width = 2 if settings.dtype == "bfloat16" else FLOAT
    text_kept = _kept_per_token(config.get_text_config(), gated=True)
    vision_kept = _kept_per_token(config.vision_config, gated=False) if "vision" not in settings.freeze else 0
    # An adapter computes its layer's output once more; the copy is freed, but the allocator keeps its space.
    text_kept += sum(module.out_features for name, module in adapted.items() if part_of(name) == "language")
    vision_kept += sum(module.out_features for name, module in adapted.items() if part_of(name) == "vision")
    if settings.activation_checkpointing:
        # Only the input of every layer stays, and one layer at a time is recomputed.
        text_kept = _checkpointed(config.get_text_config(), text_kept)
        vision_kept = _checkpointed(config.vision_config, vision_kept)
    kept = tokens * text_kept + frames * patches * vision_kept
    every = sum(parameters.values())
    of_text = every - parameters.get("vision", 0) - parameters.get("geometry", 0)
    flops = settings.batch_size * 6.0 * (of_text * tokens + parameters.get("vision", 0) * frames * patches)
    return Estimate(
        parameters=parameters,
        trained=trained,
        tokens=tokens,
        patches=frames * patches,
        weights_bytes=FLOAT * (every + (trained if settings.lora_rank else 0)),
        gradient_bytes=FLOAT * trained,
        optimizer_bytes=2 * FLOAT * trained,
        activation_bytes=settings.micro_batch * kept * width,
        pixel_bytes=FLOAT * settings.batch_size * frames * patches * values,
        flops=flops,
        seconds=flops / (EFFICIENCY * _flops_per_second(settings)),
    )


def advice(estimate: Estimate, settings: SFTSettings, available: int) -> list[str]:
    """Say what makes a run fit that does not, the cheapest change first; nothing where it fits.

    Examples
    --------
    >>> small = Estimate({}, 0, 1, 1, 10, 0, 0, 80, 10, 1.0, 1.0)
    >>> advice(small, SFTSettings(), 200), advice(small, SFTSettings(), 50)[0]
    ([], '--micro-batch-size 32: the same training, half the activations')
    """
    if estimate.total_bytes <= available:
        return []
    found: list[str] = []
    if settings.micro_batch > 1:
        half = next(n for n in range(settings.micro_batch // 2, 0, -1) if settings.batch_size % n == 0)
        found.append(f"--micro-batch-size {half}: the same training, half the activations")
    if not settings.activation_checkpointing:
        found.append("--activation-checkpointing: the same training, a third more time")
    if "vision" not in settings.freeze:
        found.append("--freeze vision: no gradients, moments and activations there")
    if settings.lora_rank is None:
        found.append("--lora-rank 16: gradients and moments of the adapters only")
    if settings.dtype == "float32":
        found.append("--dtype bfloat16: half the activations (on a GPU)")
    if estimate.pixel_bytes > estimate.activation_bytes:
        found.append("a smaller --batch-size: the pixels of all questions of a step are held at once")
    found.append("fewer or smaller frames: fewer tokens per question")
    return found


def device_bytes(settings: SFTSettings) -> int:
    """Memory of the device that a run would use."""
    import os

    import torch

    if settings.device == "auto" and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _side(patch_size: int | list[int]) -> int:
    """Give the side of a patch; InternVL writes both sides."""
    return patch_size if isinstance(patch_size, int) else patch_size[0]


def _patches(config: Any, processor: Any, frame_size: tuple[int, int]) -> tuple[int, int]:
    """Count the patches of a frame in the vision tower, and its tokens in the text."""
    images, vision = processor.image_processor, config.vision_config
    merge = getattr(vision, "spatial_merge_size", 1) ** 2
    count = getattr(images, "get_number_of_image_patches", None)
    if count is not None:
        patches = int(count(frame_size[1], frame_size[0], {}))
    else:
        patches = (_side(vision.image_size) // _side(vision.patch_size)) ** 2
    return patches, patches // merge


def _kept_per_token(config: Any, *, gated: bool) -> int:
    """Count the numbers that the backward pass needs of one token, over all layers.

    Per layer: input and normalised input of both norms, queries, keys and values before and after rotation (and norm),
    the attention's output, and what the MLP multiplies: its hidden layer before and after the activation, and with a
    gate the gate and the product, too.
    """
    hidden = config.hidden_size
    heads = getattr(config, "num_attention_heads", None) or config.num_heads
    head_dim = getattr(config, "head_dim", None) or hidden // heads
    queries = heads * head_dim
    keys = (getattr(config, "num_key_value_heads", None) or heads) * head_dim
    layers = getattr(config, "num_hidden_layers", None) or config.depth
    rotated = 3 * (queries + keys) + keys
    mlp = (4 if gated else 2) * config.intermediate_size
    return layers * (6 * hidden + rotated + queries + mlp)


def _checkpointed(config: Any, kept: int) -> int:
    layers = getattr(config, "num_hidden_layers", None) or config.depth
    return layers * config.hidden_size + kept // layers


def _flops_per_second(settings: SFTSettings) -> float:
    """Time a matrix product on the device of the run."""
    import torch

    on_gpu = settings.device == "auto" and torch.cuda.is_available()
    dtype = torch.bfloat16 if settings.dtype == "bfloat16" else torch.float32
    side = 8192 if on_gpu else 768
    a = torch.ones(side, side, dtype=dtype, device="cuda" if on_gpu else "cpu")
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - started)
    return 2.0 * side**3 / best
