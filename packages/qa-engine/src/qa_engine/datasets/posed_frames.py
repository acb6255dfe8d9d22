"""Frames from images with poses: pictures upright, without distortion, and cameras that fit them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import move_poses
from qa_engine.formats.depth import depth_reader
from qa_engine.formats.lenses import Lens, pinhole_of
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.pictures import Header, picture_reader, read_header
from qa_engine.formats.posed_images import PosedImage
from qa_engine.scenes.scene import Frame

SAME_ASPECT = 0.01
"""Width over height of a picture and of its camera agree within this share where they differ in resolution alone."""


@dataclass(frozen=True)
class DepthFile:
    """Depth beside an image: its file, units per metre, and whether it holds distances from the camera's centre."""

    path: Path
    per_metre: float
    along_rays: bool = False


def posed_frame(
    image: PosedImage,
    path: Path,
    roots: tuple[Path, ...],
    *,
    frame_id: str,
    canonical_from_source: NDArray[np.float64],
    depth: DepthFile | None = None,
    poses_of: str = "shown",
) -> Frame:
    """Make the frame of an image.

    Parameters
    ----------
    image : PosedImage
    path : Path
        Its file.
    roots : tuple of Path
        Resolved folders that files may lie in.
    frame_id : str
    canonical_from_source : (4, 4) float64
    depth : DepthFile, optional
        In the pixels of the stored picture, or fewer over the same view.
    poses_of : str
        Which picture camera and pose are of where EXIF says that it is turned to be shown: `shown`, or `stored`. Where
        the sides of the camera fit only one of the two, it is that one.

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
    check_inside(path, roots)
    pose = move_poses(image.source_from_camera, canonical_from_source)
    header = read_header(path)
    if header is None:  # refused with its reason where frames are stored
        return Frame(frame_id=frame_id, image_path=path, time_s=image.time_s, world_from_camera=pose)
    turn = header.orientation != 1 and _is_of_shown(image.lens, header, poses_of)
    size = header.shown if turn else header.size
    lens = None if image.lens is None else _fitted(image.lens, size, path.name)
    straight = lens
    if lens is not None and lens.bends:
        try:
            straight = pinhole_of(lens)
        except SceneError as error:
            raise SceneError(f"{path.name}: {error.field}", error.problem, reason=error.reason) from None
    bent = lens if lens is not straight and lens is not None and lens.bends else None
    redrawn = header.orientation != 1 or bent is not None
    return Frame(
        frame_id=frame_id,
        image_path=None if redrawn else path,
        read_image=picture_reader(path, roots, turn=turn, lens=bent) if redrawn else None,
        read_depth=None if depth is None else _depth(depth, roots, size, turn, bent, straight),
        width=size[0],
        height=size[1],
        time_s=image.time_s,
        intrinsics=None if straight is None else straight.intrinsics,
        world_from_camera=pose,
    )


def _is_of_shown(lens: Lens | None, header: Header, poses_of: str) -> bool:
    """Tell whether a camera is that of the picture as it is shown, or as it is stored."""
    if lens is not None:
        stored, shown = (_same_aspect(lens, size) for size in (header.size, header.shown))
        if stored != shown:
            return shown
    return poses_of == "shown"


def _same_aspect(lens: Lens, size: tuple[int, int]) -> bool:
    return abs(size[0] * lens.height / (size[1] * lens.width) - 1) <= SAME_ASPECT


def _fitted(lens: Lens, size: tuple[int, int], name: str) -> Lens:
    """Give the lens for the picture's resolution."""
    found = f"{name} has {size[0]} x {size[1]} pixels, its camera is for {lens.width} x {lens.height}"
    if not _same_aspect(lens, size):
        turned = " (turned by a quarter?)" if _same_aspect(lens, (size[1], size[0])) else ""
        raise SceneError("camera", f"{found}{turned}", reason=IngestReason.BAD_CAMERA)
    fitted = lens if (lens.width, lens.height) == size else lens.sized(*size)
    if not (0 < fitted.cx < size[0] and 0 < fitted.cy < size[1]):
        problem = f"the middle of the lens ({fitted.cx:g}, {fitted.cy:g}) lies outside of {name}, {size[0]} x {size[1]}"
        raise SceneError("camera", f"{problem}: its numbers are for another resolution", reason=IngestReason.BAD_CAMERA)
    return fitted


def _depth(
    depth: DepthFile,
    roots: tuple[Path, ...],
    size: tuple[int, int],
    turn: bool,
    lens: Lens | None,
    straight: Lens | None,
):
    """Make the reader of a depth image, which has the distortion of its colour image."""
    if depth.along_rays and straight is None:
        problem = "distances from the camera's centre are no depths without the camera's numbers"
        return _refusing(SceneError(depth.path.name, problem, reason=IngestReason.BAD_CAMERA))
    if turn:
        problem = "its picture is turned by EXIF, and depth images do not say whether they are"
        return _refusing(SceneError(depth.path.name, problem, reason=IngestReason.BAD_FRAME))
    rays = straight.intrinsics if depth.along_rays and straight is not None else None
    return depth_reader(depth.path, roots, per_metre=depth.per_metre, size=size, lens=lens, along_rays_of=rays)


def _refusing(error: SceneError):
    """Return a reader that refuses, so that the depth is lost and its frame is not."""

    def read() -> NDArray[np.float32]:
        raise error

    return read


def placed(image: PosedImage, world_from_source: NDArray[np.float64]) -> PosedImage:
    """Bring the pose of an image to another world."""
    return replace(image, source_from_camera=world_from_source @ image.source_from_camera)
