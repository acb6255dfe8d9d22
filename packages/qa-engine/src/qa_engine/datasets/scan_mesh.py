"""Meshes that datasets publish beside their boxes: stored as cloud and mesh, with the objects of vertices or faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import SceneError
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.ply import column, positions
from qa_engine.formats.ply_faces import PlyMesh, face_numbers, read_ply
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.meshes import Mesh, triangle_instances, vertex_instances

Instances = Callable[[PlyMesh], tuple[NDArray[np.int64], NDArray[np.int64]]]
"""From a file to the object of each vertex (n,) and of each triangle (m,), -1 = none."""


@dataclass(frozen=True, eq=False)
class ScanMesh:
    """What the mesh of a scan gives; all of it empty where there is no file, and `refused` where it is damaged."""

    cloud: Cloud | None = None
    mesh: Mesh | None = None
    refused: tuple[SceneError, ...] = ()


def scan_mesh(
    path: Path,
    instances: Instances,
    ids: NDArray[np.int64],
    *,
    roots: Sequence[Path],
    canonical_from_source: NDArray[np.float64] | None = None,
) -> ScanMesh:
    """Read the mesh of a scan; a damaged one is refused alone, as boxes and frames do not need it.

    Parameters
    ----------
    path : Path
        PLY.
    instances : callable
        `of_no_object`, `of_vertices` or `of_faces`, or one's own.
    ids : (n,) int64
        Objects of the scene; vertices and triangles of others belong to none.
    roots : sequence of Path
        Resolved folders that the file may lie in.
    canonical_from_source : (4, 4) float64, optional
    """
    if not path.is_file():
        return ScanMesh()
    matrix = np.eye(4) if canonical_from_source is None else canonical_from_source
    try:
        check_inside(path, roots)
        found = read_ply(path)
        of_vertex, of_triangle = (np.where(np.isin(part, ids), part, -1) for part in instances(found))
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as not finite
            points = (positions(found.vertices, path.name) @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32)
        mesh = Mesh(points, found.triangles, of_triangle) if len(found.triangles) else None
        return ScanMesh(Cloud(points, of_vertex), mesh)
    except SceneError as error:
        return ScanMesh(refused=(error,))


def of_no_object(found: PlyMesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Say that the file names no objects."""
    return np.full(len(found.vertices), -1), np.full(len(found.triangles), -1)


def of_vertices(read: Callable[[PlyMesh], NDArray[np.integer]]) -> Instances:
    """Take the objects of vertices, which `read` gives; a triangle has that of most of its corners."""

    def instances(found: PlyMesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        vertex = read(found).astype(np.int64)
        return vertex, triangle_instances(vertex, found.triangles)

    return instances


def of_faces(read: Callable[[PlyMesh], NDArray[np.int64]]) -> Instances:
    """Take the objects of triangles, which `read` gives; a vertex has that of a triangle at it."""

    def instances(found: PlyMesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        triangle = read(found)
        corners = np.zeros((len(found.vertices), 3), dtype=np.float32)
        return vertex_instances(Mesh(corners, found.triangles, triangle)), triangle

    return instances


def vertex_field(field: str, name: str) -> Instances:
    """Take the objects of vertices from one of their properties."""
    return of_vertices(lambda found: column(found.vertices, field, name))


def face_field(field: str, name: str) -> Instances:
    """Take the objects of triangles from a property of their faces."""
    return of_faces(lambda found: face_numbers(found, field, name))
