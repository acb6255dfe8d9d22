"""Posed frames of an own scan: nerfstudio's transforms.json, a model of COLMAP, or a CSV of poses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.posed_frames import DepthFile, posed_frame
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import OPENGL_FROM_OPENCV, poses, rotations
from qa_engine.formats.colmap import model_file, read_colmap
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.pictures import read_header
from qa_engine.formats.posed_images import PosedImage, SizeOf, in_order, safe_name
from qa_engine.formats.text_tables import column_names, number_columns, read_csv
from qa_engine.formats.transforms import read_transforms
from qa_engine.scenes.scene import Frame

MAX_BYTES = 256_000_000
POSE = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")
CAMERA = ("fx", "fy", "cx", "cy")
TIMES = ("time", "time_s", "timestamp")
LENS = ("k1", "k2", "k3", "p1", "p2")
COLMAP = ("colmap", "sparse/0", "sparse", "")
"""Folders of a scan that may hold a model of COLMAP."""

TRANSFORMS = ("transforms.json", "transforms_train.json", "transforms_val.json", "transforms_test.json")
SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".JPG", ".PNG", ".webp")
"""What names without an ending may end with."""

DEPTH_PER_METRE = 1000.0


@dataclass
class ScanFrames:
    """Frames of a scan in the order of the recording, what was refused, and the files that were read."""

    frames: tuple[Frame, ...] = ()
    refused: list[SceneError] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def read_frames(
    folder: Path, canonical_from_source: NDArray[np.float64], roots: tuple[Path, ...], settings: dict[str, str]
) -> ScanFrames:
    """Find the file of poses of a scan and the images that it names, with their depth.

    Parameters
    ----------
    settings : dict of str to str
        `camera` (axes: `auto`, `opencv`, `opengl`), `pose` (`auto`, `world_from_camera`, `camera_from_world`), `depth`
        (`z`, `ray`), `depth_per_metre` (`auto` or a number), `exif` (`shown`, `stored`).

    Raises
    ------
    SceneError
        A file of poses is damaged, or a switch does not apply to it.

    Notes
    -----
    An image that is missing, or whose camera cannot be used, loses its frame and is in `refused`.
    """
    files = _pose_files(folder)
    for path in files:
        check_inside(path, roots)
    if not files:
        return ScanFrames()
    images = in_order(_images(folder, files, roots, settings))
    shared = Counter(PurePosixPath(image.name).stem for image in images)
    found = ScanFrames(files=list(files))
    frames: list[Frame] = []
    for image in images:
        try:
            path = image_file(folder, image.name)
            if path is None:
                raise SceneError(image.name, "no such image in the scan's folder", reason=IngestReason.MISSING_FILE)
            found.files.append(path)
            depth = _depth_file(folder, image, shared[PurePosixPath(image.name).stem] > 1, settings)
            found.files += [] if depth is None else [depth.path]
            frames.append(
                posed_frame(
                    image,
                    path,
                    roots,
                    frame_id=_frame_id(image.name),
                    canonical_from_source=canonical_from_source,
                    depth=depth,
                    poses_of=settings["exif"],
                )
            )
        except SceneError as error:
            found.refused.append(error)
    found.frames = tuple(frames)
    found.refused = _once(found.refused)
    return found


def image_file(folder: Path, name: str) -> Path | None:
    """Find the image of a name, which may lack its ending, in the folder of a scan or in its `images`."""
    for parent in (folder, folder / "images"):
        for suffix in SUFFIXES:
            if (path := parent / f"{name}{suffix}").is_file():
                return path
    return None


def _frame_id(name: str) -> str:
    path = PurePosixPath(name)
    known = path.suffix.lower() in SUFFIXES
    return (path.with_suffix("") if known else path).as_posix().removeprefix("images/").replace("/", "_")


def _pose_files(folder: Path) -> tuple[Path, ...]:
    """List the files of poses that are read: those of the first kind that the scan has."""
    if (folder / TRANSFORMS[0]).is_file():
        return (folder / TRANSFORMS[0],)
    if (folder / "poses.csv").is_file():
        return (folder / "poses.csv",)
    for name in COLMAP:
        if (path := model_file(folder / name)) is not None:
            return (path, path.with_stem("cameras"))
    return tuple(path for name in TRANSFORMS[1:] if (path := folder / name).is_file())


def _images(
    folder: Path, files: tuple[Path, ...], roots: tuple[Path, ...], settings: dict[str, str]
) -> list[PosedImage]:
    """Read the files of poses."""

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

    if files[0].name == "poses.csv":
        return _poses_csv(files[0], size_of, settings)
    _refuse_switches(files[0], settings)
    if files[0].name in TRANSFORMS:
        camera = "opengl" if settings["camera"] == "auto" else settings["camera"]
        images = [image for path in files for image in read_transforms(path, camera=camera, size_of=size_of)]
        names = Counter(image.name for image in images)
        if double := [name for name, n in names.items() if n > 1]:
            raise SceneError("frames", f"{double[0]!r} occurs {names[double[0]]} times", reason=IngestReason.BAD_FRAME)
        return images
    return read_colmap(files[0].parent)


def _refuse_switches(path: Path, settings: dict[str, str]) -> None:
    """Refuse switches that contradict what a file of poses is by its own definition."""
    wrong = None
    if path.name in TRANSFORMS:
        if settings["pose"] == "camera_from_world":
            wrong = "pose=camera_from_world"
    elif settings["camera"] == "opengl":
        wrong = "camera=opengl"
    elif settings["pose"] == "world_from_camera":
        wrong = "pose=world_from_camera"
    if wrong is not None:
        raise SceneError(path.name, f"--set {wrong} does not apply to this format", reason=IngestReason.SETTING)


def _depth_file(folder: Path, image: PosedImage, shared: bool, settings: dict[str, str]) -> DepthFile | None:
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
    return DepthFile(found, stated if given == "auto" else float(given), along_rays=settings["depth"] == "ray")


def _once(errors: list[SceneError]) -> list[SceneError]:
    """Name a lens that cannot be undistorted once, with the number of its images."""
    n = Counter(error.problem for error in errors if error.reason is IngestReason.LENS_MODEL)
    lenses = {error.problem: error for error in reversed(errors) if error.reason is IngestReason.LENS_MODEL}
    return [
        SceneError(error.field, f"{problem}; images left out: {n[problem]}", reason=error.reason)
        for problem, error in lenses.items()
    ] + [error for error in errors if error.reason is not IngestReason.LENS_MODEL]


def _poses_csv(path: Path, size_of: SizeOf, settings: dict[str, str]) -> list[PosedImage]:
    """Read `image,tx,ty,tz,qx,qy,qz,qw` with optional `fx,fy,cx,cy`, `width,height`, `k1,k2,k3,p1,p2` and `time`."""
    table = read_csv(path, ["image", *POSE], max_bytes=MAX_BYTES)
    values = number_columns(table, POSE, path.name)
    pose = poses(rotations(values[:, 3:], f"{path.name}: qx", order="xyzw"), values[:, :3])
    if settings["pose"] == "camera_from_world":
        pose = np.linalg.inv(pose)
    if settings["camera"] == "opengl":
        pose = pose @ OPENGL_FROM_OPENCV
    names = [safe_name(name, f"{path.name}: image[{i}]") for i, name in enumerate(table["image"])]
    header = column_names(path, max_bytes=MAX_BYTES)
    known = {"image", *POSE, *CAMERA, *LENS, *TIMES, "width", "height"}
    if unknown := [name for name in header if name not in known]:
        problem = f"not understood; known are {', '.join(sorted(known))}"
        raise SceneError(f"{path.name}: column {unknown[0]}", problem, reason=IngestReason.BAD_FORMAT)

    def column(name: str) -> NDArray[np.float64] | None:
        if name not in header:
            return None
        return number_columns(read_csv(path, [name], max_bytes=MAX_BYTES), [name], path.name)[:, 0]

    time = next((column(name) for name in TIMES if name in header), None)
    camera = [column(name) for name in CAMERA]
    lens_numbers = [found if (found := column(name)) is not None else np.zeros(len(names)) for name in LENS]
    width, height = column("width"), column("height")
    images: list[PosedImage] = []
    for i, name in enumerate(names):
        size = size_of(name) if width is None or height is None else (int(width[i]), int(height[i]))
        lens = None
        if size is not None and all(numbers is not None for numbers in camera):
            fx, fy, cx, cy = (float(numbers[i]) for numbers in camera if numbers is not None)
            k1, k2, k3, p1, p2 = (float(numbers[i]) for numbers in lens_numbers)
            if fx <= 0 or fy <= 0 or min(size) < 1:
                problem = f"focal length {fx:g}, {fy:g}, size {size}: not above 0"
                raise SceneError(f"{path.name}: line {i + 2}", problem, reason=IngestReason.BAD_CAMERA)
            lens = Lens(*size, fx, fy, cx, cy, k=(k1, k2, k3, 0.0, 0.0, 0.0), p=(p1, p2))
        images.append(PosedImage(name, pose[i], lens, None if time is None else float(time[i])))
    return images
