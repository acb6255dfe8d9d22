"""What the report shows of a run's tables: SQL over the stages that are finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
from qa_contract.database import connect, find_tables
from qa_contract.errors import TableError
from qa_contract.tableio import quote
from qa_contract.tables import TABLES

from qa_loop.results import finished

BINS = 20
LABELS = ("hard", "frontier", "easy", "suspect")
WIN = 0.5
"""A score from here on counts as a win among the cards."""
WINS_PER_TYPE = LOSSES_PER_TYPE = PER_LABEL = 2

_READ = ("questions", "choices", "predictions", "scores", "confidence", "scenes", "objects", "frames", "frame_sets")

_EVALUATED = """
WITH said AS (
    SELECT p.kind, p.round, p.question_id, p.completion, s.score
    FROM done_predictions AS p LEFT JOIN done_scores AS s USING (kind, round, question_id)
), answered AS (
    SELECT q.* EXCLUDE (run, round, stage, kind), now.score >= $win AS won,
           now.completion AS model, now.score AS model_score, before.completion AS first, before.score AS first_score,
           blind.completion AS blind, blind.score AS blind_score,
           majority.completion AS majority, majority.score AS majority_score, sure.raw_confidence, sure.label
    FROM done_questions AS q
    JOIN said AS now ON (now.question_id, now.kind, now.round) = (q.question_id, 'eval', $last)
    LEFT JOIN said AS before ON (before.question_id, before.kind, before.round) = (q.question_id, 'eval', 0)
    LEFT JOIN said AS blind ON (blind.question_id, blind.kind, blind.round) = (q.question_id, 'blind', $blind)
    LEFT JOIN said AS majority ON (majority.question_id, majority.kind) = (q.question_id, 'majority')
    LEFT JOIN done_confidence AS sure
        ON (sure.question_id, sure.kind, sure.round) = (q.question_id, 'eval-confidence', $last)
    WHERE q.kind = 'eval-questions' AND now.score IS NOT NULL
)
FROM answered
QUALIFY row_number() OVER (
    PARTITION BY question_type, won
    ORDER BY if(won, coalesce(first_score, 0) - model_score, -coalesce(raw_confidence, 0)), question_id
) <= if(won, $wins, $losses)
ORDER BY question_type, model_score DESC, question_id
"""
_TRAINED = """
SELECT q.* EXCLUDE (run, stage, kind), c.gold_confidence, c.label,
       list_bool_and([x[2] FOR x IN list_zip(t.token_mask, t.token_is_top1) IF x[1]]) AS top1
