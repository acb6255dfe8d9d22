"""What a camera sees of oriented boxes: pixels, occlusion, outline and depth, by casting the rays of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.geometry import box_corners
from qa_engine.scenes.cameras import NEAR_M, Camera, grid, project, rays

SURFACE_TOLERANCE_M = 0.025
"""How far a measured depth may lie before or behind a box and still belong to it: noise of depth sensors within a
room, and less than the gap between two objects that stand apart."""

PARALLEL = 1e-9
"""Rays slower than this along an axis of a box are taken to have this speed, as 0 / 0 is no depth."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Views:
    """The objects seen in one image, as columns of length k.

    Attributes
    ----------
    row : (k,) int64
        Index of the object, ascending.
    visible_px : (k,) int64
        Pixels that show it, above 0.
    visible_fraction : (k,) float64
        Those over the pixels that it would cover within the image if nothing stood before it; NaN without a camera.
    truncated : (k,) bool
        It goes on beyond the border of the image.
    box_2d : (k, 4) float64, pixels
        First column, first row, and one past the last column and row that show it.
    depth_m : (k,) float64, metres
        Median depth of its pixels; NaN without a camera and without depth.
    """

    row: NDArray[np.int64]
    visible_px: NDArray[np.int64]
    visible_fraction: Array
    truncated: NDArray[np.bool_]
    box_2d: Array
    depth_m: Array


@dataclass(frozen=True, eq=False)
class BoxCast:
    """One box on the grid of rays: the window that can show it, and the depth at which rays enter and leave it."""

    row: int
    window: tuple[slice, slice]
    enter: NDArray[np.float32]
    leave: NDArray[np.float32]
    hit: NDArray[np.bool_]


def first_surface(center: Array, size: Array, rotation: Array, camera: Camera) -> NDArray[np.float32]:
    """Cast depth to the first box along each ray of a small image (at most `RAYS_PER_SIDE` pixels along a side).

    Parameters
    ----------
    center, size : (n, 3) float64, metres
    rotation : (n, 3, 3) float64

    Returns
    -------
    (h, w) float32, metres along the camera's z axis, infinite where no box is
    """
    casts = cast_boxes(center, size, rotation, box_corners(center, size, rotation), camera)
    return _first_boxes(casts, camera)[0]


