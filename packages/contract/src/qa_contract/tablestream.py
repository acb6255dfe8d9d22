"""Write a table row by row as the rows come, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from qa_contract.errors import TableError
from qa_contract.files import atomic_path
from qa_contract.tables import Schema

ROWS_PER_GROUP = 65_536
"""Rows that are kept until they are written; the file does not depend on the portions in which they come."""


class TableStream:
    """Takes rows of one table; see `open_table`.

    Attributes
    ----------
    n_rows : int
        Rows so far.
    """

    def __init__(self, writer: pq.ParquetWriter, schema: Schema, rows_per_group: int) -> None:
        self._writer, self._schema, self._rows_per_group = writer, schema, rows_per_group
        self._kept: list[pl.DataFrame] = []
        self.n_rows = self._n_kept = 0

    def write(self, rows: pl.DataFrame) -> None:
        """Add rows, with exactly the columns of the table."""
        if not len(rows):
            return
        self._kept.append(rows.select(pl.col(name).cast(dtype) for name, dtype in self._schema.items()))
        self.n_rows += len(rows)
        self._n_kept += len(rows)
        size = self._rows_per_group
        if self._n_kept >= size:
            together = pl.concat(self._kept)
            whole = len(together) // size * size
            for start in range(0, whole, size):
                self._flush(together[start : start + size])
            self._kept, self._n_kept = [together[whole:]], len(together) - whole

    def finish(self) -> None:
        """Write what is still kept."""
        if self._n_kept:
            self._flush(pl.concat(self._kept))

    def _flush(self, rows: pl.DataFrame) -> None:
        self._writer.write_table(rows.to_arrow().cast(self._writer.schema))


@contextmanager
def open_table(
    path: Path, schema: Schema, metadata: Mapping[str, str], *, rows_per_group: int = ROWS_PER_GROUP
) -> Iterator[TableStream]:
    """Open a table for writing; when the block ends well, the file appears whole.

    Parameters
    ----------
    path : Path
    schema : mapping of str to polars dtype
        The declaration of the table.
    metadata : mapping
        As of `qa_contract.tableio.table_metadata`.
    rows_per_group : int
        Rows that can be read alone.

    Raises
    ------
    TableError
        The disk is full, or the rows do not fit.
    """
    arrow = pl.DataFrame(schema=dict(schema)).to_arrow().schema.with_metadata(dict(metadata))
    with atomic_path(path) as temporary:
        try:
            with pq.ParquetWriter(temporary, arrow, compression="zstd") as writer:
                stream = TableStream(writer, schema, rows_per_group)
                yield stream
                stream.finish()
        except (pa.ArrowException, pl.exceptions.PolarsError) as error:
            raise TableError(f"{path}: cannot be written ({error}).") from error
