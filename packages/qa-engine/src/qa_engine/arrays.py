"""Array types that stand in signatures everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""Numbers; the docstring of each function says shape and unit."""

Rows = NDArray[np.int64]
"""Whole numbers: rows, codes and counts."""
