"""Platt scaling of the log-odds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qa_confidence.arrays import Floats
from qa_confidence.calibrators.base import logit
from qa_confidence.calibrators.parametric import ParametricMap

MIN_SLOPE = 1e-3
"""The slope stays above 0, so that ranks are kept even where confidence says nothing about the score."""


@dataclass(frozen=True)
class PlattMap(ParametricMap):
    """p = sigmoid(a logit(c) + b), a > 0. The identity (a = 1, b = 0) is one of these maps."""

    name: ClassVar[str] = "platt"
    parameter_names: ClassVar[tuple[str, ...]] = ("slope", "intercept")
    start: ClassVar[tuple[float, ...]] = (1.0, 0.0)
    lower: ClassVar[tuple[float, ...]] = (MIN_SLOPE, -np.inf)
    upper: ClassVar[tuple[float, ...]] = (np.inf, np.inf)

    @staticmethod
    def linear(confidence: Floats, theta: Floats) -> tuple[Floats, Floats]:
        """Compute eta and its derivative by slope and intercept."""
        x = logit(confidence)
        return theta[:, 0] * x + theta[:, 1], np.stack([x, np.ones(len(x))], axis=1)
