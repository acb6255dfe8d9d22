"""Reward for a map of the room that the completion draws on a grid."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from qa_trainer.rewards.answers import Completion, text_of

GRID = 10
"""Cells per side (VSI-Bench, arXiv 2412.14171)."""
REQUEST = (
    f"Then write, after a space, a JSON object with the cell [column, row] of every object on a {GRID}x{GRID} grid of "
    'the room seen from above, for example {"bed": [[2, 7]]}.'
)
"""Added to the prompt when this reward is used; the answer stays the first word."""


def cognitive_map(completions: Sequence[Completion], cells: Sequence[str | None], **columns: Any) -> list[float | None]:
    """Compare the distances between categories on the completion's map with those on the true one.

    Parameters
    ----------
    completions : list
        A map is the first JSON object in the text: category to list of [column, row].
    cells : list of (str or None)
        The true map, as JSON. None: the scene has none.

    Returns
    -------
    list of (float or None)
        Mean over all pairs of true categories of ``max(0, 1 - |d - d_true| / GRID)``, 0 for a pair of which the
        completion lacks one. Distances are between the centres of the categories, so that turning or mirroring the map
        changes nothing. None without a true map of at least two categories.

    Examples
    --------
    >>> truth = '{"bed": [[0, 0]], "sofa": [[3, 4]]}'
    >>> cognitive_map(['2 {"bed": [[9, 9]], "sofa": [[5, 6]]}', "2"], [truth, truth])
    [1.0, 0.0]
    """
    found: list[float | None] = []
    for completion, truth in zip(completions, cells, strict=True):
        wanted = _centres(json.loads(truth)) if truth else {}
        if len(wanted) < 2:
            found.append(None)
            continue
        drawn = _centres(_first_object(text_of(completion)))
        found.append(float(np.mean([_pair(drawn, wanted, pair) for pair in combinations(sorted(wanted), 2)])))
    return found


def _pair(drawn: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], pair: tuple[str, str]) -> float:
    one, two = pair
    if one not in drawn or two not in drawn:
        return 0.0
    gap = abs(np.linalg.norm(drawn[one] - drawn[two]) - np.linalg.norm(wanted[one] - wanted[two]))
    return max(0.0, 1 - float(gap) / GRID)


def _first_object(text: str) -> Any:
    """Read the first JSON object in the text."""
    try:
        return json.JSONDecoder().raw_decode(text, text.index("{"))[0]
    except (ValueError, RecursionError):
        return {}


def _centres(found: Any) -> dict[str, np.ndarray]:
    """Average the cells of every category; what is no list of pairs of finite numbers is left out."""
    centres: dict[str, np.ndarray] = {}
    for name, places in found.items() if isinstance(found, dict) else ():
        try:
            values = np.asarray(places, dtype=np.float64)
        except (TypeError, ValueError):
            continue
        if values.ndim == 2 and values.shape[1] == 2 and len(values) and np.isfinite(values).all():
            centres[str(name)] = values.mean(axis=0)
    return centres
