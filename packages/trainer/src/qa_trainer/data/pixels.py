"""Frames as bytes until they are on the device: a patch is kept as its pixels, and normalised where it is used.

Qwen-VL's processor gives a still image twice (a token spans two frames) as float32 numbers: eight times its bytes, made
on the host and sent to the GPU. The numbers made here are the same to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class RawPatches:
    """How a Qwen-VL image processor normalises, to do it later.

    Parameters
    ----------
    processor : Qwen2VLImageProcessor

    Attributes
    ----------
    options : dict
        For a call of the processor that gives patches of bytes, once per image.
    """

    def __init__(self, processor: Any) -> None:
        self.options = {"do_rescale": False, "do_normalize": False, "temporal_patch_size": 1}
        self._scale = 1.0 / processor.rescale_factor
        self._mean, self._std = list(processor.image_mean), list(processor.image_std)
        self._temporal = int(processor.temporal_patch_size)

    @classmethod
    def of(cls, processor: Any) -> RawPatches | None:
        """Describe a processor, where it is one whose work can be put off."""
        from transformers import Qwen2VLImageProcessor

        known = type(processor) is Qwen2VLImageProcessor and processor.do_rescale and processor.do_normalize
        return cls(processor) if known else None

    def restore(self, patches: torch.Tensor, *, still: bool = False) -> torch.Tensor:
        """Turn bytes (n, 3 * p * p) into what the processor gives, float32 (n, 3 * frames * p * p), on their device.

        With `still` the frames of a still image, which are equal, are given once.
        """
        import torch

        mean, std = (
            (torch.tensor(values, device=patches.device) * self._scale)[:, None] for values in (self._mean, self._std)
        )
        pixels = patches.view(len(patches), 3, -1).to(torch.float32).sub_(mean).div_(std)
        if still:
            return pixels.flatten(1)
        return pixels[:, :, None].expand(-1, -1, self._temporal, -1).reshape(len(patches), -1)
