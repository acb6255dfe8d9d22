"""Write docs/tables.md from the declarations: `uv run python tests/docs/tables_page.py`."""

from __future__ import annotations

from pathlib import Path

from qa_contract.queries import QUERIES, queries_markdown
from qa_contract.tables import tables_markdown

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
HEAD = """\
# Tables

Packages exchange Parquet files and nothing else. `qa_contract.tables` declares every table once; this page is written
from it. A table is `<table>.parquet` in its folder, or shards `<table>-00000-of-000NN.parquet`; commands take the
folder or the file. In a store that scenes were added to, folders below `added` hold their rows. Files are written
under a temporary name and renamed. Readers check the columns that they need and name file, expectation and finding.

Lengths are metres, Z is up, cameras follow OpenCV (x right, y down, z forward). What a source lacks is null. A new
nullable column is a minor version of a table, anything else a major one; another major version is refused.

The key-value metadata of every file: `table`, `version`, `producer`, `config_hash`, `seed`, `run_id`.

[Queries](#queries) at the end answer what people ask most.
"""
QUERIES_HEAD = """\
## queries

`qa-loop sql RUN "SELECT ..."` answers SQL over stores and runs, `qa_contract.connect(RUN)` gives the same views to
Python as a DuckDB connection. There is one view per table; each begins with `run`, `round` and `stage`, the folder of
the table in its run (`eval`, `train`, `questions`, ...). A glob asks several runs at once. In `rejects` the column
`stage` of the table is called `command`. The table `files` lists what is read.

`qa-loop sql RUN --list` names tables and ready-made queries, `qa-loop sql RUN --query NAME` runs one, `--format csv` or
`--format json` print for programs.
"""


def page() -> str:
    """Give the whole page."""
    return "\n".join([HEAD, tables_markdown(), QUERIES_HEAD, queries_markdown()])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE}: {len(QUERIES)} queries")  # noqa: T201
