"""The geometry encoder behind a small interface: frames of a clip in, one token per patch out."""

from __future__ import annotations

import hashlib
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

    def digest(self) -> str:
        """Name the weights that tokens are made of."""
        return weights_digest(self.vggt_model.aggregator)


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

    def digest(self) -> str:
        """Name the weights that tokens are made of."""
        return weights_digest(self)


def weights_digest(module: nn.Module) -> str:
    """Name the weights of a module, whether they are kept in float32 or bfloat16.

    Examples
    --------
    >>> layer = nn.Linear(2, 2)
    >>> weights_digest(layer) == weights_digest(layer.to(torch.bfloat16))
    True
    """
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.to("cpu", torch.bfloat16).contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def build_geometry_encoder(options: Mapping[str, Any]) -> VGGTEncoder | TinyEncoder:
    """Build the encoder of a `geometry_config`."""
    sizes = {name: value for name, value in options.items() if name != "type"}
    return VGGTEncoder(sizes) if options["type"] == "vggt" else TinyEncoder(sizes)
