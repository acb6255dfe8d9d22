"""Posed frames of an own scan, by whichever program it was recorded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.posed_frames import posed_frame
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import z_up_from
from qa_engine.formats.depth import Depth, png_depth
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.pictures import read_header
from qa_engine.formats.posed_images import PosedImage, in_order
from qa_engine.formats.quarter_turns import upright_turns
from qa_engine.formats.recordings import FRAME_FORMATS
from qa_engine.formats.recordings.base import FrameFormat, Recording
from qa_engine.formats.text_tables import read_matrix
from qa_engine.formats.times import times_of_names
from qa_engine.geometry.moves import move_poses
from qa_engine.scenes.scene import Frame

SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".JPG", ".PNG", ".webp", ".heic", ".HEIC")
"""What names without an ending may end with."""

DEPTH_PER_METRE = 1000.0
JOINED = "boxes_from_frames.txt"
"""16 numbers by rows that bring the world of the frames to that of the boxes, where two tools made them."""

MOST_FRAMES = 600
"""Frames that are taken of a recording by a phone where nothing else is said: two minutes at five per second."""


@dataclass
class ScanFrames:
    """Frames of a scan in the order of the recording, what was refused, and the files that were read."""

    form: FrameFormat | None = None
    frames: tuple[Frame, ...] = ()
    refused: list[SceneError] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def frame_format(folder: Path, wanted: str) -> tuple[FrameFormat | None, tuple[Path, ...]]:
    """Find the format of a scan's frames and its files of poses: the one that is wanted, or the first that is there.

    Raises
    ------
    SceneError
        The wanted one is not there.
    """
    if wanted == "none":
        return None, ()
    for form in FRAME_FORMATS.values() if wanted == "auto" else (FRAME_FORMATS[wanted],):
        if files := form.find(folder):
            return form, files
    if wanted != "auto":
        problem = f"no {FRAME_FORMATS[wanted].told_by} in {folder.name}, as --set frames_from={wanted} says"
        raise SceneError("frames", problem, reason=IngestReason.SETTING)
    return None, ()


def read_frames(
    folder: Path, canonical_from_source: NDArray[np.float64], roots: tuple[Path, ...], settings: dict[str, str]
) -> ScanFrames:
    """Find the recording of a scan and make frames of it.

    Parameters
    ----------
    canonical_from_source : (4, 4) float64
        Of the boxes; recordings that have an up axis of their own take that one.
    settings : dict of str to str
        Switches of own scans.

    Raises
    ------
    SceneError
        A file of poses is damaged, or a switch does not apply to it.

    Notes
    -----
    An image that is missing, or whose camera cannot be used, loses its frame and is in `refused`.
    """
    form, files = frame_format(folder, settings["frames_from"])
    if form is None:
        return ScanFrames()
    for path in files:
        check_inside(path, roots)
    for name, value in (form.impossible or {}).items():
        if settings[name] == value:
            problem = f"--set {name}={value} does not apply to this format"
            raise SceneError(files[0].name, problem, reason=IngestReason.SETTING)
    recording = Recording(
        folder,
        files,
        roots,
        settings,
        _size_of(folder, roots),
        form.axes if settings["camera"] == "auto" else settings["camera"],
        form.maps if settings["pose"] == "auto" else settings["pose"],
    )
    world, joined = frames_world(form, folder, canonical_from_source, roots, settings)
    try:
        images = in_order(_timed(form.read(recording), settings["fps"]))
    except SceneError as error:
        problem = f"{error.problem}; --set frames_from=none leaves the frames out"
        raise SceneError(error.field, problem, reason=error.reason) from None
    found = ScanFrames(
        form, files=[*files, *joined, *(path for pattern in form.aside for path in folder.glob(pattern))]
    )
    for image in images:
        found.files += [*image.files, *(() if image.depth is None else image.depth.files)]
    most = MOST_FRAMES if form.sideways else len(images)
    images = _thinned(images, settings["every"], most, found)
    turns = 0
    if form.sideways and settings["upright"] == "auto":
        usable = [image.source_from_camera for image in images if image.refused is None]
        turns = upright_turns([move_poses(pose, world) for pose in usable])
    shared = Counter(PurePosixPath(image.name).stem for image in images)
    frames: list[Frame] = []
    for image in images:
        try:
            path, depth = None, None
            if image.picture is None and image.refused is not None:
                found.files += [file for file in [image_file(folder, image.name)] if file is not None]
            elif image.picture is None:
                path = image_file(folder, image.name)
                if path is None:
                    raise SceneError(image.name, "no such image in the scan's folder", reason=IngestReason.MISSING_FILE)
                found.files.append(path)
                depth = _depth_file(folder, image, shared[PurePosixPath(image.name).stem] > 1, roots, settings)
                found.files += () if depth is None else depth.files
            frames.append(
                posed_frame(
                    image,
                    path,
                    roots,
                    frame_id=_frame_id(image.name),
                    canonical_from_source=world,
                    depth=depth,
                    poses_of=settings["exif"],
                    quarter_turns=turns,
                )
            )
        except SceneError as error:
            found.refused.append(error)
    found.frames = tuple(frames)
    found.refused = _once(found.refused)
    return found


def _timed(images: list[PosedImage], fps: str) -> list[PosedImage]:
    """Give images the times of their names where no file has their times."""
    if any(image.time_s is not None for image in images):
        return images
    times = times_of_names([image.name for image in images], None if fps == "auto" else frames_per_second(fps))
    if times is None:
        return images
    return [replace(image, time_s=time) for image, time in zip(images, times, strict=True)]


def frames_per_second(text: str) -> float:
    """Read a rate of frames.

    Examples
    --------
    >>> frames_per_second("29.97")
    29.97
    """
    try:
        rate = float(text)
    except ValueError:
        raise ValueError("no number") from None
    if not 0 < rate < 1e6:
        raise ValueError("no rate")
    return rate


def frames_world(
    form: FrameFormat,
    folder: Path,
    canonical_from_source: NDArray[np.float64],
    roots: tuple[Path, ...],
    settings: dict[str, str],
) -> tuple[NDArray[np.float64], list[Path]]:
    """Canonical world from that of the recording, and the files that say so.

    A matrix beside the scan leads to the boxes; else the axis that points up counts: by its own switch, by that of the
    boxes, or as the format has it. A format that has none lies in the world of the boxes.
    """
    path = folder / JOINED
    if path.is_file():
        check_inside(path, roots)
        matrix = read_matrix(path, (4, 4))
        turn = matrix[:3, :3] / np.cbrt(abs(np.linalg.det(matrix[:3, :3])) or 1.0)
        if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-3 or not np.allclose(matrix[3], [0, 0, 0, 1]):
            problem = "expected a turn, one scale and a shift, with 0 0 0 1 last"
            raise SceneError(path.name, problem, reason=IngestReason.BAD_ROTATION)
        return canonical_from_source @ matrix, [path]
    up = settings["frames_up"]
    if up == "auto" and (form.up is None or settings["up"] != "auto"):
        return canonical_from_source, []
    return z_up_from(form.up or "z" if up == "auto" else up), []


def _thinned(images: list[PosedImage], every: str, most: int, found: ScanFrames) -> list[PosedImage]:
    """Keep one image in so many, and say so."""
    step = -(-len(images) // max(most, 1)) if every == "auto" else int(every)
    if step > 1:
        problem = f"one in {step} of {len(images)} images is taken; --set every=1 takes all"
        found.refused.append(SceneError("frames", problem, reason=IngestReason.SKIPPED))
    return images[:: max(step, 1)]


def image_file(folder: Path, name: str) -> Path | None:
    """Find the image of a name, which may lack its ending, in the folder of a scan or in its `images`."""
    for parent in (folder, folder / "images"):
        for suffix in SUFFIXES:
            if (path := parent / f"{name}{suffix}").is_file():
                return path
    return None


def _frame_id(name: str) -> str:
    """Turn the path of an image into an id: frames of two folders may share a file name."""
    path = PurePosixPath(name)
    known = path.suffix.lower() in SUFFIXES
    return (path.with_suffix("") if known else path).as_posix().removeprefix("images/").replace("/", "_")


def _size_of(folder: Path, roots: tuple[Path, ...]):
    """Tell the size of the image of a name."""

    def size_of(name: str) -> tuple[int, int] | None:
        path = image_file(folder, name)
        if path is None:
            return None
        try:
            check_inside(path, roots)
        except SceneError:
            return None
        header = read_header(path)
        return None if header is None else header.shown

    return size_of


def _depth_file(
    folder: Path, image: PosedImage, shared: bool, roots: tuple[Path, ...], settings: dict[str, str]
) -> Depth | None:
    """Find the depth of an image: by the file of poses, else by its path below `depth`, else by its name there."""
    path = PurePosixPath(image.name)
    if image.depth_name is not None:
        places = [folder / image.depth_name]
    else:
        below = PurePosixPath(path.as_posix().removeprefix("images/"))
        places = [folder / "depth" / below.parent / f"{below.stem}.png"]
        # Cameras of a rig that name their images alike must not share one depth image.
        places += [] if shared else [folder / "depth" / f"{path.stem}.png"]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        return None
    stated, given = image.depth_per_metre or DEPTH_PER_METRE, settings["depth_per_metre"]
    per_metre = stated if given == "auto" else float(given)
    return png_depth(found, roots, per_metre=per_metre, along_rays=settings["depth"] == "ray")


def _once(errors: list[SceneError]) -> list[SceneError]:
    """Name a lens that cannot be undistorted once, with the number of its images."""
    n = Counter(error.problem for error in errors if error.reason is IngestReason.LENS_MODEL)
    lenses = {error.problem: error for error in reversed(errors) if error.reason is IngestReason.LENS_MODEL}
    return [
        SceneError(error.field, f"{problem}; images left out: {n[problem]}", reason=error.reason)
        for problem, error in lenses.items()
    ] + [error for error in errors if error.reason is not IngestReason.LENS_MODEL]
