"""Configuration of Spatial-MLLM on a Qwen2.5-VL or a Qwen3-VL base."""

from __future__ import annotations

from typing import Any

from transformers import Qwen2_5_VLConfig, Qwen3VLConfig

CONNECTORS = ("mlp_add", "mlp_cat", "cross_attention")
GEOMETRY_ENCODERS = ("vggt", "tiny")
_GEOMETRY: dict[str, Any] = {"type": "vggt"}
_CONNECTOR: dict[str, Any] = {"type": "mlp_add", "heads": 16, "zero_init": True}


class SpatialMLLMQwen2_5_VLConfig(Qwen2_5_VLConfig):
    """Qwen2.5-VL's configuration and that of the geometry branch.

    Attributes
    ----------
    geometry_config : dict
        `type` (`vggt` or `tiny`) and the sizes of that encoder.
    connector_config : dict
        `type` (`mlp_add`, `mlp_cat` or `cross_attention`), `heads` of the attention, and `zero_init`: whether the
        last layer starts at zero, so that an assembled model starts with the answers of its base.
    image_mean, image_std : list of float
        Normalisation of the base's image processor, undone for the geometry encoder.

    Examples
    --------
    >>> SpatialMLLMQwen2_5_VLConfig().connector_config["type"]
    'mlp_add'
    """

    model_type = "spatial_mllm_qwen2_5_vl"
    geometry_config: dict[str, Any] | None = None
    connector_config: dict[str, Any] | None = None
    image_mean: list[float] | None = None
    image_std: list[float] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        _fill(self, mean=[0.48145466, 0.4578275, 0.40821073], std=[0.26862954, 0.26130258, 0.27577711])
        super().__post_init__(**kwargs)


class SpatialMLLMQwen3VLConfig(Qwen3VLConfig):
    """Qwen3-VL's configuration and that of the geometry branch, as in `SpatialMLLMQwen2_5_VLConfig`.

    Examples
    --------
    >>> SpatialMLLMQwen3VLConfig(connector_config={"type": "cross_attention"}).connector_config["heads"]
    16
    """

    model_type = "spatial_mllm_qwen3_vl"
    geometry_config: dict[str, Any] | None = None
    connector_config: dict[str, Any] | None = None
    image_mean: list[float] | None = None
    image_std: list[float] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        _fill(self, mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])
        super().__post_init__(**kwargs)


def _fill(config: Any, *, mean: list[float], std: list[float]) -> None:
    """Complete the values of the geometry branch, and refuse unknown types."""
    config.geometry_config = {**_GEOMETRY, **(config.geometry_config or {})}
    config.connector_config = {**_CONNECTOR, **(config.connector_config or {})}
    config.image_mean = list(config.image_mean or mean)
    config.image_std = list(config.image_std or std)
    for section, known in (("geometry_config", GEOMETRY_ENCODERS), ("connector_config", CONNECTORS)):
        kind = getattr(config, section)["type"]
        if kind not in known:
            raise ValueError(f"{section}: unknown type '{kind}'. Valid: {', '.join(known)}.")
