"""Temperature scaling of the log-odds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qa_confidence.arrays import Floats
from qa_confidence.calibrators.base import logit
from qa_confidence.calibrators.parametric import ParametricMap


@dataclass(frozen=True)
class TemperatureMap(ParametricMap):
    """p = sigmoid(logit(c) / T), with log T in [-5, 5] as the parameter so that T stays positive."""

    name: ClassVar[str] = "temperature"
    parameter_names: ClassVar[tuple[str, ...]] = ("log_temperature",)
    start: ClassVar[tuple[float, ...]] = (0.0,)
    lower: ClassVar[tuple[float, ...]] = (-5.0,)
    upper: ClassVar[tuple[float, ...]] = (5.0,)

    @property
    def temperature(self) -> float:
        """The temperature T; above 1 it makes the model less sure."""
        return float(np.exp(self.theta[0]))

    @staticmethod
    def linear(confidence: Floats, theta: Floats) -> tuple[Floats, Floats]:
        """Compute eta and its derivative by log T."""
        eta = logit(confidence) * np.exp(-theta[:, 0])
        return eta, -eta[:, None]
