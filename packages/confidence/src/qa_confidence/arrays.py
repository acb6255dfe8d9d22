"""Checks that every public function makes on its arrays, with errors that name the rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_confidence.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHOWN = 5
"""Rows that an error message names."""


class RowNames(Protocol):
    """Anything that gives the name of row i: a list of str, or a column of a table."""

    def __getitem__(self, row: int, /) -> object:
        """Give the name of a row."""
        ...


@dataclass(frozen=True)
class Rows:
    """Checked rows: confidence and score in [0, 1] and weights >= 0, all (n,) float64 with n >= 1."""

    confidence: Floats
    score: Floats
    weight: Floats

    @cached_property
    def confidence_ranks(self) -> Ranks:
        """Order of the confidence; metrics that rank share it."""
        return Ranks.of(self.confidence)

    @cached_property
    def score_ranks(self) -> Ranks:
        """Order of the score."""
        return Ranks.of(self.score)


@dataclass(frozen=True)
class Ranks:
    """Rank of every row from 0 to n_different - 1 in increasing order, (n,) int64; equal values share one."""

    code: Ints
    n_different: int

    @classmethod
    def of(cls, values: Floats) -> Ranks:
        """Rank the values."""
        different, code = np.unique(values, return_inverse=True)
        return cls(code.astype(np.int64, copy=False), len(different))

    def reversed(self) -> Ranks:
        """Rank in decreasing order."""
        return Ranks(self.n_different - 1 - self.code, self.n_different)


def check_rows(
    confidence: ArrayLike,
    score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    ids: RowNames | None = None,
) -> Rows:
    """Check that confidence and score are numbers in [0, 1] of equal length.

    Parameters
    ----------
    confidence, score : (n,) array_like
        Nothing is clipped or dropped: a value outside [0, 1] or NaN is an error.
    sample_weight : (n,) array_like, optional
        Finite weights >= 0 with a positive sum; a weight of 2 counts as two equal rows.
    ids : sequence or column of str, optional
        Names of the rows for error messages; without them the row numbers stand there.

    Raises
    ------
    InputError
        With the rows.

    Examples
    --------
    >>> check_rows([0.5, 1.5], [1, 0])
    Traceback (most recent call last):
    qa_confidence.errors.InputError: confidence is outside [0, 1] in 1 of 2 rows: [1].
    """
    c = check_unit("confidence", confidence, ids=ids)
    s = check_unit("score", score, ids=ids)
    if len(c) != len(s):
        raise InputError(f"confidence has {len(c)} rows, score has {len(s)}.")
    if not len(c):
        raise InputError("There are no rows.")
    if sample_weight is None:
        return Rows(c, s, np.ones(len(c)))
    w = np.asarray(sample_weight, dtype=np.float64)
    if w.shape != c.shape or not np.all(np.isfinite(w)) or np.any(w < 0) or not w.sum() > 0:
        raise InputError(f"sample_weight must be {len(c)} finite values >= 0 with a positive sum, found {w.shape}.")
    return Rows(c, s, w)


def check_unit(name: str, values: ArrayLike, *, ids: RowNames | None = None) -> Floats:
    """Check one array of numbers in [0, 1]; see `check_rows`."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is not numeric: {error}.") from error
    if array.ndim != 1:
        raise InputError(f"{name} must be one-dimensional, found shape {array.shape}.")
    for what, wrong in (("NaN", np.isnan(array)), ("outside [0, 1]", (array < 0) | (array > 1))):
        rows = np.flatnonzero(wrong)
        if len(rows):
            named = [ids[int(i)] for i in rows[:SHOWN]] if ids is not None else rows[:SHOWN].tolist()
            more = ", ..." if len(rows) > SHOWN else ""
            listed = ", ".join(map(str, named))
            raise InputError(f"{name} is {what} in {len(rows)} of {len(array)} rows: [{listed}{more}].")
    return array


@dataclass(frozen=True)
class Labels:
    """Label of every row as a number, for label arrays that several computations share.

    Attributes
    ----------
    names : tuple of k str
        Different labels, sorted; each occurs.
    code : (n,) int64
        Index into `names`.
    """

    names: tuple[str, ...]
    code: Ints

    def take(self, rows: NDArray[np.bool_] | Ints) -> Labels:
        """Select rows, and drop the names that none of them has.

        Examples
        --------
        >>> labels_of(["b", "a", "b"], 3, name="group").take(np.array([0, 2]))
        Labels(names=('b',), code=array([0, 0]))
        """
        code = self.code[rows]
        found = np.bincount(code, minlength=len(self.names)) > 0
        names = tuple(name for name, present in zip(self.names, found.tolist(), strict=True) if present)
        return Labels(names, (np.cumsum(found) - 1)[code])


def labels_of(labels: ArrayLike | Labels, n: int, *, name: str) -> Labels:
    """Give numbers to the different values of a label array in sorted order of their text.

    Examples
    --------
    >>> labels_of(["b", "a", "b"], 3, name="group")
    Labels(names=('a', 'b'), code=array([1, 0, 1]))
    """
    if isinstance(labels, Labels):
        array = labels.code
    else:
        array = np.asarray(labels)
        array = array if array.dtype.kind in "iu" else np.asarray(labels, dtype=object)
    if array.shape != (n,):
        raise InputError(f"{name} must have shape ({n},), found {array.shape}.")
    if isinstance(labels, Labels):
        return labels
    if array.dtype.kind in "iu":
        found, inverse = np.unique(array, return_inverse=True)
        values = found.tolist()
    else:
        inverse, values = None, list(set(array.tolist()))
    texts = {value: str(value) for value in values}
    names = sorted(set(texts.values()))
    index = {text: i for i, text in enumerate(names)}
    code = {value: index[text] for value, text in texts.items()}
    if inverse is not None:
        return Labels(tuple(names), np.array([code[value] for value in values], dtype=np.int64)[inverse])
    return Labels(tuple(names), np.fromiter(map(code.__getitem__, array.tolist()), dtype=np.int64, count=n))
