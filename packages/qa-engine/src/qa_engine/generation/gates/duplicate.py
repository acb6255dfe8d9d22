"""Gate `duplicate`: near-equal questions about one fact."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from qa_engine.generation.gates.base import Gate, Known, Verdicts

_LETTERS = {letter: i for i, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}


class Duplicate(Gate):
    """Refuses a question whose type, objects and answer, in words, equal those of one before it, or asked earlier.

    "How far is the chair from the table?" and the same with the two exchanged are one fact; so are two lists of options
    around one. A direction asked from another object has another answer and stays.
    """

    about: ClassVar[str] = "near-equal to another one: same type, objects and answer"

    def judge(self, questions: pl.DataFrame, known: Known) -> Verdicts:
        """Compare with what was asked earlier and with the rows before."""
        facts = _facts(questions)
        before = _facts(known.earlier).select("fact", first="question_id").unique("fact", keep="first")
        here = facts.with_columns(here=pl.col("question_id").first().over("fact"))
        joined = here.join(before, on="fact", how="left", maintain_order="left")
        again = ~pl.col("fact").is_first_distinct()
        return Verdicts.of(
            joined,
            refused=pl.col("first").is_not_null() | again,
            judged=pl.col("fact").is_not_null(),
            detail=pl.format("the same fact as question {}", pl.coalesce("first", "here")),
        )


def _facts(questions: pl.DataFrame) -> pl.DataFrame:
    """Name the fact behind each question: scene, type, objects in ascending order, answer in words.

    A question that says nothing of its objects is one with its text.
    """
    objects = pl.col("operands").list.eval(pl.element().struct.field("instance_ids").list.explode()).list.unique()
    letter = pl.col("ground_truth").replace_strict(_LETTERS, default=None, return_dtype=pl.Int64)
    option = pl.col("options").list.get(letter, null_on_oob=True).str.replace(r"^[A-Z]\. ", "")
    named = objects.list.sort().list.eval(pl.element().cast(pl.String)).list.join(",")
    about = pl.when(objects.list.drop_nulls().list.len().fill_null(0) > 0).then(named).otherwise("question")
    answer = pl.coalesce(option, "ground_truth").fill_null("")
    return questions.select(
        "question_id", fact=pl.concat_str("scene_name", "question_type", about, answer, separator="|")
    )
