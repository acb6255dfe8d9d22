"""Released Spatial-MLLM checkpoints (names and `config.json` of transformers 4.51) as models of this package."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, Qwen2_5_VLConfig

from qa_trainer.errors import QATrainerError
from qa_trainer.models.loading import load_processor, weight_files
from qa_trainer.models.spatial_mllm.assemble import register_auto_classes
from qa_trainer.models.spatial_mllm.configuration_spatial_mllm import CONNECTORS, SpatialMLLMQwen2_5_VLConfig
from qa_trainer.models.spatial_mllm.modeling_spatial_mllm import (
    SpatialMLLMQwen2_5_VLForConditionalGeneration as Model,
)
from qa_trainer.models.spatial_mllm.modeling_spatial_mllm import released_names

RELEASED_TYPE = "spatial-mllm"
"""Model type of the released configurations."""
_VGGT = "model.spatial_encoder.vggt_model.aggregator."
_DROPPED = ("model_type", "architectures", "torch_dtype", "dtype", "transformers_version")


def convert_release(folder: Path) -> tuple[PreTrainedModel, Any]:
    """Load a released checkpoint.

    Parameters
    ----------
    folder : Path
        `config.json` of type `spatial-mllm`, safetensors files, and the processor's files.

    Returns
    -------
    model, processor
        In the precision of the files.

    Raises
    ------
    QATrainerError
        The folder holds something else, or its weights are not those of its configuration, name by name.
    """
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if values.get("model_type") != RELEASED_TYPE:
        raise QATrainerError(
            f"{folder}: a model of type '{values.get('model_type')}', expected a released Spatial-MLLM "
            f"('{RELEASED_TYPE}'). Other models need no conversion; a geometry encoder is added by 'init-spatial'."
        )
    processor: Any = load_processor(folder)
    weights = released_names(_read(folder))
    register_auto_classes()
    with torch.device("meta"):
        model = Model(_configuration(folder, values, weights, processor))
    _check_names(folder, model, weights)
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    if (folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model, processor


def _read(folder: Path) -> dict[str, torch.Tensor]:
    """Read all weights.

    Raises
    ------
    QATrainerError
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for path in weight_files(folder):
        try:
            pickled = path.suffix == ".bin"
            found |= torch.load(path, map_location="cpu", weights_only=True) if pickled else load_file(path)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise QATrainerError(f"{path}: not a readable file of weights ({str(error).splitlines()[0]}).") from error
    return found


def _configuration(
    folder: Path, values: Mapping[str, Any], weights: Mapping[str, torch.Tensor], processor: Any
) -> SpatialMLLMQwen2_5_VLConfig:
    """Translate a released configuration; what it does not say of VGGT is read off the weights.

    Raises
    ------
    QATrainerError
    """
    spatial, connector = dict(values.get("spatial_config") or {}), dict(values.get("connector_config") or {})
    kind = connector.get("connector_type", "mlp_add")
    if kind not in CONNECTORS:
        raise QATrainerError(f"{folder}: unknown connector '{kind}'. Valid: {', '.join(CONNECTORS)}.")
    if (layer := connector.get("spatial_embeds_layer_idx", -1)) != -1:
        raise QATrainerError(f"{folder}: tokens of VGGT's layer {layer}; only the last one (-1) can be fused.")
    own = {name: value for name, value in values.items() if not name.endswith(("spatial_config", "connector_config"))}
    base = Qwen2_5_VLConfig(**{name: value for name, value in own.items() if name not in _DROPPED}).to_dict()
    for name in _DROPPED:
        base.pop(name, None)
    images = processor.image_processor
    return SpatialMLLMQwen2_5_VLConfig(
        **base,
        geometry_config={"type": "vggt", **_vggt_sizes(folder, spatial, weights)},
        connector_config={"type": kind, "zero_init": False},
        image_mean=list(images.image_mean),
        image_std=list(images.image_std),
    )


def _vggt_sizes(folder: Path, spatial: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Read the sizes of VGGT's aggregator off its weights.

    Raises
    ------
    QATrainerError
    """
    try:
        _, _, _, dim = weights[f"{_VGGT}camera_token"].shape
        head_dim = len(weights[f"{_VGGT}frame_blocks.0.attn.q_norm.weight"])
        positions = weights[f"{_VGGT}patch_embed.pos_embed"].shape[1] - 1
        patch = weights[f"{_VGGT}patch_embed.patch_embed.proj.weight"].shape[-1]
    except KeyError as error:
        raise QATrainerError(f"{folder}: no weights of VGGT ({error.args[0]} is missing).") from error
    heads = dim // head_dim
    found = {"dim": dim, "patch_size": patch, "image_size": round(positions**0.5) * patch, "heads": heads}
    # The heads of the patch embedding leave no trace in its weights; VGGT has as many there as elsewhere.
    found |= {"depth": _count(weights, "frame_blocks"), "dino_depth": _count(weights, "patch_embed.blocks")}
    said = {"dim": spatial.get("embed_dim"), "patch_size": spatial.get("patch_size")}
    if wrong := [name for name, value in said.items() if value not in (None, found[name])]:
        raise QATrainerError(f"{folder}: config.json and weights differ in VGGT's {' and '.join(wrong)}.")
    return found | {"dino_heads": heads}


def _count(weights: Mapping[str, torch.Tensor], stack: str) -> int:
    """Count the layers of a stack."""
    found = re.compile(re.escape(f"{_VGGT}{stack}.") + r"(\d+)\.")
    return len({match[1] for match in map(found.match, weights) if match})


def _check_names(folder: Path, model: PreTrainedModel, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights of other names or shapes than the model's.

    Raises
    ------
    QATrainerError
    """
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    missing = sorted(expected.keys() - weights.keys() - tied)
    unknown = sorted(weights.keys() - expected.keys())
    shapes = sorted(n for n in expected.keys() & weights.keys() if expected[n] != tuple(weights[n].shape))
    found = [
        f"{len(names)} {what} (the first is {names[0]})"
        for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if names
    ]
    if found:
        raise QATrainerError(f"{folder}: not the weights of this configuration: {'; '.join(found)}.")
