"""Frames of a CA-1M capture: pictures that stand upright, poses in the world of the laser scanner, depth of either."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.posed_frames import posed_frame
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import right_angled, turn_onto
from qa_engine.formats.containers import Container
from qa_engine.formats.depth import Depth, decoded_grey, resampled
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import parse_json
from qa_engine.formats.pictures import encoded_picture
from qa_engine.formats.posed_images import PosedImage
from qa_engine.scenes.fields import floats
from qa_engine.scenes.scene import Frame

PICTURE = re.compile(r"(\d+)\.wide/image\.png")
DEPTHS = {"laser": "gt/depth", "phone": "wide/depth"}
MILLIMETRES = 1000
NANOSECONDS = 1e-9

UP_OF_LEVEL = np.array([0.0, -1.0, 0.0])
"""T_gravity turns axes that are level (y down) into those of the camera."""

AGREEMENT = np.cos(np.deg2rad(10.0))
AGREEING_SHARE = 0.8
LEVEL = np.cos(np.deg2rad(3.0))
"""A world whose z axis points up, or down, within what a phone errs by is left as it is, or turned over."""

MOST_LOOKED_AT = 60
MAX_PIXELS = 1e6
"""No number of a camera is larger."""
SAME_VIEW_PX = 1.0
"""Depth whose camera agrees so well with that of the picture, but for the number of pixels, shows the same view."""


@dataclass
class CaptureFrames:
    """Frames in the order of time, and what was refused."""

    frames: list[Frame] = field(default_factory=list)
    refused: list[SceneError] = field(default_factory=list)


def read_frames(
    capture: Container,
    prefix: str,
    stamps: Sequence[str],
    canonical_from_source: NDArray[np.float64],
    roots: Sequence[Path],
    settings: Mapping[str, str],
) -> CaptureFrames:
    """Read the frames of a capture; one that is damaged is refused alone.

    Parameters
    ----------
    prefix : str
        Folder of its members, with a slash at the end.
    stamps : sequence of str
        Those of `list_stamps`.
    canonical_from_source : (4, 4) float64
    settings : mapping of str to str
        `every` and `depth`.
    """
    step = int(settings["every"])
    found = CaptureFrames()
    if step > 1 and len(stamps) > 1:
        problem = f"one in {step} of {len(stamps)} frames is taken; --set every=1 takes all"
        found.refused.append(SceneError("frames", problem, reason=IngestReason.SKIPPED))
    for stamp in stamps[::step]:
        try:
            image = _image(capture, f"{prefix}{stamp}", settings["depth"])
            frame = posed_frame(
                image,
                None,
                tuple(roots),
                frame_id=stamp,
                canonical_from_source=canonical_from_source,
                poses_of="stored",
            )
            found.frames.append(frame)
        except SceneError as error:
            found.refused.append(error)
    return found


def level_world(capture: Container, prefix: str, stamps: Sequence[str]) -> NDArray[np.float64]:
    """Find how the world is turned so that z points up, by the gravity that the phone felt, (4, 4).

    Raises
    ------
    SceneError
        Poses and gravity contradict each other.
    """
    ups: list[NDArray[np.float64]] = []
    for stamp in stamps[:: max(1, -(-len(stamps) // MOST_LOOKED_AT))]:
        try:
            pose = _matrix(capture, f"{prefix}{stamp}.gt/RT.json", 4)
            gravity = _matrix(capture, f"{prefix}{stamp}.wide/T_gravity.json", 3)
        except SceneError:  # said where the frame is read
            continue
        ups.append(right_angled(pose[:3, :3], stamp) @ right_angled(gravity, stamp) @ UP_OF_LEVEL)
    if not ups:
        return np.eye(4)
    up = np.median(ups, axis=0)
    length = np.linalg.norm(up)
    up = up / length if length > 0 else up
    share = float((np.array(ups) @ up > AGREEMENT).mean())
    if share < AGREEING_SHARE:
        problem = f"only {share:.0%} of the frames agree with T_gravity on what is up"
        raise SceneError("gt/RT", problem, reason=IngestReason.POSE_CONVENTION)
    if up[2] > LEVEL:
        return np.eye(4)
    return np.diag([1.0, -1, -1, 1]) if up[2] < -LEVEL else turn_onto(up, np.array([0.0, 0, 1]))


def list_stamps(capture: Container, prefix: str) -> list[str]:
    """List the frames of a capture by their times: nanoseconds, in order."""
    names = (name.removeprefix(prefix) for name in capture.names() if name.startswith(prefix))
    return sorted((match[1] for name in names if (match := PICTURE.fullmatch(name))), key=int)


def _image(capture: Container, place: str, depth: str) -> PosedImage:
    """Read one frame."""
    name = f"{place}.wide/image.png"
    picture = encoded_picture(name, lambda: capture.read(name))
    if picture.header is None:
        raise SceneError(name, "no whole PNG", reason=IngestReason.BAD_FRAME)
    matrix = _camera(capture, f"{place}.wide/image/K.json")
    lens = Lens(*picture.header.size, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    pose = _matrix(capture, f"{place}.gt/RT.json", 4)
    pose[:3, :3] = right_angled(pose[:3, :3], f"{place}.gt/RT.json")
    stamp = place.rpartition("/")[2]
    found = _depth(capture, place, depth, lens)
    return PosedImage(stamp, pose, lens, int(stamp) * NANOSECONDS, picture=picture, depth=found)


def _depth(capture: Container, place: str, which: str, lens: Lens) -> Depth | None:
    """Depth of a frame, brought to the view of its picture."""
    stem = f"{place}.{DEPTHS[which]}"
    if f"{stem}.png" not in capture:
        return None

    def read() -> NDArray[np.float32]:
        metres = (decoded_grey(capture.read(f"{stem}.png"), f"{stem}.png") / MILLIMETRES).astype(np.float32)
        if f"{stem}/K.json" not in capture:
            return metres
        own = _camera(capture, f"{stem}/K.json")
        same = lens.sized(metres.shape[1], metres.shape[0]).intrinsics
        if np.abs(own - same).max() <= SAME_VIEW_PX:
            return metres
        return resampled(metres, (lens.width, lens.height), own @ np.linalg.inv(lens.intrinsics))

    return Depth(f"{stem}.png", read)


def _camera(capture: Container, name: str) -> NDArray[np.float64]:
    matrix = _matrix(capture, name, 3)
    if not (min(matrix[0, 0], matrix[1, 1]) > 0 and np.abs(matrix).max() < MAX_PIXELS):
        raise SceneError(name, f"no camera: {matrix.tolist()}", reason=IngestReason.BAD_CAMERA)
    return matrix


def _matrix(capture: Container, name: str, n: int) -> NDArray[np.float64]:
    """Read a matrix of n x n numbers, by rows, nested or flat."""
    value = parse_json(capture.read(name), name)
    flat = isinstance(value, list) and len(value) == n * n
    return floats(value, (n * n,) if flat else (n, n), name).reshape(n, n).copy()
