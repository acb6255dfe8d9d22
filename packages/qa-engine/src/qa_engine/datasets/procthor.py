"""ProcTHOR: generated houses as JSON with exact room outlines. World: metres, +Y up, left-handed, turned to +Z up.

A house names the asset of each object; sizes come from the asset database. Things on and in furniture are objects too.

References
----------
Deitke et al., ProcTHOR, NeurIPS 2022; the house schema of its repository.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.folders import item_of
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.canonical import Z_UP_FROM_UNITY, readable
from qa_engine.formats.parsing import (
    check_inside,
    expect,
    member,
    number,
    parse_json,
    read_bytes,
    read_json,
)
from qa_engine.geometry import Boxes
from qa_engine.geometry.moves import move_boxes
from qa_engine.scenes.scene import Scene

MAX_BYTES = 2_000_000_000
"""The 10,000 training houses are 1.5 GB of JSON lines."""

ASSETS = "asset-database.json"
MAX_DEPTH = 20
"""Children of children: a cup on a tray on a table has 2."""

MIN_SEGMENT_M2 = 0.01
"""A room with a smaller floor is a damaged outline."""


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the houses of a JSON file (one house, or a list) or of JSON lines (also `.gz`), or of a folder of these.

    Raises
    ------
    QAEngineError
        A file is missing or damaged, the asset database is missing, or there is no house.
    """
    assert root is not None
    if not root.exists():
        raise QAEngineError(f"{root}: no such file. Expected {PROCTHOR.needs}.")
    files = (
        sorted(p for p in root.iterdir() if p.name.endswith((".json", ".jsonl", ".jsonl.gz")))
        if root.is_dir()
        else [root]
    )
    assets_path = _assets_path(root, options.annotations)
    try:
        assets = _read_assets(assets_path)
    except SceneError as error:
        raise QAEngineError(f"{assets_path}: {error}. {error.reason.fix}") from None
    unknown = PROCTHOR.chosen(options)["unknown"]
    base = root if root.is_dir() else root.parent
    sources: list[SceneSource] = []
    for path in files:
        if path.name == ASSETS:
            continue
        name = path.name.partition(".")[0]
        try:
            check_inside(path, (base.resolve(),))
            houses = list(_houses(path))
        except SceneError as error:
            raise QAEngineError(f"{path}: {error}. {error.reason.fix}") from None
        for i, house in enumerate(houses):
            place = _Located(house, assets, unknown)
            title = name if len(houses) == 1 else f"{name}_{i:05d}"
            sources.append(SceneSource(scene_name=title, item=f"{item_of(path, base)}#{i}", data=place))
    if not sources:
        raise QAEngineError(f"{root}: no house here. Expected {PROCTHOR.needs}.")
    return sources


@dataclass(frozen=True)
class _Located:
    """The text of a house, parsed when it is loaded, and the sizes of all assets."""

    house: bytes
    assets: dict[str, tuple[str, NDArray[np.float64]]]
    unknown: str


def load(source: SceneSource) -> Scene:
    """Read one house: objects with their sizes, the outline and area of its floor.

    Raises
    ------
    SceneError
        A field is missing or wrong.
    """
    located: _Located = source.data
    house = expect(parse_json(located.house, source.item), dict, "house")
    categories: list[str] = []
    rows: list[list[float]] = []
    refused: list[SceneError] = []
    for field, item in _objects(member(house, "objects", list, "house"), "objects", 0):
        asset = member(item, "assetId", str, field)
        if asset not in located.assets:
            error = SceneError(f"{field}.assetId", f"{asset!r} is not in {ASSETS}", reason=IngestReason.MISSING_FIELD)
            if located.unknown == "refuse":
                raise error
            refused.append(error)
            continue
        category, size = located.assets[asset]
        if not (size > 0).all():
            problem = f"{asset!r} has no extent: {size.tolist()}"
            refused.append(SceneError(f"{field}.assetId", problem, reason=IngestReason.BAD_SIZE))
            continue
        categories.append(category)
        rows.append([*_xyz(item, "position", field), *_xyz(item, "rotation", field, optional=True), *size])
    table = np.array(rows, dtype=np.float64).reshape(-1, 9)
    boxes = Boxes(table[:, :3], table[:, 6:], unity_rotation(table[:, 3:6]).transpose(0, 2, 1))
    boxes = move_boxes(boxes, Z_UP_FROM_UNITY)
    area, outline = _floor(member(house, "rooms", list, "house"))
    return Scene(
        scene_name=source.scene_name,
        dataset="procthor",
        category=np.array([readable(category) for category in categories], dtype=object),
        category_raw=np.array(categories, dtype=object),
        center=boxes.center,
        size=boxes.size,
        rotation=boxes.rotation,
        room_size_m2=area,
        floor_polygon=outline,
        canonical_from_source=Z_UP_FROM_UNITY,
        source_sha=hashlib.sha256(located.house).hexdigest(),
        refused=tuple(refused),
    )


