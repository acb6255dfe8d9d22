"""Gate `suspect`: ground truths that the model contradicts, and the objects and scenes that they are about."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from qa_engine.generation.gates.base import Gate, Known, Verdicts


class Suspect(Gate):
    """Refuses questions about suspect scenes, suspect questions, and those about the objects of one.

    A suspect question without objects, such as the size of a room, stands for its type in its scene.
    """

    about: ClassVar[str] = "label noise: about a suspect scene, or the model was sure and wrong twice about an object"

    def judge(self, questions: pl.DataFrame, known: Known) -> Verdicts:
        """Judge by the questions that a signal labelled suspect."""
        ids = known.evidence.filter(label="suspect")["question_id"]
        about = pl.concat([known.asked_about, known.earlier, questions], how="diagonal_relaxed")
        doubted = about.filter(pl.col("question_id").is_in(ids.implode())).unique("question_id", keep="first")
        objects = _objects(doubted).rename({"question_id": "doubted"})
        whole = doubted.join(objects, left_on="question_id", right_on="doubted", how="anti")
        by_object = (
            _objects(questions)
            .join(objects.unique(["scene_name", "instance_id"], keep="first"), on=["scene_name", "instance_id"])
            .unique("question_id", keep="first", maintain_order=True)
            .select("question_id", "instance_id", by="doubted")
        )
        of_type = whole.unique(["scene_name", "question_type"], keep="first")
        newest = known.evidence.drop_nulls("scene_suspect").sort("round", maintain_order=True)
        scenes = newest.unique("scene_name", keep="last").filter("scene_suspect")["scene_name"]
        joined = (
            questions.select("question_id", "scene_name", "question_type")
            .join(by_object, on="question_id", how="left", maintain_order="left")
            .join(
                of_type.select("scene_name", "question_type", same="question_id"),
                on=["scene_name", "question_type"],
                how="left",
                maintain_order="left",
            )
        )
        itself = pl.col("question_id").is_in(ids.implode())
        in_scene = pl.col("scene_name").is_in(scenes.implode())
        bare = ~pl.col("question_id").is_in(_objects(questions)["question_id"].unique().implode())
        return Verdicts.of(
            joined,
            refused=itself | in_scene | pl.col("by").is_not_null() | (pl.col("same").is_not_null() & bare),
            judged=pl.lit(len(known.evidence) > 0),
            detail=pl.when(itself)
            .then(pl.lit("suspect itself"))
            .when(in_scene)
            .then(pl.lit("the scene is suspect"))
            .when(pl.col("by").is_not_null())
            .then(pl.format("object {} is in suspect question {}", "instance_id", "by"))
            .otherwise(pl.format("suspect question {} is of the same type and scene", "same")),
        )


def _objects(questions: pl.DataFrame) -> pl.DataFrame:
    """List question and object, a row each: question_id, scene_name, instance_id."""
    return (
        questions.select("question_id", "scene_name", "operands")
        .explode("operands")
        .select("question_id", "scene_name", instance_id=pl.col("operands").struct.field("instance_ids"))
        .explode("instance_id")
        .drop_nulls("instance_id")
        .unique(maintain_order=True)
    )
