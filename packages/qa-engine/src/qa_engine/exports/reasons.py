"""Why a question is not exported."""

from __future__ import annotations

from enum import StrEnum

import polars as pl
from qa_contract.tables import REJECTS


class ExportReason(StrEnum):
    """Why a question is not exported: the closed list behind `rejects.reason` of stage `export`."""

    NO_ANSWER = "no_answer"
    """There is no question, or no answer to train on."""
    UNKNOWN_PROMPT = "unknown_prompt"
    """`prompt_id` names no known prompt."""
    MISSING_FRAME_SET = "missing_frame_set"
    """The store has no frame set of that id for the scene."""
    MISSING_FRAME = "missing_frame"
    """A frame of the set is not in the store, or its file is not there."""
    OUTSIDE_STORE = "outside_store"
    """The path of a frame leads out of the store."""
    NO_TRACE = "no_trace"
    """The program of the question does not run or gives another answer, or its scene cannot be read."""
    NO_SCORE = "no_score"
    """The ground truth itself does not score 1: a number of 0 has no relative error, an option no letter."""


def rejected(refused: pl.DataFrame, detail: pl.Expr) -> pl.DataFrame:
    """Make rows of `rejects` of questions with a reason."""
    names = ("scene_name", "question_type", "signature", "reason")
    return refused.select(*names, stage=pl.lit("export"), item="question_id", detail=detail).select(*REJECTS)
