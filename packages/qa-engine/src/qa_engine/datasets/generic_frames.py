"""Posed frames of an own scan: nerfstudio's transforms.json, COLMAP's text files, or a CSV of poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import OPENGL_FROM_OPENCV, move_poses, poses, rotations
from qa_engine.formats.colmap import PosedImage, read_colmap, read_transforms, safe_name
from qa_engine.formats.depth import depth_reader
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.text_tables import number_columns, read_csv
from qa_engine.scenes.scene import Frame

MAX_BYTES = 256_000_000
POSE = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")
CAMERA = ("fx", "fy", "cx", "cy")
DEPTH_PER_METRE = 1000


def read_frames(
    folder: Path, canonical_from_source: NDArray[np.float64], roots: tuple[Path, ...], settings: dict[str, str]
) -> tuple[Frame, ...]:
    """Find the file of poses of a scan and the images that it names, with depth from `depth/<name>.png`.

    Parameters
    ----------
    settings : dict of str to str
        `camera` (axes in poses.csv: `opencv`, `opengl`) and `pose` (`world_from_camera`, `camera_from_world`).

    Raises
    ------
    SceneError
        A file of poses is damaged, or an image that it names is missing.
    """
    colmap = [path for path in (folder / "colmap", folder / "sparse" / "0", folder) if (path / "images.txt").is_file()]
    files = [folder / "transforms.json", folder / "poses.csv", *(path / "images.txt" for path in colmap)]
    for path in files:
        if path.exists():
            check_inside(path, roots)
    if files[0].is_file():
        images = read_transforms(files[0])
    elif files[1].is_file():
        images = _poses_csv(files[1], settings)
    elif colmap:
        images = read_colmap(colmap[0])
    else:
        return ()
    frames: list[Frame] = []
    for image in images:
        path = next((p for p in (folder / image.name, folder / "images" / image.name) if p.is_file()), None)
        if path is None:
            raise SceneError(image.name, "no such image in the scan's folder", reason=IngestReason.MISSING_FILE)
        depth = folder / "depth" / f"{path.stem}.png"
        frames.append(
            Frame(
                frame_id=Path(image.name).with_suffix("").as_posix().removeprefix("images/").replace("/", "_"),
                image_path=path,
                read_depth=depth_reader(depth, roots, per_metre=DEPTH_PER_METRE, size=image.size)
                if depth.is_file()
                else None,
                width=None if image.size is None else image.size[0],
                height=None if image.size is None else image.size[1],
                time_s=image.time_s,
                intrinsics=image.intrinsics,
                world_from_camera=move_poses(image.source_from_camera, canonical_from_source),
            )
        )
    return tuple(frames)


def _poses_csv(path: Path, settings: dict[str, str]) -> list[PosedImage]:
    """Read `image,tx,ty,tz,qx,qy,qz,qw` with optional `fx,fy,cx,cy`."""
    table = read_csv(path, ["image", *POSE], max_bytes=MAX_BYTES)
    values = number_columns(table, POSE, path.name)
    pose = poses(rotations(values[:, 3:], f"{path.name}: qx", order="xyzw"), values[:, :3])
    if settings["pose"] == "camera_from_world":
        pose = np.linalg.inv(pose)
    if settings["camera"] == "opengl":
        pose = pose @ OPENGL_FROM_OPENCV
    names = [safe_name(name, f"{path.name}: image[{i}]") for i, name in enumerate(table["image"])]
    cameras: list[NDArray[np.float64] | None] = [None] * len(names)
    try:
        numbers = number_columns(read_csv(path, CAMERA, max_bytes=MAX_BYTES), CAMERA, path.name)
    except SceneError as error:
        if error.reason is not IngestReason.MISSING_FIELD:
            raise
    else:
        cameras = [np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]) for fx, fy, cx, cy in numbers]
    return [PosedImage(name, one, camera) for name, one, camera in zip(names, pose, cameras, strict=True)]
