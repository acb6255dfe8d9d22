"""Figures of a signal for reports: calibration errors, labels, drift since the round before, whether to fit again."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import polars as pl

from qa_confidence.calibrating import column_labels, group_names
from qa_confidence.calibrators import Calibrator
from qa_confidence.drift import drift, refit_verdict
from qa_confidence.metrics import brier, ece
from qa_confidence.signal.rows import Signal

RESAMPLES = 200


def signal_facts(
    result: Signal,
    *,
    previous: pl.DataFrame | None = None,
    calibrator: Calibrator | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Collect the figures, as JSON values; what cannot be computed is null.

    Parameters
    ----------
    result : Signal
    previous : DataFrame, optional
        `confidence` of the signals of earlier rounds; drift since the newest of them is measured on the panel.
    calibrator : Calibrator, optional
        That of the round before: should it be fitted again?
    seed : int
        Of the bootstrap.
    """
    rows = result.confidence
    types = rows["question_type"].unique().sort().to_list()
    of_type = {name: _errors(rows.filter(pl.col("question_type") == name)) for name in types}
    facts: dict[str, Any] = {
        "rows": len(rows),
        "panel": int(rows["panel"].sum()),
        "suspects": int((rows["label"] == "suspect").sum()),
        "suspect_scenes": sorted(rows.filter("scene_suspect")["scene_name"].unique()),
        "labels": dict(rows["label"].value_counts().sort("label").iter_rows()),
        "mean_headroom": rows["headroom"].mean(),
        "calibration": {"all": _errors(rows), **of_type},
        "drift": None,
        "refit": None,
    }
    if previous is not None:
        newest = previous.filter(pl.col("round") == pl.col("round").max())
        pairs = [_panel(frame) for frame in (newest, rows)]
        if all(len(pair) for pair in pairs):
            found = drift(pairs[0], pairs[1], resamples=RESAMPLES, seed=seed)
            facts["drift"] = [_finite(asdict(group)) for group in found]
    if calibrator is not None:
        verdict = refit_verdict(
            calibrator,
            rows["raw_confidence"].to_numpy(),
            rows["score"].to_numpy(),
            cluster=column_labels(rows["scene_name"]),
            group=group_names(rows, calibrator.context.get("grouping", "none"), None),
            resamples=RESAMPLES,
            seed=seed,
        )
        facts["refit"] = _finite(asdict(verdict))
    return facts


def _errors(rows: pl.DataFrame) -> dict[str, float | int]:
    """Calibration error before and after, on scenes that the map of a row was not fitted on."""
    raw, mapped, score = (rows[name].to_numpy() for name in ("raw_confidence", "confidence", "score"))
    return {
        "n": len(rows),
        "mean_score": float(score.mean()),
        "ece_before": float(ece(raw, score)),
        "ece_after": float(ece(mapped, score)),
        "brier_before": float(brier(raw, score)),
        "brier_after": float(brier(mapped, score)),
    }


def _panel(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("panel").fill_null(False)).select(
        "question_id", "scene_name", "question_type", "score", value="confidence"
    )


def _finite(value: Any) -> Any:
    """Replace what JSON does not know by null."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
