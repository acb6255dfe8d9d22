"""The map that changes nothing: the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from qa_confidence.arrays import Floats, Rows


@dataclass(frozen=True)
class IdentityMap:
    """Expected score = confidence."""

    name: ClassVar[str] = "identity"

    @classmethod
    def fit(cls, rows: Rows) -> Self:
        """Fit nothing."""
        del rows
        return cls()

    def predict(self, confidence: Floats) -> Floats:
        """Return the confidence."""
        return confidence

    def parameters(self) -> dict[str, Any]:
        """Give no parameter."""
        return {}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Build from nothing."""
        del parameters
        return cls()
