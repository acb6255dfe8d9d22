"""Join the tokens of the geometry encoder with the visual embeddings of the language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional


def merge_tokens(tokens: torch.Tensor, grid: Sequence[int], *, spatial: int = 2, temporal: int = 2) -> torch.Tensor:
    """Put the tokens side by side that the base's patch merger joins into one embedding.

    Parameters
    ----------
    tokens : (frames, h * w, dim)
        Patch tokens of a clip, row by row.
    grid : (t, h, w)
        Patches in time, height and width; frames = t * temporal.
    spatial, temporal : int
        Patches per side, and frames, of one embedding.

    Returns
    -------
    (t * h * w / spatial^2, spatial^2 * dim * temporal)
        In the order (t, block row, block column), channels in the order (row, column, dim, frame).

    Raises
    ------
    ValueError
        The number of frames or of patches does not fit the grid.

    Examples
    --------
    >>> merge_tokens(torch.zeros(4, 24, 8), (2, 4, 6)).shape
    torch.Size([12, 64])
    """
    t, rows, columns = (int(side) for side in grid)
    if tokens.shape[:2] != (t * temporal, rows * columns):
        raise ValueError(
            f"The geometry encoder gave {tokens.shape[0]} frames of {tokens.shape[1]} patches; the grid has "
            f"{t * temporal} frames of {rows * columns} (an odd number of frames is filled up with the last one)."
        )
    blocks = tokens.reshape(t, temporal, rows // spatial, spatial, columns // spatial, spatial, -1)
    return blocks.permute(0, 2, 4, 3, 5, 6, 1).reshape(t * rows * columns // spatial**2, -1)


class RMSNorm(nn.Module):
    """Root-mean-square norm in float32."""

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise the last axis of `x`."""
        return self.weight * functional.rms_norm(x.float(), x.shape[-1:], eps=self.eps).to(x.dtype)


class AddedLinear(nn.Linear):
    """The last layer of a connector, whose output is added to the visual embeddings."""


class MLPConnector(nn.Module):
    """A two-layer MLP added to the visual embeddings.

    Parameters
    ----------
    merged_dim, language_dim : int
        Channels of merged tokens, and of embeddings.
    sees_visual : bool
        The MLP reads the visual embedding beside the geometry (`mlp_cat`); else only the geometry (`mlp_add`, as
        published).
    """

    def __init__(self, merged_dim: int, language_dim: int, *, sees_visual: bool) -> None:
        super().__init__()
        self.sees_visual = sees_visual
        width = merged_dim + language_dim * sees_visual
        self.ln_q = RMSNorm(merged_dim)
        self.mlp = nn.Sequential(nn.Linear(width, merged_dim), nn.GELU(), AddedLinear(merged_dim, language_dim))

    def forward(self, visual: torch.Tensor, merged: torch.Tensor) -> torch.Tensor:
        """Fuse the embeddings (n, language_dim) and merged tokens (n, merged_dim) of a clip."""
        x = self.ln_q(merged)
        return visual + self.mlp(torch.cat([visual, x], dim=-1) if self.sees_visual else x)


class CrossAttentionConnector(nn.Module):
    """Every visual embedding attends to the geometry of its whole clip."""

    def __init__(self, merged_dim: int, language_dim: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_q = RMSNorm(language_dim)
        self.ln_kv = RMSNorm(merged_dim)
        self.query = nn.Linear(language_dim, language_dim)
        self.key_value = nn.Linear(merged_dim, 2 * language_dim)
        self.out = AddedLinear(language_dim, language_dim)

    def forward(self, visual: torch.Tensor, merged: torch.Tensor) -> torch.Tensor:
        """Fuse the embeddings (n, language_dim) and merged tokens (n, merged_dim) of a clip."""
        query = self.query(self.ln_q(visual))
        key, value = self.key_value(self.ln_kv(merged)).chunk(2, dim=-1)
        heads = (x.unflatten(-1, (self.heads, -1)).transpose(0, 1)[None] for x in (query, key, value))
        attended = functional.scaled_dot_product_attention(*heads)[0]
        return visual + self.out(attended.transpose(0, 1).flatten(1))


def build_connector(
    options: Mapping[str, Any], merged_dim: int, language_dim: int
) -> MLPConnector | CrossAttentionConnector:
    """Build the connector of a `connector_config`."""
    if options["type"] == "cross_attention":
        return CrossAttentionConnector(merged_dim, language_dim, heads=options["heads"])
    return MLPConnector(merged_dim, language_dim, sees_visual=options["type"] == "mlp_cat")
