"""transforms.json of nerfstudio and of programs before it, among them what NeRFCapture writes on a phone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.posed_images import PosedImage
from qa_engine.formats.recordings.base import FrameFormat, Recording
from qa_engine.formats.transforms import applied_transform, read_transforms

TRANSFORMS = ("transforms.json", "transforms_train.json", "transforms_val.json", "transforms_test.json")
NERFCAPTURE = b'"depth_integer_scale"'
"""A key that the app alone writes; JSON has no order, so the whole file is searched."""

MAX_SEARCHED_BYTES = 64_000_000


def find_transforms(folder: Path) -> tuple[Path, ...]:
    """Find transforms.json, or the files of NeRF's parts together."""
    if (folder / TRANSFORMS[0]).is_file():
        return (folder / TRANSFORMS[0],)
    return tuple(path for name in TRANSFORMS[1:] if (path := folder / name).is_file())


def find_nerfcapture(folder: Path) -> tuple[Path, ...]:
    """Find transforms.json of the app."""
    path = folder / TRANSFORMS[0]
    if not path.is_file() or path.stat().st_size > MAX_SEARCHED_BYTES:
        return ()
    return (path,) if NERFCAPTURE in path.read_bytes() else ()


def read_nerfstudio(recording: Recording) -> list[PosedImage]:
    """Read the files.

    Raises
    ------
    SceneError
        A file is damaged, or an image occurs twice.
    """
    images: list[PosedImage] = []
    for path in recording.files:
        read = read_transforms(path, camera=recording.axes, size_of=recording.size_of)
        if recording.settings["applied_transform"] == "undone":
            read = _undone(read, path)
        images += read
    names = Counter(image.name for image in images)
    if double := [name for name, n in names.items() if n > 1]:
        raise SceneError("frames", f"{double[0]!r} occurs {names[double[0]]} times", reason=IngestReason.BAD_FRAME)
    return images


def _undone(images: list[PosedImage], path: Path) -> list[PosedImage]:
    """Bring poses back to the world that they had before nerfstudio turned and scaled it."""
    matrix = applied_transform(path)
    scale = np.cbrt(abs(np.linalg.det(matrix[:3, :3])))
    back, done = np.linalg.inv(matrix), []
    for image in images:
        pose = back @ image.source_from_camera
        pose[:3, :3] *= scale
        done.append(replace(image, source_from_camera=pose))
    return done


NERFSTUDIO = FrameFormat(
    name="nerfstudio",
    title="nerfstudio, instant-ngp, NeRF",
    told_by="`transforms.json`, `transforms_{train,val,test}.json`",
    up=None,
    axes="opengl",
    depth="uint16, `depth_unit_scale_factor`, else mm",
    find=find_transforms,
    read=read_nerfstudio,
    impossible={"pose": "camera_from_world"},
    note="`--set applied_transform=undone` for boxes in the world that COLMAP had",
)
NERFCAPTURE_APP = FrameFormat(
    name="nerfcapture",
    title="NeRFCapture",
    told_by="`transforms.json` with `depth_integer_scale`",
    up="y",
    axes="opengl",
    depth="uint16, `integer_depth_scale`",
    find=find_nerfcapture,
    read=read_nerfstudio,
    impossible={"pose": "camera_from_world"},
    sideways=True,
)
