"""Histogram binning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from qa_confidence.arrays import Floats, Rows
from qa_confidence.metrics.cells import rank_cells, sums

HISTOGRAM_BINS = 15
PSEUDO_ROWS = 1.0
"""Each bin starts with this many rows at the overall mean score, so that no small bin claims 0 or 1."""


@dataclass(frozen=True)
class HistogramMap:
    """Mean score per bin of about equal mass; keeps neither ranks nor differences inside a bin."""

    edges: tuple[float, ...]
    """Inner borders, rising; a confidence on a border belongs to the bin above."""
    values: tuple[float, ...]

    name: ClassVar[str] = "histogram"

    @classmethod
    def fit(cls, rows: Rows) -> Self:
        """Average the scores of each bin."""
        code, n = rank_cells(rows.confidence_ranks, rows.weight, max_cells=HISTOGRAM_BINS)
        present, code = np.unique(code, return_inverse=True)
        n = len(present)
        low = np.full(n, np.inf)
        high = np.full(n, -np.inf)
        np.minimum.at(low, code, rows.confidence)
        np.maximum.at(high, code, rows.confidence)
        overall = float(rows.weight @ rows.score / rows.weight.sum())
        hits = sums(code, rows.weight * rows.score, n) + PSEUDO_ROWS * overall
        values = hits / (sums(code, rows.weight, n) + PSEUDO_ROWS)
        return cls(tuple(((high[:-1] + low[1:]) / 2).tolist()), tuple(values.tolist()))

    def predict(self, confidence: Floats) -> Floats:
        """Look the bin up."""
        return np.array(self.values)[np.searchsorted(np.array(self.edges), confidence, side="right")]

    def parameters(self) -> dict[str, Any]:
        """Give borders and values."""
        return {"edges": list(self.edges), "values": list(self.values)}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Build from borders and values."""
        return cls(tuple(map(float, parameters["edges"])), tuple(map(float, parameters["values"])))
