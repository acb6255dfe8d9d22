"""What the frames say about the room: voxels of what is masked, and in which mask of which frame each voxel lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from qa_engine.arrays import Array, Rows
from qa_engine.formats.masks import Mask
from qa_engine.scenes.cameras import NEAR_M, Camera, back_project, project

Matrix = Any
"""A sparse matrix: the types of SciPy do not say what their products are."""

VOXEL_M = 0.03
"""Edge of a voxel: depth of phones scatters by one to two centimetres at two metres."""

PIXELS_PER_SIDE = 320
"""Longer images are read at every k-th pixel."""

MIN_PIXELS = 25
"""Masks with fewer pixels of depth say nothing of a shape."""

EDGE_M, EDGE_SHARE = 0.03, 0.03
"""A pixel whose depth is further (a length, a share of the depth) off its neighbours' plane mixes surfaces."""

DEPTH_TOLERANCE_SHARE = 0.02
"""Part of the depth by which a voxel may lie before or behind what a frame measures and still be what it shows."""

FREE_M = 0.06
"""A place this far before what a frame measures is seen to be empty, beside the tolerance above."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame with depth, camera and masks, thinned to `PIXELS_PER_SIDE`.

    Attributes
    ----------
    frame_id : str
    camera : Camera
    depth_m : (h, w) float32, metres along z, 0 = none
    mask : (h, w) int64
        Number of the mask in this frame, -1 = none; where masks overlap, the smaller one.
    labels : tuple of str
    scores : (k,) float64
    noise_m : float
        Standard deviation of the depth from pixel to pixel, metres.
    """

    frame_id: str
    camera: Camera
    depth_m: NDArray[np.float32]
    mask: NDArray[np.int64]
    labels: tuple[str, ...]
    scores: Array
    noise_m: float


