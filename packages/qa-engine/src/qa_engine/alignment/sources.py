"""What a scene has to tell of its vertical and its scale: boxes, points, planes, cameras and depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qa_engine.alignment.depth import Measure, depth_scale
from qa_engine.alignment.planes import Planes, find_planes
from qa_engine.arrays import Array
from qa_engine.geometry import Boxes
from qa_engine.ingestion.poses import read_images
from qa_engine.ingestion.typical import Prior, prior_of
from qa_engine.scenes.cameras import back_project, camera_of
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.structure import is_structure

MAX_POINTS = 8000
"""Points, evenly spaced, that heights are counted by; planes are found in all."""

MIN_POINTS = 500
"""Points below which a cloud tells nothing: a floor and two walls of a dozen cells each."""

MAX_FRAMES = 16
"""Frames, evenly spaced, whose depth is looked at."""


@dataclass(frozen=True, eq=False)
class Sources:
    """What a scene has, in its world as given.

    Attributes
    ----------
    boxes : Boxes
        Of the objects, without structure: rooms have sloped ceilings.
    prior : Prior
        What is usual for them.
    category : (n,) array of str
    points : (p, 3) float64
        Of the cloud, else of depth images; none where there are too few.
    planes : Planes
        Of all points.
    poses : (c, 4, 4) float64
        World from camera, in the order of the recording.
    made_upright : bool
        Boxes are upright and on the floor because they were fitted so: they say nothing of the vertical.
    depth : Measure or None
        Scale of the poses by depth images, where frames that see the same things tell it.
    """

    boxes: Boxes
    prior: Prior
    category: NDArray[np.str_]
    points: Array
    planes: Planes
    poses: Array
    made_upright: bool
    depth: Measure | None

    def turned(self, turn: Array) -> Sources:
        """Give the same in a world that is turned by (3, 3) `turn`."""
        poses = self.poses.copy()
        poses[:, :3] = turn @ poses[:, :3]
        boxes = Boxes(self.boxes.center @ turn.T, self.boxes.size, self.boxes.rotation @ turn.T)
        return replace(self, boxes=boxes, points=self.points @ turn.T, planes=self.planes.turned(turn), poses=poses)

    def shrunk(self, factor: float) -> Sources:
        """Give the same with all lengths divided by a factor."""
        poses = self.poses.copy()
        poses[:, :3, 3] /= factor
        boxes = Boxes(self.boxes.center / factor, self.boxes.size / factor, self.boxes.rotation)
        return replace(self, boxes=boxes, points=self.points / factor, poses=poses)


def sources_of(scene: Scene) -> Sources:
    """Collect what a scene has."""
    things = ~is_structure(scene.category)
    boxes = Boxes(scene.center[things], scene.size[things], scene.rotation[things])
    posed = [frame for frame in scene.frames if frame.world_from_camera is not None]
    deep = [frame for frame in posed if frame.depth_path is not None or frame.depth_m is not None]
    few = deep[:: max(1, -(-len(deep) // MAX_FRAMES))]
    images = read_images([(camera, frame) for frame in few if (camera := camera_of(frame)) is not None])
    seen = [one for one in images if one[2] is not None]
    depth, one_world = depth_scale(seen)
    points = np.zeros((0, 3))
    if scene.cloud is not None and len(scene.cloud):
        points = scene.cloud.xyz.astype(np.float64)
    elif seen and one_world:
        unit = 1.0 if depth is None else depth.metres
        points = np.concatenate([back_project(image / unit, camera) for camera, _, image in seen if image is not None])
    points = points if len(points) >= MIN_POINTS else np.zeros((0, 3))
    return Sources(
        boxes=boxes,
        prior=prior_of(scene.category[things]),
        category=scene.category[things],
        points=points[:: max(1, len(points) // MAX_POINTS)].astype(np.float64),
        planes=find_planes(points),
        poses=np.array([frame.world_from_camera for frame in posed]).reshape(-1, 4, 4),
        made_upright=scene.confidence is not None and bool(np.isfinite(scene.confidence).any()),  # by `lift`
        depth=depth,
    )
