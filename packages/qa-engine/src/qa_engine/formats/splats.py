"""Gaussian splats as PLY: middles of Gaussians are a cloud once haze, giants and floaters are gone.

References
----------
Kerbl et al., 3D Gaussian Splatting (2023): `opacity` is a logit, `scale_0` to `scale_2` are logarithms of lengths.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

MARKS = ("f_dc_0", "opacity", "scale_0", "rot_0")
"""Fields that tell splats from other clouds."""

OPAQUE = 0.5
"""Gaussians that let more than half of the light through are haze."""

GIANT = 0.1
"""Gaussians longer than this share of the scene show the sky or nothing."""

CELLS = 50
"""Cells along the scene's diagonal; in a cell and the 26 around it ..."""

NEIGHBOURS = 4
"""... fewer Gaussians than these float alone."""


def is_splats(points: NDArray[Any]) -> bool:
    """Tell Gaussians from points by their fields."""
    return set(MARKS) <= set(points.dtype.names or ())


def solid(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which Gaussians lie on surfaces, (n,).

    Examples
    --------
    >>> splat = np.zeros(6, [(name, "f4") for name in ("x", "y", "z", *MARKS, "scale_1", "scale_2")])
    >>> splat["x"], splat["opacity"], splat["scale_0"] = [0, 0.01, 0.02, 0.03, 5, 0.01], [4, 4, 4, 4, 4, -4], -9
    >>> splat["scale_1"] = splat["scale_2"] = -9
    >>> solid(splat).tolist()
    [True, True, True, True, False, False]
    """
    with np.errstate(over="ignore"):
        seen = 1 / (1 + np.exp(-points["opacity"].astype(np.float64))) >= OPAQUE
        length = np.exp(np.max([points[f"scale_{i}"] for i in range(3)], axis=0).astype(np.float64))
    xyz = np.stack([points[axis] for axis in "xyz"], axis=1).astype(np.float64)
    seen &= np.isfinite(xyz).all(axis=1)
    if not seen.any():
        return seen
    low, high = np.percentile(xyz[seen], (1, 99), axis=0)
    extent = float(np.linalg.norm(high - low)) or 1.0
    seen &= length <= GIANT * extent
    kept = np.zeros(len(points), dtype=bool)
    kept[seen] = _around((xyz[seen] - low) / (extent / CELLS)) >= NEIGHBOURS
    return kept


def _around(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count the points in the cell of each point, one unit long, and in those around it."""
    cells = np.floor(places).clip(-(2**19), 2**19).astype(np.int64) + 2**19 + 1
    keys = (cells[:, 0] << 42) + (cells[:, 1] << 21) + cells[:, 2]
    known, place, count = np.unique(keys, return_inverse=True, return_counts=True)
    total = np.zeros(len(known), dtype=np.int64)
    for x, y, z in itertools.product((-1, 0, 1), repeat=3):
        wanted = known + (x << 42) + (y << 21) + z
        at = np.searchsorted(known, wanted).clip(0, len(known) - 1)
        total += np.where(known[at] == wanted, count[at], 0)
    return total[place.ravel()]
