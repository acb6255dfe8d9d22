"""A model of COLMAP, text or binary, in the folders where programs put it."""

from __future__ import annotations

from pathlib import Path

from qa_engine.formats.colmap import model_file, read_colmap
from qa_engine.formats.posed_images import PosedImage
from qa_engine.formats.recordings.base import FrameFormat, Recording

FOLDERS = ("colmap", "sparse/0", "sparse", "colmap/sparse/0", "")
"""Folders of a scan that may hold a model."""


def find_colmap(folder: Path) -> tuple[Path, ...]:
    """Find the two files of the first model."""
    for name in FOLDERS:
        if (path := model_file(folder / name)) is not None:
            return (path, path.with_stem("cameras"))
    return ()


def read_model(recording: Recording) -> list[PosedImage]:
    """Read the model."""
    return read_colmap(recording.files[0].parent)


COLMAP = FrameFormat(
    name="colmap",
    title="COLMAP",
    told_by="`images.txt`, `images.bin`; also in `sparse/0`",
    up=None,
    axes="opencv",
    maps="camera_from_world",
    depth="own PNG",
    find=find_colmap,
    read=read_model,
    impossible={"camera": "opengl", "pose": "world_from_camera"},
    note="neither metric nor upright by itself",
)
