"""Axes: places of values on a sheet, and ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_contract.pages.text import percent, short

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """What an axis shows.

    Attributes
    ----------
    label : str
        With its unit.
    low, high : float, optional
        Ends; the data's, rounded outwards, where not given.
    log : bool
        Equal steps are equal factors; values of zero and less are left out.
    format : callable
        Writes a value, for ticks and hover texts.
    ticks : tuple of float, optional
        Ticks in place of round numbers, such as the rounds of a run.
    """

    label: str = ""
    low: float | None = None
    high: float | None = None
    log: bool = False
    format: Callable[[float], str] = short
    ticks: tuple[float, ...] | None = None


def percent_axis(label: str = "", *, low: float | None = 0.0, high: float | None = 1.0) -> Axis:
    """Axis of shares from 0 to 1, written in percent.

    Examples
    --------
    >>> percent_axis().format(0.255)
    '25.5%'
    """
    return Axis(label, low, high, format=lambda share: percent(share).replace(".0%", "%"))


@dataclass(frozen=True)
class Scale:
    """An axis with its ends, placed on a sheet between the pixels `start` and `end`."""

    axis: Axis
    low: float
    high: float
    start: float
    end: float

    def __call__(self, values: ArrayLike) -> Array:
        """Place values, in pixels; what the axis cannot show is NaN."""
        values = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.axis.log:
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.log10(np.where(values > 0, values, np.nan))
            low, high = math.log10(low), math.log10(high)
        return self.start + (values - low) / (high - low) * (self.end - self.start)

    def at(self, value: float) -> float:
        """Place one value."""
        return float(self(value))

    def clipped(self, values: ArrayLike) -> Array:
        """Place values, those beyond an end at the end."""
        return self(np.clip(np.asarray(values, dtype=np.float64), self.low, self.high))

    def ticks(self, n: int = 5) -> list[float]:
        """Give round values inside, about `n`."""
        if self.axis.ticks is not None:
            return [tick for tick in self.axis.ticks if self.low <= tick <= self.high]
        if self.axis.log:
            return log_ticks(self.low, self.high, n)
        return round_ticks(self.low, self.high, n)


def scale_of(axis: Axis, values: ArrayLike, start: float, end: float, *, zero: bool = False) -> Scale:
    """Fit an axis to its values.

    Parameters
    ----------
    axis : Axis
    values : array of float
        All that is drawn; NaN and infinity are left out.
    start, end : float
        Pixels of the low and the high end.
    zero : bool
        The axis begins at zero, as bars need.

    Examples
    --------
    >>> scale = scale_of(Axis(), [3.0, 47.0], 0, 100)
    >>> scale.low, scale.high, scale.ticks()
    (0.0, 50.0, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    """
    values = np.asarray(values, dtype=np.float64).ravel()
    values = values[np.isfinite(values) & ((values > 0) | (not axis.log))]
    low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 10.0) if axis.log else (0.0, 1.0)
    if zero and not axis.log:
        low, high = min(low, 0.0), max(high, 0.0)
    if axis.log:
        low, high = (low / 1.5, high * 1.5) if low == high else (low, high)
        pad = (high / low) ** 0.04
        low, high = low / pad, high * pad
    else:
        if low == high:
            low, high = (low - 0.5, high + 0.5) if not zero or low else (0.0, 1.0)
        step = _step(high - low, 5)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    low = low if axis.low is None else axis.low
    high = high if axis.high is None else axis.high
    return Scale(axis, low, high if high > low else low + 1.0, start, end)


def round_ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Give round values between two ends, about `n`.

    Examples
    --------
    >>> round_ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    step = _step(high - low, n)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(i * step, digits) + 0.0 for i in range(first, last + 1)]


def log_ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Give powers of ten between two ends, and 2 and 5 times those where they are few.

    Examples
    --------
    >>> log_ticks(1, 1000), log_ticks(1, 30)
    ([1.0, 10.0, 100.0, 1000.0], [1.0, 2.0, 5.0, 10.0, 20.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        found = [factor * 10.0**k for k in range(first, last + 1) for factor in factors]
        found = [tick for tick in found if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(found) >= 3:
            break
    every = max(1, math.ceil(len(found) / (n + 2)))
    return found[::every]


def _step(span: float, n: int) -> float:
    """Round step that cuts a span into about `n` parts."""
    raw = span / n
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
