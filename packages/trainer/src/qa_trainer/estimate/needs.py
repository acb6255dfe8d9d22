"""What a run needs on one device: memory by purpose, arithmetic, time.

Memory is the sum of the weights (float32 where they are trained; bfloat16 where they are frozen or only answer on a
GPU), their copies in bfloat16 that autocast makes, gradients and AdamW's two moments of what is trained, what the
backward pass keeps, the pixels that wait, and in reinforcement the reference model. The fragmentation of the allocator
is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa_trainer.estimate.arithmetic import answering_flops, training_flops
from qa_trainer.estimate.devices import Devices
from qa_trainer.estimate.frames import Shown, show_frames
from qa_trainer.estimate.shape import ModelShape, read_shape
from qa_trainer.settings.grpo import GRPOSettings
from qa_trainer.settings.score import ScoreSettings
from qa_trainer.settings.sft import SFTSettings
from qa_trainer.settings.shared import RunSettings, settled

FLOAT, HALF = 4, 2
PROMPT_TOKENS = 96
"""Text of a question with its options and the chat template."""
ANSWER_TOKENS = 16
"""Positions at which the head is computed in training."""
_WAITING = 2
"""Micro-batches of pixels: the one in work and the next."""


@dataclass(frozen=True)
class Estimate:
    """What a run needs.

    Attributes
    ----------
    parameters : dict of str to int
        Per part of the model.
    trained : int
        Parameters with a gradient.
    tokens, image_tokens : int
        Of one question, frames included; and those of the frames.
    patches : int
        Of the frames of one question, in the vision tower.
    weights_bytes, gradient_bytes, optimizer_bytes, activation_bytes, pixel_bytes, reference_bytes : int
        Memory of one device at the end of the forward pass of a micro-batch. Activations include the copies of weights
        that autocast makes, and when answering the keys and values of all tokens.
    flops : float
        Of one optimizer step, or of one question answered, on all devices.
    seconds : float
        The same, at the speed of the devices.
    total_seconds : float or None
        All steps; None where their number is not known.
    sharded : bool
        Weights, gradients and moments are cut over the devices (FSDP2, ZeRO-3).
    activation_checkpointing : bool
        What the estimate is for, where the setting says 'by need'.
    micro_batch : int
    """

    parameters: dict[str, int]
    trained: int
    tokens: int
    image_tokens: int
    patches: int
    weights_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    activation_bytes: int
    pixel_bytes: int
    reference_bytes: int
    flops: float
    seconds: float
    total_seconds: float | None
    sharded: bool
    activation_checkpointing: bool
    micro_batch: int

    @property
    def total_bytes(self) -> int:
        """Sum of the six."""
        trained = self.weights_bytes + self.gradient_bytes + self.optimizer_bytes
        return trained + self.activation_bytes + self.pixel_bytes + self.reference_bytes


def estimate_run(
    model_folder: Path,
    settings: SFTSettings | GRPOSettings | ScoreSettings,
    devices: Devices,
    *,
    frames: int,
    frame_size: tuple[int, int],
) -> Estimate:
    """Estimate a run of `sft`, `grpo`, `score` or (as `score`) of the evaluator; weights are not needed.

    Parameters
    ----------
    model_folder : Path
        Configuration and processor.
    settings : SFTSettings, GRPOSettings or ScoreSettings
    devices : Devices
    frames : int
        Per question.
    frame_size : (width, height)
        Pixels of a frame on disk.

    Notes
    -----
    Several devices hold the whole model each where that fits, else a part of it.
    """
    from qa_trainer.models.loading import load_processor, register_own_code

    register_own_code(model_folder)
    freeze = settings.freeze if isinstance(settings, RunSettings) else ()
    shape = read_shape(model_folder, freeze)
    processor: Any = load_processor(model_folder, settings)
    as_video = settings.frame_input == "video"
    shown = show_frames(processor, _vision_config(model_folder), frames=frames, size=frame_size, as_video=as_video)
    if isinstance(settings, ScoreSettings):
        return _answering(shape, shown, settings, devices, frames)
    found = [
        _training(shape, shown, chosen, devices, frames, sharded=sharded)
        for sharded in ((False, True) if devices.count > 1 and settings.lora_rank is None else (False,))
        for chosen in _choices(settings, devices)
    ]
    return next((one for one in found if one.total_bytes <= devices.memory_bytes), found[-1])


def _vision_config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True).vision_config


def _choices(settings: Any, devices: Devices) -> list[Any]:
    """Settle what the settings leave open: without recomputing, and where that is open, with it."""
    given = settings.activation_checkpointing
    tried = [given] if given is not None else [False, True] if devices.gpu else [False]
    return [settled(settings, gpu=devices.gpu, activation_checkpointing=value) for value in tried]


def _training(
    shape: ModelShape, shown: Shown, settings: Any, devices: Devices, frames: int, *, sharded: bool
) -> Estimate:
    reinforced = isinstance(settings, GRPOSettings)
    rank = settings.lora_rank
    parameters = {name: part.parameters for name, part in shape.parts.items()}
    open_parts = [part for name, part in shape.parts.items() if name not in shape.frozen]
    trained = sum(part.parameters for part in open_parts)
    if rank is not None:
        trained = rank * sum(part.adapted for part in open_parts)
    half = settings.dtype == "bfloat16"
    frozen_width = HALF if half and not sharded else FLOAT
    own = trained if rank is None else 0
    weights = FLOAT * trained + frozen_width * (shape.parameters - own)
    parts = devices.count if sharded else 1
    tokens = PROMPT_TOKENS + shown.tokens + (settings.max_completion_length if reinforced else 0)
    micro = settings.micro_batch
    if not reinforced:
        micro = settings.micro_batch_size or max(1, settings.batch_size // devices.count)
    text_kept, vision_kept = shape.text.kept, shape.vision.kept if "vision" not in shape.frozen else 0
    if rank is not None:
        # An adapter computes its layer's output once more; the copy is freed, but the allocator keeps its space.
        text_kept += shape.parts["language"].adapted_outputs if "language" not in shape.frozen else 0
        vision_kept += shape.parts["vision"].adapted_outputs if vision_kept else 0
    if settings.activation_checkpointing:
        text_kept = shape.text.checkpointed(text_kept)
        vision_kept = shape.vision.checkpointed(vision_kept) if vision_kept else 0
    width = HALF if half else FLOAT
    kept = micro * width * (tokens * text_kept + shown.patches * vision_kept)
    head = 3 * FLOAT * micro * (settings.max_completion_length if reinforced else ANSWER_TOKENS) * shape.vocabulary
    copies = HALF * sum(part.multiplied for part in open_parts) if half and rank is None else 0
    if sharded:
        # Two layers are whole at a time.
        copies = 2 * (FLOAT + (HALF if half else 0)) * max(part.largest_block for part in shape.parts.values())
    activations = kept + head + int(copies)
    reference = 0
    if reinforced:
        reference = FLOAT * shape.parameters if settings.beta and rank is None else 0
        at_once = max(micro, settings.group_size)
        activations = max(activations, at_once * tokens * _cache_per_token(shape, FLOAT))
    questions = settings.batch_size * (settings.group_size if reinforced else 1)
    flops = questions * training_flops(
        shape, tokens=tokens, patches=shown.patches, frames=frames, adapters=rank is not None
    )
    if reinforced:
        answered = answering_flops(
            shape, tokens=tokens, patches=shown.patches, frames=frames, new_tokens=settings.max_completion_length
        )
        flops += questions * answered * (2 if settings.beta else 1)
    again = 4 / 3 if settings.activation_checkpointing else 1.0
    seconds = again * flops / (devices.flops * devices.count)
    return Estimate(
        parameters=parameters,
        trained=trained,
        tokens=tokens,
        image_tokens=shown.tokens,
        patches=shown.patches,
        weights_bytes=weights // parts,
        gradient_bytes=FLOAT * trained // parts,
        optimizer_bytes=2 * FLOAT * trained // parts,
        activation_bytes=activations,
        pixel_bytes=_WAITING * micro * shown.pixel_bytes,
        reference_bytes=reference // parts,
        flops=flops,
        seconds=seconds,
        total_seconds=None if getattr(settings, "epochs", None) else seconds * settings.steps,
        sharded=sharded,
        activation_checkpointing=bool(settings.activation_checkpointing),
        micro_batch=micro,
    )


def _answering(shape: ModelShape, shown: Shown, settings: ScoreSettings, devices: Devices, frames: int) -> Estimate:
    width = HALF if devices.gpu else FLOAT
    tokens = PROMPT_TOKENS + shown.tokens
    batch, new = settings.batch_size, settings.max_new_tokens
    one_layer = max(
        tokens * shape.text.kept / shape.text.layers, shown.patches * shape.vision.kept / shape.vision.layers
    )
    logits = 3 * FLOAT * batch * new * shape.vocabulary
    cache = batch * (tokens + new) * _cache_per_token(shape, width)
    flops = answering_flops(shape, tokens=tokens, patches=shown.patches, frames=frames, new_tokens=new)
    return Estimate(
        parameters={name: part.parameters for name, part in shape.parts.items()},
        trained=0,
        tokens=tokens,
        image_tokens=shown.tokens,
        patches=shown.patches,
        weights_bytes=width * shape.parameters,
        gradient_bytes=0,
        optimizer_bytes=0,
        activation_bytes=int(batch * width * one_layer) + cache + logits,
        pixel_bytes=batch * shown.pixel_bytes,
        reference_bytes=0,
        flops=flops,
        seconds=flops / devices.flops,
        total_seconds=None,
        sharded=False,
        activation_checkpointing=False,
        micro_batch=batch,
    )


def _cache_per_token(shape: ModelShape, width: int) -> int:
    """Give the bytes of the keys and values of one token."""
    return 2 * shape.text.layers * shape.text.keys * width
