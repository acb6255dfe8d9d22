"""Join what is one object seen from sides that no frame shows together."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csgraph, csr_array
from scipy.spatial import KDTree

from qa_engine.lifting.consensus import Clusters, seen_together
from qa_engine.lifting.evidence import VOXEL_M, Evidence
from qa_engine.lifting.objects import Lifted, collect_objects

TOUCH_M = 2 * VOXEL_M
"""Clouds that come nearer than this touch."""


def lift_objects(evidence: Evidence, clusters: Clusters) -> tuple[Clusters, list[Lifted | None]]:
    """Collect the objects, with clusters joined that touch, have one label, and are in no frame two masks.

    Returns
    -------
    Clusters
        After joining.
    list of Lifted or None
        By cluster; None where nothing is left of one.
    """
    objects = collect_objects(evidence, clusters)
    apart = seen_together(evidence, clusters)
    trees = [None if lifted is None else KDTree(lifted.points) for lifted in objects]
    pairs = [
        (a, b)
        for a, first in enumerate(objects)
        for b, second in enumerate(objects[:a])
        if first is not None and second is not None and first.label == second.label and not apart[a, b]
    ]
    touching = [(a, b) for a, b in pairs if _touch(trees[a], trees[b])]
    if not touching:
        return clusters, objects
    rows, columns = np.array(touching).T
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(clusters.n, clusters.n))
    n, number = csgraph.connected_components(graph, directed=False)
    joined = np.where(clusters.cluster >= 0, number[clusters.cluster], -1)
    clusters = Clusters(joined, clusters.merged, int(n))
    return clusters, collect_objects(evidence, clusters)


def _touch(first: KDTree | None, second: KDTree | None) -> bool:
    """Tell whether some point of one cloud is within `TOUCH_M` of the other."""
    assert first is not None
    assert second is not None
    few, many = (first, second) if first.n <= second.n else (second, first)
    return bool(np.isfinite(many.query(few.data, distance_upper_bound=TOUCH_M)[0]).any())
