"""Tell whether boxes and frames, which two tools may have made, lie in one world: depth must not see through boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qa_engine.errors import IngestReason
from qa_engine.ingestion.findings import MIN_OBJECTS, Finding, finding
from qa_engine.ingestion.poses import Seen
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.structure import is_structure

PIXELS_PER_SIDE = 64
"""Rays per side of an image that are cast."""

PADDING_M = 0.1
"""Depth this close to a box belongs to it: annotations are that loose, and so is depth along edges."""

MIN_RAYS = 12
"""Rays that must reach a box, or beyond it, before it counts as looked at."""

HELD_SHARE = 0.05
"""A box in which fewer of these rays end is seen through; frames and legs of furniture stop more."""

MOST_SEEN_THROUGH = 0.5
"""Share of the boxes looked at that may be seen through: annotations of things that were moved are few."""


def check_depth(scene: Scene, images: Sequence[Seen]) -> list[Finding]:
    """Check that the depth of frames ends in the boxes that they look at.

    Parameters
    ----------
    scene : Scene
    images : sequence of (Camera, instances, depth)

    Returns
    -------
    list of Finding
        One where most boxes are seen through, none where fewer are, or too few are looked at.
    """
    counted = np.flatnonzero(~is_structure(scene.category))
    ended, passed = np.zeros(len(counted)), np.zeros(len(counted))
    for camera, _, depth in images:
        if depth is None:
            continue
        step = max(1, max(depth.shape) // PIXELS_PER_SIDE)
        some, few = depth[::step, ::step], camera.every(step)
        rows, columns = np.nonzero(some > 0)
        measured = some[rows, columns].astype(np.float64)
        pixels = np.stack([columns, rows, np.ones(len(rows))], axis=1)
        ways = pixels @ np.linalg.inv(few.intrinsics).T @ few.world_from_camera[:3, :3].T
        for k, i in enumerate(counted):
            turn, half = scene.rotation[i], scene.size[i] / 2 + PADDING_M
            start = turn @ (few.world_from_camera[:3, 3] - scene.center[i])
            with np.errstate(divide="ignore", invalid="ignore"):
                a, b = (sign * half - start for sign in (-1, 1))
                along = ways @ turn.T
                near = np.minimum(a / along, b / along).max(axis=1)
                far = np.maximum(a / along, b / along).min(axis=1)
            met = (near < far) & (far > 0)
            ended[k] += np.sum(met & (measured >= near) & (measured <= far))
            passed[k] += np.sum(met & (measured > far))
    looked_at = ended + passed >= MIN_RAYS
    n = int(looked_at.sum())
    if n < MIN_OBJECTS:
        return []
    through = int((ended < HELD_SHARE * (ended + passed))[looked_at].sum())
    if through <= MOST_SEEN_THROUGH * n:
        return []
    problem = f"depth sees through {through} of {n} boxes, as if boxes and frames lay in two worlds"
    return [finding("frames.depth", problem, IngestReason.POINTS_OUTSIDE)]
