"""Find a model, name its content, and load it for training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_contract.clips import set_pixel_limits

from qa_trainer.errors import QATrainerError
from qa_trainer.tiny import SHIPPED

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

    from qa_trainer.settings.shared import FrameSettings

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_HUB_FILES = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors"]
_PARTS = {
    "vision": ("visual", "vision_tower", "vision_model", "vision_encoder"),
    "connector": (
        *("merger", "deepstack_merger_list", "connector", "aligner", "resampler_model"),
        *("multi_modal_projector", "mm_projector", "projector", "vision_projection", "image_newline", "embed_vision"),
    ),
    "geometry": ("spatial_encoder",),
    "audio": ("audio_tower", "audio_model", "embed_audio"),
    "language": ("language_model", "text_model", "lm_head"),
}
"""Part to the module names that mark its parameters; a connector inside the vision tower is not `vision`."""
_SPATIAL = "spatial_mllm_"
"""Start of the model types of Spatial-MLLM, whose code this package holds."""


def resolve_model(name: str, *, option: str = "--model", weights: bool = True) -> Path:
    """Find the folder of a model: a name in `SHIPPED`, a folder, or a hub id.

    Errors name the `option` that it was given with. Without `weights` the configuration and the processor are enough.

    Raises
    ------
    QATrainerError
        Nothing is there, or the folder holds no model.
    """
    folder = Path(name).expanduser()
    if name in SHIPPED:
        folder = SHIPPED[name]
    elif not folder.is_dir():
        if name.startswith((".", "/", "~")) or name.count("/") != 1:
            raise QATrainerError(f"{option} {name}: no such folder, and not a hub id ('owner/name').")
        folder = _download(name, option, _HUB_FILES if weights else _HUB_FILES[:-1])
    if not (folder / "config.json").is_file():
        raise QATrainerError(f"{option} {name}: no config.json in {folder}; expected a saved transformers model.")
    if weights and not weight_files(folder):
        raise QATrainerError(f"{option} {name}: no weights in {folder} (expected {' or '.join(_WEIGHTS)}).")
    return folder


def model_hash(folder: Path) -> str:
    """Hash the weights and the configuration of a model; the folder's name and other files do not matter."""
    digest = hashlib.sha256()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    # The version of the library that saved the model says nothing about the model.
    config.pop("transformers_version", None)
    digest.update(json.dumps(config, sort_keys=True).encode())
    for path in weight_files(folder):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def load_processor(folder: Path, shown: FrameSettings | None = None) -> ProcessorMixin:
    """Load a processor that shows frames as the settings say.

    Raises
    ------
    QATrainerError
        It cannot be loaded, lacks an image processor, a tokenizer or a chat template, or takes no videos and is to
        show one.
    UserError
        It does not size frames by their pixels and is told to.
    """
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except ImportError as error:
        raise QATrainerError(f"{folder}: the processor needs another package. {_first_line(error)}") from error
    except (OSError, ValueError, KeyError) as error:
        raise QATrainerError(f"{folder}: no loadable processor ({_first_line(error)}).") from error
    missing = [part for part in ("image_processor", "tokenizer") if getattr(processor, part, None) is None]
    if missing:
        raise QATrainerError(f"{folder}: the processor lacks {' and '.join(missing)}; frames cannot be shown with it.")
    if not processor.chat_template:
        raise QATrainerError(f"{folder}: the processor has no chat template; save one with it.")
    if shown is not None:
        if shown.frame_input == "video":
            _need_video(folder, processor)
        part = f"{shown.frame_input.removesuffix('s')}_processor"
        set_pixel_limits(getattr(processor, part, None), shown.min_pixels, shown.max_pixels)
    return processor


