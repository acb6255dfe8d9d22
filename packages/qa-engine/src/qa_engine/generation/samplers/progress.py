"""Sampler `progress`: a bandit on learning progress, with a posterior per cell that travels between rounds."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from qa_engine.arrays import Array
from qa_engine.generation.samplers.base import Past, Sampler

SPREAD = 0.1
"""Change of a cell's score per round that is expected before anything is known, in either direction."""

FORGETTING = 0.05
"""Standard deviation by which a cell's progress may have moved since the round before."""

LEAST_ROW_SD = 0.2
"""Standard deviation of one panel question's change at least: a few equal changes are no certainty."""


class Progress(Sampler):
    """A cell weighs the size of the change that is expected of it, E|d| under a normal posterior of its progress d.

    The prior is N(0, `SPREAD`^2) in the first round and the posterior of the round before, widened by `FORGETTING`,
    afterwards; the panel's progress with its standard error is the observation. Unlearning counts as learning does,
    and a cell of which little is known keeps a weight through its spread.
    """

    about: ClassVar[str] = "bandit on learning progress of the panel: expected size of the change, by a posterior"
    exploration: ClassVar[float] = 0.25

    def weigh(self, past: Past) -> tuple[Array, list[str]]:
        """Update the posterior by the panel's progress, and weigh by the expected size of the change."""
        k = len(self.cells)
        before: dict[str, Any] = past.state.get("posterior", {})
        known = [before.get(" ".join(name), (0.0, SPREAD)) for name in self.cells.names]
        mean, spread = (np.array(column, dtype=np.float64) for column in zip(*known, strict=True))
        if before:
            spread = np.hypot(spread, FORGETTING)
        clean = past.clean(self.cells)
        seen = np.zeros(k, dtype=bool) if clean is None else np.isfinite(clean.progress) & (clean.n_panel > 0)
        if clean is not None and seen.any():
            least = LEAST_ROW_SD / np.sqrt(np.where(seen, clean.n_panel, 1))
            error = np.maximum(np.nan_to_num(clean.progress_se), least)
            precision = np.where(seen, 1 / error**2, 0.0)
            total = precision + 1 / spread**2
            mean = (np.nan_to_num(clean.progress) * precision + mean / spread**2) / total
            spread = np.sqrt(1 / total)
        else:
            self.notes.append("Sampler 'progress': no panel was answered in two rounds yet, so only the prior speaks.")
        self._posterior = {
            " ".join(name): [float(m), float(s)] for name, m, s in zip(self.cells.names, mean, spread, strict=True)
        }
        value = expected_size(mean, spread)
        reasons = [
            f"progress {m:+.3f} +- {s:.3f} (posterior), expected size of the change {v:.3f}"
            + (f", {clean.n_panel[i]:.0f} panel questions" if clean is not None and seen[i] else ", no panel question")
            for i, (m, s, v) in enumerate(zip(mean, spread, value, strict=True))
        ]
        # Cells of a type share its even weight, so that a type with many cells is not asked more for that.
        raw = value * self.cells.even
        return raw / raw.sum(), reasons

    def state(self) -> dict[str, Any]:
        """Keep the posterior of every cell."""
        return {"posterior": getattr(self, "_posterior", {})}


def expected_size(mean: Array, spread: Array) -> Array:
    """Compute E|d| of normal variables.

    Parameters
    ----------
    mean, spread : (k,) float64
        Spread above 0.

    Examples
    --------
    >>> expected_size(np.array([0.0, 3.0]), np.array([1.0, 0.1])).round(3).tolist()
    [0.798, 3.0]
    """
    z = mean / spread
    erf = np.array([math.erf(value / math.sqrt(2)) for value in z])
    return spread * math.sqrt(2 / math.pi) * np.exp(-(z**2) / 2) + mean * erf
