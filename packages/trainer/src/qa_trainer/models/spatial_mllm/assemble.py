"""Register Spatial-MLLM with the Auto classes, and put a model together from a base and a geometry encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PreTrainedModel

from qa_trainer.errors import QATrainerError
from qa_trainer.models.spatial_mllm.configuration_spatial_mllm import (
    SpatialMLLMQwen2_5_VLConfig,
    SpatialMLLMQwen3VLConfig,
)
from qa_trainer.models.spatial_mllm.modeling_spatial_mllm import (
    SpatialMLLMQwen2_5_VLForConditionalGeneration,
    SpatialMLLMQwen3VLForConditionalGeneration,
)

_CLASSES: dict[str, tuple[type[Any], type[Any]]] = {
    "qwen2_5_vl": (SpatialMLLMQwen2_5_VLConfig, SpatialMLLMQwen2_5_VLForConditionalGeneration),
    "qwen3_vl": (SpatialMLLMQwen3VLConfig, SpatialMLLMQwen3VLForConditionalGeneration),
}
"""Model type of a base to the classes on it."""


def register_auto_classes() -> None:
    """Let the Auto classes know the model types, and let `save_pretrained` copy the code into the checkpoint."""
    for config_class, model_class in _CLASSES.values():
        AutoConfig.register(config_class.model_type, config_class, exist_ok=True)
        AutoModelForImageTextToText.register(config_class, model_class, exist_ok=True)
        config_class.register_for_auto_class()
        model_class.register_for_auto_class("AutoModelForImageTextToText")


def assemble(
    base: Path,
    *,
    geometry: Mapping[str, Any],
    connector: Mapping[str, Any],
    geometry_weights: Path | None = None,
    seed: int = 0,
) -> tuple[PreTrainedModel, Any]:
    """Add a geometry branch to a base model.

    Parameters
    ----------
    base : Path
        Folder of a Qwen2.5-VL or Qwen3-VL model with its processor.
    geometry, connector : mapping
        `geometry_config` and `connector_config`.
    geometry_weights : Path, optional
        Safetensors file of a released VGGT. Without it the geometry encoder has random weights.
    seed : int
        Of the random weights.

    Returns
    -------
    model, processor
        float32; the processor is the base's own.

    Raises
    ------
    QATrainerError
        The base is of another family, or the geometry weights do not fit.
    """
    register_auto_classes()
    config = AutoConfig.from_pretrained(base, local_files_only=True)
    if config.model_type not in _CLASSES:
        raise QATrainerError(
            f"{base}: a model of type '{config.model_type}' cannot take a geometry encoder. "
            f"Valid: {', '.join(_CLASSES)}."
        )
    config_class, model_class = _CLASSES[config.model_type]
    processor = AutoProcessor.from_pretrained(base, local_files_only=True)
    source = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32, local_files_only=True)
    values = {name: value for name, value in config.to_dict().items() if name not in ("model_type", "architectures")}
    images = processor.image_processor
    torch.manual_seed(seed)
    model = model_class(
        config_class(
            **values,
            geometry_config=dict(geometry),
            connector_config=dict(connector),
            image_mean=list(images.image_mean),
            image_std=list(images.image_std),
        )
    )
    found = model.load_state_dict(source.state_dict(), strict=False)
    added = ("model.spatial_encoder.", "model.connector.")
    strange = [name for name in found.missing_keys if not name.startswith(added)] + found.unexpected_keys
    if strange:
        raise QATrainerError(f"{base}: unexpected weights ({', '.join(strange[:4])}).")
    if geometry_weights is not None:
        _load_geometry(model, geometry_weights)
    model.generation_config = source.generation_config
    return model, processor


def _load_geometry(model: Any, path: Path) -> None:
    """Load released VGGT weights."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    encoder = getattr(model.model.spatial_encoder, "vggt_model", None)
    if encoder is None:
        raise QATrainerError(f"{path}: weights are for the geometry encoder 'vggt', and the model has another one.")
    try:
        encoder.load_released(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        first = " ".join(str(error).split())[:300]
        raise QATrainerError(f"{path}: not the weights of this VGGT ({first}).") from error
