"""Ray casting of a furnished room in plain numpy: colour, depth and instance ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qa_engine.datasets.procedural.camera import intrinsics
from qa_engine.datasets.procedural.layout import ROOM_HEIGHT_M, Room

TILE_M = 0.5
"""Edge of the floor tiles: the pattern that gives the picture its scale."""
_LIGHT = np.array([0.35, 0.22, 0.91], dtype=np.float32)
_NEAR = 1e-4


@dataclass(frozen=True)
class Rendering:
    """One rendered frame.

    Attributes
    ----------
    rgb : (H, W, 3) uint8
    depth_m : (H, W) float32
        Distance along the camera's z axis, metres.
    instance : (H, W) int32
        Index of the box that the pixel shows, -1 for floor, walls and ceiling.
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    instance: np.ndarray


def render(room: Room, world_from_camera: np.ndarray, size: int) -> Rendering:
    """Render a square frame of `size` pixels.

    Each box is tested only against the rays inside the bounding rectangle of its projected corners.

    Parameters
    ----------
    room : Room
    world_from_camera : (4, 4) float64
        OpenCV camera inside the room.
    size : int
        Width and height in pixels.

    Notes
    -----
    Slab test: a ray o + t d meets the box |x_k| <= h_k in the box's frame for t in the intersection of the intervals
    -o_k / d_k - h_k / |d_k| .. -o_k / d_k + h_k / |d_k|.
    """
    camera = intrinsics(size)
    axis = (np.arange(size, dtype=np.float32) - np.float32(camera[0, 2])) / np.float32(camera[0, 0])
    rays = np.ones((3, size, size), dtype=np.float32)  # components first: reductions over them are then cheap
    rays[0], rays[1] = axis[None, :], axis[:, None]
    eye = world_from_camera[:3, 3].astype(np.float32)
    direction = np.tensordot(world_from_camera[:3, :3].astype(np.float32), rays, 1)  # along it, t is the depth

    depth, colour = _shell(room, eye, direction)
    instance = np.full((size, size), -1, dtype=np.int32)
    for index in range(len(room.size)):
        window = _window(room, index, world_from_camera, camera, size)
        if window is None:
            continue
        box_rotation = room.rotation[index].astype(np.float32)
        half = (room.size[index] / 2).astype(np.float32)[:, None, None]
        origin = (box_rotation @ (eye - room.center[index].astype(np.float32)))[:, None, None]
        local = np.tensordot(box_rotation, direction[:, *window], 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1.0 / local
            middle, reach = -origin * inverse, half * np.abs(inverse)
        entry = middle - reach
        near = np.maximum(np.maximum(entry[0], entry[1]), entry[2])
        exits = middle + reach
        far = np.minimum(np.minimum(exits[0], exits[1]), exits[2])
        hit = (near <= far) & (near > _NEAR) & (near < depth[window])
        if not hit.any():
            continue
        face = entry[:, hit].argmax(0)
        towards = np.take_along_axis(local[:, hit], face[None], 0)[0]
        normal = -np.sign(towards)[:, None] * box_rotation[face]
        depth[window][hit] = near[hit]
        instance[window][hit] = index
        colour[window][hit] = room.colour[index].astype(np.float32) * (0.62 + 0.38 * (normal @ _LIGHT))[:, None]
    return Rendering(np.clip(colour, 0, 255).astype(np.uint8), depth, instance)


def _window(
    room: Room, index: int, world_from_camera: np.ndarray, camera: np.ndarray, size: int
) -> tuple[slice, slice] | None:
    """Rows and columns that can show a box; the whole frame when a corner lies behind the camera."""
    signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    corners = room.center[index] + (signs * room.size[index]) @ room.rotation[index]
    points = (corners - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    if (points[:, 2] <= _NEAR).all():
        return None
    if (points[:, 2] <= _NEAR).any():
        return slice(0, size), slice(0, size)
    pixels = points[:, :2] / points[:, 2:] * camera[0, 0] + camera[0, 2]
    low = np.clip(np.floor(pixels.min(0)).astype(int), 0, size)
    high = np.clip(np.ceil(pixels.max(0)).astype(int) + 1, 0, size)
    if (high <= low).any():
        return None
    return slice(low[1], high[1]), slice(low[0], high[0])


def _shell(room: Room, eye: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth and colour of floor, walls and ceiling as seen from inside."""
    bounds = np.array([*room.extent, ROOM_HEIGHT_M], dtype=np.float32)[:, None, None]
    origin = eye[:, None, None]
    with np.errstate(divide="ignore"):
        planes = (np.where(direction > 0, bounds, np.float32(0)) - origin) / direction
    depth = np.minimum(np.minimum(planes[0], planes[1]), planes[2])
    wall = room.wall_colour.astype(np.float32)
    colour = np.where((planes[0] <= planes[1])[..., None], wall * np.float32(0.86), wall * np.float32(0.95))
    level = planes[2] <= depth
    colour[level & (direction[2] > 0)] = wall * np.float32(1.06)
    floor = level & (direction[2] < 0)
    point = eye[:2, None] + depth[floor] * direction[:2, floor]
    tile = np.floor(point / np.float32(TILE_M)).sum(0) % 2
    colour[floor] = room.floor_colour.astype(np.float32) * (np.float32(0.82) + np.float32(0.18) * tile)[:, None]
    return depth, colour
