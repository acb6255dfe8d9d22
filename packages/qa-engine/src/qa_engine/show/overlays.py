"""Boxes of a scene over one of its frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from markupsafe import Markup
from qa_contract.pages import Outline, overlay

from qa_engine.arrays import Array
from qa_engine.geometry import box_corners
from qa_engine.scenes.cameras import Camera, camera_of, project
from qa_engine.scenes.scene import Frame, Scene

NEAR_M = 0.05
"""Edges are cut at this depth; nearer ones would run far out of the image."""
EDGES = np.array([(i, j) for i in range(8) for j in range(i + 1, 8) if (i ^ j) in (1, 2, 4)])
"""Pairs of corners, in the order of `box_corners`, that an edge joins."""


def frame_overlay(
    scene: Scene, frame: Frame, tones: Mapping[str, str], seen: Collection[int] | None = None
) -> Markup | None:
    """Draw boxes as an `svg` element to lie over the image of a frame; None without a camera.

    Parameters
    ----------
    scene, frame
    tones : mapping of str to str
        Of each category that is drawn.
    seen : collection of int, optional
        See `frame_outlines`.
    """
    camera = camera_of(frame)
    return None if camera is None else overlay(frame_outlines(scene, camera, tones, seen), camera.width, camera.height)


def frame_outlines(
    scene: Scene, camera: Camera, tones: Mapping[str, str], seen: Collection[int] | None = None
) -> list[Outline]:
    """Project the edges of boxes, pixels; what lies behind the camera is cut off.

    Parameters
    ----------
    scene, camera
    tones : mapping of str to str
        Of each category that is drawn.
    seen : collection of int, optional
        instance_id of the objects to draw; all whose centre is in the image where not given.

    Returns
    -------
    list of Outline
        The farthest first, so that nearer ones lie on top.
    """
    limit = np.array([camera.width, camera.height], dtype=np.float64)
    centers, depth = project(scene.center, camera)
    with np.errstate(invalid="ignore"):
        inside = np.all((centers >= 0) & (centers < limit), axis=1)
    corners = box_corners(scene.center, scene.size, scene.rotation)
    found = []
    for i in np.argsort(-depth, kind="stable"):
        number, name = int(scene.instance_id[i]), str(scene.category[i])
        if name in tones and (inside[i] if seen is None else number in seen):
            found.append(Outline(list(_lines(corners[i][EDGES], camera)), number, name, tones[name]))
    return found


def _lines(ends: Array, camera: Camera) -> Iterator[Array]:
    """Project lines (k, 2, 3), metres, to lines (2, 2), pixels."""
    pose = camera.world_from_camera
    local = (ends - pose[:3, 3]) @ pose[:3, :3]
    for line in local:
        ahead = line[:, 2] >= NEAR_M
        if not ahead.any():
            continue
        if not ahead.all():
            (front, behind) = line[ahead][0], line[~ahead][0]
            line = np.stack([front, front + (front[2] - NEAR_M) / (front[2] - behind[2]) * (behind - front)])
        pixels = line @ camera.intrinsics.T
        yield pixels[:, :2] / pixels[:, 2:]
