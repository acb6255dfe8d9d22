"""Boxes in answers: what ScanRefer, Multi3DRefer and Scan2Cap share. Axis-aligned, in metres, in the scene's frame."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_eval.errors import QAEvalError

Bounds = NDArray[np.floating[Any]]
"""(n, 2, 3): the lowest and the highest corner of each box."""

THRESHOLDS = (0.25, 0.5)
"""Intersections over union at which the three papers report."""
REQUEST = (
    "Answer with a list of boxes in JSON, each one as [[x, y, z], [x, y, z]], its lowest and its highest corner in "
    "metres; [] where nothing fits."
)
"""Asks for the form that `read_boxes` reads."""


def read_boxes(text: str, dtype: type[np.floating[Any]] = np.float64) -> Bounds | None:
    """Read the boxes of an answer: one or a list, each as two or eight corners; None where it holds none of these.

    A box of six numbers is not read: some write centre and size so, others the lowest and the highest corner.

    Examples
    --------
    >>> read_boxes("It is [[0, 0, 0], [1, 2, 3]].").tolist()
    [[[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]]
    >>> read_boxes("[]").shape, read_boxes("[1, 2, 3, 4, 5, 6]"), read_boxes(f"[[0, 0, 0], [1, 1, 1{'0' * 400}]]")
    ((0, 2, 3), None, None)
    """
    start, end = text.find("["), text.rfind("]")
    try:
        with np.errstate(over="ignore"):  # a number too large for the type is infinite
            found = np.array(json.loads(text[start : end + 1]), dtype=dtype)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if found.size == 0 and found.ndim == 1:
        return np.empty((0, 2, 3), dtype=dtype)
    found = found[None] if found.ndim == 2 else found
    if found.ndim != 3 or found.shape[1] not in (2, 8) or found.shape[2] != 3 or not np.isfinite(found).all():
        return None
    return np.stack([found.min(axis=1), found.max(axis=1)], axis=1)


def truth_boxes(text: str, dtype: type[np.floating[Any]] = np.float64) -> Bounds:
    """Read the boxes of a ground truth.

    Raises
    ------
    QAEvalError
        It holds none.
    """
    found = read_boxes(text, dtype)
    if found is None:
        raise QAEvalError(f"The ground truth {text[:60]!r} holds no boxes. Pass the published file with --questions.")
    return found


def box_iou(a: Bounds, b: Bounds, epsilon: float) -> NDArray[np.floating[Any]]:
    """Intersection over union of each box of `a` with each of `b`, shape (len(a), len(b)).

    Parameters
    ----------
    a, b : (n, 2, 3) and (m, 2, 3)
    epsilon : float
        Added to the union, as the public codes do, each with its own.

    Examples
    --------
    >>> box_iou(read_boxes("[[0, 0, 0], [2, 1, 1]]"), read_boxes("[[1, 0, 0], [3, 1, 1]]"), 0.0).tolist()
    [[0.3333333333333333]]
    """
    low, high = np.maximum(a[:, None, 0], b[None, :, 0]), np.minimum(a[:, None, 1], b[None, :, 1])
    with np.errstate(over="ignore"):  # a box without end overlaps by nothing
        sides = np.maximum(high - low, 0)
        shared = sides[..., 0] * sides[..., 1] * sides[..., 2]
        volumes = [(sides := box[:, 1] - box[:, 0])[:, 0] * sides[:, 1] * sides[:, 2] for box in (a, b)]
        return shared / (volumes[0][:, None] + volumes[1][None] - shared + a.dtype.type(epsilon))
