"""The operators of the language whose value is an answer in JSON."""

from __future__ import annotations

import numpy as np

from qa_engine.facts.scene import Facts
from qa_engine.facts.structures import NAMES, box_text, map_text, relations_text
from qa_engine.geometry.cameras import camera_distances_m, image_middles
from qa_engine.programs.cameras import posed, seen
from qa_engine.programs.language import ProgramCode, ProgramError
from qa_engine.programs.operators import Operator


def _several(rows: list[int], name: str) -> list[int]:
    """Return the objects, if there are as many as letters can name."""
    if len(set(rows)) != len(rows) or not 2 <= len(rows) <= len(NAMES):
        message = f"{name} needs 2 to {len(NAMES)} different instances."
        raise ProgramError(ProgramCode.WRONG_ARGUMENTS, message)
    return rows


def _grid_map(facts: Facts, among: list[int]) -> str:
    plan = facts.scene.center[_several(among, "grid_map")][:, :2]
    if not np.linalg.norm(plan[1] - plan[0]) > 0:
        raise ProgramError(ProgramCode.NO_VALUE, "the second instance is straight above the first.")
    return map_text(plan)


def _box_from(facts: Facts, row: int, frame: int) -> str:
    scene = facts.scene
    pose = posed(facts, frame).world_from_camera[frame]
    return box_text(pose, scene.center[row], scene.size[row], scene.rotation[row])


def _relations_shown(facts: Facts, among: list[int], frame: int) -> str:
    scene, rows = facts.scene, _several(among, "relations_shown")
    boxes = np.array([seen(facts, row, frame).box_2d[frame, row] for row in rows])
    pose = posed(facts, frame).world_from_camera[[frame] * len(rows)]
    distance = camera_distances_m(pose, scene.center[rows], scene.size[rows], scene.rotation[rows])
    return relations_text(image_middles(boxes)[:, 0], distance)


STRUCTURE_OPERATORS: dict[str, Operator] = {
    "grid_map": Operator(
        (("among", "instances"),),
        "text",
        "",
        "JSON: cells of the centres, A, B, ..., on a 10 x 10 map with the second straight up from the first.",
        _grid_map,
    ),
    "box_from": Operator(
        (("a", "instance"), ("frame", "frame")),
        "text",
        "",
        "JSON: center, size and yaw of the upright box as seen from the camera of a frame, held level.",
        _box_from,
    ),
    "relations_shown": Operator(
        (("among", "instances"), ("frame", "frame")),
        "text",
        "",
        "JSON: which of A, B, ... are left of others in a frame, and which are nearer to its camera.",
        _relations_shown,
    ),
}
"""Operators that write structured answers."""
