"""Columns of polars made from arrays."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray


def lists_of(values: pl.Series, sizes: NDArray[np.int64]) -> pl.Series:
    """Cut values into lists of the given sizes.

    Examples
    --------
    >>> lists_of(pl.Series([7, 8, 9]), np.array([2, 0, 1])).to_list()
    [[7, 8], [], [9]]
    """
    owner = np.repeat(np.arange(len(sizes)), sizes)
    lists = pl.DataFrame({"owner": owner, "values": values}).group_by("owner", maintain_order=True).agg("values")
    every = pl.DataFrame({"owner": np.arange(len(sizes))}).join(lists, on="owner", how="left", maintain_order="left")
    return every["values"].fill_null(pl.Series([[]], dtype=pl.List(values.dtype)))
