"""Triangles of a glTF file with their colours: of a picture on them, and of their vertices."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.gltf import GltfDocument, Primitive, open_gltf
from qa_engine.formats.surfaces import MAX_ITEMS, Surface, checked_surface
from qa_engine.scenes.fields import MAX_PIXELS

FORMATS = ("PNG", "JPEG", "WEBP")
NO_COLOUR = -1


@dataclass(frozen=True, eq=False)
class Painted:
    """A surface and the colours of its triangles.

    Attributes
    ----------
    surface : Surface
    of_picture, of_vertices : (m,) int64
        0xRRGGBB, or -1 where there is no such colour: that of the picture in the middle of the triangle, unmixed, and
        that of most of its corners.
    """

    surface: Surface
    of_picture: NDArray[np.int64]
    of_vertices: NDArray[np.int64]


def read_painted(path: Path, roots: Sequence[Path]) -> Painted:
    """Read the triangles of a file; raise SceneError as `read_gltf` does, or where a picture is damaged."""
    document = open_gltf(path, roots)
    points, corners = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)]
    pictures, vertices = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    n = 0
    for _, mesh, matrix in document.nodes():
        for primitive in document.primitives(mesh):
            with np.errstate(over="ignore", invalid="ignore"):
                points.append(primitive.vertices @ matrix[:3, :3].T + matrix[:3, 3])
            corners.append(primitive.corners + n)
            pictures.append(_of_picture(document, primitive))
            vertices.append(_of_vertices(document, primitive))
            n += len(primitive.vertices)
            if n > MAX_ITEMS:
                raise SceneError(path.name, f"more than {MAX_ITEMS} vertices", reason=IngestReason.TOO_LARGE)
    triangles = np.concatenate(corners)
    surface = checked_surface(np.concatenate(points), triangles, np.zeros(len(triangles), np.int64), [""], path.name)
    return Painted(surface, np.concatenate(pictures), np.concatenate(vertices))


def _of_picture(document: GltfDocument, primitive: Primitive) -> NDArray[np.int64]:
    """Look up the colour of each triangle in its picture."""
    found = np.full(len(primitive.corners), NO_COLOUR)
    place = document.attribute(primitive, "TEXCOORD_0", (2,))
    data = None if place is None else document.texture(primitive)
    if place is None or data is None or not len(found):
        return found
    pixels = _decoded(data, document.path.name)
    middle = place[primitive.corners].mean(axis=1)
    finite = np.isfinite(middle).all(axis=1)
    height, width = pixels.shape[:2]
    # The first row of the picture lies at 0; what lies beyond it goes on with the next copy.
    column, row = (np.floor(middle[finite] % 1 * (width, height)).astype(np.int64)).T
    found[finite] = _joined(pixels[np.minimum(row, height - 1), np.minimum(column, width - 1)])
    return found


def _of_vertices(document: GltfDocument, primitive: Primitive) -> NDArray[np.int64]:
    """Give each triangle the colour of two of its corners, or of the first."""
    colour = document.attribute(primitive, "COLOR_0", (3, 4))
    if colour is None:
        return np.full(len(primitive.corners), NO_COLOUR)
    with np.errstate(invalid="ignore"):
        value = _joined(np.rint(np.clip(np.nan_to_num(colour[:, :3]), 0, 1) * 255))
    first, second, third = value[primitive.corners].T
    return np.where((first != second) & (second == third), second, first)


def _joined(colours: NDArray[np.generic]) -> NDArray[np.int64]:
    """Write colours (n, 3) as 0xRRGGBB."""
    return colours.astype(np.int64) @ np.array([0x10000, 0x100, 1])


def _decoded(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a picture to (h, w, 3)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                problem = f"a picture of {image.width} x {image.height} pixels"
                raise SceneError(name, problem, reason=IngestReason.TOO_LARGE)
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        problem = f"a picture on it is no whole PNG, JPEG or WebP ({error})"
        raise SceneError(name, problem, reason=IngestReason.BAD_FORMAT) from None
