"""Pinhole cameras: projection, back-projection, and the rays of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array

if TYPE_CHECKING:
    from qa_engine.scenes.scene import Frame

RAYS_PER_SIDE = 320
"""Longer images are cast at every k-th pixel: their counts are then estimates, multiples of k², and objects of fewer
than k² pixels may be missed. Images up to this size are exact."""

NEAR_M = 1e-4
"""Nothing nearer than this is seen."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Camera:
    """A pinhole camera in the world.

    Parameters
    ----------
    width, height : int
        Pixels.
    intrinsics : (3, 3) float64
        Pixels; the middle of the first pixel lies at (0, 0).
    world_from_camera : (4, 4) float64
        OpenCV axes (x right, y down, z forward), metres.
    """

    width: int
    height: int
    intrinsics: Array
    world_from_camera: Array

    @property
    def stride(self) -> int:
        """Every k-th pixel is cast."""
        return -(-max(self.width, self.height) // RAYS_PER_SIDE)

    def every(self, step: int) -> Camera:
        """Keep every `step`-th row and column of pixels, as `image[::step, ::step]` does."""
        return Camera(
            width=-(-self.width // step),
            height=-(-self.height // step),
            intrinsics=np.diag([1 / step, 1 / step, 1]) @ self.intrinsics,
            world_from_camera=self.world_from_camera,
        )


def project(points: Array, camera: Camera) -> tuple[Array, Array]:
    """Project points of the world.

    Parameters
    ----------
    points : (..., 3) float64, metres, world frame

    Returns
    -------
    (..., 2) float64, pixels
        NaN for points that are not in front of the camera.
    (...,) float64, metres
        Depth along the camera's z axis.

    Examples
    --------
    >>> camera = Camera(width=3, height=3, intrinsics=np.array([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]]),
    ...                 world_from_camera=np.eye(4))
    >>> project(np.array([[1.0, 0, 2]]), camera)[0].tolist()
    [[2.0, 1.0]]
    """
    pose = camera.world_from_camera
    seen = (points - pose[:3, 3]) @ pose[:3, :3] @ camera.intrinsics.T
    depth = seen[..., 2] / camera.intrinsics[2, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = np.where(depth[..., None] > NEAR_M, seen[..., :2] / seen[..., 2:], np.nan)
    return pixels, depth


def back_project(depth_m: NDArray[np.floating], camera: Camera) -> NDArray[np.float32]:
    """Turn a depth image into points of the world, those of its pixels that have depth.

    Parameters
    ----------
    depth_m : (h, w) float, metres along the camera's z axis
        0 or not finite = none.

    Returns
    -------
    (k, 3) float32, metres, world frame

    Examples
    --------
    >>> camera = Camera(width=2, height=1, intrinsics=np.eye(3), world_from_camera=np.eye(4))
    >>> back_project(np.array([[0.0, 2.0]]), camera).tolist()
    [[2.0, 0.0, 2.0]]
    """
    row, column = np.nonzero(np.isfinite(depth_m) & (depth_m > NEAR_M))
    ray = np.stack([column, row, np.ones_like(row)], axis=1) @ np.linalg.inv(camera.intrinsics).T
    local = ray / ray[:, 2:] * depth_m[row, column][:, None]
    pose = camera.world_from_camera
    return (local @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)


def grid(camera: Camera) -> tuple[Array, Array]:
    """Rows and columns of the pixels that are cast: the middles of blocks of `stride` pixels."""
    stride = camera.stride
    rows, columns = (np.arange(stride // 2, side, stride, dtype=np.float64) for side in (camera.height, camera.width))
    return rows, columns


def rays(camera: Camera) -> NDArray[np.float32]:
    """Give the directions of the rays of `grid`.

    Returns
    -------
    (rows, columns, 3) float32, world frame
        With 1 along the camera's z axis, so that a length along a ray is a depth.

    Examples
    --------
    >>> camera = Camera(width=2, height=1, intrinsics=np.eye(3), world_from_camera=np.eye(4))
    >>> rays(camera).tolist()
    [[[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]]]
    """
    rows, columns = grid(camera)
    pixel = np.stack(np.broadcast_arrays(columns[None], rows[:, None], 1.0))
    ray = np.tensordot(np.linalg.inv(camera.intrinsics), pixel, 1)
    ray /= ray[2]
    return np.moveaxis(np.tensordot(camera.world_from_camera[:3, :3], ray, 1), 0, -1).astype(np.float32)


def camera_of(frame: Frame) -> Camera | None:
    """Get the camera of a frame, or None where intrinsics, pose or size are not known."""
    if frame.intrinsics is None or frame.world_from_camera is None or not frame.width or not frame.height:
        return None
    return Camera(
        width=frame.width,
        height=frame.height,
        intrinsics=frame.intrinsics,
        world_from_camera=frame.world_from_camera,
    )
