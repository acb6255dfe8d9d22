"""Answers step by step, made scene by scene: questions of one scene share its facts, and stand anywhere in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from qa_engine.errors import QAEngineError
from qa_engine.exports.rows import Row
from qa_engine.facts.scene import Facts
from qa_engine.scenes.store import Store
from qa_engine.traces import TRACES

ROWS_PER_TRACING = 1024
"""Questions whose traces are made at once: all those about some forty scenes."""


class TraceFiles:
    """The traces of one file of questions, by scene, in files of `ROWS_PER_TRACING`.

    Parameters
    ----------
    folder : Path
    number : int
        Of the file of questions.
    asked : DataFrame
        Its rows, as of `read_asked`.
    """

    def __init__(self, folder: Path, number: int, asked: pl.DataFrame) -> None:
        self.folder, self.number, self.asked = folder, number, asked
        by_scene = asked.select("scene_name", "profile").with_row_index("row")
        self._order = by_scene.sort("scene_name", "profile", maintain_order=True)["row"]
        self._place = self._order.arg_sort()
        self._made: pl.DataFrame | None = None

    def _path(self, start: int) -> Path:
        return self.folder / f"traces-{self.number}-{start}.arrow"

    def make(self, start: int, name: str, store: Store, facts_of: Callable[[str, str], Facts]) -> None:
        """Make the traces of some rows in the order of scenes, from `start` on; `facts_of` takes scene and profile."""
        rows = self.asked[self._order[start : start + ROWS_PER_TRACING]]
        store.expect(rows["scene_name"].drop_nulls().unique(maintain_order=True).to_list())
        made: list[tuple[str | None, str]] = []
        for (scene_name, profile), part in rows.group_by("scene_name", "profile", maintain_order=True):
            try:
                facts = facts_of(str(scene_name), str(profile))
            except QAEngineError as error:
                made += [(None, str(error))] * len(part)
                continue
            made += [_trace(name, row, facts) for row in part.iter_rows(named=True)]
        table = pl.DataFrame(made, {"trace": pl.String, "problem": pl.String}, orient="row")
        table.write_ipc(self._path(start), compression="uncompressed")

    def read(self, start: int, n: int) -> tuple[list[list[Row] | None], list[str]]:
        """Give the traces of the rows that can be exported among some, None where there is none, and why not."""
        if self._made is None:
            paths = [self._path(k) for k in range(0, len(self.asked), ROWS_PER_TRACING)]
            self._made = pl.concat([pl.read_ipc(path) for path in paths], rechunk=False)
        kept = self.asked["reason"][start : start + n].is_null()
        rows = self._made[self._place[start : start + n].filter(kept)]
        traces = [None if text is None else json.loads(text) for text in rows["trace"]]
        return traces, rows["problem"].to_list()


def _trace(name: str, row: Row, facts: Facts) -> tuple[str | None, str]:
    """Make the trace of a question that can be exported, as JSON, or say why there is none."""
    if row["reason"] is not None:
        return None, ""
    try:
        return json.dumps(TRACES[name](row, facts)), ""
    except QAEngineError as error:
        return None, str(error)
