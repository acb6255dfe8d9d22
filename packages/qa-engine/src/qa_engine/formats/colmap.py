"""Read cameras and poses of COLMAP's models, text and binary.

References
----------
COLMAP's documentation of its output format: `cameras.{txt,bin}` and `images.{txt,bin}`.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import is_unit, no_unit, poses, rotations
from qa_engine.formats.lenses import MODELS, Lens, lens_of
from qa_engine.formats.parsing import read_bytes, read_text
from qa_engine.formats.posed_images import PosedImage, checked_size, safe_name, some_usable
from qa_engine.scenes.fields import shorten

MAX_BYTES = 1_000_000_000
"""images.txt lists every feature of every image."""

FEATURE_BYTES = 24
"""x, y and the point of a feature in images.bin."""

Cameras = dict[int, Lens | SceneError]
"""Lens of each camera, or why its pictures cannot be used."""


def model_file(folder: Path) -> Path | None:
    """Find the file of poses of a model in a folder; text goes before binary."""
    return next((path for name in ("images.txt", "images.bin") if (path := folder / name).is_file()), None)


def read_colmap(folder: Path) -> list[PosedImage]:
    """Read `cameras.*` and `images.*`; COLMAP stores camera-from-world, OpenCV axes.

    Raises
    ------
    SceneError
        A file is missing or damaged. Images whose lens cannot be undistorted, whose camera is missing, or whose pose is
        damaged are `refused` alone.
    """
    path = model_file(folder) or folder / "images.txt"
    read_cameras, read_images = (_cameras_txt, _images_txt) if path.suffix == ".txt" else (_cameras_bin, _images_bin)
    cameras = read_cameras(path.with_stem("cameras"))
    names, rows, used = read_images(path)
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    whole = np.isfinite(table).all(axis=1) & is_unit(table[:, :4])
    table[~whole] = [1, 0, 0, 0, 0, 0, 0]
    turn = rotations(table[:, :4], path.name, order="wxyz").transpose(0, 2, 1)
    matrix = poses(turn, -np.einsum("nij,nj->ni", turn, table[:, 4:]))
    images: list[PosedImage] = []
    for i, (name, pose, camera) in enumerate(zip(names, matrix, used, strict=True)):
        lens = cameras.get(camera)
        refused = lens if isinstance(lens, SceneError) else None
        if lens is None:
            problem = f"camera {camera} is not in cameras{path.suffix}"
            refused = SceneError(f"{path.name}: {name}", problem, reason=IngestReason.BAD_CAMERA)
        elif not whole[i]:
            problem = no_unit(np.array(rows[i][:4])) if np.isfinite(rows[i]).all() else "a value is NaN or infinite"
            refused = SceneError(f"{path.name}: {name}", problem, reason=IngestReason.BAD_CAMERA)
        images.append(PosedImage(name, pose, lens if isinstance(lens, Lens) else None, refused=refused))
    return some_usable(images)


def _images_txt(path: Path) -> tuple[list[str], list[list[float]], list[int]]:
    """Read images.txt: names, quaternions with positions, cameras.

    An image is one line and its features are the next, which files made by hand leave out.
    """
    names, rows, used = [], [], []
    features = False
    for i, line in enumerate(read_text(path, max_bytes=MAX_BYTES).splitlines()):
        words = line.split(maxsplit=9)
        if line.startswith("#"):
            continue
        if not words or (features and _are_features(words)):
            features = False
            continue
        field = f"{path.name}: line {i + 1}"
        if len(words) != 10 or not words[8].isdecimal():
            problem = f"expected 10 values, found {shorten(line)}"
            raise SceneError(field, problem, reason=IngestReason.BAD_CAMERA)
        names.append(safe_name(words[9].rstrip(), field))
        rows.append(_floats(words[1:8], field, finite=False))
        used.append(int(words[8][:18]))
        features = True
    return names, rows, used


def _are_features(words: list[str]) -> bool:
    """Tell a line of features (x, y, point) from one of an image, which ends with a name.

    Examples
    --------
    >>> _are_features("3.5 4.5 -1".split()), _are_features("2 1 0 0 0 0 0 0 1 b.jpg".split())
    (True, False)
    """
    if len(words) < 10:
        return len(words) % 3 == 0
    rest = words[9].split(maxsplit=1)
    return len(rest) == 2 and _is_number(rest[0]) and _is_number(rest[1].rsplit(maxsplit=1)[-1])


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _cameras_txt(path: Path) -> Cameras:
    """Read cameras.txt."""
    cameras: Cameras = {}
    for i, line in enumerate(read_text(path, max_bytes=MAX_BYTES).splitlines()):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        field = f"{path.name}: line {i + 1}"
        if len(words) < 5 or not words[0].isdecimal() or not words[1].replace("_", "").isalnum():
            raise SceneError(field, f"expected a camera, found {shorten(line)}", reason=IngestReason.BAD_CAMERA)
        width, height, *values = _floats(words[2:], field)
        cameras[int(words[0][:18])] = _lens(words[1], values, checked_size(width, height, field), field)
    return cameras


def _lens(model: str, values: list[float], size: tuple[int, int], field: str) -> Lens | SceneError:
    """Make a lens; one that cannot be undistorted loses its images alone."""
    try:
        return lens_of(model, tuple(values), size, field)
    except SceneError as error:
        if error.reason is not IngestReason.LENS_MODEL:
            raise
        return error


def _cameras_bin(path: Path) -> Cameras:
    """Read cameras.bin: a number of cameras, then id, model, width, height and the model's numbers of each."""
    data = _Bytes(path)
    cameras: Cameras = {}
    for i in range(data.count()):
        field = f"{path.name}: camera {i}"
        number, model, width, height = data.take("<iiQQ")
        if not 0 <= model < len(MODELS):
            problem = f"lens model {model} is none of 0 to {len(MODELS) - 1}"
            raise SceneError(field, problem, reason=IngestReason.BAD_CAMERA)
        name = list(MODELS)[model]
        values = list(data.take(f"<{len(MODELS[name])}d"))
        if not np.isfinite(values).all():
            raise SceneError(field, "a value is NaN or infinite", reason=IngestReason.BAD_CAMERA)
        cameras[number] = _lens(name, values, checked_size(width, height, field), field)
    return cameras


