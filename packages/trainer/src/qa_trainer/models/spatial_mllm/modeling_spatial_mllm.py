"""Spatial-MLLM: Qwen2.5-VL or Qwen3-VL with a geometry encoder whose tokens are fused into the visual embeddings.

The classes are the base's own with a geometry branch beside the vision tower: the names of the base's weights, its
generation and its processor stay. On Qwen3-VL the fusion comes after the patch merger; DeepStack's features, which go
into the first layers of the language model, stay those of the vision tower.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen3VLForConditionalGeneration
from transformers import initialization as init
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLModel

from .configuration_spatial_mllm import SpatialMLLMQwen2_5_VLConfig, SpatialMLLMQwen3VLConfig
from .connector import AddedLinear, CrossAttentionConnector, MLPConnector, build_connector, merge_tokens
from .geometry_encoder import build_geometry_encoder
from .processing_spatial_mllm import Clip, clips_of_images, clips_of_videos, fit_to_patches, frames_from_patches


class ConnectorInit:
    """Initialises the connectors; mixed in before a Qwen-VL model, inner or outer."""

    config: Any

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(module, AddedLinear) and self.config.connector_config["zero_init"]:
            init.zeros_(module.weight)
            init.zeros_(module.bias)

    def _supports_mm_encoder_outputs(self) -> bool:
        """Let the first forward pass encode: which images belong together is known from its text."""
        return False


class TakesTokens(ConnectorInit):
    """Lets `generate` pass `geometry_tokens` on; mixed in before an outer Qwen-VL model."""

    def prepare_inputs_for_generation(
        self, *args: Any, inputs_embeds: Any = None, geometry_tokens: Any = None, **kwargs: Any
    ) -> Any:
        """Prepare a step as the base does, with the given tokens beside its inputs."""
        # `generate` looks the names of what it may pass up in this signature.
        inputs = super().prepare_inputs_for_generation(*args, inputs_embeds=inputs_embeds, **kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        return inputs | {"geometry_tokens": geometry_tokens}

    def geometry_digest(self) -> str:
        """Name the weights of the geometry encoder, by which `geometry_tokens` have to be made."""
        return self.model.spatial_encoder.digest()  # pyright: ignore[reportAttributeAccessIssue]


class GeometryBranch(ConnectorInit):
    """What the two inner models share: a geometry encoder, a connector, and the fusion of their output.

    Mixed in before a Qwen-VL inner model.
    """

    spatial_encoder: nn.Module
    connector: MLPConnector | CrossAttentionConnector

    def add_geometry(self) -> None:
        """Build the modules that the configuration asks for."""
        vision, options = self.config.vision_config, self.config.connector_config
        self.spatial_encoder = build_geometry_encoder(self.config.geometry_config)
        merged = self.spatial_encoder.dim * vision.spatial_merge_size**2 * vision.temporal_patch_size
        self.connector = build_connector(options, merged, self.config.text_config.hidden_size)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        image_grid_thw: torch.Tensor | None = None,
        video_grid_thw: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        geometry_tokens: Sequence[torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the base's forward pass with fused visual embeddings.

        Parameters
        ----------
        geometry_tokens : sequence of (frames, rows, columns, dim), optional
            Tokens of the geometry encoder that are at hand, one array per clip (those of images first), used instead
            of running it. Another grid of patches than the base's is interpolated.
        """
        fused = dict(mm_encoder_outputs or {})
        given = None if geometry_tokens is None else list(geometry_tokens)
        if pixel_values is not None and image_grid_thw is not None:
            tokens = None if input_ids is None else (input_ids == self.config.image_token_id).sum(dim=1).tolist()
            clips = clips_of_images(image_grid_thw.tolist(), tokens, spatial=self._vision.spatial_merge_size)
            features = self.get_image_features(pixel_values, image_grid_thw, return_dict=True)  # pyright: ignore[reportAttributeAccessIssue]
            fused["image"] = self._fuse(features, pixel_values, image_grid_thw.tolist(), list(clips), given)
        if pixel_values_videos is not None and video_grid_thw is not None:
            features = self.get_video_features(pixel_values_videos, video_grid_thw, return_dict=True)  # pyright: ignore[reportAttributeAccessIssue]
            grids = video_grid_thw.tolist()
            fused["video"] = self._fuse(features, pixel_values_videos, grids, list(clips_of_videos(grids)), given)
        if given and fused:
            raise ValueError(f"geometry_tokens has {len(given)} arrays more than there are clips.")
        return super().forward(  # pyright: ignore[reportAttributeAccessIssue]
            input_ids=input_ids,
            image_grid_thw=image_grid_thw,
            video_grid_thw=video_grid_thw,
            mm_encoder_outputs=fused or None,
            **kwargs,
        )

    @property
    def _vision(self) -> Any:
        return self.config.vision_config

    def _fuse(
        self,
        features: Any,
        pixels: torch.Tensor,
        grids: Sequence[Sequence[int]],
        clips: Sequence[Clip],
        given: list[torch.Tensor] | None,
    ) -> Any:
        """Replace the pooled embeddings of `features` by the fused ones, and take what is used out of `given`."""
        if given is None:
            patches = torch.split(pixels, [t * h * w for t, h, w in grids])
            encoded = self._encode(patches, grids, clips)
        elif len(given) < len(clips):
            raise ValueError(f"geometry_tokens has {len(given)} arrays for {len(clips)} clips.")
        else:
            encoded = [self._fitted(given.pop(0), clip, grids) for clip in clips]
        embeds: list[torch.Tensor] = list(features.pooler_output)
        for clip, tokens in zip(clips, encoded, strict=True):
            merged = self._merge(tokens, clip, grids)
            visual = torch.cat([embeds[item] for item in clip.items])
            joined = self.connector(visual, merged.to(visual.dtype))
            parts = torch.split(joined, [len(embeds[item]) for item in clip.items])
            for item, part in zip(clip.items, parts, strict=True):
                embeds[item] = part
        features.pooler_output = tuple(embeds)
        return features

    def _encode(
        self, patches: Sequence[torch.Tensor], grids: Sequence[Sequence[int]], clips: Sequence[Clip]
    ) -> list[torch.Tensor]:
        """Run the geometry encoder, once per shape of clip, and give the tokens (s, patches, dim) of every clip."""
        weight = next(self.spatial_encoder.parameters())
        frames = [self._frames(patches, grids, clip).to(weight.dtype) for clip in clips]
        groups: dict[torch.Size, list[int]] = {}
        for index, of_clip in enumerate(frames):
            groups.setdefault(of_clip.shape, []).append(index)
        tokens: dict[int, torch.Tensor] = {}
        # A frozen encoder keeps no activations for a backward pass.
        trains = torch.is_grad_enabled() and any(p.requires_grad for p in self.spatial_encoder.parameters())
        with torch.set_grad_enabled(trains):
            for members in groups.values():
                tokens |= dict(
                    zip(members, self.spatial_encoder(torch.stack([frames[i] for i in members])), strict=True)
                )
        return [tokens[index] for index in range(len(clips))]

    def _fitted(self, tokens: torch.Tensor, clip: Clip, grids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Bring given tokens (s, rows, columns, dim) to the grid of a clip: (s, patches, dim)."""
        steps = sum(grids[item][0] for item in clip.items)
        frames = steps if clip.still else steps * self._vision.temporal_patch_size
        dim = self.spatial_encoder.dim
        if tokens.ndim != 4 or (tokens.shape[0], tokens.shape[3]) != (frames, dim):
            raise ValueError(
                f"geometry_tokens: expected ({frames}, rows, columns, {dim}), found {tuple(tokens.shape)}."
            )
        grid = [int(side) for side in grids[clip.items[0]][1:]]
        maps = tokens.to(next(self.connector.parameters()).device).float().movedim(-1, 1)
        if list(maps.shape[2:]) != grid:
            maps = functional.interpolate(maps, size=grid, mode="bilinear", antialias=True, align_corners=False)
        return maps.flatten(2).transpose(1, 2)

    def _frames(self, patches: Sequence[torch.Tensor], grids: Sequence[Sequence[int]], clip: Clip) -> torch.Tensor:
        """Give the frames of a clip (s, 3, H, W), RGB in 0..1, at the size of the geometry encoder's patches."""
        vision = self._vision
        found = []
        for item in clip.items:
            frames = frames_from_patches(
                patches[item].float(),
                grids[item],
                patch_size=vision.patch_size,
                spatial=vision.spatial_merge_size,
                temporal=vision.temporal_patch_size,
            )
            # A processor shows a still image several times; the encoder needs it once.
            found.append(frames[:: vision.temporal_patch_size] if clip.still else frames)
        pixels = torch.cat(found)
        mean, std = (pixels.new_tensor(v)[:, None, None] for v in (self.config.image_mean, self.config.image_std))
        pixels = (pixels * std + mean).clamp(0, 1)
        return fit_to_patches(pixels, patch_size=vision.patch_size, target=int(self.spatial_encoder.patch_size))  # pyright: ignore[reportArgumentType]

    def _merge(self, tokens: torch.Tensor, clip: Clip, grids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Merge the tokens of a clip in the order of its items' embeddings."""
        vision = self._vision
        if clip.still:
            tokens = tokens.repeat_interleave(vision.temporal_patch_size, dim=0)
        t = sum(grids[item][0] for item in clip.items)
        grid = (t, *grids[clip.items[0]][1:])
        return merge_tokens(tokens, grid, spatial=vision.spatial_merge_size, temporal=vision.temporal_patch_size)


class SpatialMLLMQwen2_5_VLModel(GeometryBranch, Qwen2_5_VLModel):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Inner model on a Qwen2.5-VL base."""

    config_class = SpatialMLLMQwen2_5_VLConfig

    def __init__(self, config: SpatialMLLMQwen2_5_VLConfig) -> None:
        super().__init__(config)
        self.add_geometry()
        self.post_init()


class SpatialMLLMQwen3VLModel(GeometryBranch, Qwen3VLModel):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Inner model on a Qwen3-VL base."""

    config_class = SpatialMLLMQwen3VLConfig

    def __init__(self, config: SpatialMLLMQwen3VLConfig) -> None:
        super().__init__(config)
        self.add_geometry()
        self.post_init()


class SpatialMLLMQwen2_5_VLForConditionalGeneration(TakesTokens, Qwen2_5_VLForConditionalGeneration):
    """Spatial-MLLM on a Qwen2.5-VL base."""

    config_class = SpatialMLLMQwen2_5_VLConfig

    def __init__(self, config: SpatialMLLMQwen2_5_VLConfig) -> None:
        # Not the base's own, which would build an inner model without geometry first.
        super(Qwen2_5_VLForConditionalGeneration, self).__init__(config)
        self.model = SpatialMLLMQwen2_5_VLModel(config)
        text: Any = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()


class SpatialMLLMQwen3VLForConditionalGeneration(TakesTokens, Qwen3VLForConditionalGeneration):
    """Spatial-MLLM on a Qwen3-VL base."""

    config_class = SpatialMLLMQwen3VLConfig

    def __init__(self, config: SpatialMLLMQwen3VLConfig) -> None:
        # Not the base's own, which would build an inner model without geometry first.
        super(Qwen3VLForConditionalGeneration, self).__init__(config)
        self.model = SpatialMLLMQwen3VLModel(config)
        text: Any = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()


def released_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the weights of a released Spatial-MLLM checkpoint to those of `SpatialMLLMQwen2_5_VL...`.

    Heads of the geometry encoder, which the model does not use, are left out.

    Examples
    --------
    >>> sorted(released_names({"visual.x": torch.zeros(1), "connector.ln_q.weight": torch.zeros(1)}))
    ['model.connector.ln_q.weight', 'model.visual.x']
    """
    prefixes = {
        "visual.": "model.visual.",
        "model.": "model.language_model.",
        "spatial_encoder.": "model.spatial_encoder.",
        "connector.": "model.connector.",
    }
    unused = tuple(f"spatial_encoder.vggt_model.{head}_head." for head in ("camera", "point", "depth", "track"))
    return {
        _renamed(name, prefixes.items()): value
        for name, value in weights.items()
        if not name.removeprefix("model.").startswith(unused)
    }


def _renamed(name: str, prefixes: Iterable[tuple[str, str]]) -> str:
    """Replace the prefix of a name."""
    if name.startswith(("model.visual.", "model.language_model.", "model.spatial_encoder.", "model.connector.")):
        return name  # saved again by a later transformers
    for old, new in prefixes:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
