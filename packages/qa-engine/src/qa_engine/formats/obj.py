"""Read hostile Wavefront OBJ files: vertices, faces, and the object or group that each face belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import read_bytes
from qa_engine.formats.surfaces import Surface, checked_surface, fans
from qa_engine.scenes.fields import shorten

MAX_BYTES = 2_000_000_000
MAX_CORNERS = 255


@dataclass
class _Parts:
    """Parts of a file, numbered in the order in which they begin; part 0 is what comes before any name."""

    number: dict[str, int] = field(default_factory=lambda: {"": 0})
    now: int = 0
    of_face: list[int] = field(default_factory=list)

    def begin(self, name: str) -> None:
        """Begin a part, or go on with one."""
        self.now = self.number.setdefault(name, len(self.number))


def read_obj(path: Path) -> Surface:
    """Read an OBJ file; its parts are the objects (`o`), or the groups (`g`) where it has no objects.

    Raises
    ------
    SceneError
        A line is damaged, or a face names a vertex that does not exist.

    Notes
    -----
    Polygons are cut into fans. Materials, normals and textures are not read. Negative indices count back from the last
    vertex before the face.
    """
    vertices: list[list[bytes]] = []
    polygons: list[list[int]] = []
    objects, groups = _Parts(), _Parts()
    for number, line in enumerate(read_bytes(path, max_bytes=MAX_BYTES).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if words[0] == b"v":
                x, y, z = words[1:4]
                vertices.append([x, y, z])
            elif words[0] == b"f":
                corners = [int(word.split(b"/", 1)[0]) for word in words[1:]]
                if not 3 <= len(corners) <= MAX_CORNERS or 0 in corners:
                    raise ValueError
                polygons.append([corner - 1 if corner > 0 else len(vertices) + corner for corner in corners])
                objects.of_face.append(objects.now)
                groups.of_face.append(groups.now)
            elif words[0] in (b"o", b"g"):
                name = b" ".join(words[1:]).decode("utf-8", "replace")
                (objects if words[0] == b"o" else groups).begin(name)
        except ValueError:
            problem = f"{shorten(line)} is no vertex or face"
            raise SceneError(f"{path.name}: line {number}", problem, reason=IngestReason.BAD_FORMAT) from None
    try:
        points = np.array(vertices, dtype="S40").astype(np.float64).reshape(-1, 3)
    except ValueError as error:
        raise SceneError(f"{path.name}: v", f"not numbers ({error})", reason=IngestReason.BAD_FORMAT) from None
    parts = objects if len(objects.number) > 1 else groups
    triangles, face = fans(polygons)
    part = np.array(parts.of_face, dtype=np.int64)[face]
    return checked_surface(points, triangles, part, list(parts.number), path.name)