def _need_video(folder: Path, processor: Any) -> None:
    """Refuse a processor that takes no video, or whose chat template has no place for one.

    Raises
    ------
    QATrainerError
    """
    token, content = getattr(processor, "video_token", None), [{"type": "video"}, {"type": "text", "text": ""}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    if not token or token not in text or getattr(processor, "video_processor", None) is None:
        raise QATrainerError(f"{folder}: this model's processor takes no video. Use --frame-input images.")


def load_model(
    folder: Path, *, attention: str = "auto", shown: FrameSettings | None = None
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Load a vision-language model in float32, and its processor.

    Parameters
    ----------
    folder : Path
    attention : str
        Kernels of the attention by transformers' names, or `auto` for its choice.
    shown : FrameSettings, optional
        How the processor shows frames.

    Raises
    ------
    QATrainerError
        The folder does not hold a vision-language model with an image processor and a chat template, or it cannot
        run with that attention.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText

    register_own_code(folder)
    processor = load_processor(folder, shown)
    kernels = {} if attention == "auto" else {"attn_implementation": attention}
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, **kernels
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        if kernels and (attention in str(error) or isinstance(error, ImportError)):
            raise QATrainerError(
                f"--attention {attention}: not for this model on this machine ({_first_line(error)}). "
                "Leave the option out, or take sdpa or eager."
            ) from error
        raise QATrainerError(f"{folder}: not a loadable vision-language model ({_first_line(error)}).") from error
    _check_processor(folder, model.config, processor)
    return model, processor


def window_of(folder: Path) -> int | None:
    """Give the number of positions that a model has, or None where its configuration sets no limit.

    Raises
    ------
    QATrainerError
        The configuration cannot be read.
    """
    from transformers import AutoConfig

    register_own_code(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise QATrainerError(f"{folder}: no loadable configuration ({_first_line(error)}).") from error
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def attention_of(model: Any) -> str:
    """Name the kernels that a loaded model attends with.

    Examples
    --------
    >>> from types import SimpleNamespace as Object
    >>> attention_of(Object(config=Object(_attn_implementation="sdpa")))
    'sdpa'
    """
    return model.config._attn_implementation


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Collect the tokens that end a turn."""
    ends = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}


def register_own_code(folder: Path) -> None:
    """Let the Auto classes know Spatial-MLLM where the folder holds one."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if str(config.get("model_type", "")).startswith(_SPATIAL):
        from qa_trainer.models.spatial_mllm.assemble import register_auto_classes

        register_auto_classes()


def _check_processor(folder: Path, config: Any, processor: Any) -> None:
    """Refuse a processor whose patches or tokens are not the model's.

    Raises
    ------
    QATrainerError
    """
    vision, images, tokenizer = config.vision_config, processor.image_processor, processor.tokenizer
    pairs = [
        ("patch size", getattr(vision, "patch_size", None), getattr(images, "patch_size", None)),
        ("merge size", getattr(vision, "spatial_merge_size", None), getattr(images, "merge_size", None)),
    ]
    expected, named = getattr(config, "image_token_id", None), getattr(processor, "image_token_id", None)
    # A processor may name the token of the text, and write others in its place.
    if expected != named and expected is not None and expected not in _shown_tokens(processor):
        pairs.append(("image token", expected, named))
    differing = [f"{what} {b}, the model {a}" for what, a, b in pairs if None not in (a, b) and a != b]
    rows = config.get_text_config().vocab_size
    if len(tokenizer) > rows:
        differing.append(f"{len(tokenizer)} tokens, the model {rows}")
    if differing:
        raise QATrainerError(
            f"{folder}: the processor is another model's (it has {'; '.join(differing)}). "
            "Save the processor of the base model into this folder."
        )


def _shown_tokens(processor: Any) -> set[int]:
    """Give the tokens of a prompt with one small picture."""
    from PIL import Image

    content = [{"type": "image"}, {"type": "text", "text": "?"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(text=[text], images=[[Image.new("RGB", (64, 64))]], return_tensors="pt")
    return set(inputs["input_ids"][0].tolist())


def freeze_parts(model: PreTrainedModel, parts: Sequence[str]) -> None:
    """Exclude parts of the model from training.

    Raises
    ------
    QATrainerError
        The model has no parameter that is recognised as belonging to the part, or parameters that are recognised as
        belonging to no part, so that some of a frozen one might be trained; or none is left to train.
    """
    owners = {name: part_of(name) for name, _ in model.named_parameters()}
    if parts and (unknown := [name for name, part in owners.items() if part is None]):
        raise QATrainerError(
            f"--freeze {' '.join(parts)}: {len(unknown)} of {len(owners)} parameters of {type(model).__name__} belong "
            f"to no known part, the first is '{unknown[0]}'; they might be of a part that is to stay. "
            "Train the whole model."
        )
    for part in parts:
        if part not in owners.values():
            raise QATrainerError(f"--freeze {part}: no parameter of {type(model).__name__} belongs to that part.")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(owners[name] not in parts)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise QATrainerError(f"--freeze {' '.join(parts)}: nothing is left to train.")


def hold_frozen_in_half(model: PreTrainedModel) -> None:
    """Hold in bfloat16 what is not trained: half the memory, and the forward pass casts it there anyway."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.requires_grad and parameter.dtype == torch.float32:
                parameter.data = parameter.data.to(torch.bfloat16)


def part_of(name: str) -> str | None:
    """Name the part of the model that a parameter belongs to."""
    words = set(name.split("."))
    for part in ("audio", "connector", "geometry", "vision", "language"):
        if words.intersection(_PARTS[part]):
            return part
    return None


def weight_files(folder: Path) -> list[Path]:
    """List the weight files; pickled ones only where there are no others."""
    for pattern in _WEIGHTS:
        if found := sorted(folder.glob(pattern)):
            return found
    return []


def _download(name: str, option: str, files: list[str]) -> Path:
    """Get a model of the hub, from the local cache or the network."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=files))
    except (OSError, ValueError) as error:
        raise QATrainerError(
            f"{option} {name}: no such folder, and the hub has no answer ({_first_line(error)}). "
            f"Offline, give a folder, a model of the local Hugging Face cache, or {' or '.join(map(repr, SHIPPED))}."
        ) from error


def _first_line(error: Exception) -> str:
    """Shorten a library's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
