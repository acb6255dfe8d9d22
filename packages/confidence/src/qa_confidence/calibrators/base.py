"""What every calibration map offers, and the numbers they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from qa_confidence.arrays import Floats, Rows

SQUEEZE = 1e-6
"""Confidence c enters a logit as SQUEEZE + (1 - 2 SQUEEZE) c: finite at 0 and 1, and without making new ties."""


class CalibrationMap(Protocol):
    """A fitted map from confidence to expected score; immutable, described by a few numbers."""

    name: ClassVar[str]

    @classmethod
    def fit(cls, rows: Rows) -> Self:
        """Fit to soft targets."""
        ...

    def predict(self, confidence: Floats) -> Floats:
        """Map (n,) confidence in [0, 1] to (n,) expected scores in [0, 1]."""
        ...

    def parameters(self) -> dict[str, Any]:
        """Give the numbers that define the map, as JSON holds them."""
        ...

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Build the map from `parameters()`."""
        ...


def logit(confidence: Floats) -> Floats:
    """Log-odds of the squeezed confidence."""
    c = SQUEEZE + (1 - 2 * SQUEEZE) * confidence
    return np.log(c) - np.log1p(-c)


def sigmoid(x: Floats) -> Floats:
    """Inverse of the log-odds, without overflow."""
    return 0.5 * (1 + np.tanh(x / 2))
