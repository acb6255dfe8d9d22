"""Align one scene: find its vertical, scale and floor, turn and scale what has to be, and say how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qa_engine.alignment import metres
from qa_engine.alignment.choice import FAR, Up, contradiction, find_up, rivals, turn_to
from qa_engine.alignment.depth import Measure
from qa_engine.alignment.plan import Found, floor_of, yaw_of
from qa_engine.alignment.sources import MIN_POINTS, Sources, sources_of
from qa_engine.alignment.vertical import FEWEST, Estimate, estimates, joined
from qa_engine.arrays import Array
from qa_engine.errors import IngestReason, SceneError
from qa_engine.ingestion.scale import USUAL_RATIO, check_scale
from qa_engine.scenes.clues import UNKNOWN_GRAVITY_DEG, UNKNOWN_SCALE, Clue
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.worlds import move_scene
from qa_engine.views.observations import read_depth

MAX_ERROR_DEG = 20.0
"""A vertical that is less sure than this is not told."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """What is concluded about a scene.

    Attributes
    ----------
    turn : (3, 3) float64
        World that is upright from the world as given; the unit matrix where z is up as given.
    gravity_error_deg : float or None
        None where z is up as given and nobody doubted it.
    metres : float
        Per unit of the world as given.
    scale_error : float or None
        None where units are metres as given, or a unit by name.
    floor_m, floor_error_m : float or None
        Height of the floor after turn and scale.
    depth_follows : bool
        Depth images have the scale of the poses, and are scaled with them.
    clues : tuple of Clue
    """

    turn: NDArray[np.float64]
    gravity_error_deg: float | None
    metres: float
    scale_error: float | None
    floor_m: float | None
    floor_error_m: float | None
    depth_follows: bool
    clues: tuple[Clue, ...]

    @property
    def changes(self) -> bool:
        """Whether anything is turned or scaled."""
        return self.gravity_error_deg is not None or self.scale_error is not None or self.metres != 1


def align_scene(scene: Scene) -> Scene:
    """Turn and scale a scene so that z is up, lengths are metres and the floor is at 0.

    Returns
    -------
    Scene
        With the errors that are left and the clues. Where vertical and scale are as they are stated to be, nothing is
        moved and no error stated.

    Raises
    ------
    SceneError
        What is up cannot be told, or the evidence contradicts itself.
    """
    found = align(scene)
    aligned = replace(scene, clues=found.clues, objects_checked=False)
    if not found.changes:
        return replace(aligned, gravity_error_deg=None, floor_error_m=None, scale_error=None, objects_checked=False)
    matrix = np.eye(4)
    matrix[:3, :3] = found.turn * found.metres
    matrix[2, 3] = -(found.floor_m or 0.0)
    if scene.cloud is not None:  # which tells size and outline of the floor once it is upright and in metres
        aligned = replace(aligned, room_size_m2=None, floor_polygon=None, objects_checked=False)
    if found.depth_follows and found.metres != 1:
        frames = tuple(_deeper(frame, found.metres) for frame in scene.frames)
        aligned = replace(aligned, frames=frames, objects_checked=False)
    return replace(
        move_scene(aligned, matrix),
        gravity_error_deg=found.gravity_error_deg,
        floor_error_m=found.floor_error_m,
        scale_error=found.scale_error,
        objects_checked=False,
    )


def align(scene: Scene) -> Alignment:
    """Conclude how a scene lies and how large it is.

    Raises
    ------
    SceneError
        What is up cannot be told, or the evidence contradicts itself.
    """
    sources = sources_of(scene)
    if not len(sources.boxes.size) and not len(sources.points) and len(sources.poses) < FEWEST["cameras"]:
        n = 0 if scene.cloud is None else len(scene.cloud)
        problem = f"no objects, {n} points (at least {MIN_POINTS} are wanted), {len(sources.poses)} cameras"
        raise SceneError("up", f"nothing tells what is up: {problem}", reason=IngestReason.NOT_ALIGNED)
    turn, clues, gravity_error = _vertical(sources, doubted=scene.gravity_error_deg is not None)
    upright = sources.turned(turn)
    scale = _scale(upright, doubted=scene.scale_error is not None)
    clues += scale.clues
    metric = upright.shrunk(1 / scale.metres)
    floor = floor_of(metric)
    clues += _clue("floor", floor, "m")
    if gravity_error is not None:
        yaw = yaw_of(metric)
        clues += _clue("yaw", yaw, "deg")
        turn = _about_z(0.0 if yaw is None else yaw.value) @ turn
    return Alignment(
        turn=turn,
        gravity_error_deg=gravity_error,
        metres=scale.metres,
        scale_error=scale.error,
        floor_m=None if floor is None else floor.value,
        floor_error_m=None if floor is None else floor.error,
        depth_follows=scale.depth_follows,
        clues=tuple(clues),
    )


def _vertical(sources: Sources, *, doubted: bool) -> tuple[NDArray[np.float64], list[Clue], float | None]:
    """Find what is up: the turn to it, the clues, and the error; none where it is z as given."""
    found = find_up(sources, doubted=doubted)
    best, others, against = found[0], rivals(found), contradiction(found)
    keeps_z = not doubted and any(up.direction[2] > FAR for up in (best, *others))
    as_given = Clue(
        "gravity", "all", 0.0, UNKNOWN_GRAVITY_DEG, "deg", "z is up as given: nothing speaks clearly against it"
    )
    if others or against:
        if keeps_z:
            return np.eye(3), [as_given], None
        listed = dict.fromkeys([*others[:3], *against.values()])  # a rival may be the favourite of one kind
        problem = "; ".join([_says(best, "most likely"), *(_says(up, "or") for up in listed)])
        raise SceneError("up", f"what is up cannot be told: {problem}", reason=IngestReason.NOT_ALIGNED)
    first = turn_to(best.direction)
    parts = estimates(sources.turned(first))
    exact = joined(parts)
    if exact is None or exact.error_deg > MAX_ERROR_DEG:
        if keeps_z:
            return np.eye(3), [as_given], None
        words = "nothing makes it exact" if exact is None else f"it is known within {exact.error_deg:.0f} degrees alone"
        raise SceneError("up", f"{_says(best, 'up')}, but {words}", reason=IngestReason.NOT_ALIGNED)
    turn = turn_to(first.T @ np.array([*exact.tilt, 1.0]))
    clues = [_gravity(part, first) for part in parts]
    total = _gravity(exact, first)
    if not doubted and total.value <= max(exact.error_deg, 1.0):
        return np.eye(3), [*clues, replace(total, words=f"z is up as given: {total.words}")], None
    return turn, [*clues, total], exact.error_deg


def _gravity(part: Estimate, first: Array) -> Clue:
    """Say what one kind of evidence takes for the vertical."""
    direction = first.T @ np.array([*part.tilt, 1.0])
    direction /= np.linalg.norm(direction)
    angle = float(np.degrees(np.arccos(np.clip(direction[2], -1, 1))))
    what = {
        "boxes": f"{part.n} boxes have an axis along",
        "planes": f"{part.n} planes are level or upright for",
        "cameras": f"cameras in {part.n} stretches of the recording are held level for",
        "undersides": f"undersides of {part.n} objects are level for",
        "all": "all together point along",
    }[part.source]
    words = f"{what} ({', '.join(f'{x + 0.0:.3f}' for x in direction)}), within {part.error_deg:.1f} degrees"
    return Clue("gravity", part.source, angle, part.error_deg, "deg", words)


def _says(up: Up, how: str) -> str:
    """Say which direction may be up and what speaks for it."""
    by = ", ".join(f"{kind} {value:+.1f}" for kind, value in up.by.items() if value)
    axis = ",".join(f"{x + 0.0:.2f}" for x in up.direction)
    return f"{how} ({axis}) with log-likelihoods {by or 'that say nothing'}"


@dataclass(frozen=True)
class _Scale:
    metres: float
    error: float | None
    depth_follows: bool
    clues: list[Clue]


def _scale(upright: Sources, *, doubted: bool) -> _Scale:
    """Find how large the units are; as given where nobody doubts it and the evidence does not contradict."""
    findings, factor, _ = check_scale(upright.boxes, upright.prior)
    if findings and factor == 1:  # sizes alone are off, not places: no scale mends that
        raise findings[0].error
    parts = metres.measures(upright)
    follows = upright.depth is None or abs(upright.depth.log_m) < 2.5 * upright.depth.spread
    if doubted and follows:  # depth and poses of one model say nothing of metres
        parts = [part for part in parts if part.source != "depth"]
    clues = [_measured(part) for part in parts]
    total = metres.joined(parts)
    if total is None:
        words = "nothing tells how large it is: no object of a known category, no camera or ceiling above a floor"
        unknown = [Clue("scale", "all", 1.0, UNKNOWN_SCALE, "m per unit", words)] if doubted else []
        return _Scale(1.0, UNKNOWN_SCALE if doubted else None, follows, unknown)
    if not doubted and abs(total.log_m) < max(np.log(USUAL_RATIO), 1.96 * total.spread):
        words = f"lengths are metres as given: {total.words}"
        return _Scale(1.0, None, follows, [*clues, replace(_measured(total), words=words)])
    unit = metres.unit_of(total)
    if unit is not None:
        exact = metres.UNITS[unit]
        return _Scale(exact, None, follows, [*clues, replace(_measured(total), words=f"{unit}: {total.words}")])
    return _Scale(total.metres, total.error, follows, [*clues, _measured(total)])


def _measured(part: Measure) -> Clue:
    return Clue("scale", part.source, part.metres, part.error, "m per unit", part.words)


def _clue(about: str, found: Found | None, unit: str) -> list[Clue]:
    return [] if found is None else [Clue(about, found.source, found.value, found.error, unit, found.words)]


def _about_z(angle_deg: float) -> NDArray[np.float64]:
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def _deeper(frame: Frame, metres_per_unit: float) -> Frame:
    """Scale the depth of a frame, when it is stored."""

    def scaled() -> NDArray[np.float32]:
        depth = read_depth(frame)
        assert depth is not None
        return (depth * metres_per_unit).astype(np.float32)

    if frame.depth_path is None and frame.depth_m is None and frame.read_depth is None:
        return frame
    return replace(frame, depth_path=None, depth_m=None, read_depth=scaled)
