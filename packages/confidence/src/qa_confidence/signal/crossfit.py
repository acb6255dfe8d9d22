"""Expected scores by cross-fitting: every scene's answers are mapped by a fit on the other scenes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from qa_confidence.arrays import Floats
from qa_confidence.calibrating import column_labels, group_names
from qa_confidence.calibrators import DEFAULT, Calibrator, fit_calibrator
from qa_confidence.errors import QAConfidenceError

FOLDS = 5
"""Parts of the scenes; each is mapped by a fit on the others."""

GROUPING = "question_type"


@dataclass(frozen=True)
class CrossFitted:
    """Expected scores of rows, and the map for rows that were not there.

    Attributes
    ----------
    calibrator : Calibrator
        Fitted on all scored rows.
    expected : (n,) float64
        Per row by a fit that has not seen the row's scene; of one scene alone, by the fit on all rows.
    group : Series of str
        Group of the map per row.
    """

    calibrator: Calibrator
    expected: Floats
    group: pl.Series


def cross_fit(
    rows: pl.DataFrame, *, column: str = "raw_confidence", method: str = DEFAULT, seed: int = 0
) -> CrossFitted:
    """Fit per question type, with shrinkage, and map every row by scenes that are not its own.

    Parameters
    ----------
    rows : DataFrame
        scene_name, question_type, score (null where it is not known) and `column`.
    column : str
        Confidence to map.
    method : str
        A name in `CALIBRATORS`.
    seed : int
        Of the parts.

    Raises
    ------
    QAConfidenceError
        No row has a score.

    Notes
    -----
    A wrong ground truth that a model contradicts would pull down the map that it is judged by; with the parts cut by
    scene it does not.
    """
    scored = rows.filter(pl.col("score").is_not_null())
    if scored.is_empty():
        raise QAConfidenceError("No answer of the clean pass has a score; pass the scores of these predictions.")
    whole = _fit(scored, column, method, seed)
    expected = _predict(whole, rows, column)
    scenes = rows["scene_name"].unique().sort()
    if len(scenes) > 1:
        part = np.random.default_rng(seed).permutation(len(scenes)) % min(FOLDS, len(scenes))
        of_row = part[column_labels(rows["scene_name"]).code]
        for fold in range(int(part.max()) + 1):
            here = np.flatnonzero(of_row == fold)
            others = rows[np.flatnonzero(of_row != fold)].filter(pl.col("score").is_not_null())
            if len(others):
                expected[here] = _predict(_fit(others, column, method, seed), rows[here], column)
    used = whole.groups_used(group_names(rows, GROUPING, None), len(rows))
    return CrossFitted(whole, expected, pl.Series(used.names, dtype=pl.String).gather(used.code))


def _fit(rows: pl.DataFrame, column: str, method: str, seed: int) -> Calibrator:
    return fit_calibrator(
        rows[column].to_numpy(),
        rows["score"].to_numpy(),
        method=method,
        group=group_names(rows, GROUPING, None),
        cluster=column_labels(rows["scene_name"]),
        seed=seed,
        context={"input": column, "target": "score", "grouping": GROUPING},
    )


def _predict(calibrator: Calibrator, rows: pl.DataFrame, column: str) -> Floats:
    return calibrator.predict(rows[column].to_numpy(), group=group_names(rows, GROUPING, None))