FROM done_questions AS q
JOIN done_confidence AS c ON (c.question_id, c.round, c.kind) = (q.question_id, q.round, 'confidence')
LEFT JOIN done_predictions AS t ON (t.question_id, t.round, t.kind) = (q.question_id, q.round, 'train')
WHERE q.kind = 'questions' AND q.round = (SELECT max(round) FROM done_confidence WHERE kind = 'confidence')
QUALIFY row_number() OVER (PARTITION BY c.label ORDER BY q.question_id) <= $per_label
ORDER BY c.label NULLS FIRST, q.question_id
"""


class RunTables:
    """The tables of a run, finished or not; what an unfinished stage wrote is left out.

    Beside the views of `qa_contract.connect` there is `done_TABLE` for the rows of finished stages, with their `kind`.

    Parameters
    ----------
    folder : Path
        Of the run.

    Raises
    ------
    TableError
        A file is damaged or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = connect(folder) if _has_tables(folder) else duckdb.connect()
        there = {name for (name,) in self._connection.execute("SHOW TABLES").fetchall()}
        stages = [(stage.kind, Path(stage.out).name, stage.round) for stage in finished(folder)]
        self._connection.register(
            "done",
            pl.DataFrame(stages, schema={"kind": pl.String, "stage": pl.String, "round": pl.Int32}, orient="row"),
        )
        place = {"run": pl.String, "round": pl.Int32, "stage": pl.String}
        for name in _READ:
            if name not in there:
                self._connection.register(name, pl.DataFrame(schema={**place, **TABLES[name]}))
            self._connection.execute(
                f"CREATE TEMP VIEW {quote(f'done_{name}')} AS SELECT t.*, d.kind FROM {quote(name)} AS t "
                "JOIN done AS d ON d.stage = t.stage AND t.round IS NOT DISTINCT FROM coalesce(d.round, t.round)"
            )

    def rows(self, sql: str, **values: object) -> pl.DataFrame:
        """Answer a query; `$name` stands for a value."""
        return self._connection.sql(sql, params=values or None).pl()

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()

    def confidence_bins(self) -> dict[int, np.ndarray]:
        """Count training questions per round and bin of gold confidence : round to (BINS,) int.

        Bins are [0, 0.05), ..., [0.95, 1].
        """
        counted = self.rows(
            f"SELECT round, least(floor({BINS} * gold_confidence), {BINS - 1})::INTEGER AS bin, count(*) AS n "
            "FROM done_confidence WHERE kind = 'confidence' AND gold_confidence IS NOT NULL GROUP BY ALL ORDER BY ALL"
        )
        found: dict[int, np.ndarray] = {}
        for number, place, n in counted.iter_rows():
            found.setdefault(number, np.zeros(BINS, dtype=np.int64))[place] = n
        return found

    def label_counts(self) -> dict[int, dict[str, int]]:
        """Count the labels of each round."""
        counted = self.rows(
            "SELECT round, label, count(*) FROM done_confidence WHERE kind = 'confidence' GROUP BY ALL ORDER BY round"
        )
        found: dict[int, dict[str, int]] = {}
        for number, label, n in counted.iter_rows():
            counts = found.setdefault(number, dict.fromkeys(LABELS, 0))
            if label in counts:
                counts[label] = n
        return found

    def rounds_of_letters(self) -> list[int]:
        """List the rounds whose training questions are all choices."""
        found = self.rows(
            "SELECT round FROM done_questions WHERE kind = 'questions' GROUP BY round "
            "HAVING bool_and(answer_type = 'choice') ORDER BY round"
        )
        return found["round"].to_list()

    def question_counts(self, by: Sequence[str]) -> list[tuple[tuple[str, ...], dict[int, int]]]:
        """Count training questions per group of the columns `by`, and round."""
        groups = ", ".join(f"coalesce({quote(name)}, '-') AS {quote(name)}" for name in by)
        counted = self.rows(
            f"SELECT {groups}, round, count(*) FROM done_questions WHERE kind = 'questions' GROUP BY ALL ORDER BY ALL"
        )
        found: dict[tuple[str, ...], dict[int, int]] = {}
        for *group, number, n in counted.iter_rows():
            found.setdefault(tuple(group), {})[number] = n
        return list(found.items())

    def cell_weights(self) -> list[tuple[str, str, dict[int, float]]]:
        """Give the sampler's weight of each question type and cell by round; a cell that got no question has none."""
        found: dict[tuple[str, str], dict[int, float]] = {}
        for kind, cell, number, weight in self.rows(
            "SELECT question_type, coalesce(cell, '-'), round, max(weight) FROM done_choices "
            "WHERE kind = 'questions' AND weight IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).iter_rows():
            found.setdefault((kind, cell), {})[number] = weight
        return [(*key, weights) for key, weights in found.items()]

    def evaluated(self, *, last: int, blind: int) -> list[dict[str, Any]]:
        """Pick wins and losses of the model after round `last`, per question type.

        Wins that the untrained model did not have come first, then losses by how sure the model was.
        """
        return self.rows(
            _EVALUATED, last=last, blind=blind, win=WIN, wins=WINS_PER_TYPE, losses=LOSSES_PER_TYPE
        ).to_dicts()

    def trained(self) -> list[dict[str, Any]]:
        """Pick questions of the latest round of each label."""
        return self.rows(_TRAINED, per_label=PER_LABEL).to_dicts()

    def of_scenes(self, table: str, scenes: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
        """Give the rows of a table of the store, by scene."""
        rows = self.rows(
            f"FROM {quote(table)} WHERE stage = 'store' AND list_contains($scenes, scene_name)", scenes=list(scenes)
        )
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows.iter_rows(named=True):
            found.setdefault(row["scene_name"], []).append(row)
        return found


def _has_tables(folder: Path) -> bool:
    """Tell whether a stage has written a table yet."""
    try:
        return next(find_tables(folder), None) is not None
    except TableError:
        return False
