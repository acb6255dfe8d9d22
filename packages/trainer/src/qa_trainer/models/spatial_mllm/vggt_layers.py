"""Transformer blocks of VGGT, with the parameter names of the released weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

ROTARY_BASE = 100.0
"""Base of the rotary frequencies over patch rows and columns."""


class LayerScale(nn.Module):
    """Multiplies by a learned factor per channel."""

    def __init__(self, dim: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), initial))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scale `x` (..., dim)."""
        return x * self.gamma


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, dim: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., dim) to (..., out)."""
        return self.fc2(functional.gelu(self.fc1(x)))


class Attention(nn.Module):
    """Self-attention, with normalised queries and keys where `qk_norm` is set."""

    def __init__(self, dim: int, heads: int, *, qk_norm: bool = False, eps: float = 1e-5) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = nn.LayerNorm(dim // heads, eps=eps) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(dim // heads, eps=eps) if qk_norm else nn.Identity()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        """Attend within each row of `x` (b, n, dim); `rotation` turns queries and keys after their norm."""
        b, n, dim = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        q, k = self.q_norm(q), self.k_norm(k)
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        out = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(b, n, dim))


class Block(nn.Module):
    """Pre-norm attention and MLP, each scaled per channel."""

    def __init__(
        self, dim: int, heads: int, *, mlp_ratio: float = 4.0, scale: float, qk_norm: bool = False, eps: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads, qk_norm=qk_norm, eps=eps)
        self.ls1 = LayerScale(dim, scale)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), dim)
        self.ls2 = LayerScale(dim, scale)

    def forward(self, x: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor] | None = None) -> torch.Tensor:
        """Transform `x` (b, n, dim)."""
        x = x + self.ls1(self.attn(self.norm1(x), rotation))
        return x + self.ls2(self.mlp(self.norm2(x)))


def rotary_table(positions: torch.Tensor, head_dim: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Make the cosines and sines by which the channels of a head turn.

    Parameters
    ----------
    positions : (..., n, 2) int64
        Row and column of every token; (0, 0) for the tokens that are no patch, from 1 for patches.
    head_dim : int
        Channels per head. The first half turns with the row, the second with the column.
    dtype : torch.dtype

    Returns
    -------
    tuple of (..., 1, n, head_dim)
        Cosines and sines, to broadcast over the heads.
    """
    half = head_dim // 2
    steps = torch.arange(0, half, 2, dtype=torch.float32, device=positions.device) / half
    angles = positions[..., None].float() / ROTARY_BASE**steps
    angles = torch.cat([angles, angles], dim=-1).flatten(-2).unsqueeze(-3)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: torch.Tensor, rotation: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Turn the channels of `x` (b, heads, n, head_dim); inside each half the two quarters are pairs."""
    cos, sin = rotation
    quarters = x.unflatten(-1, (2, 2, -1))
    turned = torch.stack([-quarters[..., 1, :], quarters[..., 0, :]], dim=-2).flatten(-3)
    return x * cos + turned * sin
