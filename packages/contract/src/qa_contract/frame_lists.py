"""Frame sets that name their frames themselves: what is shown with a question about one image or two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from qa_contract.tableio import read_table
from qa_contract.tables import DETAILS, FRAME_SETS

PREFIX = "frames/"
"""What the id of such a set begins with; its frame ids follow, with a slash between them, which no frame id has."""


def listed_frames(frame_ids: Sequence[pl.Series]) -> pl.Expr:
    """Name the sets of one frame of each column.

    Examples
    --------
    >>> pl.select(listed_frames([pl.Series("a", ["00"]), pl.Series("b", ["07"])])).item()
    'frames/00/07'
    """
    return pl.lit(PREFIX) + pl.concat_str(frame_ids, separator="/")


def read_frame_sets(store: Path, used: pl.DataFrame) -> pl.DataFrame:
    """Read the frame sets that questions use.

    Parameters
    ----------
    store : Path
        Its table `frame_sets` is read where a set of it is used.
    used : DataFrame
        Columns `scene_name` and `frame_set_id`, which may be null.

    Returns
    -------
    DataFrame
        Columns `scene_name`, `frame_set_id`, `frame_ids`: a row for each pair that is used and known.

    Raises
    ------
    TableError
        The store lacks the table.
    """
    columns = ["scene_name", "frame_set_id", "frame_ids"]
    wanted = used.select(columns[:2]).drop_nulls().unique(maintain_order=True)
    by_list = pl.col("frame_set_id").str.starts_with(PREFIX)
    listed = wanted.filter(by_list).with_columns(
        frame_ids=pl.col("frame_set_id").str.strip_prefix(PREFIX).str.split("/")
    )
    wanted = wanted.filter(~by_list)
    if not len(wanted) and len(listed):
        return listed
    sets = read_table(store, "frame_sets", FRAME_SETS, columns=columns)
    return pl.concat([sets.join(wanted, on=columns[:2], how="semi", maintain_order="left"), listed])


def read_marks(questions: Path) -> pl.DataFrame:
    """Read what has to be drawn on the frames of questions: `question_id` and `marks`; no rows where nothing has.

    Parameters
    ----------
    questions : Path
        Table `questions`: a file or its folder, beside which `details` may stand.
    """
    folder = Path(questions) if Path(questions).is_dir() else Path(questions).parent
    columns = ["question_id", "marks"]
    if not any(folder.glob("details*.parquet")):
        return pl.DataFrame(schema={name: DETAILS[name] for name in columns})
    table = read_table(folder, "details", DETAILS, columns=columns)
    return table.filter(pl.col("marks").list.len() > 0)
