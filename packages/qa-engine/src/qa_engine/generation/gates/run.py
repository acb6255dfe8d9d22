"""Pass questions through gates: what is left may be trained on, what is refused becomes a reject row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from qa_contract.tables import REJECTS

from qa_engine.generation.gates.base import Gate, Known


@dataclass(frozen=True)
class GateYield:
    """How a gate did.

    Attributes
    ----------
    gate : str
    seen : int
        Questions that came to it.
    judged : int
        Those of which it could say something.
    refused : int
    """

    gate: str
    seen: int
    judged: int
    refused: int


@dataclass(frozen=True)
class Passed:
    """The outcome: questions that passed, in their order, rows of `rejects`, and the yield of every gate."""

    questions: pl.DataFrame
    rejects: pl.DataFrame
    yields: list[GateYield]


def pass_gates(questions: pl.DataFrame, gates: Mapping[str, Gate], known: Known) -> Passed:
    """Let each gate judge what the gates before it let through.

    Parameters
    ----------
    questions : DataFrame
        Columns of `questions`.
    gates : mapping of str to Gate
        Of `select_gates`.
    known : Known
    """
    left, refused, yields = questions, [pl.DataFrame(schema=dict(REJECTS))], []
    for name, gate in gates.items():
        verdicts = gate.judge(left, known)
        bad = left.with_columns(detail=verdicts.detail).filter(verdicts.refused)
        refused.append(
            bad.select(
                stage=pl.lit("gate"),
                item="question_id",
                scene_name="scene_name",
                question_type="question_type",
                signature="signature",
                reason=pl.lit(name),
                detail="detail",
            )
        )
        yields.append(GateYield(name, len(left), int(verdicts.judged.sum()), len(bad)))
        left = left.filter(~verdicts.refused)
    return Passed(left, pl.concat(refused), yields)
