"""One sight of a room: some of its frames, perhaps mirrored, and its boxes on the floor plan of the first camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qa_trainer.tiny.rooms import RoomFacts

_CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


@dataclass(frozen=True)
class Sight:
    """What chosen frames of a room show.

    Attributes
    ----------
    area_m2 : float
    category : (n,) int64
    seen : (f, n) bool
    place : (n, 2) float64
        Centre on the floor plan as the first camera sees it: metres to the right of it and ahead of it.
    footprint : (n, 4, 2) float64
        Corners on the same plan.
    yaw : (n,) float64
        Of the box's first axis there, radians from the right-hand direction.
    longest_cm : (n,) int64
    """

    area_m2: float
    category: np.ndarray
    seen: np.ndarray
    place: np.ndarray
    footprint: np.ndarray
    yaw: np.ndarray
    longest_cm: np.ndarray

    @property
    def visible(self) -> np.ndarray:
        """(n,) bool: a frame shows the object."""
        return np.asarray(self.seen.any(0))


def sight(facts: RoomFacts, frames: np.ndarray, *, mirrored: bool) -> Sight:
    """Reduce a room to what the chosen frames show, in the frame of the first of them.

    Parameters
    ----------
    facts : RoomFacts
    frames : (f,) int64
        Which frames, in the order in which they are shown.
    mirrored : bool
        The frames are flipped left to right, so right becomes left.
    """
    place, turn = first_camera_plan(facts, int(frames[0]), mirrored=mirrored)
    yaw = np.pi - (facts.yaw - turn) if mirrored else facts.yaw - turn
    axis = np.stack([np.cos(yaw), np.sin(yaw)], -1)
    along = _CORNERS[None] * facts.size[:, None, :2]
    corners = along[..., :1] * axis[:, None] + along[..., 1:] * np.stack([-axis[:, 1], axis[:, 0]], -1)[:, None]
    return Sight(
        area_m2=facts.area_m2,
        category=facts.category,
        seen=facts.seen[frames],
        place=place,
        footprint=place[:, None] + corners,
        yaw=yaw,
        longest_cm=np.rint(facts.size.max(1) * 100).astype(np.int64),
    )


def first_camera_plan(facts: RoomFacts, frame: int, *, mirrored: bool) -> tuple[np.ndarray, float]:
    """Centres (n, 2) as metres right and ahead of a camera, and the world direction of its right hand in radians."""
    pose = facts.pose[frame]
    ahead = pose[:2, 2] / np.linalg.norm(pose[:2, 2])
    right = np.array([ahead[1], -ahead[0]])
    offset = facts.center[:, :2] - pose[:2, 3]
    place = np.stack([offset @ right, offset @ ahead], axis=1)
    if mirrored:
        place[:, 0] *= -1
    return place, float(np.arctan2(right[1], right[0]))


def distances_m(footprint: np.ndarray) -> np.ndarray:
    """Smallest distances (n, n) between rectangles (n, 4, 2) that do not overlap.

    Of boxes that all stand on the floor this is also the distance in space. The smallest distance of two convex
    polygons apart is that of a corner of one to an edge of the other.

    Examples
    --------
    >>> unit = np.array([[0.0, 0.0], [1, 0], [1, 1], [0, 1]])
    >>> float(distances_m(np.stack([unit, unit + [3.0, 4.0]])).round(3)[0, 1])
    3.606
    """
    start = footprint
    edge = np.roll(footprint, -1, axis=1) - start
    offset = footprint[:, None, :, None] - start[None, :, None]  # (n, m, corner, edge, 2)
    length = (edge**2).sum(-1)[None, :, None]
    share = np.clip((offset * edge[None, :, None]).sum(-1) / length, 0.0, 1.0)
    gap = np.linalg.norm(offset - share[..., None] * edge[None, :, None], axis=-1).min((2, 3))
    return np.minimum(gap, gap.T)
