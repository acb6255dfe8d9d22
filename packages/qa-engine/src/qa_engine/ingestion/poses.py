"""Tell which convention the camera poses of a scene follow, by what its images show under each likely reading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.errors import IngestReason, QAEngineError
from qa_engine.formats.canonical import OPENGL_FROM_OPENCV
from qa_engine.geometry import box_corners, point_in_box
from qa_engine.ingestion.findings import MIN_OBJECTS, Finding, finding
from qa_engine.scenes.cameras import Camera, back_project, project
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.views.observations import read_depth, read_instance

POINTS_PER_SIDE = 24
VIEW_RATIO = 1.6
"""Another reading of the poses explains the images better by this factor ..."""
VIEW_MARGIN = 0.15
"""... and by this share of what there is to explain."""


Seen = tuple[Camera, NDArray[np.int64] | None, NDArray[np.float32] | None]
"""A camera, and what its frame shows: instances (h, w) and depth (h, w), each None where there is none."""


def read_images(cameras: Sequence[tuple[Camera, Frame]]) -> list[Seen]:
    """Read what frames show; nothing where an image is damaged: it is refused where frames are stored."""
    try:
        return [(camera, read_instance(frame), read_depth(frame)) for camera, frame in cameras]
    except (QAEngineError, OSError):
        return []


def compare_poses(scene: Scene, images: Sequence[Seen]) -> tuple[list[Finding], bool]:
    """Compare readings of the poses by what the images show: instances, or depth, or that any object is in view.

    Returns
    -------
    findings : list of Finding
    confirmed : bool
        Instances or depth show the objects where the boxes are.
    """
    if not images:
        return [], False
    readings = {name: [read(camera) for camera, _, _ in images] for name, read in READINGS.items()}
    if any(instance is not None for _, instance, _ in images):
        score = {
            name: _instance_score(scene, poses, [instance for _, instance, _ in images])
            for name, poses in readings.items()
        }
        evidence = "of the outline of instances"
    elif any(depth is not None for _, _, depth in images):
        score = {
            name: _depth_score(scene, poses, [depth for _, _, depth in images]) for name, poses in readings.items()
        }
        evidence = "of the points of depth images in boxes"
        scale = _depth_scale(scene, [(camera, depth) for camera, _, depth in images], max(score.values()))
        if scale is not None:
            return [scale], False
    else:
        score = {name: _view_score(scene, poses) for name, poses in readings.items()}
        evidence = "of the frames with an object in view"
    given = score[AS_GIVEN]
    best = max(score, key=lambda name: score[name])
    seen = f"{given:.0%} {evidence}"
    if score[best] > max(VIEW_RATIO * given, given + VIEW_MARGIN):
        problem = f"{seen} as given, {score[best]:.0%} if {best}"
        # Without depth and instances, or with a few boxes, another reading may fit by chance.
        severe = not evidence.endswith("in view") and len(scene) >= MIN_OBJECTS
        return [finding("frames.world_from_camera", problem, IngestReason.POSE_CONVENTION, severe=severe)], False
    if evidence.endswith("in view"):
        none = given < 0.5
        return [finding("frames.world_from_camera", seen, IngestReason.NOTHING_IN_VIEW)] if none else [], False
    return [], given > CONFIRMED


AS_GIVEN = "as given"
CONFIRMED = 0.05
"""Share of what images show that lies in boxes: above it poses and boxes have one frame of reference."""


DEPTH_SCALES = (0.1, 0.2, 0.25, 0.5, 2.0, 4.0, 5.0, 10.0, 1000.0)
"""Units per metre of depth images differ between programs by these factors."""


def _depth_scale(
    scene: Scene, images: Sequence[tuple[Camera, NDArray[np.float32] | None]], of_poses: float
) -> Finding | None:
    """Tell whether depth fits the boxes far better in another unit, and better than by another reading of the poses."""
    if len(scene) < MIN_OBJECTS:
        return None
    cameras = [camera for camera, _ in images]
    score = {
        factor: _depth_score(scene, cameras, [None if depth is None else depth * factor for _, depth in images])
        for factor in (1.0, *DEPTH_SCALES)
    }
    best = max(score, key=lambda factor: score[factor])
    if score[best] <= of_poses or score[best] <= max(VIEW_RATIO * score[1.0], score[1.0] + VIEW_MARGIN):
        return None
    problem = f"{score[1.0]:.0%} of the points of depth images lie in boxes as given, {score[best]:.0%} if {best:g} "
    return finding("frames.depth", f"{problem}times as deep", IngestReason.DEPTH_SCALE, severe=True)


def _changed(camera: Camera, pose: Array) -> Camera:
    return Camera(width=camera.width, height=camera.height, intrinsics=camera.intrinsics, world_from_camera=pose)


def _scaled(pose: Array, factor: float) -> Array:
    scaled = pose.copy()
    scaled[:3, 3] *= factor
    return scaled


READINGS = {
    AS_GIVEN: lambda camera: camera,
    "cameras look along -z (OpenGL)": lambda camera: _changed(camera, camera.world_from_camera @ OPENGL_FROM_OPENCV),
    "poses map world to camera": lambda camera: _changed(camera, np.linalg.inv(camera.world_from_camera)),
    "poses map world to camera (OpenGL)": lambda camera: _changed(
        camera, np.linalg.inv(camera.world_from_camera) @ OPENGL_FROM_OPENCV
    ),
    "positions are in millimetres": lambda camera: _changed(camera, _scaled(camera.world_from_camera, 1e-3)),
    "positions are in centimetres": lambda camera: _changed(camera, _scaled(camera.world_from_camera, 1e-2)),
}
"""What is wrong most often, and the camera if it is."""


def _instance_score(scene: Scene, cameras: Sequence[Camera], images: Sequence[NDArray[np.int64] | None]) -> float:
    """Mean overlap (intersection over union) of the outlines of instances in images and of projected boxes."""
    from scipy import ndimage

    corners = box_corners(scene.center, scene.size, scene.rotation)
    order = np.argsort(scene.instance_id)
    overlaps: list[float] = []
    for camera, image in zip(cameras, images, strict=True):
        if image is None:
            continue
        pixels, _ = project(corners, camera)
        for number, window in enumerate(ndimage.find_objects((image + 1).astype(np.int32))):
            at = np.searchsorted(scene.instance_id, number, sorter=order)
            if window is None or at >= len(order) or scene.instance_id[order[at]] != number:
                continue
            seen = np.array([window[1].start, window[0].start, window[1].stop, window[0].stop], dtype=np.float64)
            own = pixels[order[at]]
            limit = np.array([camera.width, camera.height], dtype=np.float64)
            low, high = np.clip(own.min(axis=0), 0, limit), np.clip(own.max(axis=0) + 1, 0, limit)
            overlaps.append(0.0 if np.isnan(low).any() else _overlap(seen, np.concatenate([low, high])))
    return float(np.mean(overlaps)) if overlaps else 0.0


def _overlap(a: Array, b: Array) -> float:
    """Intersection over union of two rectangles x_min, y_min, x_max, y_max."""
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    total = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared
    return float(shared / total) if total > 0 else 0.0


def _depth_score(scene: Scene, cameras: Sequence[Camera], images: Sequence[NDArray[np.float32] | None]) -> float:
    """Share of the points of depth images that lie in a box, some centimetres around it included."""
    inside = total = 0
    for camera, image in zip(cameras, images, strict=True):
        if image is None:
            continue
        step = max(1, max(image.shape) // POINTS_PER_SIDE)
        points = back_project(image[::step, ::step], camera.every(step))
        inside += int(point_in_box(points, scene.center, scene.size + 0.1, scene.rotation).any(axis=0).sum())
        total += len(points)
    return inside / total if total else 0.0


def _view_score(scene: Scene, cameras: Sequence[Camera]) -> float:
    """Share of the frames that have the centre of an object in view."""
    seen = 0
    for camera in cameras:
        pixels, _ = project(scene.center, camera)
        with np.errstate(invalid="ignore"):
            seen += bool(((pixels >= 0) & (pixels < [camera.width, camera.height])).all(axis=1).any())
    return seen / len(cameras)
