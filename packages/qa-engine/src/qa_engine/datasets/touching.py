"""Parts of objects whose triangles touch: strokes of a brush that slipped are no part of a box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.formats.surfaces import Surface

THIN_M = 0.01
"""Added to each side before volumes are compared, as walls are flat."""


def largest_parts(surface: Surface, owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep of each object the part of largest volume of bounds: triangles of others get -1.

    Parameters
    ----------
    surface : Surface
        Vertices at one place are one, whether or not the file shares them.
    owner : (m,) int64
        Object of each triangle, -1 = none.

    Returns
    -------
    (m,) int64

    Examples
    --------
    >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [9, 9, 9], [9, 9, 9.1], [9, 9.1, 9]])
    >>> triangles = np.array([[0, 1, 2], [1, 2, 3], [4, 5, 6]])
    >>> largest_parts(Surface(corners, triangles, np.zeros(3, int), [""]), np.array([5, 5, 5])).tolist()
    [5, 5, -1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kept = np.full(len(owner), -1)
    own = np.flatnonzero(owner >= 0)
    if not len(own):
        return kept
    # Corners of one object at one place are one node of a graph, whose edges are sides of triangles.
    _, place = np.unique(surface.vertices, axis=0, return_inverse=True)
    corner = place.ravel()[surface.triangles[own]] + owner[own, None] * (int(place.max()) + 1)
    nodes, corner = np.unique(corner, return_inverse=True)
    corner = corner.reshape(-1, 3)
    ends = np.concatenate([corner[:, :2], corner[:, 1:]])
    graph = coo_array((np.ones(len(ends), np.int8), ends.T), shape=(len(nodes), len(nodes)))
    n, part = connected_components(graph, directed=False)
    part = part[corner[:, 0]]
    low, high = np.full((n, 3), np.inf), np.full((n, 3), -np.inf)
    points = surface.vertices[surface.triangles[own]]
    np.minimum.at(low, part, points.min(axis=1))
    np.maximum.at(high, part, points.max(axis=1))
    volume = np.prod(high - low + THIN_M, axis=1)
    object_of = np.zeros(n, dtype=np.int64)
    object_of[part] = owner[own]
    order = np.lexsort((np.arange(n), -volume, object_of))
    first = order[np.r_[True, np.diff(object_of[order]) != 0]]
    kept[own] = np.where(np.isin(part, first), owner[own], -1)
    return kept
