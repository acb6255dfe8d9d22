"""Centred isotonic regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from qa_confidence.arrays import Floats, Ranks, Rows
from qa_confidence.metrics.cells import rank_cells, sums


@dataclass(frozen=True)
class IsotonicMap:
    """Monotone fit without a formula.

    The least-squares non-decreasing step function (pool adjacent violators) is drawn as straight lines between the
    centres of its steps, constant outside them: so answers of different confidence keep different values between
    the outermost centres, where plain isotonic regression makes ties.

    References
    ----------
    Oron and Flournoy (2017), Centered isotonic regression.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    name: ClassVar[str] = "isotonic"

    @classmethod
    def fit(cls, rows: Rows) -> Self:
        """Fit by pooling adjacent violators."""
        used = rows.weight > 0
        code, n = rank_cells(Ranks.of(rows.confidence[used]), rows.weight[used])
        weight = sums(code, rows.weight[used], n)
        x = sums(code, (rows.weight * rows.confidence)[used], n) / weight
        y = sums(code, (rows.weight * rows.score)[used], n) / weight
        value, mass, start = pool_adjacent_violators(y, weight)
        centre = np.add.reduceat(x * weight, start) / mass
        return cls(tuple(centre.tolist()), tuple(np.clip(value, 0.0, 1.0).tolist()))

    def predict(self, confidence: Floats) -> Floats:
        """Interpolate between the centres of the steps."""
        return np.interp(confidence, np.array(self.x), np.array(self.y))

    def parameters(self) -> dict[str, Any]:
        """Give the corners of the map."""
        return {"x": list(self.x), "y": list(self.y)}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Build from the corners."""
        return cls(tuple(map(float, parameters["x"])), tuple(map(float, parameters["y"])))


def pool_adjacent_violators(
    y: Floats, weight: Floats
) -> tuple[Floats, Floats, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Fit the non-decreasing sequence nearest to `y` in weighted squares.

    Every pass pools each run of neighbours that does not rise; the result does not depend on the order of pooling.
    Neighbours of equal value end up in one block.

    Returns
    -------
    value, mass : (b,) float64
        Level and total weight of each block, levels strictly rising.
    start : (b,) int64
        Index of the first element of each block.

    Examples
    --------
    >>> value, mass, start = pool_adjacent_violators(np.array([0.1, 0.5, 0.3, 0.9]), np.ones(4))
    >>> value.tolist(), start.tolist()
    ([0.1, 0.4, 0.9], [0, 1, 3])
    """
    start = np.arange(len(y))
    value, mass = y, weight
    while True:
        head = np.concatenate([[True], value[1:] > value[:-1]])
        if head.all():
            return value, mass, start
        first = np.flatnonzero(head)
        total = np.add.reduceat(value * mass, first)
        mass = np.add.reduceat(mass, first)
        value, start = total / mass, start[first]
