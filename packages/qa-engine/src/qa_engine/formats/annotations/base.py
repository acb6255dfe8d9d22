"""What a format of labelled boxes is: how it is told from others, what its numbers mean, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.geometry import Boxes
from qa_engine.scenes.fields import shorten

MAX_BYTES = 256_000_000
MAX_LOOKED_AT = 50
"""JSON files of a folder that are looked at; scans have a few."""

ENDS_BYTES = 200_000
"""Of a large file only so much at either end is searched for words."""

MAX_INSTANCE = 2**31
MAX_YAW = 2 * np.pi + 0.01


@dataclass(frozen=True)
class Annotation:
    """Labelled boxes of a scan, in the coordinates of their file.

    Attributes
    ----------
    labels : list of str
    boxes : Boxes
        Rows of `rotation` = box axes.
    ids : list of int
        0 to n - 1 where not given.
    refused : tuple of SceneError
        Boxes that were left out, and why.
    floor : (k, 3) float64, optional
        Corners of the floor, in order.
    files : tuple of Path
        Files that were read, besides what was found.
    """

    labels: list[str]
    boxes: Boxes
    ids: list[int] | None = None
    refused: tuple[SceneError, ...] = ()
    floor: NDArray[np.float64] | None = None
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Annotated:
    """A file of boxes that was found.

    Attributes
    ----------
    folder : Path
        Of the scan.
    path : Path
    roots : tuple of Path
        Resolved folders that files may lie in.
    settings : mapping of str to str
        Switches of own scans.
    up : (3,) float64
        Direction that points up in the file.
    """

    folder: Path
    path: Path
    roots: tuple[Path, ...]
    settings: Mapping[str, str]
    up: NDArray[np.float64]

    def radians(self, angles: NDArray[np.float64], field: str, *, unit: str = "radians") -> NDArray[np.float64]:
        """Give angles in radians, by their switch or else in the unit of the format.

        Raises
        ------
        SceneError
            Angles in radians go beyond a whole turn, as degrees do.
        """
        unit = unit if self.settings["yaw"] == "auto" else self.settings["yaw"]
        if unit == "degrees":
            return np.deg2rad(angles)
        if angles.size and (worst := angles.ravel()[np.argmax(np.abs(angles))]) and abs(worst) > MAX_YAW:
            problem = f"{worst:g} is more than a whole turn in radians, as if it were degrees"
            raise SceneError(field, problem, reason=IngestReason.WRONG_UNITS)
        return angles


@dataclass(frozen=True, kw_only=True)
class BoxFormat:
    """A format of labelled boxes.

    Attributes
    ----------
    name, title : str
        Value of `--set boxes_from`, and what users call it.
    told_by : str
        What it is recognised by, in words.
    up : str, optional
        Axis that points up; None where `--set up` says so.
    turned_by : str
        How it writes turns, in words.
    find : callable
        `find(folder)` names the file of boxes, None where there is none.
    read : callable
        `read(annotated)` reads it.
    aside : tuple of str
        Patterns of files that belong to it and that nothing is taken from.
    note : str
        What else one should know.
    """

    name: str
    title: str
    told_by: str
    up: str | None
    turned_by: str
    find: Callable[[Path], Path | None]
    read: Callable[[Annotated], Annotation]
    aside: tuple[str, ...] = ()
    note: str = ""

    @property
    def about(self) -> str:
        """Say what its numbers mean, in one line."""
        up = "up by --set up" if self.up is None else f"{self.up} up"
        return ", ".join([f"boxes of {self.title}", up, self.turned_by, *([self.note] if self.note else [])])


def files_with(
    *words: bytes, names: Sequence[str] = ("*.json", "labels/*.json"), without: Iterable[bytes] = ()
) -> Callable[[Path], Path | None]:
    """Find the first file of a folder that fits a pattern and holds all words near its ends."""

    def find(folder: Path) -> Path | None:
        paths = [path for pattern in names for path in sorted(folder.glob(pattern)) if path.is_file()]
        for path in paths[:MAX_LOOKED_AT]:
            text = _ends(path)
            if all(word in text for word in words) and not any(word in text for word in without):
                return path
        return None

    return find


def _ends(path: Path) -> bytes:
    """Read a file, or the two ends of a large one."""
    try:
        with path.open("rb") as file:
            head = file.read(ENDS_BYTES)
            size = os.fstat(file.fileno()).st_size
            if size <= ENDS_BYTES:
                return head
            file.seek(max(ENDS_BYTES, size - ENDS_BYTES))
            return head + file.read(ENDS_BYTES)
    except OSError:
        return b""


def turned_about(up: NDArray[np.float64], angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn boxes about an axis by angles in radians; the rows of the (n, 3, 3) are their axes.

    Examples
    --------
    >>> turned_about(np.array([0.0, 0, 1]), np.array([np.pi / 2]))[0].round(9)[0].tolist()
    [0.0, 1.0, 0.0]
    """
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(angles[:, None] * up).as_matrix().reshape(-1, 3, 3).transpose(0, 2, 1)


def turned_by_euler(order: str, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn boxes by Euler angles (n, 3) in radians, in scipy's notation; the rows of the (n, 3, 3) are their axes."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler(order, angles.reshape(-1, 3)).as_matrix().reshape(-1, 3, 3).transpose(0, 2, 1)


def instance_number(value: object, place: str) -> int:
    """Check the number of an object."""
    if type(value) is not int or not 0 <= value < MAX_INSTANCE:
        raise SceneError(place, f"{shorten(value)} is no number from 0 up", reason=IngestReason.WRONG_TYPE)
    return value


class Collected:
    """Boxes that are found one by one; one that is damaged is refused alone."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.ids: list[int] = []
        self.refused: list[SceneError] = []
        self._rows: list[NDArray[np.float64]] = []

    def add(self, label: str, number: int, center: ArrayLike, size: ArrayLike, rotation: NDArray[np.float64]) -> None:
        """Take a box: its label, its number, middle and full lengths (3,), and axes as rows (3, 3)."""
        self.labels.append(label)
        self.ids.append(number)
        self._rows.append(np.concatenate([np.ravel(center), np.ravel(size), np.ravel(rotation)]).astype(np.float64))

    def annotation(self, floor: NDArray[np.float64] | None = None, files: tuple[Path, ...] = ()) -> Annotation:
        """Join them."""
        rows = np.array(self._rows).reshape(-1, 15)
        boxes = Boxes(rows[:, :3], rows[:, 3:6], rows[:, 6:].reshape(-1, 3, 3))
        return Annotation(self.labels, boxes, self.ids, tuple(self.refused), floor, files)
