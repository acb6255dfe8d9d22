"""Beta calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qa_confidence.arrays import Floats
from qa_confidence.calibrators.base import SQUEEZE
from qa_confidence.calibrators.parametric import ParametricMap
from qa_confidence.calibrators.platt import MIN_SLOPE


@dataclass(frozen=True)
class BetaMap(ParametricMap):
    """p = sigmoid(a log c - b log(1 - c) + d), a, b > 0: Platt scaling with different slopes near 0 and near 1.

    References
    ----------
    Kull, Silva Filho, Flach (2017), Beta calibration.
    """

    name: ClassVar[str] = "beta"
    parameter_names: ClassVar[tuple[str, ...]] = ("a", "b", "d")
    start: ClassVar[tuple[float, ...]] = (1.0, 1.0, 0.0)
    lower: ClassVar[tuple[float, ...]] = (MIN_SLOPE, MIN_SLOPE, -np.inf)
    upper: ClassVar[tuple[float, ...]] = (np.inf, np.inf, np.inf)

    @staticmethod
    def linear(confidence: Floats, theta: Floats) -> tuple[Floats, Floats]:
        """Compute eta and its derivative by a, b and d."""
        c = SQUEEZE + (1 - 2 * SQUEEZE) * confidence
        slope = np.stack([np.log(c), -np.log1p(-c), np.ones(len(c))], axis=1)
        return (slope * theta).sum(axis=1), slope
