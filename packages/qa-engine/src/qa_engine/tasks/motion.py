"""How the camera moves: between two images, between two frames of a video, and what it is near to on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks import Reason
from qa_engine.checks.ambiguity import (
    MAX_CAMERA_DISTANCE_M,
    MIN_CAMERA_DISTANCE_M,
    MIN_DEPTH_GAP_M,
    MIN_LEVEL,
    MIN_MOVE_M,
    MIN_RISE_M,
    MIN_SECTOR_MARGIN_DEG,
    MIN_TURN_DEG,
)
from qa_engine.checks.noise import CAMERA_TURN_NOISE_DEG, COVERAGE_SIGMAS, camera_motion_noise_m
from qa_engine.facts.batch import Batch
from qa_engine.geometry.cameras import levelness, motion_m, yaws_deg
from qa_engine.geometry.directions import QUARTERS
from qa_engine.tasks.base import Answers, Draw, Knob, Options, Tags, Task, choices, numbers
from qa_engine.tasks.forms import Context, Rule, ask_value, declare
from qa_engine.tasks.pools import Pool, drawn_sets, frame_pairs, of_video_frame
from qa_engine.tasks.quantities import CAMERA_DISTANCE
from qa_engine.tasks.rankings import ask_most

AT_FRAME = Context(of_video_frame, ("frame",), ("frame",), "video", "one", "a frame set and observations")
_PAIR = ("frame", "other")
_TURN_NOISE_DEG = COVERAGE_SIGMAS * CAMERA_TURN_NOISE_DEG * float(np.sqrt(2 / 3))
_MOTION = ("camera motion",)
_M = Knob("distance", ("<1", "1-2", ">=2"), (1, 2), "m")
_DEG = Knob("angle", ("<45", "45-90", ">=90"), (45, 90), "deg")

Shows = Literal["video", "frames"]


def _poses(batch: Batch, roles: Rows) -> tuple[Array, Array]:
    pose = batch.frames.pose
    return pose[roles[:, 0]], pose[roles[:, 1]]


def _motion(batch: Batch, roles: Rows) -> Array:
    return motion_m(*_poses(batch, roles))


def _level(batch: Batch, roles: Rows) -> Array:
    """Tell how level the less level of both views is: of one that looks down, no direction is known, (n,)."""
    return np.minimum(*(levelness(pose) for pose in _poses(batch, roles)))


def _image_pairs(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List pairs of images in one order: what is asked of them is the same both ways."""
    scene, roles = frame_pairs(batch, rng)
    kept = roles[:, 0] < roles[:, 1]
    return scene[kept], roles[kept]


