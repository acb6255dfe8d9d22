"""SpatialLM: layouts that its model writes, one entity per line.

References
----------
manycore-research/SpatialLM, `spatiallm/layout/entity.py` and `layout.py`: `wall_0=Wall(ax,ay,az,bx,by,bz,height,
thickness)`, `door_0=Door(wall_0,x,y,z,width,height)`, `window_0=Window(...)`, `bbox_0=Bbox(class,x,y,z,angle_z,sx,sy,
sz)`; positions are middles, lengths are full, in metres with Z up.
"""

from __future__ import annotations

import re

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import MAX_BYTES, Annotated, Annotation, BoxFormat, files_with
from qa_engine.formats.annotations.layouts import Layout, finite
from qa_engine.formats.parsing import read_text
from qa_engine.scenes.fields import shorten

LINE = re.compile(r"\s*(\w+)\s*=\s*(Wall|Door|Window|Bbox)\((.*)\)\s*")


def read_spatiallm(found: Annotated) -> Annotation:
    """Read a layout; a line that is damaged is refused alone."""
    layout = Layout()
    for i, line in enumerate(read_text(found.path, max_bytes=MAX_BYTES).splitlines(), start=1):
        place = f"{found.path.name}: line {i}"
        if not line.strip():
            continue
        try:
            _take(layout, line, place)
        except SceneError as error:
            layout.refused.append(error)
    return layout.annotation(found.radians)


def _take(layout: Layout, line: str, place: str) -> None:
    """Add one entity."""
    match = LINE.fullmatch(line)
    if match is None:
        raise SceneError(place, f"no entity: {shorten(line)}", reason=IngestReason.BAD_FORMAT)
    name, kind, words = match[1], match[2], [word.strip() for word in match[3].split(",")]
    if kind == "Wall":
        # The oldest release has no thickness.
        values = finite(words + ["0"] * (len(words) == 7), 8, place)
        layout.walls[name] = (np.reshape(values[:6], (2, 3)), values[6], values[7])
    elif kind == "Bbox":
        values = finite(words[1:], 7, place)
        layout.boxes.append((place, words[0], np.array(values[:3]), values[3], np.array(values[4:])))
    else:
        *middle, width, height = finite(words[1:], 5, place)
        wall = words[0] if words[0].startswith("wall") else f"wall_{words[0]}"
        layout.holes.append((place, kind.lower(), wall, np.array(middle), width, height))


SPATIALLM = BoxFormat(
    name="spatiallm",
    title="SpatialLM",
    told_by="`*.txt` with `=Bbox(` or `=Wall(`",
    up="z",
    turned_by="yaw in radians",
    find=lambda folder: (
        files_with(b"=Bbox(", names=("*.txt",))(folder) or files_with(b"=Wall(", names=("*.txt",))(folder)
    ),
    read=read_spatiallm,
    note="its cloud must have been upright and metric; walls and boxes may repeat",
)
