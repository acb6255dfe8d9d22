"""Columns of polars made from arrays."""

from __future__ import annotations

from collections.abc import Callable

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


def gathered(values: pl.Series, places: NDArray[np.int64]) -> pl.Series:
    """Gather values at places (n, k) into n lists of length k.

    Examples
    --------
    >>> gathered(pl.Series(["a", "b"]), np.array([[1, 0], [1, 1]])).to_list()
    [['b', 'a'], ['b', 'b']]
    """
    return values.gather(places.ravel()).reshape(places.shape).arr.to_list()


def mapped(names: pl.Series, write: Callable[[str], str]) -> pl.Series:
    """Write each name in another form; the few different ones once.

    Examples
    --------
    >>> mapped(pl.Series(["a", "b", "a"]), str.upper).to_list()
    ['A', 'B', 'A']
    """
    written = {name: write(name) for name in names.unique().to_list()}
    return pl.Series([written[name] for name in names.to_list()], dtype=pl.String)
