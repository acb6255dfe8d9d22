"""Checks that every public function makes on its arrays, with errors that name the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_confidence.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHOWN = 5
"""Rows that an error message names."""


@dataclass(frozen=True)
class Rows:
    """Checked rows: confidence and score in [0, 1] and weights >= 0, all (n,) float64 with n >= 1."""

    confidence: Floats
    score: Floats
    weight: Floats


def check_rows(
    confidence: ArrayLike,
    score: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    ids: Sequence[str] | None = None,
) -> Rows:
    """Check that confidence and score are numbers in [0, 1] of equal length.

    Parameters
    ----------
    confidence, score : (n,) array_like
        Nothing is clipped or dropped: a value outside [0, 1] or NaN is an error.
    sample_weight : (n,) array_like, optional
        Finite weights >= 0 with a positive sum; a weight of 2 counts as two equal rows.
    ids : sequence of str, optional
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


def check_unit(name: str, values: ArrayLike, *, ids: Sequence[str] | None = None) -> Floats:
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
            named = [ids[i] for i in rows[:SHOWN]] if ids is not None else rows[:SHOWN].tolist()
            more = ", ..." if len(rows) > SHOWN else ""
            listed = ", ".join(map(str, named))
            raise InputError(f"{name} is {what} in {len(rows)} of {len(array)} rows: [{listed}{more}].")
    return array


def codes_of(labels: ArrayLike, n: int, *, name: str) -> tuple[list[str], Ints]:
    """Give the different values of a label array numbers in sorted order.

    Returns
    -------
    names : list of k str, sorted
    codes : (n,) int64

    Examples
    --------
    >>> codes_of(["b", "a", "b"], 3, name="group")
    (['a', 'b'], array([1, 0, 1]))
    """
    array = np.asarray(labels, dtype=object)
    if array.shape != (n,):
        raise InputError(f"{name} must have shape ({n},), found {array.shape}.")
    values = array.tolist()
    texts = {value: str(value) for value in set(values)}
    names = sorted(set(texts.values()))
    index = {text: i for i, text in enumerate(names)}
    code = {value: index[text] for value, text in texts.items()}
    return names, np.fromiter(map(code.__getitem__, values), dtype=np.int64, count=n)
