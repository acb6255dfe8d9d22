"""Heads of VGGT: cameras from the camera tokens, depth and points from the patch tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from .vggt_layers import Block, Mlp

CAMERA_ROUNDS = 4
FRAMES_PER_CHUNK = 8
"""Frames that a dense head works on at once; the result does not depend on it."""


class CameraHead(nn.Module):
    """Refines a camera per frame in a few rounds, from its token of the last layer."""

    def __init__(self, dim: int, *, depth: int, heads: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*(Block(dim, heads, scale=0.01, eps=1e-5) for _ in range(depth)))
        self.token_norm = nn.LayerNorm(dim, eps=1e-5)
        self.trunk_norm = nn.LayerNorm(dim, eps=1e-5)
        self.empty_pose_tokens = nn.Parameter(torch.zeros(1, 1, 9))
        self.embed_pose = nn.Linear(9, dim)
        self.poseLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 3 * dim))
        self.adaln_norm = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.pose_branch = Mlp(dim, dim // 2, 9)

    def forward(self, tokens: torch.Tensor) -> list[torch.Tensor]:
        """Estimate the cameras.

        Parameters
        ----------
        tokens : (b, s, n, dim)
            Tokens of the last layer, the camera token first.

        Returns
        -------
        list of (b, s, 9)
            After each round: translation, quaternion x y z w, vertical and horizontal field of view in radians.
        """
        x = self.token_norm(tokens[:, :, 0])
        raw = self.empty_pose_tokens.expand(*x.shape[:2], -1)
        found: list[torch.Tensor] = []
        for turn in range(CAMERA_ROUNDS):
            shift, scale, gate = self.poseLN_modulation(self.embed_pose(raw.detach() if turn else raw)).chunk(3, dim=-1)
            modulated = gate * (self.adaln_norm(x) * (1 + scale) + shift) + x
            delta = self.pose_branch(self.trunk_norm(self.trunk(modulated)))
            # The first round has no estimate to add to: the empty pose is an input only.
            raw = raw + delta if turn else delta
            found.append(torch.cat([raw[..., :7], raw[..., 7:].relu()], dim=-1))
        return found


class ResidualConvUnit(nn.Module):
    """Two convolutions; the sum is with relu(x), as the released weights were trained."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (b, features, h, w) to the same shape."""
        x = x.relu()
        return self.conv2(self.conv1(x).relu()) + x


class FusionBlock(nn.Module):
    """Adds a finer layer, and brings the sum to the next size."""

    def __init__(self, features: int, *, joins: bool) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, 1)
        if joins:
            self.resConfUnit1 = ResidualConvUnit(features)
        self.resConfUnit2 = ResidualConvUnit(features)

    def forward(self, x: torch.Tensor, finer: torch.Tensor | None, size: tuple[int, int]) -> torch.Tensor:
        """Give (b, features, *size)."""
        if finer is not None:
            x = x + self.resConfUnit1(finer)
        return self.out_conv(_resize(self.resConfUnit2(x), size))


class DPTHead(nn.Module):
    """Dense prediction from four layers of tokens."""

    def __init__(
        self, dim: int, out: int, *, features: int, widths: Sequence[int], patch_size: int, points: bool
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.points = points
        self.norm = nn.LayerNorm(dim, eps=1e-5)
        self.projects = nn.ModuleList(nn.Conv2d(dim, width, 1) for width in widths)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(widths[0], widths[0], 4, stride=4),
                nn.ConvTranspose2d(widths[1], widths[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(widths[3], widths[3], 3, stride=2, padding=1),
            ]
        )
        self.scratch = nn.Module()
        for number, width in enumerate(widths, start=1):
            self.scratch.add_module(f"layer{number}_rn", nn.Conv2d(width, features, 3, padding=1, bias=False))
            self.scratch.add_module(f"refinenet{number}", FusionBlock(features, joins=number < 4))
        self.scratch.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.scratch.output_conv2 = nn.Sequential(
            nn.Conv2d(features // 2, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, out, 1)
        )

    def forward(self, layers: Sequence[torch.Tensor], size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict a value and a confidence per pixel.

        Parameters
        ----------
        layers : four of (b, s, patches, dim)
        size : (H, W)
            Of the images, pixels.

        Returns
        -------
        values : (b, s, H, W, channels)
            Depth (1) or points (3).
        confidence : (b, s, H, W)
            Above 1.
        """
        b, s = layers[0].shape[:2]
        flat = [layer.flatten(0, 1) for layer in layers]
        chunks = [
            self._predict([layer[i : i + FRAMES_PER_CHUNK] for layer in flat], (int(size[0]), int(size[1])))
            for i in range(0, b * s, FRAMES_PER_CHUNK)
        ]
        values, confidence = activate(torch.cat(chunks), points=self.points)
        return values.unflatten(0, (b, s)), confidence.unflatten(0, (b, s))

    def _predict(self, layers: Sequence[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
        """Compute the raw channels (frames, channels, H, W)."""
        rows, columns = (side // self.patch_size for side in size)
        aspect = size[1] / size[0]
        maps = []
        for index, layer in enumerate(layers):
            x = self.norm(layer).transpose(1, 2).unflatten(2, (rows, columns))
            x = self.resize_layers[index](_with_positions(self.projects[index](x), aspect))
            maps.append(self.scratch.get_submodule(f"layer{index + 1}_rn")(x))
        x, finer = maps[3], None
        for number in (4, 3, 2, 1):
            target = maps[number - 2].shape[-2:] if number > 1 else [2 * side for side in maps[0].shape[-2:]]
            x = self.scratch.get_submodule(f"refinenet{number}")(x, finer, (int(target[0]), int(target[1])))
            finer = maps[number - 2]
        x = _resize(self.scratch.get_submodule("output_conv1")(x), size)
        return self.scratch.get_submodule("output_conv2")(_with_positions(x, aspect))


def activate(raw: torch.Tensor, *, points: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn raw channels (..., c, H, W) into values (..., H, W, c - 1) and confidences (..., H, W) above 1.

    Depth is ``exp(y)``, a point coordinate ``sign(y) (exp(|y|) - 1)``, the confidence ``1 + exp(y)``.
    """
    raw = raw.movedim(-3, -1)
    values, confidence = raw[..., :-1], 1 + raw[..., -1].exp()
    return (values.sign() * values.abs().expm1() if points else values.exp()), confidence


def _resize(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)


def _with_positions(x: torch.Tensor, aspect: float) -> torch.Tensor:
    """Add a tenth of the sinusoids of the pixel positions on a grid of unit diagonal; `aspect` is width / height."""
    channels, rows, columns = x.shape[1:]
    diagonal = (aspect**2 + 1) ** 0.5
    omega = 100.0 ** -(torch.arange(channels // 4, dtype=torch.float64) / (channels / 4))
    parts = []
    for span, steps, across in ((aspect / diagonal, columns, True), (1 / diagonal, rows, False)):
        edge = span * (steps - 1) / steps
        angles = torch.linspace(-edge, edge, steps, dtype=x.dtype).double()[:, None] * omega
        sinusoids = torch.cat([angles.sin(), angles.cos()], dim=1).T
        parts.append((sinusoids[:, None, :] if across else sinusoids[:, :, None]).expand(-1, rows, columns))
    return x + 0.1 * torch.cat(parts).to(x)
