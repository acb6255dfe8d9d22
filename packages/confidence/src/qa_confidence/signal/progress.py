"""Learning progress: how much better the panel is answered than the round before, with its uncertainty."""

from __future__ import annotations

import polars as pl

CELL = ("question_type", "cell")


def learning_progress(current: pl.DataFrame, previous: pl.DataFrame) -> pl.DataFrame:
    """Compare the panel's scores with those of the round before, per question type and cell.

    Parameters
    ----------
    current, previous : DataFrame
        Rows of `confidence` of two signals; their panel rows count.

    Returns
    -------
    DataFrame
        question_type, cell, n_panel, progress, progress_se, sorted.

    Notes
    -----
    progress is the mean of the paired differences d; its standard error takes scenes as drawn whole:
    sqrt(G / (G - 1) sum_g (sum_{i in g} (d_i - mean))^2) / n over G scenes, null where there is one.

    Examples
    --------
    >>> def rows(scores):
    ...     base = {"question_type": "t", "cell": "c", "panel": True}
    ...     return pl.DataFrame([{"question_id": f"q{i}", "scene_name": f"s{i}", "score": s, **base}
    ...                          for i, s in enumerate(scores)])
    >>> learning_progress(rows([1.0, 1.0, 0.5, 0.5]), rows([0.0, 1.0, 0.5, 0.5])).row(0)
    ('t', 'c', 4, 0.25, 0.25)
    """
    key = ["question_id"]
    panel = [f.filter(pl.col("panel").fill_null(False) & pl.col("score").is_not_null()) for f in (current, previous)]
    both = (
        panel[0]
        .select(*key, "scene_name", *CELL, "score")
        .join(panel[1].select(*key, before="score"), on=key)
        .sort("question_id")  # sums of the same numbers in another order differ in the last bit
        .with_columns(change=pl.col("score") - pl.col("before"))
        .with_columns(mean=pl.col("change").mean().over(CELL))
    )
    by_scene = both.group_by(*CELL, "scene_name", maintain_order=True).agg(
        n=pl.len(), total=pl.col("change").sum(), off=(pl.col("change") - pl.col("mean")).sum()
    )
    n, scenes = pl.col("n").sum(), pl.len()
    spread = pl.when(scenes > 1).then((pl.col("off") ** 2).sum() * scenes / (scenes - 1))
    return (
        by_scene.group_by(CELL, maintain_order=True)
        .agg(n_panel=n.cast(pl.Int64), progress=pl.col("total").sum() / n, progress_se=spread.sqrt() / n)
        .sort(CELL)
    )