def unity_rotation(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn Unity's angles (n, 3) about x, y, z into matrices (n, 3, 3) whose columns are the object's axes.

    Unity turns about z, then x, then y, each clockwise as seen along the axis in its left-handed frame; the matrices
    have the usual form there.

    Examples
    --------
    >>> unity_rotation(np.array([[0.0, 90.0, 0.0]])).round(9)[0, :, 2].tolist()
    [1.0, 0.0, 0.0]
    """
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("YXZ", degrees[:, [1, 0, 2]], degrees=True).as_matrix().reshape(-1, 3, 3)


def _objects(items: list[object], field: str, depth: int) -> Iterator[tuple[str, dict[str, object]]]:
    """Walk through objects and what stands on or in them."""
    if depth > MAX_DEPTH:
        raise SceneError(field, f"nested deeper than {MAX_DEPTH}", reason=IngestReason.BAD_JSON)
    for i, entry in enumerate(items):
        name = f"{field}[{i}]"
        item = expect(entry, dict, name)
        yield name, item
        yield from _objects(expect(item.get("children", []), list, f"{name}.children"), f"{name}.children", depth + 1)


def _floor(rooms: list[object]) -> tuple[float | None, NDArray[np.float64] | None]:
    """Add up the floors; the outline is theirs where they join to one polygon without holes."""
    import shapely

    shapes = []
    for i, entry in enumerate(rooms):
        field = f"rooms[{i}].floorPolygon"
        corners = member(expect(entry, dict, f"rooms[{i}]"), "floorPolygon", list, f"rooms[{i}]")
        points = np.array([_point(corner, f"{field}[{j}]") for j, corner in enumerate(corners)]).reshape(-1, 2)
        if len(points) < 3 or np.abs(points).max() > 1e4:
            problem = f"expected at least 3 corners within 10 km, found {len(points)}"
            raise SceneError(field, problem, reason=IngestReason.WRONG_TYPE)
        shape = shapely.Polygon(points)
        if not shape.is_valid or shape.area < MIN_SEGMENT_M2:
            raise SceneError(
                field, f"the outline is no simple polygon ({shape.area:g} m2)", reason=IngestReason.BAD_SIZE
            )
        shapes.append(shape)
    if not shapes:
        return None, None
    whole = shapely.union_all(shapes)
    outline = None
    if isinstance(whole, shapely.Polygon) and not whole.interiors:
        outline = np.array(shapely.geometry.polygon.orient(whole).exterior.coords)[:-1]
    return float(sum(shape.area for shape in shapes)), outline


def _point(corner: object, field: str) -> list[float]:
    """Read a corner of a floor: x and z of Unity are x and y here."""
    value = expect(corner, dict, field)
    return [number(member(value, axis, object, field), f"{field}.{axis}") for axis in "xz"]


def _xyz(item: dict[str, object], key: str, field: str, *, optional: bool = False) -> list[float]:
    """Read a vector; a missing rotation is none."""
    if optional and key not in item:
        return [0.0, 0.0, 0.0]
    value = member(item, key, dict, field)
    return [number(member(value, axis, object, f"{field}.{key}"), f"{field}.{key}.{axis}") for axis in "xyz"]


def _houses(path: Path) -> Iterator[bytes]:
    """Split a file into the texts of its houses."""
    data = read_bytes(path, max_bytes=MAX_BYTES)
    if path.name.endswith(".gz"):
        data = _unzipped(data, path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from (line for line in data.splitlines() if line.strip())
        return
    value = parse_json(data, path.name)
    if not isinstance(value, list):
        yield data
        return
    for house in value:
        try:
            yield json.dumps(house).encode()
        except RecursionError:
            raise SceneError(path.name, "nested too deeply", reason=IngestReason.BAD_JSON) from None


def _unzipped(data: bytes, path: Path) -> bytes:
    """Unpack, with a limit on the result."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SceneError(path.name, f"no whole gzip file ({error})", reason=IngestReason.BAD_FORMAT) from None
    if len(text) > MAX_BYTES:
        raise SceneError(path.name, f"unpacks to more than {MAX_BYTES / 1e9:g} GB", reason=IngestReason.TOO_LARGE)
    return text


def _assets_path(root: Path, given: Path | None) -> Path:
    """Find the asset database: --annotations (file or folder), ROOT, or beside it."""
    folders = [root, root.parent] if given is None else [given]
    places = [path for folder in folders for path in (folder / ASSETS, folder)]
    for path in places:
        if path.is_file() and (given is not None or path.name == ASSETS):
            return path
    raise QAEngineError(
        f"{given or root}: no {ASSETS} here. It is part of the procthor repository and holds the size of every asset; "
        "copy it beside the houses, or name it with --annotations."
    )


def _read_assets(path: Path) -> dict[str, tuple[str, NDArray[np.float64]]]:
    """Read category and size (x, y, z of Unity, metres) of every asset."""
    value, _ = read_json(path, max_bytes=MAX_BYTES)
    assets: dict[str, tuple[str, NDArray[np.float64]]] = {}
    for category, group in expect(value, dict, ASSETS).items():
        for i, entry in enumerate(expect(group, list, category)):
            field = f"{category}[{i}]"
            item = expect(entry, dict, field)
            size = np.array(_xyz(item, "boundingBox", field))
            assets[member(item, "assetId", str, field)] = (category, size)
    return assets


PROCTHOR = Dataset(
    name="procthor",
    description="ProcTHOR: generated houses with boxes and exact room outlines; no frames.",
    needs=f"a house as JSON, a list of houses, JSON lines (also .gz) or a folder of these, with {ASSETS} beside it",
    discover=discover,
    load=load,
    options=frozenset({"annotations"}),
    settings=(Setting("unknown", "what happens to an object whose asset has no size", ("refuse", "skip")),),
    checklist=(
        Need("houses", ("*.json", "*.jsonl", "*.jsonl.gz"), "rooms and objects", "the procthor-10k dataset", True),
        Need("asset sizes", ("*asset-database.json",), "boxes", "procthor/databases of the procthor repository", True),
    ),
    named_by_parts=False,
)
"""ProcTHOR houses."""
