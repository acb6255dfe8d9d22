"""Wrong boxes: a store whose objects are stretched and moved while its frames show the truth."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
from qa_contract.answers import mean_relative_accuracy
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import OBJECTS

from qa_loop.answers import WRONG_BELOW, in_words

STRETCH = 0.9
"""Size of the logarithm of the factor by which a wrong box is larger or smaller: 2.46 or 0.41."""

MOVE_M = 0.8
"""Standard deviation of the shift of a wrong box along each axis, metres."""


def shake(store: Path, out: Path, share: float, *, seed: int) -> None:
    """Write the tables of a store with a share of its boxes wrong, and which they are (`objects` in `wrong.parquet`).

    Parameters
    ----------
    store, out : Path
        `out` is a new folder without the frames' images, which the questions do not need.
    share : float
        Of the boxes, 0 to 1.
    seed : int
    """
    out.mkdir(parents=True)
    for path in sorted(store.glob("*.parquet")):
        shutil.copyfile(path, out / path.name)
    for path in sorted(store.glob("*.json")):
        shutil.copyfile(path, out / path.name)
    rng = np.random.default_rng([seed, 1])
    objects = read_table(store, "objects", OBJECTS)
    n = len(objects)
    wrong = np.zeros(n, dtype=bool)
    wrong[rng.permutation(n)[: round(share * n)]] = True
    scale = np.where(wrong, np.exp(rng.choice([-STRETCH, STRETCH], n)), 1.0)[:, None]
    move = np.where(wrong[:, None], rng.normal(0, MOVE_M, (n, 3)), 0.0)
    size, center = (np.stack(objects[name].to_list()) if n else np.zeros((0, 3)) for name in ("size", "center"))
    shaken = objects.with_columns(
        size=pl.Series((size * scale).tolist(), dtype=OBJECTS["size"]),
        center=pl.Series((center + move).tolist(), dtype=OBJECTS["center"]),
    )
    metadata = table_metadata("objects", "qa-loop experiment", {"share": share}, seed)
    write_table(shaken, out / "objects.parquet", OBJECTS, metadata)
    write_table(shaken.filter(pl.Series(wrong)), out / "wrong.parquet", OBJECTS, metadata)


def wrong_answers(questions: pl.DataFrame, truth: pl.DataFrame, wrong: pl.DataFrame) -> pl.Series:
    """Tell which questions about wrong boxes have a wrong answer : (n,) bool.

    Parameters
    ----------
    questions, truth : DataFrame
        Columns of `questions`, from the shaken store and from the true one.
    wrong : DataFrame
        scene_name and instance_id of the wrong boxes.

    Notes
    -----
    A question that the true store does not ask counts as wrong if it is about a wrong box: there it was refused.
    """
    touched = (
        questions.select("question_id", "scene_name", operand=pl.col("operands"))
        .explode("operand")
        .select("question_id", "scene_name", instance_id=pl.col("operand").struct.field("instance_ids"))
        .explode("instance_id")
        .join(wrong.select("scene_name", "instance_id"), on=["scene_name", "instance_id"], how="semi")
    )["question_id"].unique()
    words = in_words("ground_truth", "options")
    right = truth.select("signature", true_value="answer_value", true_text=words).unique("signature", keep="first")
    known = questions.with_columns(text=words).join(right, on="signature", how="left", maintain_order="left")
    said, true = (known[name].fill_null(1.0).to_numpy() for name in ("answer_value", "true_value"))
    score = pl.Series(mean_relative_accuracy(said, true))
    same = (
        pl.when(pl.col("answer_type") == "choice")
        .then(pl.col("text") == pl.col("true_text"))
        .otherwise(score >= WRONG_BELOW)
    )
    is_right = known.select((same & pl.col("true_text").is_not_null()).fill_null(False)).to_series()
    return questions["question_id"].is_in(touched.implode()) & ~is_right
