"""What a model is told of the last round: how it does per question type, and questions by label."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

LABELS = ("frontier", "easy", "hard", "suspect")
"""Labels in the order in which a prompt lists them."""

CONFIDENCE_COLUMNS = (
    *("question_id", "label", "gold_confidence"),
    *("confidence", "corrected", "blind_confidence"),
)
"""Columns of `confidence` that exemplars show."""

_ADVICE = {
    "frontier": "write more like these",
    "easy": "fewer like these",
    "hard": "fewer like these",
    "suspect": "their answers may be wrong; avoid the objects",
}


def exemplars(labelled: pl.DataFrame, most: int) -> tuple[str, str]:
    """Write the last round's questions about a scene, by label, and count them in words.

    Where the round was calibrated the expected score stands beside a question, above chance and without frames;
    else the likelihood of the ground truth.

    Parameters
    ----------
    labelled : DataFrame
        Questions with the columns of their confidence.
    most : int
        Questions per label.

    Examples
    --------
    >>> columns = {"question_id": ["a"], "question": ["How many chairs?"], "ground_truth": ["2"], "round": [1]}
    >>> columns |= {"label": ["frontier"], "gold_confidence": [0.6], "confidence": [0.5], "corrected": [0.25]}
    >>> text, told = exemplars(pl.DataFrame(columns | {"blind_confidence": [0.3]}), 3)
    >>> print(text)
    Questions of the last round that were frontier for the model (write more like these):
    - How many chairs? -> 2, expected score 0.50 (0.25 above chance, 0.30 without frames)
    >>> told
    '1 frontier'
    """
    rows = labelled.filter(pl.col("round") == pl.col("round").max()).sort("question_id")
    lines, told = [], []
    for label in LABELS:
        part = rows.filter(label=label).head(most)
        if len(part):
            lines.append(f"Questions of the last round that were {label} for the model ({_ADVICE[label]}):")
            told.append(f"{len(part)} {label}")
        lines += [f"- {row['question']} -> {row['ground_truth']}{_sure(row)}" for row in part.iter_rows(named=True)]
    return "\n".join(lines), ", ".join(told)


def _sure(row: dict[str, float | None]) -> str:
    """Say how sure the model was."""
    if row["confidence"] is None:
        return "" if row["gold_confidence"] is None else f", confidence {row['gold_confidence']:.2f}"
    more = [f"{row['corrected']:.2f} above chance"] if row["corrected"] is not None else []
    more += [f"{row['blind_confidence']:.2f} without frames"] if row["blind_confidence"] is not None else []
    return f", expected score {row['confidence']:.2f}" + (f" ({', '.join(more)})" if more else "")


def types_in_words(feedback: pl.DataFrame) -> str:
    """Write how the model does per question type, over all scenes.

    Parameters
    ----------
    feedback : DataFrame
        Columns of `feedback`.

    Examples
    --------
    >>> row = {"question_type": "object_counting", "n": 4, "mean_confidence": 0.5, "n_clean": 4, "mean_corrected": 0.4,
    ...        "mean_headroom": 0.1, "progress": 0.05}
    >>> print(types_in_words(pl.DataFrame([row])))
    How the model did per question type in the last round:
    - object_counting: confidence 0.50, 0.40 above chance, 0.10 gained by looking, +0.05 since the round before
    """
    said: Sequence[tuple[str, str, str]] = (
        ("mean_confidence", "n", "confidence {:.2f}"),
        ("mean_corrected", "n_clean", "{:.2f} above chance"),
        ("mean_headroom", "n_clean", "{:.2f} gained by looking"),
        ("progress", "n", "{:+.2f} since the round before"),
    )
    means = [_mean(name, weight) for name, weight, _ in said]
    lines = []
    for row in feedback.group_by("question_type").agg(means).sort("question_type").iter_rows(named=True):
        parts = [text.format(row[name]) for name, _, text in said if row[name] is not None]
        lines += [f"- {row['question_type']}: {', '.join(parts)}"] if parts else []
    return "\n".join(["How the model did per question type in the last round:", *lines]) if lines else ""


def _mean(name: str, weight: str) -> pl.Expr:
    """Mean of a column over rows that have it, by how many questions each stands for; null where none has."""
    known = pl.col(name).is_not_null() & (pl.col(weight).fill_null(0) > 0)
    value, n = pl.col(name).filter(known), pl.col(weight).filter(known)
    return pl.when(n.sum() > 0).then((value * n).sum() / n.sum()).alias(name)