def _images_bin(path: Path) -> tuple[list[str], list[list[float]], list[int]]:
    """Read images.bin: a number of images, then id, pose, camera, name and features of each."""
    data = _Bytes(path)
    names, rows, used = [], [], []
    for i in range(data.count()):
        _, *pose, camera = data.take("<i7di")
        names.append(safe_name(data.text(), f"{path.name}: image {i}"))
        rows.append(pose)
        used.append(camera)
        data.skip(data.count() * FEATURE_BYTES)
    return names, rows, used


class _Bytes:
    """The bytes of a file, taken from the front; a file that ends too early is refused."""

    def __init__(self, path: Path) -> None:
        self._name, self._at = path.name, 0
        self._data = read_bytes(path, max_bytes=MAX_BYTES)

    def take(self, form: str) -> tuple:
        """Read values of a form of `struct`."""
        start = self._at
        self.skip(struct.calcsize(form))
        return struct.unpack_from(form, self._data, start)

    def count(self) -> int:
        """Read how many entries follow; each has at least a byte."""
        (n,) = self.take("<Q")
        if n > len(self._data):
            self._fail()
        return n

    def text(self) -> str:
        """Read a text that ends with a zero byte."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            self._fail()
        start, self._at = self._at, end + 1
        return self._data[start:end].decode("utf-8", "replace")

    def skip(self, n: int) -> None:
        """Go on by n bytes."""
        self._at += n
        if self._at > len(self._data):
            self._fail()

    def _fail(self) -> None:
        problem = f"ends after {len(self._data)} bytes, in the middle of an entry"
        raise SceneError(self._name, problem, reason=IngestReason.BAD_FORMAT)


def _floats(words: list[str], field: str, *, finite: bool = True) -> list[float]:
    """Convert words to numbers."""
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise SceneError(field, str(error), reason=IngestReason.BAD_CAMERA) from None
    if finite and not np.isfinite(values).all():
        raise SceneError(field, "a value is NaN or infinite", reason=IngestReason.BAD_CAMERA)
    return values
