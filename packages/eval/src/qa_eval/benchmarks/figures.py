"""Further figures of a benchmark: means by what its rows are grouped by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

Figures = Callable[[pl.DataFrame], Mapping[str, float]]


def by_group(prefix: str = "") -> Figures:
    """Average the rows of each group.

    Examples
    --------
    >>> by_group("source ")(pl.DataFrame({"group": ["a", "b", "a"], "score": [1.0, 0.0, 0.0]}))
    {'source a': 0.5, 'source b': 0.0}
    """

    def figures(rows: pl.DataFrame) -> Mapping[str, float]:
        means = rows.drop_nulls("group").group_by("group", maintain_order=True).agg(pl.col("score").mean())
        return {f"{prefix}{name}": float(mean) for name, mean in means.select("group", "score").iter_rows()}

    return figures


def by_types(groups: Mapping[str, Sequence[str]], *, macro: bool = False) -> Figures:
    """Average groups of question types: over their rows, or (`macro`) over the means of the types.

    Examples
    --------
    >>> rows = pl.DataFrame({"question_type": ["a", "a", "b"], "score": [1.0, 0.0, 1.0]})
    >>> by_types({"all": ("a", "b")})(rows)["all"], by_types({"all": ("a", "b")}, macro=True)(rows)["all"]
    (0.6666666666666666, 0.75)
    """

    def figures(rows: pl.DataFrame) -> Mapping[str, float]:
        found = {}
        for name, types in groups.items():
            part = rows.filter(pl.col("question_type").is_in(list(types)))
            if macro:
                part = part.group_by("question_type", maintain_order=True).agg(pl.col("score").mean())
            if part.height:
                found[name] = float(part["score"].to_numpy().mean())
        return found

    return figures


def all_right(rows: pl.DataFrame, key: pl.Expr) -> float:
    """Share of the groups of which every row is right."""
    return float(rows.group_by(key).agg((pl.col("score") == 1).all())["score"].to_numpy().mean())


def chance_adjusted(rows: pl.DataFrame) -> float:
    """Accuracy above chance, by the number of options of each row: 0 = guessing, 1 = all right.

    Examples
    --------
    >>> chance_adjusted(pl.DataFrame({"options": [["A. x", "B. y"]] * 4, "score": [1.0, 1.0, 1.0, 0.0]}))
    0.5
    """
    chance = float((1 / rows["options"].list.len().to_numpy()).sum())
    return (float(rows["score"].to_numpy().sum()) - chance) / (rows.height - chance)
