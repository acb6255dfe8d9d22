"""3D Scanner App (Laan Labs), "all data": `frame_NNNNN.json` with camera and pose beside `frame_NNNNN.jpg` and depth.

References
----------
Programs that read it take `cameraPoseARFrame` as 16 and `intrinsics` as 9 numbers by rows, camera to world in ARKit's
axes; `depth_NNNNN.png` in millimetres and `conf_NNNNN.png` with levels 0 to 2 go by the same number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.lenses import Lens
from qa_engine.formats.parsing import check_inside, expect, number, numbers, read_json
from qa_engine.formats.pictures import file_picture
from qa_engine.formats.posed_images import PosedImage
from qa_engine.formats.recordings.base import FrameFormat, Recording

MAX_BYTES = 10_000_000
HEAD_BYTES = 20_000


def find_scanner3d(folder: Path) -> tuple[Path, ...]:
    """Find the JSON files of frames, where the first of them has a pose of ARKit."""
    found = tuple(sorted(folder.glob("frame_*.json")))
    if not found:
        return ()
    with found[0].open("rb") as file:
        return found if b'"cameraPoseARFrame"' in file.read(HEAD_BYTES) else ()


def read_scanner3d(recording: Recording) -> list[PosedImage]:
    """Read a recording.

    Notes
    -----
    The app stores a pose for every frame and a picture for every few: poses without picture are left out together.
    """
    with_picture = [path for path in recording.files if path.with_suffix(".jpg").is_file()]
    images = [_image(path, recording) for path in with_picture]
    rest = [path for path in recording.files if not path.with_suffix(".jpg").is_file()]
    if rest:
        problem = f"no picture of this frame; so for {len(rest)} of {len(recording.files)}"
        skipped = SceneError(rest[0].name, problem, reason=IngestReason.SKIPPED)
        images.append(PosedImage(rest[0].stem, np.eye(4), refused=skipped, files=tuple(rest)))
    return images


def _image(path: Path, recording: Recording) -> PosedImage:
    """Read one frame; a damaged one is refused alone."""
    picture_path = path.with_suffix(".jpg")
    try:
        check_inside(path, recording.roots)
        check_inside(picture_path, recording.roots)
        value = expect(read_json(path, max_bytes=MAX_BYTES)[0], dict, path.name)
        matrix = np.reshape(numbers(value.get("cameraPoseARFrame"), 16, f"{path.name}: cameraPoseARFrame"), (4, 4))
        fx, _, cx, _, fy, cy, _, _, _ = numbers(value.get("intrinsics"), 9, f"{path.name}: intrinsics")
        if min(fx, fy) <= 0:
            raise SceneError(f"{path.name}: intrinsics", "focal length not above 0", reason=IngestReason.BAD_CAMERA)
    except SceneError as error:
        return PosedImage(path.stem, np.eye(4), refused=error, files=(path,))
    picture = file_picture(picture_path, recording.roots)
    lens = None if picture.header is None else Lens(*picture.header.size, fx, fy, cx, cy)
    time, digits = value.get("time"), path.stem.removeprefix("frame_")
    return PosedImage(
        path.stem,
        recording.poses(matrix[None])[0],
        lens,
        None if time is None else number(time, f"{path.name}: time"),
        picture=picture,
        depth=recording.depth(path.with_name(f"depth_{digits}.png"), path.with_name(f"conf_{digits}.png")),
        files=(path, picture_path),
    )


SCANNER3D = FrameFormat(
    name="3dscannerapp",
    title="3D Scanner App",
    told_by="`frame_*.json` with `cameraPoseARFrame`",
    up="y",
    axes="opengl",
    depth="uint16 mm, confidence 0 to 2",
    find=find_scanner3d,
    read=read_scanner3d,
    aside=("info.json", "thumb_*.jpg", "depth_*.png", "conf_*.png"),
    sideways=True,
)
