"""HSSD (Habitat Synthetic Scenes): furnished houses made of models. World: metres, Y up, turned to Z up.

References
----------
Khanna et al., Habitat Synthetic Scenes Dataset, CVPR 2024; habitat-sim's `attributesJSON.rst` for scene instances, and
`CoordinateFrame.cpp` for the axes of models.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.hssd_rooms import room_of
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.annotations.base import Collected
from qa_engine.formats.canonical import Z_UP_FROM_Y_UP, readable, rotations
from qa_engine.formats.gltf import read_gltf
from qa_engine.formats.parsing import check_inside, expect, member, number, numbers, read_json
from qa_engine.formats.surfaces import Surface, checked_surface
from qa_engine.formats.text_tables import column_names, read_csv
from qa_engine.geometry.moves import move_boxes
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.meshes import Mesh, cloud_of
from qa_engine.scenes.scene import Scene

SUFFIX = ".scene_instance.json"
CATEGORIES = "semantics/objects.csv"
MAX_BYTES = 64_000_000
MAX_TRIANGLES = 4_000_000
"""A house of a thousand models has some millions of triangles; beyond this only boxes are kept of the models."""

UP, FRONT = np.array([0.0, 1, 0]), np.array([0.0, 0, -1])
PART = "_part_"
"""Models of several things are cut into parts, which have categories of their own or that of the whole."""

MODELS = ("{name}", "*/{name}", "*/*/{name}")
"""Places of models below `objects/`: by their first letter, among doors and windows, or in parts."""


@dataclass(frozen=True)
class _Located:
    """The data set, a house of it, categories of models by name, and the switches."""

    root: Path
    path: Path
    categories: Mapping[str, str]
    settings: dict[str, str]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the houses of `scenes/*.scene_instance.json`.

    Raises
    ------
    QAEngineError
        The folder is missing, no house lies in it, or the table of categories is damaged.
    """
    assert root is not None
    if not root.is_dir():
        raise QAEngineError(f"{root}: no such folder. Expected {HSSD.needs}.")
    settings = HSSD.chosen(options)
    paths = sorted((root / "scenes").glob(f"*{SUFFIX}"))
    if not paths:
        raise QAEngineError(f"{root}: no house here. Expected {HSSD.needs}.")
    roots = (root.resolve(),)
    try:
        categories = _categories(root / CATEGORIES, settings["labels"], roots)
    except SceneError as error:
        raise QAEngineError(f"{root / CATEGORIES}: {error}. {error.reason.fix}") from None
    return [
        SceneSource(
            scene_name=path.name.removesuffix(SUFFIX),
            item=path.relative_to(root).as_posix(),
            data=_Located(root, path, categories, settings),
            roots=roots,
        )
        for path in paths
    ]


def load(source: SceneSource) -> Scene:
    """Read one house: a box around each model along the model's own axes.

    Raises
    ------
    SceneError
        The file of the house is damaged. A model that is missing or damaged loses its objects alone.
    """
    located: _Located = source.data
    check_inside(located.path, source.roots)
    value, sha = read_json(located.path, max_bytes=MAX_BYTES)
    house = expect(value, dict, located.path.name)
    default = house.get("translation_origin", "COM")
    boxes, surfaces, n_without = Collected(), [], 0
    for i, entry in enumerate(member(house, "object_instances", list, located.path.name)):
        field = f"object_instances[{i}]"
        try:
            item = expect(entry, dict, field)
            name = Path(member(item, "template_name", str, field)).name
            label = located.categories.get(name) or located.categories.get(name.partition(PART)[0], "")
            if not label and located.settings["unlabelled"] == "skip":
                n_without += 1
                continue
            model = _model(located.root, name, field, source.roots)
            turn, scale, shift = _placed(item, model, str(item.get("translation_origin", default)), field)
            low, high = _bounds(model)
            with np.errstate(over="ignore", invalid="ignore"):
                middle, size = turn @ ((low + high) / 2 * scale) + shift, (high - low) * np.abs(scale)
            if not (np.isfinite(middle).all() and np.isfinite(size).all()):
                problem = f"lies at {middle.tolist()}, {size.tolist()} large"
                raise SceneError(field, problem, reason=IngestReason.NOT_FINITE)
            boxes.add(label or name, i, middle, size, turn.T)
            surfaces.append((i, model, turn, scale, shift))
        except SceneError as error:
            boxes.refused.append(error)
    if n_without:
        problem = f"{n_without} objects have no category; --set unlabelled=keep takes them"
        boxes.refused.append(SceneError(located.path.name, problem, reason=IngestReason.SKIPPED))
    if n := len(expect(house.get("articulated_object_instances", []), list, "articulated_object_instances")):
        problem = f"{n} objects with joints (URDF) are not read"
        boxes.refused.append(SceneError("articulated_object_instances", problem, reason=IngestReason.SKIPPED))
    found = boxes.annotation()
    flat = ~(found.boxes.size > 0).all(axis=1)
    kept = np.flatnonzero(~flat)
    refused = [*found.refused]
    if flat.any():
        problem = f"{flat.sum()} models are flat, as pictures are that lie on a wall"
        refused.append(SceneError(located.path.name, problem, reason=IngestReason.BAD_SIZE))
    moved = move_boxes(found.boxes, Z_UP_FROM_Y_UP)
    labels, ids = [found.labels[i] for i in kept], np.array(found.ids, dtype=np.int64)[kept]
    stage, errors = _stage(house, located, source.roots)
    mesh = _mesh(stage, surfaces, ids)
    area, outline, notes = room_of(located.root, source.scene_name, source.roots)
    return Scene(
        scene_name=source.scene_name,
        dataset="hssd",
        instance_id=ids,
        category=np.array([readable(label) for label in labels], dtype=object),
        category_raw=np.array(labels, dtype=object),
        center=moved.center[kept],
        size=moved.size[kept],
        rotation=moved.rotation[kept],
        room_size_m2=area,
        floor_polygon=outline,
        canonical_from_source=Z_UP_FROM_Y_UP,
        source_sha=sha,
        cloud=None if mesh is None else cloud_of(mesh),
        mesh=mesh,
        refused=(*refused, *errors, *notes),
    )


