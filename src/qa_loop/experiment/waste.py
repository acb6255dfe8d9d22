"""Useless questions, made from useful ones: one function and one line each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import polars as pl
from qa_contract.answers import mean_relative_accuracy

Maker = Callable[[pl.DataFrame, int, np.random.Generator], pl.DataFrame]
"""From rows of `questions`, how many are wanted, and a generator, to at most so many rows."""

REPEATS = 8
"""How often a repeated question is there beside the first time."""

TRIVIAL = {
    "integer": ("How many sides does a square have?", "4"),
    "number": ("How many meters are 250 centimeters?", "2.5"),
}
"""Answer type to a question that needs no frames, and its answer."""

GUESSED = 0.9
"""Score from which on a number counts as told by the text."""


def duplicate(rows: pl.DataFrame, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Repeat a few questions, `REPEATS` times each."""
    few = rows[rng.permutation(len(rows))[: -(-count // REPEATS)].tolist()]
    return pl.concat([few] * REPEATS).head(count)


def trivial(rows: pl.DataFrame, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Ask what needs no frames: choices whose other options say nothing, numbers that everybody knows."""
    taken = rows[rng.integers(0, len(rows), count).tolist()]
    options = _listed(taken, _nothing_else)
    kind, number = pl.col("answer_type"), pl.col("answer_type") != "choice"
    question = kind.replace_strict({name: text for name, (text, _) in TRIVIAL.items()}, default=pl.col("question"))
    answer = kind.replace_strict({name: value for name, (_, value) in TRIVIAL.items()}, default=pl.col("ground_truth"))
    value = pl.when(number).then(answer.cast(pl.Float64, strict=False))
    return taken.with_columns(options=options, question=question, ground_truth=answer).with_columns(
        answer_value=value, answer_low=value, answer_high=value, program=None
    )


def blind(rows: pl.DataFrame, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Take what the text tells: numbers near the usual one of type and category, choices with the right one first."""
    category = pl.col("operands").list.first().struct.field("category").fill_null("")
    usual = pl.col("answer_value").median().over("question_type", category)
    known = rows.with_columns(usual=usual)
    score = mean_relative_accuracy(
        known["usual"].fill_null(1.0).to_numpy(), known["answer_value"].fill_null(1.0).to_numpy()
    )
    told = known.filter((pl.col("answer_type") == "choice") | (pl.Series(score) >= GUESSED)).drop("usual")
    taken = told[rng.permutation(len(told))[:count].tolist()]
    first = pl.when(pl.col("answer_type") == "choice").then(pl.lit("A")).otherwise("ground_truth")
    return taken.with_columns(options=_listed(taken, _right_first), ground_truth=first)


def _listed(rows: pl.DataFrame, change: Callable[[list[str], str], list[str]]) -> pl.Series:
    """Change the options of every choice; of numbers there are none."""
    pairs = rows.select("options", "ground_truth").iter_rows()
    return pl.Series([options and change(options, truth) for options, truth in pairs], dtype=pl.List(pl.String))


def _nothing_else(options: list[str], truth: str) -> list[str]:
    """Let all options but the right one say nothing.

    Examples
    --------
    >>> _nothing_else(["A. left", "B. right"], "B")
    ['A. nothing', 'B. right']
    """
    return [text if text.startswith(f"{truth}. ") else f"{text[:2]} nothing" for text in options]


def _right_first(options: list[str], truth: str) -> list[str]:
    """List the right option first.

    Examples
    --------
    >>> _right_first(["A. left", "B. right"], "B")
    ['A. right', 'B. left']
    """
    texts = sorted((text[3:] for text in options), key=lambda text: f"{truth}. {text}" not in options)
    return [f"{chr(65 + i)}. {text}" for i, text in enumerate(texts)]


WASTE: dict[str, Maker] = {"duplicate": duplicate, "trivial": trivial, "blind": blind}
"""Name to what makes it."""


def renamed(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Give made questions ids and signatures of their own."""
    marks = [f"{kind}-{i}" for i in range(len(rows))]
    ids = [
        hashlib.sha256(f"{name}\x1f{mark}".encode()).hexdigest()[:16]
        for name, mark in zip(rows["question_id"].to_list(), marks, strict=True)
    ]
    signature = pl.concat_str(pl.col("signature"), pl.Series(marks, dtype=pl.String), separator="|")
    return rows.with_columns(question_id=pl.Series(ids, dtype=pl.String), signature=signature)
