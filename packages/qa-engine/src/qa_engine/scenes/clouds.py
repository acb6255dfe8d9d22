"""Point clouds of a store: a Parquet file per scene, sorted by instance, of which only what is asked for is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.errors import TableError
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import CLOUD

from qa_engine.errors import IngestReason, SceneError

FLOOR_SHARE = 0.3
"""Share of the plan that must show something else than objects: a mesh of furniture alone says nothing of its room."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points of a scene.

    Parameters
    ----------
    xyz : (n, 3) float32, metres
        Canonical world.
    instance_id : (n,) int64
        The object that each point belongs to, -1 = none.

    Raises
    ------
    SceneError
        Shapes do not fit, or a point is not finite.

    Examples
    --------
    >>> len(Cloud(np.zeros((2, 3)), np.array([-1, 0])))
    2
    """

    xyz: NDArray[np.float32]
    instance_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.xyz)

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):
            xyz = np.asarray(self.xyz, dtype=np.float32)
        ids = np.asarray(self.instance_id, dtype=np.int64)
        if xyz.ndim != 2 or xyz.shape[1] != 3 or ids.shape != xyz.shape[:1]:
            problem = f"expected (n, 3) points and n instances, found {xyz.shape} and {ids.shape}"
            raise SceneError("cloud", problem, reason=IngestReason.WRONG_TYPE)
        if not np.isfinite(xyz).all():
            raise SceneError("cloud", "a point is not finite", reason=IngestReason.NOT_FINITE)
        object.__setattr__(self, "xyz", xyz)
        object.__setattr__(self, "instance_id", ids)

    def count(self, instance_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the points of each instance.

        Examples
        --------
        >>> Cloud(np.zeros((3, 3)), np.array([5, 2, 5])).count(np.array([2, 3, 5])).tolist()
        [1, 0, 2]
        """
        found, counts = np.unique(self.instance_id, return_counts=True)
        lookup = dict(zip(found.tolist(), counts.tolist(), strict=True))
        return np.array([lookup.get(number, 0) for number in instance_id.tolist()], dtype=np.int64)


def write_cloud(cloud: Cloud, store: Path, scene_name: str) -> str:
    """Write the cloud of a scene below a store; return its path relative to the store."""
    order = np.argsort(cloud.instance_id, kind="stable")
    columns = {name: cloud.xyz[order, axis] for axis, name in enumerate("xyz")}
    frame = pl.DataFrame({**columns, "instance_id": cloud.instance_id[order]})
    relative = f"clouds/{scene_name}.parquet"
    metadata = table_metadata("cloud", producer="qa-engine ingest", config={"scene_name": scene_name}, seed=0)
    write_table(frame, store / relative, CLOUD, metadata)
    return relative


def read_cloud(path: Path, instance_ids: Sequence[int] | None = None) -> Cloud:
    """Read a cloud with DuckDB, or the points of some instances alone.

    Raises
    ------
    TableError
        The file is missing or damaged.
    """
    query = "SELECT x, y, z, instance_id FROM read_parquet(?)"
    parameters: list[object] = [str(path)]
    if instance_ids is not None:
        query += " WHERE instance_id IN (SELECT unnest(?::BIGINT[]))"
        parameters.append([int(number) for number in instance_ids])
    try:
        with duckdb.connect() as connection:
            columns = connection.execute(query, parameters).fetchnumpy()
    except duckdb.Error as error:
        raise TableError(f"{path}: no readable cloud ({error}).") from None
    xyz = np.stack([np.asarray(columns[name], dtype=np.float32) for name in "xyz"], axis=1)
    return Cloud(xyz.reshape(-1, 3), np.asarray(columns["instance_id"], dtype=np.int64))


def shows_floor(cloud: Cloud, furniture: NDArray[np.int64]) -> bool:
    """Tell whether points show the floor between the objects, or walls and ceiling around it, and not objects alone.

    Parameters
    ----------
    cloud : Cloud
    furniture : (k,) int64
        instance_id of the objects that are no floor.

    Examples
    --------
    >>> x, y = np.meshgrid(np.arange(0, 4, 0.05), np.arange(0, 3, 0.05))
    >>> xyz = np.stack([x.ravel(), y.ravel(), 0 * y.ravel()], 1)
    >>> shows_floor(Cloud(xyz, np.full(len(xyz), -1)), np.array([7])), shows_floor(
    ...     Cloud(xyz, np.full(len(xyz), 7)), np.array([7]))
    (True, False)
    """
    from qa_engine.geometry.rooms import CELL_M

    cells = np.rint(cloud.xyz[:, :2].astype(np.float64) / CELL_M)
    of_room = ~np.isin(cloud.instance_id, furniture)
    every, room = (len(np.unique(part, axis=0)) for part in (cells, cells[of_room]))
    return room >= FLOOR_SHARE * every > 0


def floor_of(cloud: Cloud) -> tuple[float | None, NDArray[np.float64] | None]:
    """Find floor area and outline of a room from its points seen from above.

    Returns
    -------
    float or None, m2
        None for less than a square metre.
    (k, 2) float64 or None, metres
        Outline, counter-clockwise, without holes.

    Notes
    -----
    Both are those of the cells of `CELL_M` that hold points, gaps closed and holes filled: furniture hides the floor.

    Examples
    --------
    >>> x, y = np.meshgrid(np.linspace(0, 4, 81), np.linspace(0, 3, 61))
    >>> area, outline = floor_of(Cloud(np.stack([x.ravel(), y.ravel(), 0 * y.ravel()], 1), np.full(x.size, -1)))
    >>> round(area, 1), (outline.min(axis=0).round(1) + 0).tolist(), outline.max(axis=0).round(1).tolist()
    (12.0, [0.0, 0.0], [4.0, 3.0])
    """
    import shapely

    from qa_engine.geometry.rooms import CELL_M, room_area

    points = cloud.xyz[:, :2].astype(np.float64)
    area = room_area(points)
    if area < 1:
        return None, None
    cells = np.unique(np.rint(points / CELL_M).astype(np.int64), axis=0)
    # Cells of one column that touch are one rectangle, and rectangles that grow before they are joined need no buffer
    # of the whole: a hall of 20 x 20 m has 40,000 cells.
    starts = np.flatnonzero((np.diff(cells, axis=0, prepend=cells[:1] - 2) != [0, 1]).any(axis=1))
    low = (cells[starts] - 2.5) * CELL_M
    high = (cells[np.append(starts[1:], len(cells)) - 1] + 2.5) * CELL_M
    grown = shapely.union_all(shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1]))
    closed = shapely.buffer(grown, -2.5 * CELL_M)
    parts = shapely.get_parts(closed)
    if not len(parts):
        return area, None
    largest = parts[np.argmax(shapely.area(parts))]
    outline = shapely.simplify(shapely.Polygon(shapely.get_exterior_ring(largest)), CELL_M)
    ring = shapely.get_coordinates(shapely.orient_polygons(outline))[:-1]
    return area, ring if len(ring) >= 3 else None
