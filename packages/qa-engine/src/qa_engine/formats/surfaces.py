"""Surfaces as files hold them, whatever the format: vertices, triangles, and the named part of each triangle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError

MAX_ITEMS = 20_000_000
"""Vertices, and triangles: a hostile file may place one mesh a million times; the largest scans of rooms have some 10
million triangles."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangle mesh in the coordinates of its file.

    Attributes
    ----------
    vertices : (n, 3) float64
    triangles : (m, 3) int64
        Indices of vertices.
    part : (m,) int64
        Place in `names` of the part that each triangle belongs to.
    names : list of str
        Empty for what has no name.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]
    part: NDArray[np.int64]
    names: list[str]


def checked_surface(
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int64],
    part: NDArray[np.int64],
    names: list[str],
    file: str,
) -> Surface:
    """Check that vertices are finite and exist.

    Raises
    ------
    SceneError
        They are not; the message names the file.

    Examples
    --------
    >>> len(checked_surface(np.eye(3), np.array([[0, 1, 2]]), np.array([0]), [""], "a.obj").triangles)
    1
    """
    bad = np.flatnonzero(~np.isfinite(vertices).all(axis=1))
    if len(bad):
        problem = f"{vertices[bad[0]].tolist()} has a value that is NaN or infinite"
        raise SceneError(f"{file}: vertex {bad[0]}", problem, reason=IngestReason.NOT_FINITE)
    bad = np.flatnonzero(((triangles < 0) | (triangles >= len(vertices))).any(axis=1))
    if len(bad):
        problem = f"{triangles[bad[0]].tolist()} names a vertex beyond the {len(vertices)} that there are"
        raise SceneError(f"{file}: triangle {bad[0]}", problem, reason=IngestReason.BAD_FORMAT)
    return Surface(vertices, triangles, part, names)


def fans(polygons: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Cut polygons into triangles, in their order; those of fewer than three corners are left out.

    Returns
    -------
    (m, 3) int64
        Corners.
    (m,) intp
        The polygon that each triangle is a part of.

    Examples
    --------
    >>> [part.tolist() for part in fans([[0, 1, 2, 3], [4, 5], [6, 7, 8]])]
    [[[0, 1, 2], [0, 2, 3], [6, 7, 8]], [0, 0, 2]]
    """
    counts = np.array([len(polygon) for polygon in polygons], dtype=np.intp)
    triangles, faces = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.intp)]
    for k in np.unique(counts[counts >= 3]).tolist():
        place = np.flatnonzero(counts == k)
        found = fan(np.array([polygons[i] for i in place.tolist()], dtype=np.int64))
        triangles.append(found.reshape(-1, 3))
        faces.append(np.repeat(place, k - 2))
    face = np.concatenate(faces)
    order = np.argsort(face, kind="stable")
    return np.concatenate(triangles)[order], face[order]


def fan(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut polygons of equally many corners (m, k) into triangles (m, k - 2, 3).

    Examples
    --------
    >>> fan(np.array([[5, 6, 7, 8]])).tolist()
    [[[5, 6, 7], [5, 7, 8]]]
    """
    k = corners.shape[1]
    return corners[:, np.stack([np.zeros(k - 2, np.intp), np.arange(1, k - 1), np.arange(2, k)], axis=1)]
