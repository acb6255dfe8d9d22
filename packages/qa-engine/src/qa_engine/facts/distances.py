"""Distances between objects of one scene, computed when first asked for and kept."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.facts.profiles import get_profile
from qa_engine.geometry import Boxes


class PairDistances:
    """Symmetric distances between the objects of each of several scenes.

    Parameters
    ----------
    boxes : Boxes
        Of all scenes, one scene after the other.
    sizes : (s,) int64
        Objects of each scene.
    profile : str
        A name in `PROFILES`: what the distance between two objects means.

    Examples
    --------
    >>> boxes = Boxes(np.array([[0.0, 0, 0], [3, 0, 0]]), np.ones((2, 3)), np.array([np.eye(3)] * 2))
    >>> PairDistances(boxes, np.array([2]), "exact")(np.array([1]), np.array([0])).tolist()
    [2.0]
    """

    def __init__(self, boxes: Boxes, sizes: Rows, profile: str) -> None:
        self._boxes = boxes
        self._measure = get_profile(profile)
        # One block of size x size per scene, one after the other: entry (i, j) of all rows is at base[i] + j.
        squares = sizes**2
        row_start = np.repeat(np.cumsum(sizes) - sizes, sizes)
        block_start = np.repeat(np.cumsum(squares) - squares, sizes)
        rows = np.arange(len(row_start))
        self._base: Rows = block_start + (rows - row_start) * np.repeat(sizes, sizes) - row_start
        self._known = np.full(int(squares.sum()), np.nan)
        self._known[self._base + rows] = 0.0

    def __call__(self, first: Rows, second: Rows) -> Array:
        """Distance between rows `first` and `second` (k,) of one scene each, metres.

        Pairs are computed once, lower row first, so that the order of the operands changes nothing.
        """
        places = self._base[first] + second
        missing = np.isnan(self._known[places])
        if missing.any():
            low, high = np.minimum(first, second)[missing], np.maximum(first, second)[missing]
            chosen = np.unique(self._base[low] + high, return_index=True)[1]
            self.compute(low[chosen], high[chosen])
        return self._known[places]

    def compute(self, low: Rows, high: Rows) -> None:
        """Compute the distances of pairs, each once and with the lower row first."""
        self.put(low, high, self._measure(self._boxes, low, high))

    def put(self, first: Rows, second: Rows, distance: Array) -> None:
        """Set distances that were measured otherwise."""
        self._known[self._base[first] + second] = self._known[self._base[second] + first] = distance