def _video_pairs(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List pairs of frames of the frame set, the earlier one first."""
    if batch.frame_set_id is None:
        return np.zeros(0, dtype=np.int64), np.zeros((0, 2), dtype=np.int64)
    scene, roles = frame_pairs(batch, rng)
    kept = roles[:, 0] < roles[:, 1]
    return scene[kept], roles[kept]


def _distance(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    value = np.linalg.norm(_motion(batch, roles), axis=1)
    noise = camera_motion_noise_m()
    return numbers(value, (np.maximum(value - noise, 0), value + noise), step=0.1)


def _distance_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [
        (Reason.TOO_CLOSE, answers.value < MIN_CAMERA_DISTANCE_M),
        (Reason.TOO_FAR, answers.value > MAX_CAMERA_DISTANCE_M),
    ]


def _yaw(batch: Batch, roles: Rows) -> Array:
    return yaws_deg(*_poses(batch, roles))


def _angle(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    value = np.abs(_yaw(batch, roles))
    return numbers(value, (np.maximum(value - _TURN_NOISE_DEG, 0), value + _TURN_NOISE_DEG), step=1.0)


def _angle_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [
        (Reason.NEAR_SECTOR_BORDER, _level(batch, roles) < MIN_LEVEL),
        (Reason.TOO_CLOSE, answers.value < MIN_TURN_DEG),
    ]


def _side(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    yaw = _yaw(batch, roles)
    return choices(np.where(yaw > 0, 0, 1), np.minimum(np.abs(yaw), 180 - np.abs(yaw)))


def _side_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [
        (Reason.NEAR_SECTOR_BORDER, _level(batch, roles) < MIN_LEVEL),
        (Reason.TIE_WITHIN_MARGIN, answers.margin < MIN_TURN_DEG),
    ]


def _rise(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    up = _motion(batch, roles)[:, 2]
    return choices(np.where(up > 0, 0, 1), np.abs(up))


def _rise_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    return [
        (Reason.TIE_WITHIN_MARGIN, answers.margin < MIN_RISE_M),
        (Reason.UNSTABLE, answers.margin < camera_motion_noise_m()),
    ]


def _bearing(batch: Batch, roles: Rows) -> tuple[Array, Array]:
    """Turn from the first view to where the other camera is, (n,) degrees in [0, 360), and how far, metres."""
    ahead, left, _ = _motion(batch, roles).T
    return np.degrees(np.arctan2(left, ahead)) % 360, np.hypot(ahead, left)


def _quarter(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    turn, _ = _bearing(batch, roles)
    place = np.array([_QUARTERS.index(name) for name in QUARTERS.names])
    return choices(place[QUARTERS.index(turn)], QUARTERS.margin_deg(turn))


_QUARTERS = tuple(dict.fromkeys(QUARTERS.names))


def _quarter_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    _, level = _bearing(batch, roles)
    with np.errstate(divide="ignore"):
        noise = np.degrees(camera_motion_noise_m() / level) + _TURN_NOISE_DEG
    return [
        (Reason.NEAR_SECTOR_BORDER, _level(batch, roles) < MIN_LEVEL),
        (Reason.TOO_CLOSE, level < MIN_MOVE_M),
        (Reason.NEAR_SECTOR_BORDER, answers.margin < MIN_SECTOR_MARGIN_DEG),
        (Reason.UNSTABLE, answers.margin < noise),
    ]


def _between(
    name: str,
    measure: Callable[[Batch, Rows, Rows], Answers],
    rules: Callable[[Batch, Rows, Rows, Answers], list[Rule]],
    wordings: tuple[str, ...],
    program: str,
    *,
    shows: Shows,
    level: Literal["measurement", "relation", "transformation"],
    symmetric: bool = False,
    **more: Any,
) -> Task:
    """Declare a type about two images, or about two frames of the video."""
    images = shows == "frames"
    return declare(
        name,
        roles=_PAIR,
        kinds=("frame", "frame"),
        listed_by=(_image_pairs if symmetric else frame_pairs) if images else _video_pairs,
        measure=measure,
        rules=rules,
        wordings=wordings,
        program=program,
        shows=shows,
        tags=Tags("motion", level, _MOTION, "two" if images else "many"),
        needs="two posed images" if images else "a frame set and observations",
        **more,
    )


def _both(
    stem: str, measure: Any, rules: Any, words: dict[Shows, tuple[str, ...]], program: str, **more: Any
) -> list[Task]:
    """Declare a type for two images and for a video."""
    names: dict[Shows, str] = {"frames": f"pair_{stem}", "video": f"video_{stem}"}
    return [
        _between(names[shows], measure, rules, words[shows], program, shows=shows, **more)
        for shows in ("frames", "video")
    ]


def _walked(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    """Add up the way over all frames of the recording in between, also those that are not shown."""
    so_far = [
        np.zeros(0)
        if part.recording is None
        else np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(part.recording.position, axis=0), axis=1))])
        for part in batch.facts
    ]
    place = batch.frames.place[roles]
    value = np.array([so_far[k][b] - so_far[k][a] for k, (a, b) in zip(scene.tolist(), place.tolist(), strict=True)])
    noise = camera_motion_noise_m()
    return numbers(value, (np.maximum(value - noise, 0), value + noise), step=0.1)


def _walked_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    lost = (Reason.NO_POSES, np.isnan(answers.value))
    return [lost, (Reason.TOO_CLOSE, answers.value < MIN_CAMERA_DISTANCE_M)]


def _anchored_pairs(batch: Batch, rng: Draw) -> tuple[Rows, Rows]:
    """List an object with two frames of the video that both show it, the earlier first."""
    pool = of_video_frame(batch)
    frames_of: dict[tuple[int, int], list[int]] = {}
    for frame, members in zip(pool.context[:, 0].tolist(), pool.members, strict=True):
        for code in members.tolist():
            frames_of.setdefault((int(batch.frames.scene[frame]), code), []).append(frame)
    keys = sorted(frames_of)
    groups = Pool(
        np.array([scene for scene, _ in keys], dtype=np.int64),
        np.array([code for _, code in keys], dtype=np.int64).reshape(-1, 1),
        [np.array(frames_of[key], dtype=np.int64) for key in keys],
    )
    scene, roles = drawn_sets(batch, groups, rng, 2, limit=10)
    return scene, roles


def _change(batch: Batch, roles: Rows) -> Array:
    before, after = (CAMERA_DISTANCE.of(batch, roles[:, [j]], roles[:, 0]) for j in (1, 2))
    return after - before


def _closer(batch: Batch, scene: Rows, roles: Rows) -> Answers:
    change = _change(batch, roles)
    return choices(np.where(change < 0, 0, 1), np.abs(change))


def _closer_rules(batch: Batch, scene: Rows, roles: Rows, answers: Answers) -> list[Rule]:
    noise = CAMERA_DISTANCE.noise(batch, roles[:, [1]], roles[:, 0], answers.margin)
    return [(Reason.TIE_WITHIN_MARGIN, answers.margin < MIN_DEPTH_GAP_M), (Reason.UNSTABLE, answers.margin < noise)]


TASKS: tuple[Task, ...] = (
    *_both(
        "camera_distance",
        _distance,
        _distance_rules,
        {
            "frames": (
                "How far apart are the places from which the two images were taken (in meters)?",
                "By how many meters was the camera moved between the first image and the second?",
            ),
            "video": (
                "How far is the camera's place at frame {other} from that at frame {frame}, in a straight line (in "
                "meters)?",
                "In a straight line, by how many meters has the camera moved from frame {frame} to frame {other}?",
            ),
        },
        "moved_m({frame_id}, {other_id})",
        level="measurement",
        symmetric=True,
        answer_type="number",
        unit="m",
        knob=_M,
    ),
    *_both(
        "camera_turn",
        _angle,
        _angle_rules,
        {
            "frames": (
                "Seen from above, by how many degrees does the direction of view turn from the first image to the "
                "second, the shorter way round?",
                "What is the angle in degrees between the viewing directions of the two images on the floor plan?",
            ),
            "video": (
                "Seen from above, what is the angle between the directions in which the camera looks at frame {frame} "
                "and at frame {other} (in degrees)?",
                "By how many degrees, the shorter way round, is the view of frame {other} turned from that of frame "
                "{frame}?",
            ),
        },
        "abs(yaw_deg({frame_id}, {other_id}))",
        level="measurement",
        symmetric=True,
        answer_type="integer",
        unit="deg",
        knob=_DEG,
    ),
    *_both(
        "camera_turn_side",
        _side,
        _side_rules,
        {
            "frames": (
                "To get from the first view to the second by the smaller turn, does the camera turn left or right?",
                "Is the direction of view of the second image turned to the left or to the right of that of the first?",
            ),
            "video": (
                "Compared with frame {frame}, is the camera's view at frame {other} turned to the left or to the "
                "right, by the smaller turn?",
                "Does the smaller turn from the view of frame {frame} to that of frame {other} go left or right?",
            ),
        },
        '"left" if yaw_deg({frame_id}, {other_id}) > deg(0) else "right"',
        level="transformation",
        margin_unit="deg",
        options=Options(fixed=("left", "right")),
        knob=Knob("margin", ("<45", ">=45"), (45,), "deg"),
    ),
    *_both(
        "camera_rise",
        _rise,
        _rise_rules,
        {
            "frames": (
                "Was the second image taken from higher or lower above the floor than the first?",
                "Is the camera of the second image higher or lower than that of the first?",
            ),
            "video": (
                "Is the camera at frame {other} held higher or lower above the floor than at frame {frame}?",
                "From frame {frame} to frame {other}, has the camera come to a higher or a lower place?",
            ),
        },
        '"higher" if moved_up_m({frame_id}, {other_id}) > m(0) else "lower"',
        level="relation",
        margin_unit="m",
        options=Options(fixed=("higher", "lower")),
        knob=Knob("margin", ("<0.3", ">=0.3"), (0.3,), "m"),
    ),
    *_both(
        "camera_direction",
        _quarter,
        _quarter_rules,
        {
            "frames": (
                "I stand where the first image was taken and look as it does. In which direction from me was the "
                "second image taken: in front, to the left, behind, or to the right?",
                "Relative to the first view, where does the camera of the second image stand?",
            ),
            "video": (
                "I stand where the camera is at frame {frame} and look as it does. In which direction from me is the "
                "camera at frame {other}: in front, to the left, behind, or to the right?",
                "Relative to the view of frame {frame}, where has the camera got to at frame {other}?",
            ),
        },
        "camera_side({frame_id}, {other_id})",
        level="transformation",
        margin_unit="deg",
        options=Options(fixed=_QUARTERS),
        knob=Knob("margin", ("<20", "20-30", ">=30"), (20, 30), "deg"),
    ),
    ask_value(
        "video_camera_object_distance",
        CAMERA_DISTANCE,
        wordings=(
            "At frame {frame}, how far is the camera from the closest point of the {object} (in meters)?",
            "What is the distance in meters between the camera and the {object} at frame {frame}?",
        ),
        integer=False,
        bounds=(MIN_CAMERA_DISTANCE_M, MAX_CAMERA_DISTANCE_M),
        context=AT_FRAME,
        knob=Knob("distance", ("<1", "1-2", "2-4", ">=4"), (1, 2, 4), "m"),
        tags=Tags("motion", "measurement", ("depth", "distance")),
    ),
    ask_most(
        "video_nearest_to_camera",
        CAMERA_DISTANCE,
        wordings=(
            "At frame {frame}, which of these is the closest to the camera: {listed}?",
            "Which one of {listed} is the camera nearest to at frame {frame}?",
        ),
        most=False,
        k=3,
        min_gap=MIN_DEPTH_GAP_M,
        context=AT_FRAME,
        knob=Knob("margin", ("<0.5", "0.5-1", ">=1"), (0.5, 1), "m"),
        tags=Tags("motion", "relation", ("depth", "comparison")),
        limit=10,
    ),
    declare(
        "video_closer_or_farther",
        roles=("object", "frame", "other"),
        kinds=("name", "frame", "frame"),
        listed_by=_anchored_pairs,
        measure=_closer,
        rules=_closer_rules,
        wordings=(
            "Is the camera closer to the {object} at frame {other} than at frame {frame}, or farther from it?",
            "From frame {frame} to frame {other}, does the camera get closer to the {object} or farther from it?",
        ),
        program='"closer" if camera_distance_m({object_id}, {other_id}) < camera_distance_m({object_id}, {frame_id}) '
        'else "farther"',
        margin_unit="m",
        options=Options(fixed=("closer", "farther")),
        knob=Knob("margin", ("<0.5", "0.5-1", ">=1"), (0.5, 1), "m"),
        tags=Tags("motion", "relation", ("depth", "camera motion")),
        needs="a frame set and observations, two frames that show an object",
    ),
    declare(
        "video_camera_path",
        roles=_PAIR,
        kinds=("frame", "frame"),
        listed_by=_video_pairs,
        measure=_walked,
        rules=_walked_rules,
        wordings=(
            "How many meters has the camera travelled from frame {frame} to frame {other}, along its way?",
            "What is the length in meters of the camera's path between frame {frame} and frame {other}?",
        ),
        program="walked_m({frame_id}, {other_id})",
        answer_type="number",
        unit="m",
        knob=_M,
        tags=Tags("motion", "measurement", _MOTION),
        needs="a frame set and observations",
    ),
)
