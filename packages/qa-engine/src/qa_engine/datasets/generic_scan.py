"""Clouds and meshes of own scans: points with instances, surfaces with named parts, and what these are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import MAX_INSTANCE, instance_number
from qa_engine.formats.canonical import Z_UP_FROM, readable
from qa_engine.formats.gltf import read_gltf
from qa_engine.formats.laser import read_e57, read_las
from qa_engine.formats.obj import read_obj
from qa_engine.formats.parsing import check_inside, expect, read_json
from qa_engine.formats.pcd import read_points
from qa_engine.formats.ply import column, positions, read_vertices
from qa_engine.formats.ply_faces import face_numbers, read_ply
from qa_engine.formats.splats import is_splats, solid
from qa_engine.formats.surfaces import Surface
from qa_engine.formats.usd import ENDINGS as USD_ENDINGS
from qa_engine.formats.usd import UsdScene, read_usd
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.fields import shorten
from qa_engine.scenes.meshes import Mesh, cloud_of, triangle_instances, vertex_instances

CLOUDS = ("cloud.ply", "cloud.pcd", "cloud.las", "cloud.laz", "cloud.e57")
MESHES = ("mesh.ply", "mesh.obj", "mesh.glb", "mesh.gltf", *(f"mesh{ending}" for ending in USD_ENDINGS))
LABELS = "labels.json"
INSTANCES = ("instance", "instance_id", "instanceid", "object_id", "objectid")
"""Names of the field of objects, of which the first that a file has counts; upper case is taken as lower."""
MAX_BYTES = 256_000_000
FAR_M = 10_000.0
"""Scans further from the origin than this are in map coordinates: in single precision, as clouds and meshes are stored,
a millimetre is lost there and half a metre in a country's grid."""

MAP_M = 3e7
"""No map's coordinates are larger: half the way around the earth."""


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
    shift : (3,) float64, metres
        What was added to bring map coordinates near the origin.
    labels : dict of int to str
        Instance to what the mesh itself calls it.
    world : (4, 4) float64 or None
        Canonical world from that of the mesh, where its file says how it lies.
    missing : tuple of str
        What the mesh refers to and is not there.
    """

    points: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    instance: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    mesh: Mesh | None = None
    cloud: Cloud | None = None
    names: dict[int, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    shift: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    labels: dict[int, str] = field(default_factory=dict)
    world: NDArray[np.float64] | None = None
    missing: tuple[str, ...] = ()

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


def read_scan(
    folder: Path,
    canonical_from_source: NDArray[np.float64],
    roots: Sequence[Path],
    recorded: tuple[Path, NDArray[np.float64]] | None = None,
    switched: tuple[bool, bool] = (False, False),
) -> Scan:
    """Read the cloud and the mesh of a folder, as far as it has them.

    Parameters
    ----------
    recorded : (Path, (4, 4) float64), optional
        A mesh that the recording app made, in a world of its own, where the folder has no other.
    switched : (bool, bool)
        Whether up axis and unit of a mesh that states them (USD) are switched to others.

    Raises
    ------
    SceneError
        A file is damaged.
    """
    cloud_path, mesh_path = (
        next((folder / name for name in names if (folder / name).is_file()), None) for names in (CLOUDS, MESHES)
    )
    of_mesh = canonical_from_source
    if mesh_path is None and recorded is not None:
        mesh_path, of_mesh = recorded
    files = tuple(path for path in (cloud_path, mesh_path) if path is not None)
    points, instance, shift = np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(3)
    if cloud_path is not None:
        points, instance = _points(cloud_path, canonical_from_source, roots)
        shift = shift_of(points)
        points = points + shift
    scan = Scan()
    if mesh_path is not None:
        scan = _mesh(mesh_path, of_mesh, roots, shift if files[1:] else None, switched)
    if cloud_path is None:
        return scan
    cloud = Cloud(_single(points), instance)
    return replace(scan, points=points, instance=instance, cloud=cloud, files=(*files[:1], *scan.files), shift=shift)


def shift_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the whole metres that bring points in map coordinates near the origin; none where they are near it.

    Examples
    --------
    >>> shift_of(np.array([[450000.4, 5400000, 100]])).tolist(), shift_of(np.ones((1, 3))).tolist()
    ([-450000.0, -5400000.0, -100.0], [0.0, 0.0, 0.0])
    """
    finite = points[np.isfinite(points).all(axis=1)]
    if not len(finite) or not FAR_M < np.abs(middle := np.median(finite, axis=0)).max() < MAP_M:
        return np.zeros(3)
    return 0.0 - np.rint(middle)


