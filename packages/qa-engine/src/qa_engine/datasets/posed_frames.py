"""Frames from images with poses: pictures upright, without distortion, and cameras that fit them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.depth import Depth, depth_reader, image_size
from qa_engine.formats.lenses import Lens, pinhole_of
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.pictures import Header, Picture, file_picture, redrawn
from qa_engine.formats.posed_images import PosedImage
from qa_engine.formats.quarter_turns import turned_lens, turned_pose
from qa_engine.geometry.moves import move_poses
from qa_engine.scenes.scene import Frame

SAME_ASPECT = 0.01
"""Width over height of a picture and of its camera agree within this share where they differ in resolution alone."""


def posed_frame(
    image: PosedImage,
    path: Path | None,
    roots: tuple[Path, ...],
    *,
    frame_id: str,
    canonical_from_source: NDArray[np.float64],
    depth: Depth | None = None,
    poses_of: str = "shown",
    quarter_turns: int = 0,
) -> Frame:
    """Make the frame of an image.

    Parameters
    ----------
    image : PosedImage
        Its `picture` goes before `path`, its `depth` before `depth`.
    path : Path, optional
        Its file, where it has no `picture`.
    roots : tuple of Path
        Resolved folders that files may lie in.
    frame_id : str
    canonical_from_source : (4, 4) float64
    depth : Depth, optional
        In the pixels of the stored picture, or fewer over the same view.
    poses_of : str
        Which picture camera and pose are of where EXIF says that it is turned to be shown: `shown`, or `stored`. Where
        the sides of the camera fit only one of the two, it is that one.
    quarter_turns : int
        Turns of picture, depth and camera against the clock, after everything else.

    Raises
    ------
    SceneError
        The camera cannot be used, or does not fit the picture.

    Notes
    -----
    A picture that is as its camera says is copied byte for byte when it is stored; any other is drawn anew.
    """
    if image.refused is not None:
        raise image.refused
    picture, depth = image.picture, image.depth or depth
    if picture is None:
        assert path is not None
        check_inside(path, roots)
        picture = file_picture(path, roots)
    pose = turned_pose(move_poses(image.source_from_camera, canonical_from_source), quarter_turns)
    header = picture.header
    if header is None:  # refused with its reason where frames are stored
        path, read = _as_it_is(picture)
        read = read if path is not None or read is not None else redrawn(picture, turn=False, lens=None)
        return Frame(frame_id=frame_id, image_path=path, read_image=read, time_s=image.time_s, world_from_camera=pose)
    turn = header.orientation != 1 and _is_of_shown(image.lens, header, poses_of)
    size = header.shown if turn else header.size
    lens = None if image.lens is None else fitted(image.lens, size, picture.name)
    straight = lens
    if lens is not None and lens.bends:
        try:
            straight = pinhole_of(lens)
        except SceneError as error:
            raise SceneError(f"{picture.name}: {error.field}", error.problem, reason=error.reason) from None
    bent = lens if lens is not straight and lens is not None and lens.bends else None
    path, read = _as_it_is(picture)
    if header.orientation != 1 or bent is not None or quarter_turns or (path is None and read is None):
        path, read = None, redrawn(picture, turn=turn, lens=bent, quarter_turns=quarter_turns)
    read_depth = None if depth is None else _depth(depth, size, turn, bent, straight, quarter_turns)
    final = None if straight is None else turned_lens(straight, quarter_turns)
    width, height = size if quarter_turns % 2 == 0 else size[::-1]
    return Frame(
        frame_id=frame_id,
        image_path=path,
        read_image=read,
        read_depth=read_depth,
        width=width,
        height=height,
        time_s=image.time_s,
        intrinsics=None if final is None else final.intrinsics,
        world_from_camera=pose,
    )


def _as_it_is(picture: Picture) -> tuple[Path | None, Callable[[], bytes] | None]:
    """Name the file or the bytes that a store takes as they are; neither where a picture has to be drawn."""
    return (picture.path, None) if picture.path is not None else (None, picture.data)


def _is_of_shown(lens: Lens | None, header: Header, poses_of: str) -> bool:
    """Tell whether a camera is that of the picture as it is shown, or as it is stored."""
    if lens is not None:
        stored, shown = (_same_aspect(lens, size) for size in (header.size, header.shown))
        if stored != shown:
            return shown
    return poses_of == "shown"


def _same_aspect(lens: Lens, size: tuple[int, int]) -> bool:
    return abs(size[0] * lens.height / (size[1] * lens.width) - 1) <= SAME_ASPECT


def fitted(lens: Lens, size: tuple[int, int], name: str) -> Lens:
    """Give the lens for a picture's resolution.

    Raises
    ------
    SceneError
        The picture has another shape, or the middle of the lens lies outside of it.
    """
    found = f"{name} has {size[0]} x {size[1]} pixels, its camera is for {lens.width} x {lens.height}"
    if not _same_aspect(lens, size):
        turned = " (turned by a quarter?)" if _same_aspect(lens, (size[1], size[0])) else ""
        raise SceneError("camera", f"{found}{turned}", reason=IngestReason.BAD_CAMERA)
    fitted = lens if (lens.width, lens.height) == size else lens.sized(*size)
    if not (0 < fitted.cx < size[0] and 0 < fitted.cy < size[1]):
        problem = f"the middle of the lens ({fitted.cx:g}, {fitted.cy:g}) lies outside of {name}, {size[0]} x {size[1]}"
        raise SceneError("camera", f"{problem}: its numbers are for another resolution", reason=IngestReason.BAD_CAMERA)
    return fitted


def for_size(
    intrinsics: NDArray[np.float64], recorded: tuple[int, int] | None, size: tuple[int, int] | None, name: str
) -> NDArray[np.float64]:
    """Give the camera matrix (3, 3) of a picture that was exported smaller than it was recorded.

    Raises
    ------
    SceneError
        The picture has another shape than the recording.

    Examples
    --------
    >>> for_size(np.array([[4.0, 0, 3.5], [0, 4, 2.5], [0, 0, 1]]), (8, 6), (4, 3), "0.jpg")[0].tolist()
    [2.0, 0.0, 1.5]
    """
    if recorded is None or size is None or size == recorded:
        return intrinsics
    (fx, _, cx), (_, fy, cy), _ = intrinsics.tolist()
    return fitted(Lens(*recorded, fx, fy, cx, cy), size, name).intrinsics


def for_picture(
    intrinsics: NDArray[np.float64], recorded: tuple[int, int], path: Path
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Give camera matrix (3, 3) and width and height for a picture that may have another resolution.

    A picture of another shape leaves both as they are recorded, which refuses its frame where frames are stored.
    """
    size = image_size(path)
    try:
        return for_size(intrinsics, recorded, size, path.name), recorded if size is None else size
    except SceneError:
        return intrinsics, recorded


def _depth(
    depth: Depth, size: tuple[int, int], turn: bool, lens: Lens | None, straight: Lens | None, quarter_turns: int
):
    """Make the reader of a depth image, which has the distortion of its colour image."""
    if turn:
        problem = "its picture is turned by EXIF, and depth images do not say whether they are"
        return _refusing(SceneError(depth.name, problem, reason=IngestReason.BAD_FRAME))
    intrinsics = None if straight is None else straight.intrinsics
    return depth_reader(depth, size=size, lens=lens, intrinsics=intrinsics, quarter_turns=quarter_turns)


def _refusing(error: SceneError):
    """Return a reader that refuses, so that the depth is lost and its frame is not."""

    def read() -> NDArray[np.float32]:
        raise error

    return read


def placed(image: PosedImage, world_from_source: NDArray[np.float64]) -> PosedImage:
    """Bring the pose of an image to another world."""
    return replace(image, source_from_camera=world_from_source @ image.source_from_camera)
