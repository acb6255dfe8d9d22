"""Frames that questions share are encoded once: within a batch always, and once per run where an encoder is frozen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from qa_trainer.models.kept import Kept

if TYPE_CHECKING:
    import torch

_FAMILIES = ("Qwen", "SpatialMLLM")
"""Starts of the classes whose towers take the patches of all images in a row."""


class SharedFrames:
    """Stands between a Qwen-VL model and its encoders.

    An image that several rows of a batch show goes through the tower once, and its gradient is the sum of theirs. What
    a frozen encoder has made of an image, or VGGT of a clip, is kept on the host up to a limit. Where the layers that
    merge patches are trained and the tower is not, what goes into them is kept.

    Parameters
    ----------
    model : PreTrainedModel
        One that `can_share` accepts; its parts are frozen already.
    limit_bytes : int
        Memory for what frozen encoders made; 0 keeps nothing from one batch to the next.
    """

    def __init__(self, model: Any, *, limit_bytes: int) -> None:
        self._inner: Any = model.base_model
        self._tower: Any = self._inner.visual
        self._kept = Kept(limit_bytes=limit_bytes)
        self._names: Sequence[str] = ()
        self._mergers = [self._tower.merger, *getattr(self._tower, "deepstack_merger_list", ())]
        merging = {id(p) for merger in self._mergers for p in merger.parameters()}
        keeps = limit_bytes > 0
        self._frozen = keeps and not any(p.requires_grad for p in self._tower.parameters() if id(p) not in merging)
        self._merges = any(p.requires_grad for merger in self._mergers for p in merger.parameters())
        self._plain: Callable[..., Any] = self._inner.get_image_features
        self._inner.get_image_features = self._features
        if has_geometry(model):
            frozen = not any(p.requires_grad for p in self._inner.spatial_encoder.parameters())
            self._frozen_geometry = keeps and frozen
            self._encode: Callable[..., Any] = self._inner._encode
            self._inner._encode = self._clips

    def expect(self, names: Sequence[str]) -> None:
        """Name the images of the next forward pass, in their order; equal names are equal images."""
        self._names = names

    def _features(self, pixel_values: torch.Tensor, image_grid_thw: torch.Tensor, **options: Any) -> Any:
        """Give what the model's own `get_image_features` gives."""
        # The geometry branch asks for the names after this, and a video, which has none, after both.
        names = list(self._names)
        if not has_geometry(self._inner):
            self._names = ()
        if len(names) != len(image_grid_thw):
            return self._plain(pixel_values, image_grid_thw, **options)
        if not self._frozen:
            return self._once(names, pixel_values, image_grid_thw, options)
        parts = self._remembered(names, pixel_values, image_grid_thw, options)
        return self._output(parts, image_grid_thw)

    def _once(self, names: list[str], pixels: torch.Tensor, grids: torch.Tensor, options: dict[str, Any]) -> Any:
        """Encode each image of the batch once."""
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        if len(first) == len(names):
            return self._plain(pixels, grids, **options)
        chosen = sorted(first.values())
        row = {names[place]: i for i, place in enumerate(chosen)}
        found = self._plain(*_some(pixels, grids, chosen), **options)
        found.pooler_output = tuple(found.pooler_output[row[name]] for name in names)
        if getattr(found, "deepstack_features", None) is not None:
            found.deepstack_features = [tuple(of[row[name]] for name in names) for of in found.deepstack_features]
        return found

    def _remembered(
        self, names: list[str], pixels: torch.Tensor, grids: torch.Tensor, options: dict[str, Any]
    ) -> list[tuple[torch.Tensor, ...]]:
        """Give what the frozen tower makes of every image; only new ones go through it."""
        found = {name: self._kept.get(name) for name in names}
        chosen = [place for place, name in enumerate(names) if found[name] is None and name not in names[:place]]
        if chosen:
            import torch

            with torch.no_grad():
                made = self._through(*_some(pixels, grids, chosen), options)
            for place, part in zip(chosen, made, strict=True):
                found[names[place]] = part
                # A copy: a part of the whole would hold all of it in memory.
                self._kept.put(names[place], tuple(one.to("cpu", copy=True) for one in part))
        return [tuple(one.to(pixels.device) for one in found[name] or ()) for name in names]

    def _through(self, pixels: torch.Tensor, grids: torch.Tensor, options: dict[str, Any]) -> Any:
        """Run the tower: per image what its mergers get, or give where they are not trained."""
        seen: list[torch.Tensor] = []
        if not self._merges:
            made = self._plain(pixels, grids, **options)
            return list(zip(made.pooler_output, *(getattr(made, "deepstack_features", None) or ()), strict=True))
        order = [*self._mergers[1:], self._mergers[0]]
        handles = [merger.register_forward_pre_hook(lambda _, given: seen.append(given[0])) for merger in order]
        try:
            self._plain(pixels, grids, **options)
        finally:
            for handle in handles:
                handle.remove()
        counts = grids.prod(dim=-1).tolist()
        return list(zip(*(one.split(counts) for one in (seen[-1], *seen[:-1])), strict=True))

    def _output(self, parts: list[tuple[torch.Tensor, ...]], grids: torch.Tensor) -> Any:
        """Put the features of all images together as the model gives them."""
        import torch

        family: Any = sys.modules[type(self._tower).__module__]
        columns = list(zip(*parts, strict=True))
        if self._merges:
            unit = self._tower.spatial_merge_size**2
            counts = (grids.prod(dim=-1) // unit).tolist()
            merged = [merger(torch.cat(column)) for merger, column in zip(self._mergers, columns, strict=True)]
            if hasattr(self._tower, "window_size"):
                index, _ = family.get_vision_window_index(
                    grids,
                    spatial_merge_size=self._tower.spatial_merge_size,
                    window_size=self._tower.window_size,
                    patch_size=self._tower.patch_size,
                )
                merged[0] = merged[0][index.argsort()]
            columns = [one.split(counts) for one in merged]
        if len(columns) == 1:
            return family.BaseModelOutputWithPooling(pooler_output=columns[0])
        return family.BaseModelOutputWithDeepstackFeatures(
            pooler_output=columns[0], deepstack_features=list(columns[1:])
        )

    def _clips(self, patches: Any, grids: Any, clips: Sequence[Any]) -> list[torch.Tensor]:
        """Give what the geometry encoder makes of every clip; the same frames together are one clip."""
        names, self._names = self._names, ()
        if not names or not all(clip.still for clip in clips):
            return self._encode(patches, grids, clips)
        keys: list[Hashable] = [("clip", *(names[item] for item in clip.items)) for clip in clips]
        found: dict[Hashable, torch.Tensor] = {}
        for key in keys:
            if self._frozen_geometry and (kept := self._kept.get(key)) is not None:
                found[key] = kept[0].to(patches[0].device)
        new = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in found}
        if new:
            made = self._encode(patches, grids, list(new.values()))
            found |= dict(zip(new, made, strict=True))
            if self._frozen_geometry:
                for key, tokens in zip(new, made, strict=True):
                    self._kept.put(key, (tokens.detach().to("cpu", copy=True),))
        return [found[key] for key in keys]


def can_share(model: Any) -> bool:
    """Tell whether a model is one whose frames can be shared."""
    inner = model.base_model
    return type(inner).__name__.startswith(_FAMILIES) and hasattr(inner, "visual")


def has_geometry(model: Any) -> bool:
    """Tell whether a model has a geometry encoder beside its vision tower."""
    return hasattr(model.base_model, "spatial_encoder")


def _some(pixels: torch.Tensor, grids: torch.Tensor, chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the patches and grids of some images."""
    import torch

    parts = pixels.split(grids.prod(dim=-1).tolist())
    return torch.cat([parts[place] for place in chosen]), grids[chosen]
