"""Triangle meshes of a store: a Parquet file per scene, a row per triangle with its corners and its object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import MESH

from qa_engine.errors import IngestReason, SceneError
from qa_engine.scenes.clouds import Cloud

CORNERS = tuple(name for name in MESH if name != "instance_id")

MAX_SAMPLES = 500_000
SAMPLE_M = 0.02
"""Distance between neighbouring points on a sampled surface, where `MAX_SAMPLES` allows."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Surface of a scene.

    Parameters
    ----------
    vertices : (n, 3) float32, metres
        Canonical world.
    triangles : (m, 3) int64
        Indices of vertices.
    instance_id : (m,) int64
        The object that each triangle belongs to, -1 = none.

    Raises
    ------
    SceneError
        Shapes do not fit, a vertex is not finite, or an index is out of range.

    Examples
    --------
    >>> len(Mesh(np.eye(3), np.array([[0, 1, 2]]), np.array([-1])))
    1
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int64]
    instance_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.triangles)

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):
            vertices = np.asarray(self.vertices, dtype=np.float32)
        triangles = np.asarray(self.triangles, dtype=np.int64).reshape(-1, 3)
        ids = np.asarray(self.instance_id, dtype=np.int64)
        if vertices.ndim != 2 or vertices.shape[1] != 3 or ids.shape != triangles.shape[:1]:
            problem = f"expected (n, 3) vertices and m instances, found {vertices.shape} and {ids.shape}"
            raise SceneError("mesh", problem, reason=IngestReason.WRONG_TYPE)
        if not np.isfinite(vertices).all():
            raise SceneError("mesh", "a vertex is not finite", reason=IngestReason.NOT_FINITE)
        if len(triangles) and not (triangles.min() >= 0 and triangles.max() < len(vertices)):
            problem = f"a triangle names a vertex beyond the {len(vertices)} that there are"
            raise SceneError("mesh", problem, reason=IngestReason.BAD_FORMAT)
        for name, value in (("vertices", vertices), ("triangles", triangles), ("instance_id", ids)):
            object.__setattr__(self, name, value)


def triangle_instances(vertex_instance: NDArray[np.int64], triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each triangle the instance that two of its corners have, or else that of the first.

    Examples
    --------
    >>> triangle_instances(np.array([5, 7, 7]), np.array([[0, 1, 2], [0, 0, 1]])).tolist()
    [7, 5]
    """
    a, b, c = vertex_instance[triangles].T
    return np.where(b == c, b, a)


def vertex_instances(mesh: Mesh) -> NDArray[np.int64]:
    """Give each vertex the instance of a triangle at it (the last in the file), -1 for vertices of none.

    Examples
    --------
    >>> vertex_instances(Mesh(np.zeros((4, 3)), np.array([[0, 1, 2]]), np.array([7]))).tolist()
    [7, 7, 7, -1]
    """
    instance = np.full(len(mesh.vertices), -1, dtype=np.int64)
    for corner in range(3):
        instance[mesh.triangles[:, corner]] = mesh.instance_id
    return instance


def cloud_of(mesh: Mesh) -> Cloud:
    """Cover a surface evenly with points: its vertices, and points inside of large triangles.

    Notes
    -----
    Points stand at equal steps of area along the list of triangles, inside of them by a low-discrepancy sequence (R2
    of Roberts, 2018), so that the same mesh gives the same points.

    Examples
    --------
    >>> square = Mesh(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.array([[0, 1, 2], [0, 2, 3]]),
    ...               np.array([3, 3]))
    >>> cloud = cloud_of(square)
    >>> len(cloud), cloud.xyz.mean(axis=0).round(2).tolist(), set(cloud.instance_id.tolist())
    (2504, [0.5, 0.5, 0.0], {3})
    """
    corners = mesh.vertices[mesh.triangles].astype(np.float64)
    sides = corners[:, 1:] - corners[:, :1]
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    total = np.cumsum(area)
    n = 0 if not len(area) else int(min(MAX_SAMPLES, total[-1] / SAMPLE_M**2))
    if n == 0:
        return Cloud(mesh.vertices, vertex_instances(mesh))
    triangle = np.searchsorted(total, (np.arange(n) + 0.5) * (total[-1] / n)).clip(max=len(area) - 1)
    u, v = (0.5 + np.arange(n)[:, None] * np.array([0.7548776662466927, 0.5698402909980532])).T % 1
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    points = corners[triangle, 0] + u[:, None] * sides[triangle, 0] + v[:, None] * sides[triangle, 1]
    xyz = np.concatenate([mesh.vertices, points.astype(np.float32)])
    return Cloud(xyz, np.concatenate([vertex_instances(mesh), mesh.instance_id[triangle]]))


def mesh_path(store: Path, scene_name: str) -> Path:
    """Name the file that holds the mesh of a scene, where it has one."""
    return store / "meshes" / f"{scene_name}.parquet"


def write_mesh(mesh: Mesh, store: Path, scene_name: str) -> Path:
    """Write the mesh of a scene below a store; return the file."""
    corners = mesh.vertices[mesh.triangles].reshape(-1, 9)
    frame = pl.DataFrame({name: corners[:, i] for i, name in enumerate(CORNERS)} | {"instance_id": mesh.instance_id})
    metadata = table_metadata("mesh", producer="qa-engine ingest", config={"scene_name": scene_name}, seed=0)
    return write_table(frame, mesh_path(store, scene_name), MESH, metadata)


def read_mesh(path: Path) -> Mesh:
    """Read a mesh of a store; every triangle has vertices of its own.

    Raises
    ------
    TableError
        The file is missing or damaged.
    """
    table = read_table(path, "mesh", MESH)
    vertices = np.stack([table[name].to_numpy() for name in CORNERS], axis=1).reshape(-1, 3)
    return Mesh(vertices, np.arange(len(vertices)).reshape(-1, 3), table["instance_id"].to_numpy())
