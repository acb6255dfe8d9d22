"""SceneScript: commands that its model writes, and that Aria Synthetic Environments come with.

References
----------
facebookresearch/scenescript, `src/data/geometries/`: `make_wall, id=0, a_x=.., b_x=.., height=..`, `make_door, id=1000,
wall0_id=0, wall1_id=1, position_x=.., width=.., height=..`, `make_window`, `make_bbox, id=2000, class=sofa,
position_x=.., angle_z=.., scale_x=..` with middles and full lengths in metres, Z up.
"""

from __future__ import annotations

import numpy as np

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import MAX_BYTES, Annotated, Annotation, BoxFormat, files_with
from qa_engine.formats.annotations.layouts import Layout, finite
from qa_engine.formats.parsing import read_text
from qa_engine.scenes.fields import shorten

SKIPPED = ("make_prim", "start", "stop")


def read_scenescript(found: Annotated) -> Annotation:
    """Read a scene; a command that is damaged is refused alone."""
    layout = Layout()
    for i, line in enumerate(read_text(found.path, max_bytes=MAX_BYTES).splitlines(), start=1):
        place = f"{found.path.name}: line {i}"
        if not line.strip() or line.startswith("#"):
            continue
        command, *parts = (part.strip() for part in line.split(","))
        try:
            pairs = [part.split("=", 1) for part in parts if part]
            if any(len(pair) != 2 for pair in pairs):
                raise SceneError(place, f"no command: {shorten(line)}", reason=IngestReason.BAD_FORMAT)
            _take(layout, command, dict(pairs), place)
        except SceneError as error:
            layout.refused.append(error)
    return layout.annotation(found.radians)


def _take(layout: Layout, command: str, given: dict[str, str], place: str) -> None:
    """Add one entity."""

    def values(*names: str) -> list[float]:
        missing = [name for name in names if name not in given]
        if missing:
            raise SceneError(f"{place}: {missing[0]}", "the field is missing", reason=IngestReason.MISSING_FIELD)
        return finite([given[name] for name in names], len(names), place)

    if command == "make_wall":
        *ends, height = values("a_x", "a_y", "a_z", "b_x", "b_y", "b_z", "height")
        (thickness,) = finite([given.get("thickness", "0")], 1, place)
        layout.walls[given.get("id", place)] = (np.reshape(ends, (2, 3)), height, thickness)
    elif command in ("make_door", "make_window"):
        *middle, width, height = values("position_x", "position_y", "position_z", "width", "height")
        wall = given.get("wall0_id", given.get("wall_id", ""))
        layout.holes.append((place, command.removeprefix("make_"), wall, np.array(middle), width, height))
    elif command == "make_bbox":
        *middle, angle = values("position_x", "position_y", "position_z", "angle_z")
        size = values("scale_x", "scale_y", "scale_z")
        layout.boxes.append((place, given.get("class", "object"), np.array(middle), angle, np.array(size)))
    elif command not in SKIPPED:
        raise SceneError(place, f"no command: {shorten(command)}", reason=IngestReason.BAD_FORMAT)


SCENESCRIPT = BoxFormat(
    name="scenescript",
    title="SceneScript",
    told_by="`*.txt` with `make_wall` or `make_bbox`",
    up="z",
    turned_by="yaw in radians",
    find=lambda folder: (
        files_with(b"make_bbox,", names=("*.txt",))(folder) or files_with(b"make_wall,", names=("*.txt",))(folder)
    ),
    read=read_scenescript,
)
