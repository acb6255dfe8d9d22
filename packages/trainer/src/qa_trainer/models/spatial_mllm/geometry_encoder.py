"""The geometry encoder behind a small interface: frames of a clip in, one token per patch out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .vggt import VGGT, VGGTConfig


class VGGTEncoder(nn.Module):
    """Tokens of VGGT's last layer.

    Attributes
    ----------
    dim : int
        Channels of a token.
    patch_size : int
        Pixels.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__()
        config = VGGTConfig.from_dict(options)
        self.vggt_model = VGGT(config)
        self.dim = 2 * config.dim
        self.patch_size = config.patch_size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode clips (b, s, 3, H, W), RGB in 0..1, as (b, s, patches, dim)."""
        return self.vggt_model.tokens(images)


class TinyEncoder(nn.Module):
    """One linear map per patch and one attention over all frames; a small encoder of its own, for tests.

    Examples
    --------
    >>> TinyEncoder({"dim": 8, "patch_size": 4})(torch.zeros(1, 3, 3, 8, 12)).shape
    torch.Size([1, 3, 6, 8])
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.dim = int(options.get("dim", 32))
        self.patch_size = int(options.get("patch_size", 14))
        self.patch = nn.Conv2d(3, self.dim, self.patch_size, stride=self.patch_size)
        self.norm = nn.LayerNorm(self.dim)
        self.attention = nn.MultiheadAttention(self.dim, 2, batch_first=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Encode clips (b, s, 3, H, W), RGB in 0..1, as (b, s, patches, dim)."""
        b, s = images.shape[:2]
        tokens = self.patch(images.flatten(0, 1)).flatten(2).transpose(1, 2).reshape(b, -1, self.dim)
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        return tokens.view(b, s, -1, self.dim)


def build_geometry_encoder(options: Mapping[str, Any]) -> VGGTEncoder | TinyEncoder:
    """Build the encoder of a `geometry_config`."""
    sizes = {name: value for name, value in options.items() if name != "type"}
    return VGGTEncoder(sizes) if options["type"] == "vggt" else TinyEncoder(sizes)
