"""Distances between the scanned points of objects, for scenes of a store that have a cloud."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Rows
from qa_engine.facts.batch import Batch
from qa_engine.scenes.store import Store

MIN_POINTS = 30
"""Points of an object below which its box says more of its extent than they do."""


def use_points(store: Store, batch: Batch, first: Rows, second: Rows) -> NDArray[np.bool_]:
    """Replace distances between boxes by those between points, where both objects have enough of them.

    Parameters
    ----------
    store : Store
        That of the scenes of `batch`.
    batch : Batch
        From then on its distances between these pairs are those of the points.
    first, second : (k,) int64
        Rows of the objects, each pair of one scene.

    Returns
    -------
    (k,) bool
        Pairs that are measured by their points.

    Raises
    ------
    TableError
        The cloud of a scene is missing or damaged.
    """
    from qa_engine.geometry.clouds import cloud_distance

    measured = np.zeros(len(first), dtype=bool)
    low, high = np.minimum(first, second), np.maximum(first, second)
    scene = batch.scene_of_row[low]
    for k in np.unique(scene).tolist():
        own = np.flatnonzero(scene == k)
        points = _points_of(store, batch, k, np.union1d(low[own], high[own]))
        both = own[np.isin(low[own], [*points]) & np.isin(high[own], [*points])]
        pairs = np.unique(np.stack([low[both], high[both]], axis=1), axis=0)
        distance = [cloud_distance(points[i], points[j]) for i, j in pairs.tolist()]
        batch.put_distances(pairs[:, 0], pairs[:, 1], np.array(distance))
        measured[both] = True
    return measured


def _points_of(store: Store, batch: Batch, k: int, rows: Rows) -> dict[int, NDArray[np.float32]]:
    """Points of the objects `rows` of scene k that have enough of them; none where it has no cloud."""
    ids = batch.instance_id[rows]
    cloud = store.cloud(batch.scene_name[k], ids.tolist())
    if cloud is None:
        return {}
    order = np.argsort(cloud.instance_id, kind="stable")
    start = np.searchsorted(cloud.instance_id[order], ids)
    stop = np.searchsorted(cloud.instance_id[order], ids, side="right")
    return {
        row: cloud.xyz[order[a:b]]
        for row, a, b in zip(rows.tolist(), start.tolist(), stop.tolist(), strict=True)
        if b - a >= MIN_POINTS
    }
