"""Which masks of different frames show one object: those that other frames, too, cover by one mask.

View consensus as in MaskClustering (arXiv 2401.07745): two masks belong together when, of the frames that see both,
nearly all put both into one mask. A frame that cut an object in two is outvoted by those that did not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from qa_engine.arrays import Rows
from qa_engine.lifting.evidence import MIN_PIXELS, Evidence, Matrix

VISIBLE_SHARE = 0.3
"""Share of a mask's voxels that a frame must show to have a say (MaskClustering's figure)."""

MASKED_SHARE = 0.5
"""Share of those that must lie in some mask; else the segmenter missed the object there."""

CONTAINED_SHARE = 0.8
"""Share of these in one mask from which on that mask covers the whole (MaskClustering's figure)."""

CONSENSUS = 0.9
"""Share of the frames that see both masks which must agree (MaskClustering's figure)."""

MAX_SPLIT_SHARE = 0.3
"""A mask that more of the frames cut into several covers several objects (MaskClustering's figure)."""

LEVELS = (0.95, 0.8, 0.6, 0.4, 0.2, 0.0)
"""Pairs that many frames see are joined first: quantiles of the number of frames that see a pair."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Masks by object.

    Attributes
    ----------
    cluster : (n,) int64
        Object of each mask, -1 = of none.
    merged : (n,) bool
        The mask covers several objects by what other frames say; it is of none.
    n : int
        Objects.
    """

    cluster: Rows
    merged: NDArray[np.bool_]
    n: int


def cluster_masks(evidence: Evidence) -> Clusters:
    """Join masks into objects.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    Clusters
        In the order of their first masks.
    """
    big = evidence.n_pixels >= MIN_PIXELS
    says = _contained(evidence.inside, evidence)
    observed, split = says.observed.sum(axis=1), says.split.sum(axis=1)
    own = evidence.frame  # a mask always sees itself whole; that frame has no say about it
    observed = observed - says.observed[np.arange(len(own)), own]
    split = split - says.split[np.arange(len(own)), own]
    merged = big & (split > MAX_SPLIT_SHARE * np.maximum(observed, 1)) & (split > 1)
    rows = np.flatnonzero(big & ~merged)
    group = np.arange(len(rows))
    for level in LEVELS:
        group = _joined(group, rows, evidence, level, usable=big & ~merged)
    cluster = np.full(len(evidence.frame), -1, dtype=np.int64)
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    cluster[rows] = order[number]
    return Clusters(cluster, merged, len(first))


def seen_together(evidence: Evidence, clusters: Clusters) -> NDArray[np.bool_]:
    """Tell which pairs of clusters some frame sees both of, each whole in one mask, (n, n)."""
    kept = np.flatnonzero(clusters.cluster >= 0)
    inside = _members(clusters.cluster[kept], kept, evidence, clusters.n)
    saw = _whole(_contained(inside, evidence).within, evidence)
    return saw @ saw.T > 0


@dataclass(frozen=True, eq=False)
class _Says:
    """What the frames say of some groups of masks.

    Attributes
    ----------
    observed, split : (g, f) bool
        The frame sees the group; it cuts it into several masks.
    within : (g, n) sparse
        The group lies in this mask.
    """

    observed: NDArray[np.bool_]
    split: NDArray[np.bool_]
    within: Matrix


def _contained(inside: Matrix, evidence: Evidence) -> _Says:
    """Look up in which masks groups of voxels, (g, v) sparse, lie."""
    n_frames = len(evidence.shots)
    size = np.asarray(inside.sum(axis=1)).ravel()
    seen = (inside @ evidence.visible).toarray()
    share = (inside @ evidence.shown).tocoo()
    frame = evidence.frame[share.col]
    at = share.row * n_frames + frame
    masked = np.bincount(at, share.data, minlength=len(size) * n_frames).reshape(len(size), n_frames)
    most = np.zeros(len(size) * n_frames)
    np.maximum.at(most, at, share.data)
    visible = (seen >= VISIBLE_SHARE * size[:, None]) & (seen > 0)
    observed = visible & (masked >= MASKED_SHARE * seen)
    whole = observed & (most.reshape(masked.shape) >= CONTAINED_SHARE * masked)
    keep = (share.data >= CONTAINED_SHARE * masked[share.row, frame]) & observed[share.row, frame]
    within: Matrix = sparse.csr_array(
        (np.ones(int(keep.sum()), dtype=np.float32), (share.row[keep], share.col[keep])),
        shape=(len(size), len(evidence.frame)),
    )
    return _Says(observed, observed & ~whole, within)


def _joined(group: Rows, rows: Rows, evidence: Evidence, level: float, *, usable: NDArray[np.bool_]) -> Rows:
    """Join groups that enough of the frames which see both put into one mask."""
    if len(rows) == 0:
        return group
    _, number = np.unique(group, return_inverse=True)
    n = int(number.max()) + 1
    says = _contained(_members(number, rows, evidence, n), evidence)
    within: Matrix = says.within @ sparse.diags_array(
        usable.astype(np.float32)
    )  # a mask of several objects says nothing
    saw: Matrix = sparse.csr_array(_whole(within, evidence))
    both = (saw @ saw.T).tocoo()
    pair = both.row < both.col
    a, b, n_both = both.row[pair], both.col[pair], both.data[pair]
    if len(a) == 0:
        return number
    agree = np.asarray((within @ within.T).tocsr()[a, b]).ravel()
    enough = n_both >= max(np.quantile(n_both, level), 1)
    link = enough & (agree >= CONSENSUS * n_both)
    graph: Matrix = sparse.csr_array((np.ones(int(link.sum())), (a[link], b[link])), shape=(n, n))
    return csgraph.connected_components(graph, directed=False)[1][number]


def _members(group: Rows, masks: Rows, evidence: Evidence, n: int) -> Matrix:
    """Voxels that lie in any mask of each group, (n, v)."""
    member: Matrix = sparse.csr_array((np.ones(len(masks), np.float32), (group, masks)), shape=(n, len(evidence.frame)))
    inside = member @ evidence.inside
    inside.data[:] = 1
    return inside


def _whole(within: Matrix, evidence: Evidence) -> NDArray[np.float32]:
    """Mark the frames that put a group whole into one of their masks, (g, f)."""
    frames = np.zeros((within.shape[0], len(evidence.shots)), dtype=np.float32)
    entry = within.tocoo()
    good = entry.data > 0
    frames[entry.row[good], evidence.frame[entry.col[good]]] = 1
    return frames