def see_boxes(
    center: Array,
    size: Array,
    rotation: Array,
    camera: Camera | None,
    *,
    depth_m: NDArray[np.float32] | None = None,
    instance: NDArray[np.int64] | None = None,
) -> Views:
    """Find what one image shows of each box.

    Parameters
    ----------
    center, size : (n, 3) float64, metres
    rotation : (n, 3, 3) float64
        Rows are the box axes in world.
    camera : Camera or None
        May be None where `instance` is given.
    depth_m : (h, w) float32, metres along the camera's z axis, 0 = none, optional
    instance : (h, w) int64, optional
        Row of the object that each pixel shows, -1 = none.

    Returns
    -------
    Views
        Without objects that no pixel shows.

    Notes
    -----
    The best evidence decides which pixels show an object: the instance image; else depth, where a pixel belongs to
    the smallest box that holds its point; else the first box that its ray enters. Occluded are the pixels of a box
    before which depth, or without depth another box, is nearer than the box; pixels without depth count for neither.
    Boxes around the camera hide nothing, and only depth or instances show them.

    Examples
    --------
    >>> camera = Camera(width=9, height=9, intrinsics=np.array([[4.0, 0, 4], [0, 4, 4], [0, 0, 1]]),
    ...                 world_from_camera=np.eye(4))
    >>> views = see_boxes(np.array([[0.0, 0, 2], [0, 0, 5]]), np.ones((2, 3)), np.stack([np.eye(3)] * 2), camera)
    >>> views.row.tolist(), views.visible_px.tolist(), views.depth_m.tolist()
    ([0], [9], [1.5])
    """
    n = len(center)
    view: dict[str, Any] = {}
    if instance is not None:
        view = from_labels(instance, n, depth_m, stride=1)
        view["truncated"] = _at_border(view["box_2d"], instance.shape)
    if camera is None:
        if instance is None:
            raise ValueError("see_boxes needs a camera or an instance image")
        return kept(view)
    corners = box_corners(center, size, rotation)
    casts = cast_boxes(center, size, rotation, corners, camera)
    surface, first = _first_boxes(casts, camera)
    if depth_m is not None:
        measured = depth_m[camera.stride // 2 :: camera.stride, camera.stride // 2 :: camera.stride]
        surface = np.where(measured > 0, measured, np.nan).astype(np.float32)
    if instance is None:
        labels = first if depth_m is None else boxes_with_points(casts, surface, np.prod(size, axis=1))
        view = from_labels(labels, n, surface, stride=camera.stride)
        view["box_2d"] = np.minimum(view["box_2d"], [camera.width, camera.height] * 2)
    elif depth_m is None:
        view["depth_m"] = from_labels(first, n, surface, stride=camera.stride)["depth_m"]
    view["truncated"] = beyond_border(corners, camera)
    view["visible_fraction"] = unoccluded(casts, n, surface, labels=None if depth_m is not None else first)
    return kept(view)


def cast_boxes(center: Array, size: Array, rotation: Array, corners: Array, camera: Camera) -> list[BoxCast]:
    """Cast the rays of the image against the boxes before the camera, each in the window of its projection.

    The slab test in the box's own axes: a ray o + t d meets |x_k| <= h_k for t between -o_k / d_k - h_k / |d_k| and
    -o_k / d_k + h_k / |d_k|; rays have z = 1, so t is the depth.
    """
    direction = np.moveaxis(rays(camera), -1, 0)
    pose = camera.world_from_camera
    windows = _windows(corners, camera, direction.shape[1:])
    casts: list[BoxCast] = []
    for row in range(len(center)):
        window = windows[row]
        if window is None:
            continue
        own = rotation[row].astype(np.float32)
        origin = (own @ (pose[:3, 3] - center[row]).astype(np.float32))[:, None, None]
        half = (size[row] / 2).astype(np.float32)[:, None, None]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            along = np.tensordot(own, direction[:, *window], 1)
            speed = 1 / np.where(np.abs(along) < PARALLEL, np.float32(PARALLEL), along)
            middle, reach = -origin * speed, half * np.abs(speed)
            enter, leave = (middle - reach).max(axis=0), (middle + reach).min(axis=0)
            hit = (enter <= leave) & (leave > NEAR_M)
        if hit.any():
            casts.append(BoxCast(row, window, enter, leave, hit))
    return casts


def _windows(corners: Array, camera: Camera, shape: tuple[int, int]) -> list[tuple[slice, slice] | None]:
    """Rows and columns of the grid that can show each box; all of it where a corner is behind the camera."""
    pixels, depth = project(corners, camera)
    ahead = depth > NEAR_M
    place = (pixels - camera.stride // 2) / camera.stride
    with np.errstate(invalid="ignore"):
        low = np.clip(np.floor(place.min(axis=1)), 0, [shape[1], shape[0]])
        high = np.clip(np.ceil(place.max(axis=1)) + 1, 0, [shape[1], shape[0]])
    windows: list[tuple[slice, slice] | None] = []
    for i in range(len(corners)):
        if not ahead[i].any():
            windows.append(None)
        elif not ahead[i].all():
            windows.append((slice(0, shape[0]), slice(0, shape[1])))
        else:
            (left, top), (right, bottom) = low[i].astype(int), high[i].astype(int)
            windows.append((slice(top, bottom), slice(left, right)) if left < right and top < bottom else None)
    return windows


def _first_boxes(casts: list[BoxCast], camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Depth and row of the first box that each ray enters; infinite and -1 where there is none."""
    shape = tuple(map(len, grid(camera)))
    surface = np.full(shape, np.inf, dtype=np.float32)
    first = np.full(shape, -1, dtype=np.int64)
    for cast in casts:
        nearer = cast.hit & (cast.enter > NEAR_M) & (cast.enter < surface[cast.window])
        surface[cast.window][nearer] = cast.enter[nearer]
        first[cast.window][nearer] = cast.row
    return surface, first


def boxes_with_points(casts: list[BoxCast], surface: NDArray[np.float32], volume: Array) -> NDArray[np.int64]:
    """Row of the smallest box that holds the measured point of each pixel."""
    labels = np.full(surface.shape, -1, dtype=np.int64)
    for cast in sorted(casts, key=lambda cast: (-volume[cast.row], cast.row)):
        point = surface[cast.window]
        inside = cast.hit & (point >= cast.enter - SURFACE_TOLERANCE_M) & (point <= cast.leave + SURFACE_TOLERANCE_M)
        labels[cast.window][inside] = cast.row
    return labels


def unoccluded(
    casts: list[BoxCast], n: int, surface: NDArray[np.float32], *, labels: NDArray[np.int64] | None
) -> Array:
    """Share of the pixels of each box before which nothing stands; by `labels` of the first boxes, or by depth."""
    fraction = np.full(n, np.nan)
    for cast in casts:
        if labels is None:
            point = surface[cast.window]
            known = cast.hit & np.isfinite(point)
            free = known & (point >= cast.enter - SURFACE_TOLERANCE_M)
        else:
            known = cast.hit
            around = cast.enter <= NEAR_M  # the camera stands inside
            free = known & (around | (labels[cast.window] == cast.row))
        if known.any():
            fraction[cast.row] = free.sum() / known.sum()
    return fraction


def from_labels(labels: NDArray[np.int64], n: int, surface: NDArray[Any] | None, *, stride: int) -> dict[str, Any]:
    """Count, bound and measure the pixels of each label 0 to n - 1 of a grid of every `stride`-th pixel."""
    from scipy import ndimage

    count = np.bincount(labels[labels >= 0], minlength=n).astype(np.int64)
    box = np.full((n, 4), np.nan)
    depth = np.full(n, np.nan)
    for row, window in enumerate(ndimage.find_objects((labels + 1).astype(np.int32), max_label=n)):
        if window is None:
            continue
        down, right = window
        box[row] = (right.start, down.start, right.stop, down.stop)
        if surface is not None:
            point = surface[window][labels[window] == row]
            point = point[np.isfinite(point) & (point > 0)]
            if len(point):
                depth[row] = np.median(point)
    none = np.zeros(n, dtype=bool)
    return {
        "visible_px": count * stride**2,
        "visible_fraction": np.full(n, np.nan),
        "truncated": none,
        "box_2d": box * stride,
        "depth_m": depth,
    }


def _at_border(box_2d: Array, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Tell which outlines touch the border of an image."""
    height, width = shape
    with np.errstate(invalid="ignore"):
        return np.any(box_2d[:, :2] <= 0, axis=1) | (box_2d[:, 2] >= width) | (box_2d[:, 3] >= height)


def beyond_border(corners: Array, camera: Camera) -> NDArray[np.bool_]:
    """Tell which boxes reach beyond the border of the image, or behind the camera."""
    pixels, depth = project(corners, camera)
    with np.errstate(invalid="ignore"):
        outside = (pixels < -0.5) | (pixels > np.array([camera.width, camera.height]) - 0.5)
    return np.any(outside, axis=(1, 2)) | np.any(depth <= NEAR_M, axis=1)


def kept(view: dict[str, Any]) -> Views:
    """Keep the objects that a pixel shows."""
    row = np.flatnonzero(view["visible_px"] > 0)
    return Views(row=row, **{name: values[row] for name, values in view.items()})
