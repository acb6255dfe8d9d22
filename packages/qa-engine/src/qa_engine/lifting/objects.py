"""From groups of masks to clouds of objects: every voxel goes where most frames that show it put it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.spatial import KDTree

from qa_engine.arrays import Array, Rows
from qa_engine.lifting.consensus import Clusters
from qa_engine.lifting.evidence import VOXEL_M, Evidence, Matrix

MIN_VOTE = 0.5
"""Share of the frames showing a voxel that must put it into the object."""

SUPPORT_M = 2.5 * VOXEL_M
SUPPORT_SHARE = 0.1
"""A voxel with less than this of the points of the fullest voxel near it is noise beside a surface."""

LINK_M = 3 * VOXEL_M
"""Voxels of an object nearer than this hang together."""

PART_SHARE = 0.2
"""Parts of an object with less of its voxels than this are stray pixels."""

MAX_GAP_M = 0.3
"""Parts further apart than this are two objects, or one and a mistake: the larger one is kept."""

MIN_VOXELS = 12
"""Fewer do not make a box."""


@dataclass(frozen=True, eq=False)
class Lifted:
    """An object that masks agree on.

    Attributes
    ----------
    points : (m, 3) float64, metres, world
        Means of its voxels.
    label : str
    label_share : float
        Part of the votes, by pixels and score, for this label.
    other_labels : tuple of str
        The rest, the most voted first.
    masked_share : float
        Of the frames that show it, the part with a mask of it.
    n_frames, n_masks, n_pixels : int
        Frames and masks that it is made of, and their pixels with depth.
    split_frames : int
        Frames in which several masks cover it.
    dropped_parts : int
        Parts too far away, or too small, to be of it.
    """

    points: Array
    label: str
    label_share: float
    other_labels: tuple[str, ...]
    masked_share: float
    n_frames: int
    n_masks: int
    n_pixels: int
    split_frames: int
    dropped_parts: int


def collect_objects(evidence: Evidence, clusters: Clusters) -> list[Lifted | None]:
    """Collect the cloud and the label of each cluster.

    Returns
    -------
    list of Lifted or None
        By cluster; None where nothing is left.
    """
    votes = _votes(evidence, clusters)
    return [_object(evidence, clusters, k, np.flatnonzero(votes == k)) for k in range(clusters.n)]


def _votes(evidence: Evidence, clusters: Clusters) -> Rows:
    """Give each voxel to the cluster that most of the frames which show it put it into; -1 for none."""
    kept = np.flatnonzero(clusters.cluster >= 0)
    of: Matrix = sparse.csr_array(
        (np.ones(len(kept), np.float32), (kept, clusters.cluster[kept])), shape=(len(evidence.frame), clusters.n)
    )
    votes = (evidence.shown @ of).tocoo()
    n_visible = np.asarray(evidence.visible.sum(axis=1)).ravel()
    best = np.full(len(n_visible), -1, dtype=np.int64)
    order = np.lexsort((-votes.col, votes.data))  # the last write wins: the most votes, then the first cluster
    enough = votes.data[order] >= MIN_VOTE * n_visible[votes.row[order]]
    best[votes.row[order][enough]] = votes.col[order][enough]
    return best


def _object(evidence: Evidence, clusters: Clusters, k: int, voxels: Rows) -> Lifted | None:
    masks = np.flatnonzero(clusters.cluster == k)
    if len(voxels) < MIN_VOXELS:
        return None
    voxels = voxels[_supported(evidence.centers[voxels], evidence.n_points[voxels])]
    if len(voxels) < MIN_VOXELS:
        return None
    own, dropped = _hanging_together(evidence.centers[voxels])
    if own.sum() < MIN_VOXELS:
        return None
    voxels = voxels[own]
    label, share, others = _label(evidence, masks)
    masked = np.unique(evidence.frame[masks])
    seen = np.asarray(evidence.visible[voxels].sum(axis=0)).ravel() >= 0.3 * len(voxels)
    per_frame = np.bincount(evidence.frame[masks], minlength=len(evidence.shots))
    return Lifted(
        points=evidence.centers[voxels],
        label=label,
        label_share=share,
        other_labels=others,
        masked_share=float(np.isin(np.flatnonzero(seen), masked).mean()) if seen.any() else 1.0,
        n_frames=len(masked),
        n_masks=len(masks),
        n_pixels=int(evidence.n_pixels[masks].sum()),
        split_frames=int((per_frame > 1).sum()),
        dropped_parts=dropped,
    )


def _supported(points: Array, n_points: Rows) -> NDArray[np.bool_]:
    """Tell which voxels have as many points as their neighbourhood lets expect; noise lies beside a surface, thinly."""
    pairs = KDTree(points).query_pairs(SUPPORT_M, output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    most = n_points.copy()
    np.maximum.at(most, pairs[:, 0], n_points[pairs[:, 1]])
    return n_points >= SUPPORT_SHARE * most


def _hanging_together(points: Array) -> tuple[NDArray[np.bool_], int]:
    """Keep the largest part and those near it; also count the others."""
    pairs = KDTree(points).query_pairs(LINK_M, output_type="ndarray")
    graph: Matrix = sparse.csr_array(
        (np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points), len(points))
    )
    n, part = csgraph.connected_components(graph, directed=False)
    size = np.bincount(part, minlength=n)
    main = int(size.argmax())
    keep = part == main
    tree = KDTree(points[keep])
    dropped = 0
    for other in np.flatnonzero((size >= PART_SHARE * size[main]) & (np.arange(n) != main)):
        near = tree.query(points[part == other])[0].min() <= MAX_GAP_M
        keep |= (part == other) & near
        dropped += not near
    return keep, dropped


def _label(evidence: Evidence, masks: Rows) -> tuple[str, float, tuple[str, ...]]:
    """Vote on the label: pixels times score."""
    names, number = np.unique(evidence.label[masks], return_inverse=True)
    weight = np.bincount(number, (evidence.n_pixels * evidence.score)[masks] + 1e-9)
    weight = np.where(names == "", 0, weight)  # a mask without a label has no vote
    if not weight.any():
        return "", 0.0, ()
    order = np.argsort(-weight, kind="stable")
    rest = tuple(str(names[i]) for i in order[1:] if weight[i] > 0)
    return str(names[order[0]]), float(weight[order[0]] / weight.sum()), rest