def make_shot(frame_id: str, camera: Camera, depth_m: NDArray[np.float32], masks: Sequence[Mask]) -> Shot:
    """Thin a frame, drop depth at edges, and lay the masks over each other, smaller ones on top.

    Parameters
    ----------
    depth_m : (h, w) float32, metres along z
        In the pixels of the camera.
    masks : sequence of Mask
        Of the same view in any size.
    """
    step = -(-max(camera.width, camera.height) // PIXELS_PER_SIDE)
    small = camera.every(step)
    smooth = ndimage.median_filter(depth_m, size=3, mode="nearest")  # single wrong pixels, and most of the noise
    depth = np.where(_at_edge(smooth), 0, smooth)[::step, ::step].astype(np.float32)
    image = np.full((small.height, small.width), -1, dtype=np.int64)
    order = sorted(range(len(masks)), key=lambda k: (-int(masks[k].pixels.sum()) / masks[k].pixels.size, k))
    for k in order:
        image[_thinned(masks[k].pixels, small)] = k
    image = np.where(_in_company(image), image, -1)
    scores = np.array([mask.score for mask in masks], dtype=np.float64)
    labels = tuple(mask.label for mask in masks)
    return Shot(frame_id, small, depth, image, labels, scores, _noise(depth_m))


def _thinned(pixels: NDArray[np.bool_], camera: Camera) -> NDArray[np.bool_]:
    """Look a mask up at the middle of each pixel of a thinned image."""
    rows = ((np.arange(camera.height) + 0.5) * pixels.shape[0] / camera.height).astype(np.int64)
    columns = ((np.arange(camera.width) + 0.5) * pixels.shape[1] / camera.width).astype(np.int64)
    return pixels[rows[:, None], columns]


def _in_company(image: Rows) -> NDArray[np.bool_]:
    """Tell which pixels have at least half of their 8 neighbours in the same mask; the others are specks."""
    padded = np.pad(image, 1, mode="edge")
    height, width = image.shape
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    alike = [padded[i : i + height, j : j + width] == image for i, j in shifts]
    return np.sum(alike, axis=0) >= 4


def _bend(depth: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """How far each pixel's depth is off the line through its neighbours along an axis, metres.

    Notes
    -----
    The inverse of the depth of a plane is linear in the pixels, however steeply it is seen. So its second difference
    is 0 on planes, while differences of the depth itself are large on every surface seen from the side.
    """
    known = depth > NEAR_M
    inverse = np.where(known, 1 / np.where(known, depth, 1), 0).astype(np.float32)
    bend = np.zeros_like(inverse)
    inner, inverse = np.moveaxis(bend, axis, 0), np.moveaxis(inverse, axis, 0)
    inner[1:-1] = np.abs(inverse[2:] - 2 * inverse[1:-1] + inverse[:-2])
    return bend * depth**2


def _at_edge(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell which pixels lie beside a jump of the depth."""
    return np.maximum(_bend(depth, 0), _bend(depth, 1)) > EDGE_M + EDGE_SHARE * depth


def _noise(depth: NDArray[np.float32]) -> float:
    """Estimate the noise of depth: most pixels lie on planes, and the second difference of noise is root 6 as large."""
    bend = _bend(depth, 1)[depth > NEAR_M]
    return float(np.median(bend)) / (0.6745 * 6**0.5) if len(bend) else 0.0


@dataclass(eq=False)
class Evidence:
    """All shots of a scene in one grid of voxels; masks are numbered over all frames.

    Attributes
    ----------
    shots : sequence of Shot
    frame : (n,) int64
        The shot that each mask is of.
    label : (n,) array of str
    score : (n,) float64
    n_pixels : (n,) int64
        Pixels with depth.
    centers : (v, 3) float64, metres, world
        Mean of the points of masks in each voxel.
    n_points : (v,) int64
        Points of masks in each voxel.
    around : (b, 3) float64, metres, world
        Mean points of voxels of what no mask covers: walls, floors, what was missed.
    inside : (n, v) sparse bool
        Voxels that the points of a mask lie in.
    shown : (v, n) sparse bool
        Masks that show a voxel: it projects into them at the depth that is measured there.
    visible : (v, f) sparse bool
        Frames that show a voxel, in a mask or not.
    """

    shots: Sequence[Shot]
    frame: Rows
    label: NDArray[np.str_]
    score: Array
    n_pixels: Rows
    centers: Array
    n_points: Rows
    around: Array
    inside: Matrix
    shown: Matrix = field(init=False)
    visible: Matrix = field(init=False)

    def __post_init__(self) -> None:
        n_masks, n_voxels = len(self.frame), len(self.centers)
        first = np.cumsum([0, *(len(shot.labels) for shot in self.shots)])
        rows: list[Rows] = []
        masks: list[Rows] = []
        seen: list[Rows] = []
        for f, shot in enumerate(self.shots):
            at, own = _visible(shot, self.centers)
            seen.append(at)
            rows.append(at[own >= 0])
            masks.append(own[own >= 0] + first[f])
        frames = np.repeat(np.arange(len(self.shots)), [len(at) for at in seen])
        self.visible = _ones(np.concatenate([*seen, _NONE]), frames, (n_voxels, len(self.shots)))
        self.shown = _ones(np.concatenate([*rows, _NONE]), np.concatenate([*masks, _NONE]), (n_voxels, n_masks))

    @property
    def noise_m(self) -> float:
        """Noise of the depth of the middle shot, metres."""
        return float(np.median([shot.noise_m for shot in self.shots])) if self.shots else 0.0

    def seen_empty(self, places: Array) -> NDArray[np.bool_]:
        """Tell which places (m, 3) of the world some frame looks through."""
        empty = np.zeros(len(places), dtype=bool)
        for shot in self.shots:
            at, depth, measured = _look_up(shot, places)
            empty[at] |= depth < measured - FREE_M - DEPTH_TOLERANCE_SHARE * measured
        return empty


_NONE = np.zeros(0, dtype=np.int64)
_NOWHERE = np.zeros((0, 3), dtype=np.float32)


def gather(shots: Sequence[Shot]) -> Evidence:
    """Put the masked points of all shots into one grid and look up what each frame says of each voxel.

    Parameters
    ----------
    shots : sequence of Shot
    """
    points: list[NDArray[np.float32]] = []
    owner: list[Rows] = []
    counts: list[Rows] = []
    bare: list[NDArray[np.float32]] = []
    first = 0
    for shot in shots:
        measured = (shot.depth_m > NEAR_M) & np.isfinite(shot.depth_m)
        masked = (shot.mask >= 0) & measured
        n_pixels = np.bincount(shot.mask[masked], minlength=len(shot.labels))
        masked &= np.append(n_pixels, 0)[shot.mask] >= MIN_PIXELS
        points.append(back_project(np.where(masked, shot.depth_m, 0), shot.camera))
        owner.append(shot.mask[masked] + first)
        counts.append(n_pixels)
        bare.append(back_project(np.where(shot.mask < 0, shot.depth_m, 0), shot.camera))
        first += len(shot.labels)
    xyz = np.concatenate([*points, _NOWHERE])
    mask = np.concatenate([*owner, _NONE])
    voxel, centers = _voxels(xyz, VOXEL_M)
    return Evidence(
        shots=shots,
        frame=np.repeat(np.arange(len(shots)), [len(shot.labels) for shot in shots]),
        label=np.array([label for shot in shots for label in shot.labels], dtype=np.str_),
        score=np.concatenate([*(shot.scores for shot in shots), np.zeros(0)]),
        n_pixels=np.concatenate([*counts, _NONE]),
        centers=centers,
        n_points=np.bincount(voxel, minlength=len(centers)),
        around=_voxels(np.concatenate([*bare, _NOWHERE]), 2 * VOXEL_M)[1],
        inside=_ones(mask, voxel, (first, len(centers))),
    )


def _voxels(points: NDArray[np.float32], edge_m: float) -> tuple[Rows, Array]:
    """Put points (n, 3) into voxels: the number of each point's, and the mean point of each voxel."""
    if len(points) == 0:
        return _NONE, np.zeros((0, 3))
    cell = np.floor((points - points.min(axis=0)) / edge_m).astype(np.int64)
    sides = cell.max(axis=0) + 1
    key = (cell[:, 0] * sides[1] + cell[:, 1]) * sides[2] + cell[:, 2]
    _, voxel, n = np.unique(key, return_inverse=True, return_counts=True)
    sums = [np.bincount(voxel, points[:, k], minlength=len(n)) for k in range(3)]
    return voxel, np.stack(sums, axis=1) / n[:, None]


def _look_up(shot: Shot, places: Array) -> tuple[Rows, Array, Array]:
    """Project places; give those that meet a measured pixel, their depth, and what is measured there."""
    at, depth, row, column = _pixels_of(shot, places)
    measured = shot.depth_m[row, column].astype(np.float64)
    known = measured > NEAR_M
    return at[known], depth[known], measured[known]


def _pixels_of(shot: Shot, places: Array) -> tuple[Rows, Array, Rows, Rows]:
    """Project places; give those inside the image with depth, row and column."""
    pixels, depth = project(places, shot.camera)
    with np.errstate(invalid="ignore"):
        column, row = np.rint(pixels[:, 0]), np.rint(pixels[:, 1])
        inside = (column >= 0) & (row >= 0) & (column < shot.camera.width) & (row < shot.camera.height)
    at = np.flatnonzero(inside)
    return at, depth[at], row[at].astype(np.int64), column[at].astype(np.int64)


def _visible(shot: Shot, centers: Array) -> tuple[Rows, Rows]:
    """Find the voxels that a shot shows, and the mask that each lies in, -1 for none."""
    at, depth, row, column = _pixels_of(shot, centers)
    measured = shot.depth_m[row, column]
    tolerance = 1.5 * VOXEL_M + DEPTH_TOLERANCE_SHARE * depth
    shown = (measured > NEAR_M) & (np.abs(measured - depth) <= tolerance)
    return at[shown], shot.mask[row[shown], column[shown]]


def _ones(rows: Rows, columns: Rows, shape: tuple[int, int]) -> Matrix:
    """Make a sparse matrix of zeros and ones."""
    matrix = sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
    matrix.data[:] = 1  # doubles were summed
    return matrix
