"""HM3D semantics: scanned houses whose triangles are painted in the colour of their object; a scene per room.

World: metres, Z up although the files are glTF, as Habitat takes stages to be.

References
----------
Yadav et al., Habitat-Matterport 3D Semantics, CVPR 2023; habitat-sim's `HM3DSemanticScene.cpp` for the table, and
`StageAttributesManager.cpp` for what is up.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.box_fitting import FIT_SETTING, fit_boxes
from qa_engine.datasets.folders import item_of, scene_folders
from qa_engine.datasets.instances import split_flat
from qa_engine.datasets.touching import largest_parts
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.canonical import Z_UP_FROM, readable
from qa_engine.formats.gltf_paint import Painted, read_painted
from qa_engine.formats.parsing import check_inside, read_text
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.meshes import Mesh, cloud_of
from qa_engine.scenes.scene import Scene

TABLE, MESH = ".semantic.txt", ".semantic.glb"
TITLE = "HM3D Semantic Annotations"
MAX_BYTES = 10_000_000
BELOW = ("train", "val", "minival", "example", "test")
RELEASED = "*semantic-annots*"
"""Folders that archives of the release unpack to."""

NOTHING = ("", "unknown", "unlabeled", "unlabelled", "void", "misc", "remove")


@dataclass(frozen=True)
class Row:
    """An object of the table: its number, colour 0xRRGGBB, category and room."""

    number: int
    colour: int
    label: str
    room: int


@dataclass(frozen=True)
class _Located:
    """A house, one of its rooms or None for all, and the switches."""

    table: Path
    room: int | None
    settings: dict[str, str]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the rooms, or the houses, of folders with `*.semantic.txt`.

    Raises
    ------
    QAEngineError
        The folder is missing, or no house with semantics lies in it.
    """
    assert root is not None
    settings = HM3D.chosen(options)
    released = [path.name for path in root.glob(RELEASED)] if root.is_dir() else []
    folders = scene_folders(root, lambda path: _table(path) is not None, below=(*BELOW, *released), needs=HM3D.needs)
    roots = (root.resolve(),)
    sources: list[SceneSource] = []
    for folder in folders:
        table = _table(folder)
        assert table is not None
        name, item = folder.resolve().name, item_of(table, root)
        rooms: list[int | None] = [None]
        if settings["scenes"] == "rooms":
            try:
                check_inside(table, roots)
                rooms = [*sorted({row.room for row in read_table(table)[0]})]
            except SceneError:  # said where the house is read
                rooms = [None]
        for room in rooms:
            scene_name = name if room is None else f"{name}_room{room}"
            data = _Located(table, room, settings)
            sources.append(SceneSource(scene_name=scene_name, item=item, data=data, roots=roots))
    return sources


def load(source: SceneSource) -> Scene:
    """Read a room or a house: boxes around the triangles of each object.

    Raises
    ------
    SceneError
        A file is missing or damaged. An object without triangles, and a damaged row, is refused alone.
    """
    located: _Located = source.data
    check_inside(located.table, source.roots)
    rows, refused = read_table(located.table)
    rows = [row for row in rows if located.room in (None, row.room)]
    path = located.table.with_name(located.table.name.removesuffix(TABLE) + MESH)
    check_inside(path, source.roots)
    painted, matrix = _painted(path, source.roots), Z_UP_FROM[located.settings["up"]]
    owner = _owners(painted, [row.colour for row in rows])
    part = largest_parts(painted.surface, owner) if located.settings["parts"] == "largest" else owner
    if (n := int(((owner >= 0) & (part < 0)).sum())) > 0:
        problem = f"{n} triangles touch nothing of the largest part of their object; --set parts=all takes them"
        refused.append(SceneError(path.name, problem, reason=IngestReason.SKIPPED))
    kept = [i for i, row in enumerate(rows) if row.label.lower() not in NOTHING]
    if len(kept) < len(rows):
        problem = f"{len(rows) - len(kept)} objects have no category"
        refused.append(SceneError(located.table.name, problem, reason=IngestReason.SKIPPED))
    corners = painted.surface.vertices[painted.surface.triangles].reshape(-1, 3) @ matrix[:3, :3].T
    of_row = np.full(len(rows) + 1, -1)
    of_row[kept] = np.arange(len(kept))
    boxes = fit_boxes(corners, np.repeat(of_row[part], 3), len(kept), located.settings["boxes"])
    solid, flat = split_flat(boxes, [f"{located.table.name}: object {rows[i].number}" for i in kept])
    objects = [rows[kept[i]] for i in solid]
    numbers = np.array([row.number for row in objects], dtype=np.int64)
    mesh = _mesh(painted, matrix, owner, rows, numbers, whole=located.room is None)
    return Scene(
        scene_name=source.scene_name,
        dataset="hm3d",
        scene_group=located.table.parent.resolve().name,
        instance_id=numbers,
        category=np.array([readable(row.label) for row in objects], dtype=object),
        category_raw=np.array([row.label for row in objects], dtype=object),
        center=boxes.center[solid],
        size=boxes.size[solid],
        rotation=boxes.rotation[solid],
        canonical_from_source=matrix,
        source_sha=hashlib.sha256(located.table.read_bytes()).hexdigest(),
        cloud=None if mesh is None else cloud_of(mesh),
        mesh=mesh,
        refused=(*refused, *flat),
    )


