"""What cameras, points and walls say of a reading of the boxes of a scene.

People hold cameras level, floors are full of points, boxes hold theirs, and furniture stands parallel to walls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.errors import IngestReason
from qa_engine.geometry import Boxes, point_in_box
from qa_engine.ingestion.findings import MIN_OBJECTS, Finding, finding
from qa_engine.ingestion.plausible import CEILING_M, CEILING_SPREAD_M, Terms, student
from qa_engine.ingestion.poses import Seen
from qa_engine.ingestion.typical import ALIKE, prior_of
from qa_engine.ingestion.wall_directions import direction_of_outline, direction_of_points, parallel
from qa_engine.scenes.cameras import back_project
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.structure import is_structure

MAX_CAMERAS = 100
MAX_POINTS = 4000
"""Cameras and points, evenly spaced, that are looked at."""

LEVEL_SPREAD_DEG = 6.0
LEVEL_SHARE = 0.8
"""Cameras held level, on their long or short side, within some degrees; the others are turned somehow."""
STEEP = 0.3
"""A camera that looks so steeply that the vertical is this short in its image is not held any way."""
EYE_M, EYE_SPREAD_M = 1.4, 0.4
"""Height of cameras: 1.2 to 1.6 m in the hand, on the head or on a tripod; robots are lower."""
HELD = {"upright": 0.75, "sideways": 0.2, "upside down": 0.05}
"""Share of recordings by how the picture is stored: phones are held sideways for it, hardly ever upside down."""

MIN_POINTS, MAX_CLOUD = 1000, 50_000
HELD_SHARE, NEVER_HELD = 0.5, 0.1
"""Points and boxes are of one world if this share of points lies in boxes, and not if less than the second does."""

BIN_M = 0.05
FLOOR_RANGE = 0.3
"""A floor lies in this lowest part of all points."""
PADDING_M = 0.03
"""Points lie this far outside of their boxes by errors of a scan."""
EVIDENCE = {"floor": 4.0, "mass": 2.0, "own points": 60.0, "points": 40.0}
"""What doubling the share of points is worth, over log 2: points of one scan err together."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Cameras and points of a scene.

    Attributes
    ----------
    poses : (c, 4, 4) float64
        World from camera, OpenCV axes.
    points : (p, 3) float64, metres
        Of the cloud, else of depth images.
    owner : (p,) int64
        Row of the object that each point belongs to, -1 = none or unknown.
    counted : (n,) bool
        Objects whose points are counted: those that are no walls or floors.
    weight : (n,) float64
        What each object counts among all: those of one category err together.
    walls_deg : float or None
        Direction of the walls.
    """

    poses: Array
    points: Array
    owner: NDArray[np.int64]
    counted: NDArray[np.bool_]
    weight: NDArray[np.float64]
    walls_deg: float | None = None

    def __call__(self, boxes: Boxes, terms: Terms, turn: Array | None) -> float:
        """Judge one reading; only differences between readings of one scene mean something.

        Parameters
        ----------
        boxes : Boxes
            As the reading has them.
        terms : Terms
            Of these boxes.
        turn : (3, 3) float64 or None
            How the reading turns the world, points and cameras with it; None: boxes alone change. To be compared with
            the scene as given under the unit matrix, and under None.
        """
        matrix = np.eye(3) if turn is None else turn
        total = 0.0
        if len(self.poses):
            total += level_likelihood(matrix @ self.poses[:, :3, :3]) + eyes_likelihood(
                self.poses[:, :3, 3] @ matrix[2] - terms.floor_m
            )
        if len(self.points):
            points = self.points @ matrix.T
            total += floor_likelihood(points[:, 2])
            if turn is None:  # else points keep their boxes
                total += self._held(boxes, points)
        if turn is None and self.walls_deg is not None:
            total += parallel(boxes, self.walls_deg, np.where(self.counted, self.weight, 0))
        return total

    def _held(self, boxes: Boxes, points: Array) -> float:
        """Judge how many points lie in boxes, their own where these are known."""
        own, share = share_in_boxes(boxes, points, self.owner, self.counted)
        return EVIDENCE["own points" if own else "points"] * float(np.log(share + 0.02))


def surroundings_of(scene: Scene, posed: Sequence[Frame], images: Sequence[Seen]) -> Surroundings | None:
    """Collect what a scene has besides boxes; None if that is nothing."""
    poses = np.array([frame.world_from_camera for frame in posed[:: _step(len(posed), MAX_CAMERAS)]]).reshape(-1, 4, 4)
    points, owner = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
    if scene.cloud is not None and len(scene.cloud):
        step = _step(len(scene.cloud), MAX_POINTS)
        points = scene.cloud.xyz[::step].astype(np.float64)
        owner = scene.rows_of(scene.cloud.instance_id[::step])
    else:
        found = [back_project(depth, camera) for camera, _, depth in images if depth is not None]
        if found:
            every = np.concatenate(found)
            points = every[:: _step(len(every), MAX_POINTS)].astype(np.float64)
            owner = np.full(len(points), -1, dtype=np.int64)
    walls = None if scene.floor_polygon is None else direction_of_outline(scene.floor_polygon)
    walls = direction_of_points(_thinned(scene, points)) if walls is None else walls
    if not len(poses) and not len(points) and walls is None:
        return None
    weight = prior_of(scene.category).weight
    return Surroundings(poses, points, owner, ~is_structure(scene.category), weight, walls)


def _thinned(scene: Scene, points: Array) -> Array:
    """Take more points of a cloud than are compared with boxes, as walls have few of them; else those of depth."""
    if scene.cloud is None or not len(scene.cloud):
        return points
    return scene.cloud.xyz[:: _step(len(scene.cloud), MAX_CLOUD)].astype(np.float64)


def check_points(scene: Scene) -> list[Finding]:
    """Check that boxes hold the points of a cloud: their own, or any where it does not say whose they are."""
    counted = np.flatnonzero(~is_structure(scene.category))
    if scene.cloud is None or len(scene.cloud) < MIN_POINTS or len(counted) < MIN_OBJECTS:
        return []
    step = _step(len(scene.cloud), MAX_CLOUD)
    points = scene.cloud.xyz[::step].astype(np.float64)
    owner = scene.rows_of(scene.cloud.instance_id[::step])
    own, held = [], []
    for i in counted:
        inside = point_in_box(points, scene.center[[i]], scene.size[[i]] + 2 * PADDING_M, scene.rotation[[i]])[0]
        held.append(bool(inside.any()))
        if (mine := owner == i).any():
            own.append(float(inside[mine].mean()))
    if own:
        share, what = float(np.mean(own)), f"{np.mean(own):.0%} of the points of objects lie in their boxes"
    else:
        share, what = float(np.mean(held)), f"{sum(held)} of {len(held)} boxes hold a point of the cloud"
    if share > HELD_SHARE:
        return []
    return [finding("cloud", what, IngestReason.POINTS_OUTSIDE, severe=share < NEVER_HELD)]


def _step(n: int, most: int) -> int:
    """Keep every k-th of n for at most as many."""
    return max(1, -(-n // most))


def share_in_boxes(
    boxes: Boxes, points: Array, owner: NDArray[np.int64], count: NDArray[np.bool_]
) -> tuple[bool, float]:
    """Measure the share of points that lie in boxes: in those that they belong to, if any do, else in any.

    Returns
    -------
    bool, float
        Whether the points belong to boxes, and the share, the mean over boxes if they do.
    """
    rows = np.flatnonzero(count)
    inside = point_in_box(points, boxes.center[rows], boxes.size[rows] + 2 * PADDING_M, boxes.rotation[rows])
    of_box = owner == rows[:, None]
    n = of_box.sum(axis=1)
    if (n > 0).any():
        return True, float(((inside & of_box).sum(axis=1)[n > 0] / n[n > 0]).mean())
    return False, float(inside.any(axis=0).mean()) if len(rows) else 0.0


def level_likelihood(rotation: Array) -> float:
    """Judge cameras (c, 3, 3): held level, and which way round."""
    right, down = rotation[:, 2, 0], rotation[:, 2, 1]
    length = np.hypot(right, down)
    held = length > STEEP
    if not held.any():
        return 0.0
    right, down = right[held] / length[held], down[held] / length[held]
    roll = np.degrees(np.arcsin(np.minimum(np.abs(right), np.abs(down))))
    straight = 0.75 / LEVEL_SPREAD_DEG * np.exp(student(roll, LEVEL_SPREAD_DEG)) * 45
    level = np.log(LEVEL_SHARE * straight + 1 - LEVEL_SHARE)
    n = held.sum()
    which = np.where(down < -0.7, HELD["upright"], np.where(down > 0.7, HELD["upside down"], HELD["sideways"]))
    return float(level.sum() / (1 + (n - 1) * ALIKE) + np.log(which).mean())


def eyes_likelihood(height: Array) -> float:
    """Judge heights of cameras above the floor."""
    return float(student(np.median(height) - EYE_M, EYE_SPREAD_M))


def floor_likelihood(z: Array) -> float:
    """Judge heights of points: a floor full of points, hardly any below it, most things low, and a ceiling."""
    low, high = np.quantile(z, [0.002, 0.998])
    bins = np.clip(((z - low) / BIN_M).astype(np.int64), 0, max(int((high - low) / BIN_M), 1))
    count = np.bincount(bins) / len(z)
    slab = np.convolve(count, np.ones(2), "same")
    floor = int(slab[: max(int(len(slab) * FLOOR_RANGE), 1)].argmax())
    reach = int(CEILING_M / 2 / BIN_M)
    above, below = count[floor + 2 : floor + reach].sum(), count[-reach:-2].sum()
    total = EVIDENCE["floor"] * np.log(slab[floor] * (1 - count[: max(floor - 2, 0)].sum()) + 0.005)
    total += EVIDENCE["mass"] * np.log((above + 0.05) / (below + 0.05))
    return float(total + 2 * student(max(high - low - CEILING_M, 0), CEILING_SPREAD_M))
