"""A scene in other worlds: moved as a whole, and as it may truly be where its vertical or scale is not sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.geometry.boxes import Boxes
from qa_engine.geometry.moves import linear_and_scale, move_boxes, move_poses
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.clues import UNKNOWN_GRAVITY_DEG, UNKNOWN_SCALE
from qa_engine.scenes.scene import Frame, Scene

AZIMUTHS = 8
"""Directions in which a vertical may be off: an octagon around its circle of error, so that whatever changes in
proportion to the tilt changes within it by no more than at a corner."""

RING_DEG = 30.0
"""Rings of the octagon are this far apart, two at least: what a box measures upwards has a kink where it stands
upright, which may lie between the middle and the corners."""

UPRIGHT_COS = 0.9
"""A world that is turned by more has another floor plan."""


def move_scene(scene: Scene, matrix: Array) -> Scene:
    """Turn, move and scale a scene with all that is in it.

    Parameters
    ----------
    scene : Scene
    matrix : (4, 4) float64
        New world from the old one: a turn, one scale for all axes, and a shift. Depth images keep their metres.

    Examples
    --------
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair"]), center=np.array([[1.0, 0, 0.5]]),
    ...               size=np.array([[0.5, 0.5, 1]]), rotation=np.eye(3)[None], room_size_m2=3.0)
    >>> moved = move_scene(scene, np.diag([2.0, 2, 2, 1]))
    >>> moved.size[0].round(9).tolist(), round(moved.room_size_m2, 9)
    ([1.0, 1.0, 2.0], 12.0)
    """
    linear, scale = linear_and_scale(matrix)
    boxes = move_boxes(scene.boxes, matrix) if len(scene) else scene.boxes
    return replace(
        scene,
        **_columns(scene, boxes),
        face_error_m=None if scene.face_error_m is None else scene.face_error_m * scale,
        room_size_m2=None if scene.room_size_m2 is None else scene.room_size_m2 * scale**2,
        room_center=None if scene.room_center is None else _points(scene.room_center[None], matrix)[0],
        floor_polygon=_outline(scene.floor_polygon, matrix, linear),
        canonical_from_source=matrix @ scene.canonical_from_source,
        frames=tuple(_frame(frame, matrix) for frame in scene.frames),
        cloud=None if scene.cloud is None else Cloud(_points(scene.cloud.xyz, matrix), scene.cloud.instance_id),
        mesh=None if scene.mesh is None else replace(scene.mesh, vertices=_points(scene.mesh.vertices, matrix)),
    )


def possible_worlds(scene: Scene) -> list[Scene]:
    """Give the scene as it may truly be, at the ends of the errors that are stated of it; none where none is.

    What holds in the scene and in all of these holds within its errors: scales at both ends, the vertical around its
    circle, and both together.

    Examples
    --------
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair"]), center=np.array([[1.0, 0, 0.5]]),
    ...               size=np.array([[0.5, 0.5, 1]]), rotation=np.eye(3)[None], scale_error=0.25)
    >>> [other.size[0].round(3).tolist() for other in possible_worlds(scene)]
    [[0.4, 0.4, 0.8], [0.625, 0.625, 1.25]]
    """
    worlds = []
    pivot = scene.center.mean(axis=0) if len(scene) else np.zeros(3)
    for matrix in _errors(scene):
        linear, scale = linear_and_scale(matrix)
        shift = matrix.copy()
        shift[:3, 3] += scale * (pivot - linear @ pivot)  # tilts are about the middle, scales about the floor
        boxes = move_boxes(scene.boxes, shift) if len(scene) else scene.boxes
        outline = scene.floor_polygon
        worlds.append(
            replace(
                scene,
                **_columns(scene, boxes),
                room_size_m2=None if scene.room_size_m2 is None else scene.room_size_m2 * scale**2,
                floor_polygon=None if outline is None else _flat(outline, shift),
                world_from_store=shift,
                gravity_error_deg=None,
                floor_error_m=None,
                scale_error=None,
            )
        )
    return worlds


def errors_in_words(scene: Scene) -> str:
    """Say how far a scene as a whole may be off; nothing where no error is stated.

    Examples
    --------
    >>> none = np.zeros((0, 3))
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array([]), center=none, size=none,
    ...               rotation=np.zeros((0, 3, 3)), scale_error=0.08, gravity_error_deg=1.25)
    >>> errors_in_words(scene)
    'vertical within 1.2 degrees, scale within 8%'
    """
    gravity, floor, scale = scene.gravity_error_deg, scene.floor_error_m, scene.scale_error
    words = []
    if gravity:
        words.append("vertical unknown" if gravity >= UNKNOWN_GRAVITY_DEG else f"vertical within {gravity:.1f} degrees")
    if floor:
        words.append(f"floor within {floor:.2f} m")
    if scale:
        words.append("scale unknown" if scale >= UNKNOWN_SCALE else f"scale within {scale:.0%}")
    return ", ".join(words)


def _errors(scene: Scene) -> list[Array]:
    """Give what may be wrong with the world of a scene, (4, 4) each."""
    scale, floor = 1 + (scene.scale_error or 0.0), scene.floor_error_m or 0.0
    ends = [_world(np.eye(3), 1 / scale, -floor), _world(np.eye(3), scale, floor)] if scale > 1 or floor > 0 else []
    if not scene.gravity_error_deg:
        return ends
    n = max(2, int(np.ceil(scene.gravity_error_deg / RING_DEG)))
    circle = min(scene.gravity_error_deg / np.cos(np.pi / AZIMUTHS), 180.0)
    turns = [_tilt(circle * ring / n, k + ring / n) for ring in range(1, n + 1) for k in range(AZIMUTHS)]
    middle = ends or [np.eye(4)]
    return ends + [_world(turn, 1, 0) @ end for turn in turns for end in middle]


def _tilt(angle_deg: float, place: float) -> NDArray[np.float64]:
    """Turn about a level axis, the `place`-th of `AZIMUTHS`."""
    from scipy.spatial.transform import Rotation

    way = 2 * np.pi * place / AZIMUTHS
    return Rotation.from_rotvec(np.radians(angle_deg) * np.array([np.cos(way), np.sin(way), 0.0])).as_matrix()


def _world(turn: NDArray[np.float64], scale: float, rise: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = turn * scale
    matrix[2, 3] = rise
    return matrix


def _columns(scene: Scene, boxes: Boxes) -> dict[str, object]:
    """Columns of the objects, to be checked again."""
    return {"center": boxes.center, "size": boxes.size, "rotation": boxes.rotation, "objects_checked": False}


def _points(points: NDArray[np.floating], matrix: Array) -> NDArray[np.floating]:
    """Move points (n, 3)."""
    return (points @ matrix[:3, :3].T + matrix[:3, 3]).astype(points.dtype)


def _outline(outline: Array | None, matrix: Array, linear: Array) -> Array | None:
    """Move an outline of the floor; None where it is no floor any more."""
    return None if outline is None or linear[2, 2] < UPRIGHT_COS else _flat(outline, matrix)


def _flat(outline: Array, matrix: Array) -> Array:
    """See the outline (k, 2) of a floor at z = 0 from above after a move."""
    return outline @ matrix[:2, :2].T + matrix[:2, 3]


def _frame(frame: Frame, matrix: Array) -> Frame:
    pose = frame.world_from_camera
    return frame if pose is None else replace(frame, world_from_camera=move_poses(pose, matrix))