def read_table(path: Path) -> tuple[list[Row], list[SceneError]]:
    """Read the objects of a house: lines `number,RRGGBB,"category",room`; a damaged line is refused alone.

    Raises
    ------
    SceneError
        The file is missing, or of another kind.
    """
    title, *lines = read_text(path, max_bytes=MAX_BYTES).splitlines() or [""]
    if TITLE not in title:
        raise SceneError(path.name, f"begins with {shorten(title)}, not {TITLE}", reason=IngestReason.BAD_FORMAT)
    rows: dict[int, Row] = {}
    refused: list[SceneError] = []
    for i, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        try:
            number, colour, label, room = next(csv.reader([line], strict=True, skipinitialspace=True))
            row = Row(int(number), int(colour, 16), " ".join(label.split()), int(room))
            if not (0 <= row.number < 2**31 and 0 <= row.colour < 2**24) or row.number in rows:
                raise ValueError("a number is out of range, or occurs twice")
        except (ValueError, csv.Error) as error:
            problem = f"{shorten(line)}: {error}"
            refused.append(SceneError(f"{path.name}: line {i}", problem, reason=IngestReason.BAD_FORMAT))
            continue
        rows[row.number] = row
    return list(rows.values()), refused


def _table(folder: Path) -> Path | None:
    return min(folder.glob(f"*{TABLE}"), default=None)


def _painted(path: Path, roots: tuple[Path, ...]) -> Painted:
    """Read the painted mesh; that of the last house stays in memory, as its rooms are read one after the other."""
    try:
        status = path.stat()
    except OSError as error:
        raise SceneError(path.name, error.strerror or str(error), reason=IngestReason.MISSING_FILE) from None
    return _read_painted(path, roots, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1)
def _read_painted(path: Path, roots: tuple[Path, ...], _time: int, _size: int) -> Painted:
    return read_painted(path, roots)


def _owners(painted: Painted, colours: Sequence[int]) -> NDArray[np.int64]:
    """Find the row of each triangle by its colour (m,), -1 = none; that of the picture counts first."""
    if not colours:
        return np.full(len(painted.of_picture), -1)
    order = np.argsort(colours, kind="stable")
    known = np.array(colours, dtype=np.int64)[order]
    found = np.full(len(painted.of_picture), -1)
    for colour in (painted.of_vertices, painted.of_picture):
        at = np.minimum(np.searchsorted(known, colour), len(known) - 1)
        found = np.where(known[at] == colour, order[at], found)
    return found


def _mesh(
    painted: Painted,
    matrix: NDArray[np.float64],
    owner: NDArray[np.int64],
    rows: Sequence[Row],
    kept: NDArray[np.int64],
    *,
    whole: bool,
) -> Mesh | None:
    """Make the mesh of a house, or of what belongs to the objects of a room."""
    number = np.array([*(row.number for row in rows), -1], dtype=np.int64)[owner]
    taken = np.ones(len(owner), dtype=bool) if whole else owner >= 0
    triangles = painted.surface.triangles[taken]
    if not len(triangles):
        return None
    used, place = np.unique(triangles, return_inverse=True)
    vertices = (painted.surface.vertices[used] @ matrix[:3, :3].T).astype(np.float32)
    return Mesh(vertices, place.reshape(-1, 3), np.where(np.isin(number, kept), number, -1)[taken])


_SOURCE = "the hm3d-*-semantic-annots archives of the Habitat-Matterport 3D research dataset"

HM3D = Dataset(
    name="hm3d",
    description="HM3D semantics: rooms of scanned houses, boxes around painted triangles; no frames.",
    needs=f"the folder above <house>/<id>{TABLE} and <id>{MESH}, or above its splits",
    discover=discover,
    load=load,
    settings=(
        Setting("scenes", "what a scene is", ("rooms", "houses")),
        Setting("up", "which axis points up", ("z", "y")),
        Setting(
            "parts", "what a box is around: the largest part whose triangles touch, or all of them", ("largest", "all")
        ),
        FIT_SETTING,
    ),
    checklist=(
        Need("semantics", (f"*{TABLE}",), "categories", _SOURCE, True),
        Need("painted meshes", (f"*{MESH}",), "boxes, cloud, room size", _SOURCE, True),
    ),
)
"""HM3D's semantic annotations."""
