"""VGGT (arXiv 2503.11651): geometry of a scene from frames, with the parameter names of the released weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .vggt_heads import CameraHead, DPTHead
from .vggt_layers import Block, rotary_table

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
_TRACK = "track_head."


@dataclass(frozen=True)
class VGGTConfig:
    """Sizes of a VGGT; the defaults are VGGT-1B's.

    Attributes
    ----------
    image_size, patch_size : int
        Pixels; the position table has (image_size / patch_size)^2 entries.
    dim, depth, heads : int
        Channels, number of frame and of global blocks, attention heads.
    dino_depth, dino_heads : int
        Of the patch embedding.
    camera_depth, camera_heads : int
        Of the camera head.
    head_layers : tuple of int
        The four layers that the dense heads read.
    head_features : int
    head_channels : tuple of int
    built_heads : tuple of {"camera", "point", "depth"}
        Heads to build. None is needed for the tokens alone.

    Examples
    --------
    >>> VGGTConfig.from_dict({"dim": 32, "heads": 2}).dim
    32
    """

    image_size: int = 518
    patch_size: int = 14
    dim: int = 1024
    depth: int = 24
    heads: int = 16
    dino_depth: int = 24
    dino_heads: int = 16
    camera_depth: int = 4
    camera_heads: int = 16
    head_layers: tuple[int, ...] = (4, 11, 17, 23)
    head_features: int = 256
    head_channels: tuple[int, ...] = (256, 512, 1024, 1024)
    built_heads: tuple[str, ...] = field(default=())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VGGTConfig:
        """Read the configuration from JSON values."""
        sizes: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**sizes)

    def to_dict(self) -> dict[str, Any]:
        """Give the configuration as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


