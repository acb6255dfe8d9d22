"""What a run reads from earlier ones: questions asked before, labels, the sampler's state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import FEEDBACK, QUESTIONS, REJECTS

from qa_engine.errors import QAEngineError
from qa_engine.generation.samplers import Past, get_sampler
from qa_engine.generation.samplers.items import read_answered
from qa_engine.scenes.reviews import read_reviews

STATE_FILE = "sampler.json"
"""File beside the questions with what the sampler of the next round should know."""


def read_past(
    sampler: str,
    *,
    feedback: Path | None = None,
    exclude: Sequence[Path] = (),
    confidence: Sequence[Path] = (),
    state: Path | None = None,
    reviews: Path | None = None,
) -> Past:
    """Read what earlier rounds left.

    Parameters
    ----------
    sampler : str
        Who is going to choose: single answers are read only for one that wants them.
    feedback : Path, optional
        Table `feedback`.
    exclude, confidence : sequence of Path
        Tables `questions` that were asked before, and `confidence` with their labels.
    state : Path, optional
        The sampler's state: `sampler.json`, or the folder of the questions of the round before.
    reviews : Path, optional
        Table `reviews`: the questions that a person rejected are not asked again.
    """
    rejected = [] if reviews is None else [read_reviews(reviews).rejected]
    asked = [part for part in (read_asked(exclude), *rejected) if part is not None]
    return Past(
        feedback=None if feedback is None else read_table(feedback, "feedback", FEEDBACK),
        answered=read_answered(exclude, confidence) if get_sampler(sampler).reads_answers else None,
        state={} if state is None else read_state(state, sampler),
        asked=pl.concat(asked) if asked else None,
    )


def read_asked(sources: Sequence[Path]) -> pl.DataFrame | None:
    """Read the signatures of questions asked before, from one or several tables `questions`.

    In a folder of `qa-engine gate` those that it refused count, too: asked again, they would be refused again.
    """
    if not sources:
        return None
    columns = ["scene_name", "signature"]
    found = [read_table(source, "questions", QUESTIONS, columns=columns) for source in sources]
    for source in sources:
        if (source / "rejects.parquet").is_file():
            refused = read_table(source, "rejects", REJECTS, columns=["stage", *columns])
            found.append(refused.filter(stage="gate").select(columns))
    return pl.concat(found)


def read_state(source: Path, sampler: str) -> dict[str, Any]:
    """Read the state that a sampler of the same name left beside the questions of an earlier round.

    Parameters
    ----------
    source : Path
        The file, or the folder of the questions.
    sampler : str

    Raises
    ------
    QAEngineError
        The file is missing or damaged, or another sampler wrote it.
    """
    path = source / STATE_FILE if source.is_dir() else source
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        written_by, state = stored["sampler"], stored["state"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise QAEngineError(
            f"{path}: no state of a sampler ({error}); 'qa-engine generate' writes {STATE_FILE}."
        ) from None
    if written_by != sampler or not isinstance(state, dict):
        raise QAEngineError(f"{path}: is the state of sampler '{written_by}', not of '{sampler}'; leave it out.")
    return state


def table_digest(table: pl.DataFrame) -> str:
    """Hash the rows of a table.

    Examples
    --------
    >>> table_digest(pl.DataFrame({"a": [1]})) == table_digest(pl.DataFrame({"a": [1]}))
    True
    """
    return hashlib.sha256(table.write_ndjson().encode()).hexdigest()[:16]
