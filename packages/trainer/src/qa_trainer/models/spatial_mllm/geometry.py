"""Cameras and points of VGGT: pose encoding, OpenCV cameras, and unprojection of depth.

Extrinsics are camera-from-world; the tables of the workspace hold the inverse.
"""

from __future__ import annotations

import torch
from torch.nn import functional

EMPTY_DEPTH = 1e-8
"""A pixel of at most this depth is empty."""


def matrix_from_quaternion(quaternion: torch.Tensor) -> torch.Tensor:
    """Give the rotation matrices (..., 3, 3) of quaternions (..., 4), x, y, z, w, of any length.

    Examples
    --------
    >>> matrix_from_quaternion(torch.tensor([0.0, 0.0, 0.0, 2.0])).diagonal().tolist()
    [1.0, 1.0, 1.0]
    """
    x, y, z, w = quaternion.unbind(-1)
    s = 2.0 / quaternion.square().sum(-1)
    rows = [
        *(1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)),
        *(s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)),
        *(s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)),
    ]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def quaternion_from_matrix(matrix: torch.Tensor) -> torch.Tensor:
    """Give the unit quaternions (..., 4), x, y, z, w with w >= 0, of rotation matrices (..., 3, 3).

    Notes
    -----
    Four formulas exist, each divided by one component; the one with the largest component is exact where the others
    lose digits.

    Examples
    --------
    >>> quaternion_from_matrix(torch.eye(3)).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    m = matrix
    a, b, c = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    # Row i holds 4 q_i q; its diagonal tells which is the largest.
    table = torch.stack(
        [
            torch.stack([1 + a - b - c, xy, xz, wx], -1),
            torch.stack([xy, 1 - a + b - c, yz, wy], -1),
            torch.stack([xz, yz, 1 - a - b + c, wz], -1),
            torch.stack([wx, wy, wz, 1 + a + b + c], -1),
        ],
        -2,
    )
    largest = table.diagonal(dim1=-2, dim2=-1).argmax(-1)
    rows = table.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4)).squeeze(-2)
    quaternion = functional.normalize(rows, dim=-1)
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def cameras_from_pose_encoding(encoding: torch.Tensor, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Decode the camera head's output.

    Parameters
    ----------
    encoding : (..., 9)
        Translation, quaternion x y z w, vertical and horizontal field of view in radians.
    size : (H, W)
        Pixels.

    Returns
    -------
    extrinsics : (..., 3, 4)
        Camera-from-world, OpenCV axes.
    intrinsics : (..., 3, 3)
        Pixels; a field of view of 0 gives an infinite focal length.

    Examples
    --------
    >>> pose = torch.tensor([0.0, 0, 0, 0, 0, 0, 1, 1.5708, 1.5708])
    >>> [round(v, 2) for v in cameras_from_pose_encoding(pose, (100, 200))[1].diagonal().tolist()]
    [100.0, 50.0, 1.0]
    """
    extrinsics = torch.cat([matrix_from_quaternion(encoding[..., 3:7]), encoding[..., :3, None]], dim=-1)
    half = encoding.new_tensor([size[1] / 2, size[0] / 2])
    intrinsics = encoding.new_zeros(*encoding.shape[:-1], 3, 3)
    intrinsics[..., [0, 1], [0, 1]] = half / torch.tan(encoding[..., [8, 7]] / 2)
    intrinsics[..., :2, 2] = half
    intrinsics[..., 2, 2] = 1
    return extrinsics, intrinsics


def pose_encoding_from_cameras(
    extrinsics: torch.Tensor, intrinsics: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """Encode cameras (..., 3, 4) and (..., 3, 3) as (..., 9), the inverse of `cameras_from_pose_encoding`."""
    half = intrinsics.new_tensor([size[0] / 2, size[1] / 2])
    fields = 2 * torch.atan(half / intrinsics[..., [1, 0], [1, 0]])
    return torch.cat([extrinsics[..., 3], quaternion_from_matrix(extrinsics[..., :3]), fields], dim=-1)


def invert_cameras(extrinsics: torch.Tensor) -> torch.Tensor:
    """Invert rigid transforms (..., 3, 4), as (..., 4, 4)."""
    rotation = extrinsics[..., :3].transpose(-1, -2)
    inverse = extrinsics.new_zeros(*extrinsics.shape[:-2], 4, 4)
    inverse[..., :3, :3] = rotation
    inverse[..., :3, 3:] = -rotation @ extrinsics[..., 3:]
    inverse[..., 3, 3] = 1
    return inverse


def unproject_depth(
    depth: torch.Tensor, extrinsics: torch.Tensor, intrinsics: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Give the point of every pixel.

    Parameters
    ----------
    depth : (s, H, W)
        Along the optical axis.
    extrinsics : (s, 3, 4)
        Camera-from-world.
    intrinsics : (s, 3, 3)

    Returns
    -------
    camera_points : (s, H, W, 3) float32
    world_points : (s, H, W, 3) float64
    valid : (s, H, W) bool
        The pixel has a depth.

    Notes
    -----
    A pixel's position is its integer column and row, as the reference has it.
    """
    v, u = torch.meshgrid(torch.arange(depth.shape[1]), torch.arange(depth.shape[2]), indexing="ij")
    focal = intrinsics[:, [0, 1], [0, 1]]
    center = intrinsics[:, :2, 2]

    def axis(pixels: torch.Tensor, index: int) -> torch.Tensor:
        return (pixels.to(depth) - center[:, index, None, None]) * depth / focal[:, index, None, None]

    camera = torch.stack([axis(u, 0), axis(v, 1), depth], dim=-1).float()
    world_from_camera = invert_cameras(extrinsics.double())
    world = torch.einsum("sij,shwj->shwi", world_from_camera[:, :3, :3], camera.double())
    return camera, world + world_from_camera[:, None, None, :3, 3], depth > EMPTY_DEPTH