def read_labels(folder: Path, scan: Scan, labels: str, roots: Sequence[Path]) -> dict[int, str]:
    """Read what objects are called: instance to label, from labels.json, the mesh itself or the names of its parts.

    Parameters
    ----------
    scan : Scan
        labels.json may use its instances or the names of its parts.
    labels : str
        `file` for labels.json, else the labels of the mesh where it has some; `names` for the names of its parts
        without their trailing numbers.

    Raises
    ------
    SceneError
        labels.json is missing or damaged, or names what the mesh has not.
    """
    if labels == "names":
        words = {i: readable(re.sub(r"[\s._\-]*\d+$", "", name)) for i, name in scan.names.items()}
        return {i: label for i, label in words.items() if label}
    if not (folder / LABELS).is_file():
        if scan.labels:
            return scan.labels
        advice = "; --set labels=names takes the names of the parts" if scan.names else ""
        raise SceneError(LABELS, f"no such file{advice}", reason=IngestReason.MISSING_FILE)
    check_inside(folder / LABELS, roots)
    value, _ = read_json(folder / LABELS, max_bytes=MAX_BYTES)
    by_name = {name: i for i, name in scan.names.items()}
    found: dict[int, str] = {}
    for key, label in expect(value, dict, LABELS).items():
        place = f"{LABELS}: {shorten(key)}"
        known = by_name[key] if key in by_name else (int(key) if re.fullmatch(r"[0-9]{1,10}", key) else key)
        found[instance_number(known, place)] = expect(label, str, place)
    return found


def _points(
    path: Path, canonical_from_source: NDArray[np.float64], roots: Sequence[Path]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read the points of a cloud, and their instances; of Gaussian splats those on surfaces."""
    check_inside(path, roots)
    read = {".ply": read_vertices, ".pcd": read_points, ".e57": read_e57}.get(path.suffix, read_las)
    points = read(path)
    if is_splats(points):
        points = points[solid(points)]
    instance = np.full(len(points), -1, dtype=np.int64)
    if (name := _instance_field(points.dtype.names)) is not None:
        instance = _whole(column(points, name, path.name), path.name)
    return _moved(positions(points, path.name), canonical_from_source), instance


def _mesh(
    path: Path,
    canonical_from_source: NDArray[np.float64],
    roots: Sequence[Path],
    shift: NDArray[np.float64] | None,
    switched: tuple[bool, bool],
) -> Scan:
    """Read a mesh, its vertices in full precision, the names of its parts, and its shift where none is given."""
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
        vertices = positions(found.vertices, path.name)
        return _scan_of(vertices, found.triangles, instance, canonical_from_source, shift, Scan(files=(path,)))
    if path.suffix in USD_ENDINGS:
        scene = read_usd(path, roots)
        world = _stated(scene, canonical_from_source, switched)
        files = tuple(dict.fromkeys((path, *scene.files)))
        known = Scan(files=files, labels=scene.labels, world=world, missing=scene.missing)
        return _of_parts(scene.surface, world, shift, known)
    surface = read_obj(path) if path.suffix == ".obj" else read_gltf(path, roots)
    return _of_parts(surface, canonical_from_source, shift, Scan(files=(path,)))


def _stated(
    scene: UsdScene, canonical_from_source: NDArray[np.float64], switched: tuple[bool, bool]
) -> NDArray[np.float64]:
    """Take up axis and unit from the file, unless they are switched."""
    given = np.cbrt(abs(np.linalg.det(canonical_from_source[:3, :3])))
    turn = canonical_from_source / [*[given] * 3, 1.0] if switched[0] else Z_UP_FROM[scene.up]
    return turn @ np.diag([*[given if switched[1] else scene.metres_per_unit] * 3, 1.0])


def _of_parts(
    surface: Surface, canonical_from_source: NDArray[np.float64], shift: NDArray[np.float64] | None, known: Scan
) -> Scan:
    """Make a scan of a surface with named parts."""
    named = np.array([bool(name) for name in surface.names], dtype=bool)
    part = np.where(named[surface.part], surface.part, -1) if len(named) else surface.part
    names = {i: name for i, name in enumerate(surface.names) if name}
    known = replace(known, names=names)
    return _scan_of(surface.vertices, surface.triangles, part, canonical_from_source, shift, known)


def _scan_of(
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int64],
    instance: NDArray[np.int64],
    canonical_from_source: NDArray[np.float64],
    shift: NDArray[np.float64] | None,
    known: Scan,
) -> Scan:
    """Make a scan of triangles."""
    points = _moved(vertices, canonical_from_source)
    shift = shift_of(points) if shift is None else shift
    mesh = Mesh(_single(points + shift), triangles, instance)
    instances = vertex_instances(mesh)
    return replace(known, points=points + shift, instance=instances, mesh=mesh, cloud=cloud_of(mesh), shift=shift)


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
