"""What a format of recordings is: how it is told from others, what its numbers mean, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.formats.canonical import OPENGL_FROM_OPENCV
from qa_engine.formats.confidence import trusted
from qa_engine.formats.depth import Depth, decoded_grey, png_depth
from qa_engine.formats.parsing import check_inside, read_bytes
from qa_engine.formats.posed_images import PosedImage, SizeOf

MAX_MAP_BYTES = 10_000_000
MILLIMETRES = 1000.0
"""Units of depth images per metre in most formats."""


@dataclass(frozen=True)
class Recording:
    """A recording that was found.

    Attributes
    ----------
    folder : Path
        Of the scan.
    files : tuple of Path
        What `FrameFormat.find` found.
    roots : tuple of Path
        Resolved folders that files may lie in.
    settings : mapping of str to str
        Switches of own scans.
    size_of : callable
        Tells the size of an image of a name.
    axes, maps : str
        `opencv` or `opengl`, and `world_from_camera` or `camera_from_world`: as switched, else as the format has them.
    """

    folder: Path
    files: tuple[Path, ...]
    roots: tuple[Path, ...]
    settings: Mapping[str, str]
    size_of: SizeOf
    axes: str
    maps: str

    def poses(self, matrices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn poses (n, 4, 4) as they are written into source_from_camera with OpenCV axes."""
        found = np.linalg.inv(matrices).astype(np.float64) if self.maps == "camera_from_world" else matrices
        return found @ OPENGL_FROM_OPENCV if self.axes == "opengl" else found

    @property
    def along_rays(self) -> bool:
        """Whether depth images are switched to distances along rays."""
        return self.settings["depth"] == "ray"

    def depth(self, path: Path, confidence: Path | None = None, *, per_metre: float = MILLIMETRES) -> Depth | None:
        """Depth in a 16-bit PNG, without what an 8-bit PNG of confidence doubts, as far as the two exist.

        Parameters
        ----------
        path, confidence : Path
        per_metre : float
            Units per metre where no switch says so.
        """
        if not path.is_file():
            return None
        given = self.settings["depth_per_metre"]
        per_metre = per_metre if given == "auto" else float(given)
        depth = png_depth(path, self.roots, per_metre=per_metre, along_rays=self.along_rays)
        if confidence is None or not confidence.is_file():
            return depth

        def read_map() -> NDArray[np.int64]:
            check_inside(confidence, self.roots)
            return decoded_grey(read_bytes(confidence, max_bytes=MAX_MAP_BYTES), confidence.name, bits=8)

        return trusted(depth, read_map, least=self.settings["confidence"], files=(confidence,))


def by_patterns(*patterns: str) -> Callable[[Path], tuple[Path, ...]]:
    """Find the files of the first pattern that any file of a folder fits."""

    def find(folder: Path) -> tuple[Path, ...]:
        for pattern in patterns:
            if found := tuple(sorted(path for path in folder.glob(pattern) if path.is_file())):
                return found
        return ()

    return find


@dataclass(frozen=True, kw_only=True)
class FrameFormat:
    """A format of frames with poses.

    Attributes
    ----------
    name, title : str
        Value of `--set frames_from`, and what users call it.
    told_by : str
        The files by which it is recognised, in words.
    up : str, optional
        Axis of its world that points up; None where it has none of its own and follows `--set up`.
    axes : str
        Camera axes: `opencv` or `opengl`.
    maps : str
        `world_from_camera` or `camera_from_world`.
    depth : str
        What its depth is, in words.
    find : callable
        `find(folder)` lists the files of poses, none where the folder is of another format.
    read : callable
        `read(recording)` lists its images.
    impossible : mapping of str to str
        Switches that contradict what the format is by its own definition.
    aside : tuple of str
        Patterns of files that belong to it and that nothing is taken from.
    sideways : bool
        Whether pictures are stored as the sensor has them, however the phone was held.
    extra : str, optional
        Extra of qa-engine that it needs.
    note : str
        What else one should know.
    """

    name: str
    title: str
    told_by: str
    up: str | None
    axes: str
    maps: str = "world_from_camera"
    depth: str
    find: Callable[[Path], tuple[Path, ...]]
    read: Callable[[Recording], list[PosedImage]]
    impossible: Mapping[str, str] | None = None
    aside: tuple[str, ...] = ()
    sideways: bool = False
    extra: str | None = None
    note: str = ""

    @property
    def about(self) -> str:
        """Say what its numbers mean, in one line."""
        up = "up as the boxes" if self.up is None else f"{self.up} up"
        words = [f"frames of {self.title}", up, f"cameras of {self.axes}", self.maps, f"depth {self.depth}"]
        return ", ".join([*words, *([self.note] if self.note else [])])
