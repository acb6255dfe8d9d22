"""Scenes whose ground truths are likely wrong: their answers score far below what was expected of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from qa_confidence.arrays import Floats

FALSE_DISCOVERIES = 0.1
"""Largest expected share of sound scenes among those named."""

LOST = 0.1
"""Share of the score that may be lost to spoilt scenes: what is expected was learned with them, so it is too low."""

FALLS = np.round(np.arange(0, 1, 0.1), 1)
"""By which share the mean score of a scene may lie below what would be expected without spoilt ones."""

SPOILT = 0.5
"""A scene that falls by this share or more has wrong ground truths; less is a scene that is hard."""

CEILING = 0.98
"""Highest score that is expected of an answer, so that no single one decides about a scene."""

PRIOR = 2.0
"""Scenes that score as expected which the shares of falls are smoothed with."""

STEPS = 200
"""Of expectation maximisation."""


def scene_evidence(rounds: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Weigh per scene whether its ground truths are wrong, from the answers of all rounds.

    Parameters
    ----------
    rounds : sequence of DataFrame
        Rows of `confidence` of signals: question_id, scene_name, round, confidence, score. Of a question that several
        rounds answered the newest answer counts.

    Returns
    -------
    DataFrame
        scene_name, n (answers), mean_score, mean_expected, doubt (probability that it is spoilt), suspect (bool); the
        most doubtful first.

    Notes
    -----
    Without spoilt scenes answers would be expected to score up to e / (1 - `LOST`), with e of the calibration; a
    scene's answers score (1 - a) times that. How many scenes have which fall a is estimated from all of them
    (nonparametric empirical Bayes: EM over a grid, with `PRIOR` scenes that score e), so that scenes which are merely
    hard are told from spoilt ones by how hard scenes are here. The likelihood of a score s that is expected to be c is
    s log c + (1 - s) log(1 - c), as in calibration. `doubt` is the posterior of a >= `SPOILT`. Named are the most
    doubtful scenes, as long as the mean of 1 - doubt among them, the expected share of false discoveries, is at most
    `FALSE_DISCOVERIES`.

    Examples
    --------
    >>> def scene(name, scores):
    ...     return [{"question_id": f"{name}{i}", "scene_name": name, "round": 1, "confidence": 0.9, "score": s}
    ...             for i, s in enumerate(scores)]
    >>> sound = [row for name in "acdefghi" for row in scene(name, [1.0, 0.8, 0.9, 1.0])]
    >>> found = scene_evidence([pl.DataFrame([*sound, *scene("b", [0.0, 0.1, 0.0, 0.0])])])
    >>> found.filter("suspect")["scene_name"].to_list()
    ['b']
    """
    key = ["question_id", "scene_name", "round", "confidence", "score"]
    rows = pl.concat([frame.select(key) for frame in rounds]).drop_nulls()
    newest = rows.sort("round", maintain_order=True).unique("question_id", keep="last", maintain_order=True)
    scenes = (
        newest.group_by("scene_name")
        .agg(n=pl.len().cast(pl.Int64), mean_score=pl.col("score").mean(), mean_expected=pl.col("confidence").mean())
        .sort("scene_name")
    )
    code = newest["scene_name"].cast(pl.Enum(scenes["scene_name"])).to_physical().to_numpy()
    doubt = _doubt(newest["confidence"].to_numpy(), newest["score"].to_numpy(), code, len(scenes))
    found = scenes.with_columns(doubt=pl.Series(doubt)).sort("doubt", "scene_name", descending=[True, False])
    wrong = (1 - found["doubt"]).cum_sum() / pl.int_range(1, len(found) + 1, eager=True)
    return found.with_columns(suspect=(wrong <= FALSE_DISCOVERIES))


def _doubt(expected: Floats, score: Floats, scene: np.ndarray, n: int) -> Floats:
    """Posterior of a fall of at least `SPOILT` : (n scenes,)."""
    mean = np.clip(np.minimum(expected / (1 - LOST), CEILING)[:, None] * (1 - FALLS), 1e-6, None)
    loglik = score[:, None] * np.log(mean) + (1 - score[:, None]) * np.log1p(-mean)
    by_scene = np.stack([np.bincount(scene, column, n) for column in loglik.T], axis=1)
    likelihood = np.exp(by_scene - by_scene.max(axis=1, keepdims=True))
    prior = PRIOR * (FALLS == LOST)
    share = (prior + 1) / (prior + 1).sum()
    posterior = likelihood
    for _ in range(STEPS):
        posterior = likelihood * share
        posterior /= posterior.sum(axis=1, keepdims=True)
        share = (posterior.sum(axis=0) + prior) / (n + PRIOR)
    return posterior[:, FALLS >= SPOILT].sum(axis=1)