def _categories(path: Path, column: str, roots: tuple[Path, ...]) -> dict[str, str]:
    """Read what models are: id to category; empty where there is no table."""
    if not path.is_file():
        return {}
    check_inside(path, roots)
    if column not in column_names(path, max_bytes=MAX_BYTES):
        problem = f"no column {column}; --set labels names another"
        raise SceneError(path.name, problem, reason=IngestReason.MISSING_FIELD)
    table = read_csv(path, ["id", column], max_bytes=MAX_BYTES)
    # Synsets of WordNet are words with their sense: chair.n.01
    pairs = zip(table["id"], table[column], strict=True)
    return {
        name.strip(): (label.partition(".n.")[0] if column == "wnsynsetkey" else label).strip() for name, label in pairs
    }


def _model(root: Path, name: str, field: str, roots: tuple[Path, ...]) -> Surface:
    """Find and read a model."""
    for pattern in MODELS:
        place = pattern.format(name=glob.escape(name))
        path = min((root / "objects").glob(f"{place}.glb"), default=None)
        if path is not None:
            try:
                check_inside(path, roots)
                return _read_model(path, roots)
            except SceneError as error:
                raise SceneError(f"{field}: {error.field}", error.problem, reason=error.reason) from None
    raise SceneError(
        f"{field}.template_name", f"no model {shorten(name)}.glb in objects/", reason=IngestReason.MISSING_FILE
    )


@lru_cache(maxsize=64)
def _read_surface(path: Path, roots: tuple[Path, ...], _time: int) -> Surface:
    """Read the triangles of a file, and no vertex beside them; houses repeat their models."""
    surface = read_gltf(path, roots)
    if not len(surface.triangles):
        raise SceneError(path.name, "no triangles", reason=IngestReason.BAD_SIZE)
    used, place = np.unique(surface.triangles, return_inverse=True)
    return Surface(surface.vertices[used], place.reshape(-1, 3), surface.part, surface.names)


def _read_model(path: Path, roots: tuple[Path, ...]) -> Surface:
    """Read a model and turn and scale it as the settings beside it say."""
    surface = _read_surface(path, roots, path.stat().st_mtime_ns)
    settings = path.with_name(f"{path.stem}.object_config.json")
    if not settings.is_file():
        return surface
    check_inside(settings, roots)
    value = expect(read_json(settings, max_bytes=MAX_BYTES)[0], dict, settings.name)
    turn = _axes(value, settings.name)
    scale = np.array(numbers(value.get("scale", [1, 1, 1]), 3, f"{settings.name}: scale"))
    with np.errstate(over="ignore", invalid="ignore"):
        vertices = surface.vertices @ turn.T * scale
    return checked_surface(vertices, surface.triangles, surface.part, surface.names, path.name)


