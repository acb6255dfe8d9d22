"""The operators of the language that look through the cameras of frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qa_engine.facts.scene import Facts
from qa_engine.geometry.cameras import (
    box_depths_m,
    camera_distances_m,
    headings_deg,
    image_middles,
    motion_m,
    path_m,
    view_turns_deg,
    yaws_deg,
)
from qa_engine.geometry.directions import QUARTERS
from qa_engine.programs.language import ProgramCode, ProgramError
from qa_engine.programs.operators import Operator
from qa_engine.views.recording import Recording


def posed(facts: Facts, *frames: int) -> Recording:
    """Return the recording, if the cameras of these frames are known."""
    recording = facts.recording
    if recording is None:
        raise ProgramError(ProgramCode.NO_VALUE, "the scene has no observed frames.")
    for frame in frames:
        if not recording.posed[frame]:
            raise ProgramError(ProgramCode.NO_VALUE, f"the camera of frame {frame} is not known.")
    return recording


def seen(facts: Facts, row: int, frame: int) -> Recording:
    """Return the recording, if a frame shows an object."""
    recording = posed(facts)
    if not recording.pixels[frame, row]:
        name = facts.categories[facts.code[row]]
        raise ProgramError(ProgramCode.NO_VALUE, f"frame {frame} does not show this {name}.")
    return recording


def _image(axis: int) -> Callable[[Facts, int, int], float]:
    def middle(facts: Facts, row: int, frame: int) -> float:
        return float(image_middles(seen(facts, row, frame).box_2d[frame, row])[axis])

    return middle


def _hidden_percent(facts: Facts, row: int, frame: int) -> float:
    share = float(seen(facts, row, frame).share[frame, row])
    if not np.isfinite(share):
        raise ProgramError(ProgramCode.NO_VALUE, f"what hides objects in frame {frame} is not known.")
    return 100 * (1 - share)


def _depth_m(facts: Facts, row: int, frame: int) -> float:
    pose = posed(facts, frame).world_from_camera[frame]
    return float(box_depths_m(pose[None], facts.scene.center[row][None])[0])


def _camera_distance_m(facts: Facts, row: int, frame: int) -> float:
    pose, scene = posed(facts, frame).world_from_camera[frame], facts.scene
    found = camera_distances_m(pose[None], scene.center[row][None], scene.size[row][None], scene.rotation[row][None])
    return float(found[0])


def _view_turn_deg(facts: Facts, frame: int, row: int) -> float:
    pose = posed(facts, frame).world_from_camera[frame]
    return float(view_turns_deg(pose[None], facts.scene.center[row][None])[0])


def _two(facts: Facts, frame: int, other: int) -> tuple[np.ndarray, np.ndarray]:
    pose = posed(facts, frame, other).world_from_camera
    return pose[frame][None], pose[other][None]


def _moved_m(facts: Facts, frame: int, other: int) -> float:
    return float(np.linalg.norm(motion_m(*_two(facts, frame, other))[0]))


def _motion(axis: int) -> Callable[[Facts, int, int], float]:
    def component(facts: Facts, frame: int, other: int) -> float:
        return float(motion_m(*_two(facts, frame, other))[0, axis])

    return component


def _yaw_deg(facts: Facts, frame: int, other: int) -> float:
    return float(yaws_deg(*_two(facts, frame, other))[0])


def _heading_deg(facts: Facts, frame: int) -> float:
    return float(headings_deg(posed(facts, frame).world_from_camera[frame][None])[0] % 360)


def _camera_side(facts: Facts, frame: int, other: int) -> str:
    ahead, left, _ = motion_m(*_two(facts, frame, other))[0]
    return QUARTERS.names[int(QUARTERS.index(np.degrees(np.arctan2(left, ahead)) % 360))]


def _view_side(facts: Facts, frame: int, row: int) -> str:
    return QUARTERS.names[int(QUARTERS.index(_view_turn_deg(facts, frame, row)))]


def _pixels_shown(facts: Facts, row: int, frame: int) -> int:
    return int(posed(facts).pixels[frame, row])


def _count_shown(facts: Facts, category: int, frame: int) -> int:
    return int(np.count_nonzero(posed(facts).pixels[frame, facts.members[category]]))


def _path_m(facts: Facts, frame: int, other: int) -> float:
    first, last = sorted((frame, other))
    return path_m(posed(facts, *range(first, last + 1)).position[first : last + 1])


def _seen_so_far(facts: Facts, frame_set_id: str, number: int) -> list[int]:
    found = facts.evidence(frame_set_id)
    if found is None:
        message = f"nothing tells what the frames of {frame_set_id!r} show of the scene."
        raise ProgramError(ProgramCode.NO_VALUE, message)
    seen = (found.first >= 0) & (found.first < number)
    return facts.scene.instance_id[seen].tolist()


_VIEW = (("a", "instance"), ("frame", "frame"))
_PAIR = (("frame", "frame"), ("other", "frame"))

CAMERA_OPERATORS: dict[str, Operator] = {
    "image_x": Operator(_VIEW, "number", "", "Column of the middle of what a frame shows of an instance.", _image(0)),
    "image_y": Operator(_VIEW, "number", "", "Row of the middle of what a frame shows of an instance.", _image(1)),
    "hidden_percent": Operator(
        _VIEW, "number", "", "Share of an instance's pixels within the frame that other things hide.", _hidden_percent
    ),
    "depth_m": Operator(_VIEW, "number", "m", "Depth of the box's centre along the camera's view.", _depth_m),
    "camera_distance_m": Operator(
        _VIEW, "number", "m", "Distance from the camera to the closest point of the box.", _camera_distance_m
    ),
    "view_turn_deg": Operator(
        (("frame", "frame"), ("a", "instance")),
        "number",
        "deg",
        "Counter-clockwise turn from the camera's view to an instance, seen from above; 0 to 360.",
        _view_turn_deg,
    ),
    "view_side": Operator(
        (("frame", "frame"), ("a", "instance")),
        "text",
        "",
        "Where an instance is from the camera: in front, to the left, behind or to the right, each a quarter.",
        _view_side,
    ),
    "heading_deg": Operator(
        (("frame", "frame"),),
        "number",
        "deg",
        "Direction of the camera's view on the floor plan, counter-clockwise from x; 0 to 360.",
        _heading_deg,
    ),
    "moved_m": Operator(_PAIR, "number", "m", "Distance between the cameras of two frames.", _moved_m),
    "moved_ahead_m": Operator(
        _PAIR, "number", "m", "How far the other camera is ahead of the first, level; behind is below 0.", _motion(0)
    ),
    "moved_left_m": Operator(
        _PAIR, "number", "m", "How far the other camera is to the left of the first, level.", _motion(1)
    ),
    "moved_up_m": Operator(_PAIR, "number", "m", "How far the other camera is above the first.", _motion(2)),
    "yaw_deg": Operator(
        _PAIR, "number", "deg", "Turn of the view from one frame to another, left above 0; -180 to 180.", _yaw_deg
    ),
    "camera_side": Operator(
        _PAIR,
        "text",
        "",
        "Where the other camera is from the first: in front, to the left, behind or to the right, each a quarter.",
        _camera_side,
    ),
    "pixels_shown": Operator(
        _VIEW, "number", "", "Pixels of an instance in a frame, which needs no time.", _pixels_shown
    ),
    "count_shown": Operator(
        (("category", "category"), ("frame", "frame")),
        "number",
        "",
        "Objects of a category that a frame shows, by one pixel at least.",
        _count_shown,
    ),
    "walked_m": Operator(_PAIR, "number", "m", "Length of the camera's way between two frames.", _path_m),
    "seen_so_far": Operator(
        (("frame_set", "text"), ("number", "plain")),
        "instances",
        "",
        "Instances that one of the first so many frames of a frame set shows well enough to be recognised.",
        _seen_so_far,
    ),
    "supports": Operator(
        (("a", "instance"), ("b", "instance")),
        "bool",
        "",
        "True if b stands on a.",
        lambda facts, a, b: bool(facts.supports()[a, b]),
    ),
}
"""Operators on the cameras and views of frames."""
