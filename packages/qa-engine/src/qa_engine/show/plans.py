"""Objects and cameras of a scene, as a plan of the pages shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from qa_contract.pages import PlanCamera, PlanObject, series_tone

from qa_engine.geometry.walls import WALL_M, thickness_m
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.structure import is_structure

MAX_NAMED = 60
"""Objects of a scene that are named on a plan, the largest ones; further names would hide what they name."""


def category_tones(scene: Scene) -> dict[str, str]:
    """Give each category its tone, the same in all drawings of a scene; the most frequent ones differ for certain.

    Examples
    --------
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["table", "chair", "chair"]),
    ...               center=np.zeros((3, 3)), size=np.ones((3, 3)), rotation=np.array([np.eye(3)] * 3))
    >>> category_tones(scene)
    {'chair': 's0', 'table': 's1'}
    """
    names, counts = np.unique(scene.category[~is_structure(scene.category)], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {str(names[i]): series_tone(rank) for rank, i in enumerate(order)}


def plan_objects(scene: Scene, tones: Mapping[str, str] | None = None) -> list[PlanObject]:
    """Make the objects of a plan; those beyond the `MAX_NAMED` largest are named by the pointer alone.

    Walls are drawn muted and without a name; floors and ceilings, which would cover everything, are left out.

    Parameters
    ----------
    scene : Scene
    tones : mapping of str to str, optional
        Of each category; all objects are muted where not given.
    """
    part_of_room = is_structure(scene.category)
    volume = np.where(part_of_room, 0.0, scene.size.prod(axis=1))
    named = set(np.argsort(-volume, kind="stable")[:MAX_NAMED].tolist()) - set(np.flatnonzero(part_of_room).tolist())
    drawn = ~part_of_room | (thickness_m(scene.boxes) <= WALL_M)
    return [
        PlanObject(
            int(scene.instance_id[row]),
            str(scene.category[row]),
            scene.center[row],
            scene.size[row],
            scene.rotation[row],
            tone="muted" if tones is None else tones.get(str(scene.category[row]), "muted"),
            label=None if row in named else "",
        )
        for row in np.flatnonzero(drawn).tolist()
    ]


def plan_cameras(frames: Sequence[Frame]) -> list[PlanCamera]:
    """Make the cameras of a plan, numbered from 1 as the frames are; those without a pose are left out."""
    return [
        PlanCamera(frame.world_from_camera, str(number), _fov_deg(frame), f"{number}. {frame.frame_id}")
        for number, frame in enumerate(frames, 1)
        if frame.world_from_camera is not None
    ]


def _fov_deg(frame: Frame) -> float:
    """Horizontal angle of view."""
    if frame.intrinsics is None or not frame.width:
        return PlanCamera.fov_deg
    return float(np.degrees(2 * np.arctan2(frame.width / 2, frame.intrinsics[0, 0])))