class PatchProjection(nn.Module):
    """Linear map of every patch."""

    def __init__(self, dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_size, stride=patch_size)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, H, W) to (b, patches, dim)."""
        return self.proj(images).flatten(2).transpose(1, 2)


class DinoPatchEmbed(nn.Module):
    """DINOv2 vision transformer with registers; gives its normalised patch tokens."""

    def __init__(self, config: VGGTConfig, *, n_registers: int = 4) -> None:
        super().__init__()
        self.side = config.image_size // config.patch_size
        self.patch_size = config.patch_size
        self.n_special = 1 + n_registers
        self.patch_embed = PatchProjection(config.dim, config.patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.side**2, config.dim))
        self.register_tokens = nn.Parameter(torch.zeros(1, n_registers, config.dim))
        # Without influence; the released weights hold it.
        self.mask_token = nn.Parameter(torch.zeros(1, config.dim), requires_grad=False)
        self.blocks = nn.ModuleList(
            Block(config.dim, config.dino_heads, scale=1.0, eps=1e-6) for _ in range(config.dino_depth)
        )
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed normalised images (b, 3, H, W) as (b, 1 + registers + patches, dim)."""
        b, _, height, width = images.shape
        x = torch.cat([self.cls_token.expand(b, -1, -1), self.patch_embed(images)], dim=1)
        x = x + self._positions(height // self.patch_size, width // self.patch_size)
        x = torch.cat([x[:, :1], self.register_tokens.expand(b, -1, -1), x[:, 1:]], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def _positions(self, rows: int, columns: int) -> torch.Tensor:
        """Resize the position table to the grid of patches."""
        if rows == columns == self.side:
            return self.pos_embed
        table = self.pos_embed[:, 1:].float().unflatten(1, (self.side, self.side)).permute(0, 3, 1, 2)
        table = functional.interpolate(table, size=(rows, columns), mode="bicubic", antialias=True)
        table = table.permute(0, 2, 3, 1).flatten(1, 2).to(self.pos_embed.dtype)
        return torch.cat([self.pos_embed[:, :1], table], dim=1)


class Aggregator(nn.Module):
    """Alternates attention within each frame and over all frames."""

    n_registers = 4
    patch_start = 1 + n_registers
    """Tokens of a frame before its patches: one camera token and the registers."""

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.head_dim = config.dim // config.heads
        self.patch_embed = DinoPatchEmbed(config)

        def blocks() -> nn.ModuleList:
            return nn.ModuleList(
                Block(config.dim, config.heads, scale=0.01, qk_norm=True, eps=1e-5) for _ in range(config.depth)
            )

        self.frame_blocks, self.global_blocks = blocks(), blocks()
        # Index 0 is for the first frame, index 1 for all others.
        self.camera_token = nn.Parameter(torch.zeros(1, 2, 1, config.dim))
        self.register_token = nn.Parameter(torch.zeros(1, 2, self.n_registers, config.dim))

    def forward(self, images: torch.Tensor, layers: Sequence[int]) -> dict[int, torch.Tensor]:
        """Compute the tokens of the wanted layers; the others are dropped at once, and none after the last is run.

        Parameters
        ----------
        images : (b, s, 3, H, W)
            RGB in 0..1; H and W are multiples of the patch size.
        layers : sequence of int
            Layer numbers, from 0; negative ones count from the end.

        Returns
        -------
        dict of int to (b, s, 5 + patches, 2 dim)
            Frame block's and global block's output, side by side, per wanted layer as it was asked for.
        """
        b, s, _, height, width = images.shape
        mean, std = (images.new_tensor(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
        embedded = self.patch_embed(((images - mean) / std).flatten(0, 1))
        patches = embedded[:, self.patch_embed.n_special :]
        x = torch.cat([self._special(self.camera_token, b, s), self._special(self.register_token, b, s), patches], 1)
        n = x.shape[1]
        positions = self._positions(height // self.patch_size, width // self.patch_size, x.device)
        in_frame = rotary_table(positions, self.head_dim, x.dtype)
        over_frames = rotary_table(positions.repeat(s, 1), self.head_dim, x.dtype)
        wanted = {layer % len(self.frame_blocks): layer for layer in layers}
        found: dict[int, torch.Tensor] = {}
        for index in range(max(wanted) + 1):
            of_frame = self.frame_blocks[index](x, in_frame)
            of_all = self.global_blocks[index](of_frame.view(b, s * n, -1), over_frames)
            if index in wanted:
                found[wanted[index]] = torch.cat([of_frame.view(b, s, n, -1), of_all.view(b, s, n, -1)], dim=-1)
            x = of_all.view(b * s, n, -1)
        return found

    @staticmethod
    def _special(token: torch.Tensor, b: int, s: int) -> torch.Tensor:
        """Give the token of every frame: (b s, n, dim)."""
        index = torch.ones(s, dtype=torch.long, device=token.device)
        index[0] = 0
        return token[0, index].expand(b, -1, -1, -1).flatten(0, 1)

    def _positions(self, rows: int, columns: int, device: torch.device) -> torch.Tensor:
        """Give row and column of the tokens of a frame (5 + patches, 2), (0, 0) for those that are no patch."""
        grid = torch.cartesian_prod(torch.arange(rows, device=device), torch.arange(columns, device=device)) + 1
        return torch.cat([grid.new_zeros(self.patch_start, 2), grid.view(-1, 2)])


class VGGT(nn.Module):
    """The aggregator and those heads that are wanted.

    Examples
    --------
    >>> model = VGGT(VGGTConfig(image_size=28, dim=16, depth=1, heads=2, dino_depth=1, dino_heads=2))
    >>> model.tokens(torch.zeros(1, 2, 3, 28, 42)).shape
    torch.Size([1, 2, 6, 32])
    """

    def __init__(self, config: VGGTConfig) -> None:
        super().__init__()
        self.config = config
        self.aggregator = Aggregator(config)
        if "camera" in config.built_heads:
            self.camera_head = CameraHead(2 * config.dim, depth=config.camera_depth, heads=config.camera_heads)
        for name, channels in (("point", 4), ("depth", 2)):
            if name in config.built_heads:
                head = DPTHead(
                    2 * config.dim,
                    channels,
                    features=config.head_features,
                    widths=config.head_channels,
                    patch_size=config.patch_size,
                    points=name == "point",
                )
                self.add_module(f"{name}_head", head)

    def tokens(self, images: torch.Tensor, *, layer: int = -1) -> torch.Tensor:
        """Give the patch tokens of one layer.

        Parameters
        ----------
        images : (b, s, 3, H, W)
            RGB in 0..1.
        layer : int

        Returns
        -------
        (b, s, H W / patch_size^2, 2 dim)
        """
        return self.aggregator(images, [layer])[layer][:, :, self.aggregator.patch_start :]

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Predict the geometry of a clip, up to one scale.

        Parameters
        ----------
        images : (b, s, 3, H, W)
            RGB in 0..1.

        Returns
        -------
        dict of str to Tensor
            `tokens` (b, s, patches, 2 dim) of the last layer, and what the built heads give: `pose_enc` (b, s, 9),
            `depth` (b, s, H, W, 1), `depth_conf` (b, s, H, W), `world_points` (b, s, H, W, 3) in the first camera's
            frame, `world_points_conf` (b, s, H, W).

        Notes
        -----
        The aggregator computes in the type of its weights, the heads in that of the images.
        """
        last = self.config.depth - 1
        computed = self.aggregator(images.to(self.aggregator.camera_token.dtype), [*self.config.head_layers, last])
        layers = {index: tokens.to(images.dtype) for index, tokens in computed.items()}
        found = {"tokens": computed[last][:, :, self.aggregator.patch_start :]}
        if "camera" in self.config.built_heads:
            found["pose_enc"] = self.camera_head(layers[last])[-1]
        start = self.aggregator.patch_start
        dense = [layers[index][:, :, start:] for index in self.config.head_layers]
        for name, key in (("depth", "depth"), ("point", "world_points")):
            if name in self.config.built_heads:
                found[key], found[f"{key}_conf"] = self.get_submodule(f"{name}_head")(dense, images.shape[-2:])
        return found

    def load_released(self, weights: Mapping[str, torch.Tensor], *, assign: bool = False) -> None:
        """Load released weights by name; every parameter must be there with its shape, and nothing unknown.

        Parts of the release that are not built (the point tracker among them) are left out. With `assign` the tensors
        of `weights` become the parameters, as a model without memory for its own needs it.

        Raises
        ------
        RuntimeError
            A name is missing or unknown, or a shape differs.
        """
        left_out = {f"{name}_head." for name in {"camera", "point", "depth"} - set(self.config.built_heads)} | {_TRACK}
        kept = {name: value for name, value in weights.items() if not name.startswith(tuple(left_out))}
        self.load_state_dict(kept, strict=True, assign=assign)
