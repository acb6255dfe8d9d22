"""Smooth calibration error: no bins, one kernel whose width chooses itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_confidence.arrays import Floats, Ints, Rows, check_rows
from qa_confidence.metrics.cells import Cells, Metric

GRID = 2048
"""Intervals of the grid of a point estimate."""

BOOTSTRAP_GRID = 128
"""Intervals of the grid of resamples and curves."""

BISECTIONS = 24
"""Halvings of [0, 1]: the result is exact to 1e-7."""


@dataclass(frozen=True)
class SmoothError(Metric):
    """Fixed point of the kernel-smoothed calibration error."""

    grid: int = GRID

    def cells(self, rows: Rows, *, max_cells: int | None = None) -> Cells:
        """Put the rows into cells."""
        residual = rows.score - rows.confidence
        columns = np.stack([np.ones(len(residual)), residual])
        nodes = self.grid if max_cells is None else min(self.grid, BOOTSTRAP_GRID)
        return spread(rows.confidence, columns, nodes)

    def value(self, totals: Floats) -> Floats:
        """Compute the metric from the sums."""
        mass = totals[..., 1, :] / totals[..., 0, :].sum(axis=-1, keepdims=True)
        spectrum = _mirror_spectrum(mass)
        low = np.zeros(mass.shape[:-1])
        high = np.ones(mass.shape[:-1])
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            above = _smoothed_error(spectrum, middle) > middle
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return (low + high) / 2


def smooth_ece(
    confidence: ArrayLike, score: ArrayLike, *, grid: int = GRID, sample_weight: ArrayLike | None = None
) -> float:
    """Smooth expected calibration error with the reflected Gaussian kernel.

    For a width w, E(w) is the integral over t in [0, 1] of |mean_i K_w(t, c_i) (s_i - c_i)|, K_w the Gaussian
    kernel reflected at 0 and 1; the result is the w with E(w) = w. Consistent, unbinned, and 0 for a perfectly
    calibrated prediction. Rows are spread linearly onto the nodes of a `grid`; the smoothing is exact on it, by
    cosine transform, so that all rows are used whatever their number.

    References
    ----------
    Blasiok and Nakkiran (2023), Smooth ECE: principled reliability diagrams via kernel smoothing, arXiv 2309.12236.

    Examples
    --------
    >>> round(smooth_ece([0.8] * 10, [0.6] * 10), 3), smooth_ece([0.5] * 4, [0, 1, 0, 1]) < 1e-6
    (0.2, True)
    """
    return SmoothError(grid=grid).of(check_rows(confidence, score, sample_weight))


@dataclass(frozen=True)
class SmoothCurve:
    """A smooth reliability curve.

    Attributes
    ----------
    confidence : (g,) float64
        Nodes in [0, 1].
    score : (g,) float64
        Kernel estimate of the mean score; NaN where there is next to no data.
    density : (g,) float64
        Density of the confidence values, integrating to 1.
    width : float
        Standard deviation of the kernel.
    """

    confidence: Floats
    score: Floats
    density: Floats
    width: float


def smooth_curve(
    confidence: ArrayLike, score: ArrayLike, *, width: float | None = None, grid: int = BOOTSTRAP_GRID
) -> SmoothCurve:
    """Kernel regression of score on confidence; the kernel is that of `smooth_ece`, its width at least 0.02.

    Examples
    --------
    >>> curve = smooth_curve([0.1] * 50 + [0.9] * 50, [0.0] * 50 + [1.0] * 50)
    >>> bool(curve.score[0] < 0.1), bool(curve.score[-1] > 0.9)
    (True, True)
    """
    rows = check_rows(confidence, score)
    chosen = max(smooth_ece(rows.confidence, rows.score), 0.02) if width is None else width
    totals = spread(rows.confidence, np.stack([np.ones(len(rows.score)), rows.score]), grid).totals(rows.weight)
    smoothed = _smooth(_mirror_spectrum(totals / totals[0].sum()), np.array([chosen, chosen]))
    density = np.maximum(smoothed[0], 0.0)
    enough = density * len(rows.score) * chosen > 1.0
    value = np.divide(smoothed[1], density, out=np.full(len(density), np.nan), where=enough)
    return SmoothCurve(np.linspace(0, 1, grid + 1), np.clip(value, 0.0, 1.0), density, chosen)


def curves(
    confidence: Floats, score: Floats, cluster: Ints, draws: Floats, *, width: float, grid: int = BOOTSTRAP_GRID
) -> Floats:
    """Compute the smooth curve of every resample of clusters, (resamples, grid + 1); NaN where there is no data.

    Parameters
    ----------
    confidence, score : (n,) float64
    cluster : (n,) int64
        Codes from 0.
    draws : (resamples, n_clusters) float64
        How often each cluster is drawn.
    width : float
        Standard deviation of the kernel.
    """
    cells = spread(confidence, np.stack([np.ones(len(score)), score]), grid)
    totals = cells.cluster_totals(np.ones(len(score)), cluster, draws.shape[1])
    sampled = (draws @ totals.reshape(len(totals), -1)).reshape(-1, *totals.shape[1:])
    smoothed = _smooth(_mirror_spectrum(sampled), np.full(sampled.shape[:-1], width))
    mass, hits = smoothed[:, 0], smoothed[:, 1]
    return np.clip(np.divide(hits, mass, out=np.full(mass.shape, np.nan), where=mass > 1e-6), 0.0, 1.0)


def spread(values: Floats, columns: Floats, grid: int) -> Cells:
    """Share every row linearly between its two neighbouring nodes of a grid over [0, 1]."""
    n = len(values)
    position = values * grid
    left = np.minimum(position.astype(np.int64), grid - 1)
    share = position - left
    row = np.concatenate([np.arange(n), np.arange(n)])
    code = np.concatenate([left, left + 1])
    return Cells(row, code, np.concatenate([columns * (1 - share), columns * share], axis=1), grid + 1)


def _mirror_spectrum(mass: Floats) -> NDArray[np.complex128]:
    """Fourier transform of masses on nodes 0..g, reflected at both ends (period 2g)."""
    doubled = mass.copy()
    doubled[..., 0] *= 2
    doubled[..., -1] *= 2
    return np.fft.rfft(np.concatenate([doubled, mass[..., -2:0:-1]], axis=-1), axis=-1)


def _smooth(spectrum: NDArray[np.complex128], width: Floats) -> Floats:
    """Density on the nodes after convolution with the reflected Gaussian of the given widths."""
    grid = spectrum.shape[-1] - 1
    decay = np.exp(-((np.pi * np.arange(grid + 1) * np.asarray(width)[..., None]) ** 2) / 2)
    return grid * np.fft.irfft(spectrum * decay, n=2 * grid, axis=-1)[..., : grid + 1]


def _smoothed_error(spectrum: NDArray[np.complex128], width: Floats) -> Floats:
    """Integral of the absolute smoothed residual, by the trapezoid rule."""
    residual = np.abs(_smooth(spectrum, width))
    return (residual.sum(axis=-1) - (residual[..., 0] + residual[..., -1]) / 2) / (spectrum.shape[-1] - 1)
