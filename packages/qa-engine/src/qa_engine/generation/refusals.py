"""Candidates that were refused: counted all, shown as examples, or with `--all-rejects` as rows all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl
from qa_contract.tables import REJECTS

from qa_engine.checks import Reason

EXAMPLES = 20
"""Rows of `rejects` per question type and reason: what a look into the table needs, however many scenes there are."""

Row = tuple[str, str, str, str, str]
"""Scene, question type, item, reason, detail."""


@dataclass
class Refusals:
    """What was refused in some scenes, in their order.

    Attributes
    ----------
    every : bool
        Keep every row. Otherwise lost scenes are kept, and of candidates `EXAMPLES` per question type and reason.
    counts : Counter of (question type, reason)
        Candidates refused; of a scene that is lost, the scene.
    rows : list of (scene, question type, item, reason, detail)

    Examples
    --------
    >>> refusals = Refusals()
    >>> for k in range(50):
    ...     refusals.add((f"room_{k}", "object_counting", "", "count_below_two", "2 candidates"), 2)
    >>> refusals.counts, len(refusals.rows)
    (Counter({('object_counting', 'count_below_two'): 100}), 20)
    """

    every: bool = False
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)
    _shown: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, row: Row, n: int = 1) -> None:
        """Count `n` candidates, and keep their row if there is room for it."""
        self.counts[row[1], row[3]] += n
        self._keep(row)

    def merge(self, later: Refusals) -> None:
        """Add what was refused in the scenes that follow."""
        self.counts.update(later.counts)
        for row in later.rows:
            self._keep(row)

    def take(self) -> pl.DataFrame:
        """Hand out the rows that are kept, as a table `rejects`, and keep them no more."""
        rows, self.rows = self.rows, []
        return reject_table(rows)

    def by_type(self) -> dict[str, dict[str, int]]:
        """Give the counts as question type to reason to number; lost scenes stand under an empty type."""
        found: dict[str, dict[str, int]] = {}
        for (kind, reason), n in sorted(self.counts.items()):
            found.setdefault(kind, {})[reason] = n
        return found

    def _keep(self, row: Row) -> None:
        key = (row[1], row[3])
        if self.every or row[3] == Reason.BAD_SCENE or self._shown[key] < EXAMPLES:
            self._shown[key] += 1
            self.rows.append(row)


def reject_table(rows: Iterable[Row]) -> pl.DataFrame:
    """Make the table `rejects`."""
    schema = ("scene_name", "question_type", "item", "reason", "detail")
    frame = pl.DataFrame([tuple(map(str, row)) for row in rows], dict.fromkeys(schema, pl.String), orient="row")
    return frame.with_columns(stage=pl.lit("generate"), signature=pl.lit(None, dtype=pl.String)).select(list(REJECTS))