def _bounds(model: Surface) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest coordinates (3,) of a model."""
    return model.vertices.min(axis=0), model.vertices.max(axis=0)


def _axes(value: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    """Read how a model is turned: (3, 3), from its axes to those with Y up and the front along -Z."""
    up, front = (
        np.array(numbers(value.get(key, own.tolist()), 3, f"{name}: {key}"))
        for key, own in (("up", UP), ("front", FRONT))
    )
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(up), np.linalg.norm(front)
        right = abs(up @ front) <= 1e-4 * lengths[0] * lengths[1]
    if not (min(lengths) > 0 and max(lengths) < np.inf and right):
        problem = f"up {up.tolist()} and front {front.tolist()} are not at right angles"
        raise SceneError(name, problem, reason=IngestReason.BAD_ROTATION)
    up, front = up / lengths[0], front / lengths[1]
    return np.stack([np.cross(front, up), up, -front])


def _placed(
    item: dict[str, Any], model: Surface, origin: str, field: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read where a model stands: turn (3, 3), scale (3,), shift (3,)."""
    turn = rotations(
        np.array([numbers(item.get("rotation", [1, 0, 0, 0]), 4, f"{field}.rotation")]), field, order="wxyz"
    )[0]
    scale = np.array(numbers(item.get("non_uniform_scale", [1, 1, 1]), 3, f"{field}.non_uniform_scale"))
    with np.errstate(over="ignore"):
        scale = scale * number(item.get("uniform_scale", 1.0), f"{field}.uniform_scale")
    shift = np.array(numbers(member(item, "translation", list, field), 3, f"{field}.translation"))
    if origin.lower() != "asset_local":  # the place is that of the middle of the model
        with np.errstate(over="ignore", invalid="ignore"):
            shift = shift - turn @ (np.sum(_bounds(model), axis=0) / 2 * scale)
    return turn, scale, shift


def _stage(
    house: Mapping[str, Any], located: _Located, roots: tuple[Path, ...]
) -> tuple[Surface | None, list[SceneError]]:
    """Read walls and floors; where they cannot be read the objects stay."""
    if located.settings["surfaces"] == "none":
        return None, []
    try:
        stage = expect(house.get("stage_instance", {}), dict, "stage_instance")
        name = Path(member(stage, "template_name", str, "stage_instance")).name
        path = located.root / "stages" / f"{name}.glb"
        check_inside(path, roots)
        return read_gltf(path, roots), []
    except SceneError as error:
        return None, [error]


def _mesh(stage: Surface | None, surfaces: Sequence[Any], ids: NDArray[np.int64]) -> Mesh | None:
    """Join walls and models; models are left out where they have too many triangles."""
    if stage is None:
        return None
    vertices, triangles, instance = [stage.vertices], [stage.triangles], [np.full(len(stage.triangles), -1)]
    n = len(stage.vertices)
    if sum(len(surface.triangles) for _, surface, *_ in surfaces) <= MAX_TRIANGLES:
        for i, surface, turn, scale, shift in surfaces:
            with np.errstate(over="ignore", invalid="ignore"):
                vertices.append((surface.vertices * scale) @ turn.T + shift)
            triangles.append(surface.triangles + n)
            instance.append(np.full(len(surface.triangles), i if i in ids else -1))
            n += len(surface.vertices)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as not finite
        points = (np.concatenate(vertices) @ Z_UP_FROM_Y_UP[:3, :3].T).astype(np.float32)
    return Mesh(points, np.concatenate(triangles), np.concatenate(instance))


_SOURCE = "hssd/hssd-hab on Hugging Face, after its terms are accepted"

HSSD = Dataset(
    name="hssd",
    description="HSSD: furnished houses made of models, each in a box along its own axes; no frames.",
    needs=f"the folder with scenes/*{SUFFIX}, objects/, stages/ and {CATEGORIES}",
    discover=discover,
    load=load,
    settings=(
        Setting("labels", f"column of {CATEGORIES} that is the category", ("main_category", "wnsynsetkey", "name")),
        Setting("unlabelled", "what happens to models without a category", ("skip", "keep")),
        Setting("surfaces", "whether walls, floors and models become mesh and cloud", ("all", "none")),
    ),
    checklist=(
        Need("houses", (f"*scenes/*{SUFFIX}",), "objects", _SOURCE, True),
        Need("models", ("*objects/*.glb",), "boxes", _SOURCE, True),
        Need("categories", (f"*{CATEGORIES}",), "categories (else --set unlabelled=keep)", _SOURCE),
        Need("stages", ("*stages/*.glb",), "cloud, room size", _SOURCE),
        Need("rooms", ("*semantics/scenes/*.semantic_config.json",), "room size, outline", _SOURCE),
    ),
)
"""HSSD for Habitat (hssd-hab)."""
