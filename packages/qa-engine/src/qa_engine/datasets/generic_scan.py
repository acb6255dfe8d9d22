"""Clouds and meshes of own scans: points with instances, surfaces with named parts, and what these are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import MAX_INSTANCE, instance_number
from qa_engine.formats.canonical import readable
from qa_engine.formats.gltf import read_gltf
from qa_engine.formats.obj import read_obj
from qa_engine.formats.parsing import check_inside, expect, read_json
from qa_engine.formats.pcd import read_points
from qa_engine.formats.ply import column, positions, read_vertices
from qa_engine.formats.ply_faces import face_numbers, read_ply
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.meshes import Mesh, cloud_of, triangle_instances, vertex_instances

CLOUDS = ("cloud.ply", "cloud.pcd")
MESHES = ("mesh.ply", "mesh.obj", "mesh.glb", "mesh.gltf")
LABELS = "labels.json"
INSTANCES = ("instance", "instance_id", "instanceid", "object_id", "objectid")
"""Names of the field of objects, of which the first that a file has counts; upper case is taken as lower."""
MAX_BYTES = 256_000_000


@dataclass(frozen=True)
class Scan:
    """What a scan holds besides boxes, in canonical coordinates.

    Attributes
    ----------
    points : (n, 3) float64, metres
        Those of its cloud, or else the vertices of its mesh.
    instance : (n,) int64
        The object that each point belongs to, -1 = none.
    mesh : Mesh or None
    cloud : Cloud or None
        What is stored: its points, or points all over the mesh.
    names : dict of int to str
        Instance to the name of its part of mesh.obj, mesh.glb or mesh.gltf.
    files : tuple of Path
        Files that it was read from.
    """

    points: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    instance: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    mesh: Mesh | None = None
    cloud: Cloud | None = None
    names: dict[int, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def of_objects(self, ids: Sequence[int]) -> tuple[Cloud | None, Mesh | None]:
        """Give cloud and mesh, with what belongs to other objects than these as part of none."""
        cloud, mesh = self.cloud, self.mesh
        if cloud is not None:
            cloud = Cloud(cloud.xyz, _only(cloud.instance_id, ids))
        if mesh is not None:
            mesh = Mesh(mesh.vertices, mesh.triangles, _only(mesh.instance_id, ids))
        return cloud, mesh


def _only(instance: NDArray[np.int64], ids: Sequence[int]) -> NDArray[np.int64]:
    return np.where(np.isin(instance, ids), instance, -1)


def read_scan(folder: Path, canonical_from_source: NDArray[np.float64], roots: Sequence[Path]) -> Scan:
    """Read the cloud and the mesh of a folder, as far as it has them.

    Raises
    ------
    SceneError
        A file is damaged.
    """
    cloud_path, mesh_path = (
        next((folder / name for name in names if (folder / name).is_file()), None) for names in (CLOUDS, MESHES)
    )
    files = tuple(path for path in (cloud_path, mesh_path) if path is not None)
    mesh, points, names = None, np.zeros((0, 3)), {}
    if mesh_path is not None:
        mesh, points, names = _mesh(mesh_path, canonical_from_source, roots)
    if cloud_path is not None:
        points, instance = _points(cloud_path, canonical_from_source, roots)
        return Scan(points, instance, mesh, Cloud(_single(points), instance), names, files)
    if mesh is None:
        return Scan()
    return Scan(points, vertex_instances(mesh), mesh, cloud_of(mesh), names, files)


def read_labels(folder: Path, names: Mapping[int, str], labels: str, roots: Sequence[Path]) -> dict[int, str]:
    """Read what objects are called: instance to label, from labels.json or the names of the parts of a mesh.

    Parameters
    ----------
    names : mapping of int to str
        Instance to the name of its part; labels.json may use either.
    labels : str
        `file`, or `names` for the names themselves without their trailing numbers.

    Raises
    ------
    SceneError
        labels.json is missing or damaged, or names what the mesh has not.
    """
    if labels == "names":
        words = {i: readable(re.sub(r"[\s._\-]*\d+$", "", name)) for i, name in names.items()}
        return {i: label for i, label in words.items() if label}
    check_inside(folder / LABELS, roots)
    value, _ = read_json(folder / LABELS, max_bytes=MAX_BYTES)
    by_name = {name: i for i, name in names.items()}
    found: dict[int, str] = {}
    for key, label in expect(value, dict, LABELS).items():
        place = f"{LABELS}: {shorten(key)}"
        known = by_name[key] if key in by_name else (int(key) if re.fullmatch(r"[0-9]{1,10}", key) else key)
        found[instance_number(known, place)] = expect(label, str, place)
    return found


def _points(
    path: Path, canonical_from_source: NDArray[np.float64], roots: Sequence[Path]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the points of a PLY or PCD file, and their instances."""
    check_inside(path, roots)
    points = read_vertices(path) if path.suffix == ".ply" else read_points(path)
    instance = np.full(len(points), -1, dtype=np.int64)
    if (name := _instance_field(points.dtype.names)) is not None:
        instance = _whole(column(points, name, path.name), path.name)
    return _moved(positions(points, path.name), canonical_from_source), instance


def _mesh(
    path: Path, canonical_from_source: NDArray[np.float64], roots: Sequence[Path]
) -> tuple[Mesh, NDArray[np.float64], dict[int, str]]:
    """Read a mesh, its vertices in full precision, and the names of its parts."""
    check_inside(path, roots)
    if path.suffix == ".ply":
        found = read_ply(path)
        if not len(found.triangles):
            raise SceneError(path.name, "no faces; a cloud is cloud.ply", reason=IngestReason.MISSING_FIELD)
        instance = np.full(len(found.triangles), -1, dtype=np.int64)
        if (name := _instance_field(found.fields)) is not None:
            instance = face_numbers(found, name, path.name)
        elif (name := _instance_field(found.vertices.dtype.names)) is not None:
            instance = triangle_instances(_whole(found.vertices[name], path.name), found.triangles)
        points = _moved(positions(found.vertices, path.name), canonical_from_source)
        return Mesh(_single(points), found.triangles, instance), points, {}
    surface = read_obj(path) if path.suffix == ".obj" else read_gltf(path, roots)
    named = np.array([bool(name) for name in surface.names], dtype=bool)
    part = np.where(named[surface.part], surface.part, -1) if len(named) else surface.part
    names = {i: name for i, name in enumerate(surface.names) if name}
    points = _moved(surface.vertices, canonical_from_source)
    return Mesh(_single(points), surface.triangles, part), points, names


def _instance_field(fields: Iterable[str] | None) -> str | None:
    """Find the field that holds objects."""
    lower = {field.lower(): field for field in fields or ()}
    return next((lower[name] for name in INSTANCES if name in lower), None)


def _moved(points: NDArray[np.float64], canonical_from_source: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring points to the canonical world."""
    with np.errstate(over="ignore", invalid="ignore"):
        return points @ canonical_from_source[:3, :3].T + canonical_from_source[:3, 3]


def _single(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round points to single precision; what overflows becomes infinite and is refused."""
    with np.errstate(over="ignore"):
        return points.astype(np.float32)


def _whole(values: NDArray[np.generic], name: str) -> NDArray[np.int64]:
    """Turn instances into whole numbers; some tools write them as floats."""
    if values.dtype.kind == "f" and not (np.abs(values.astype(np.float64)) < MAX_INSTANCE).all():
        raise SceneError(f"{name}: {INSTANCES[0]}", "a value is no instance", reason=IngestReason.WRONG_TYPE)
    return values.astype(np.int64)
