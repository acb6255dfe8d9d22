"""Formats that hold the frames inside: OpenAI's chat rows, and Parquet for Hugging Face datasets."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from qa_engine.exports.lines import lines_of, tools
from qa_engine.exports.rows import Row, Selection

ROWS_PER_FILE = 1024
"""Questions of a Parquet file: with 32 frames each, about a gigabyte."""

_TEXTS = ("id", "scene_name", "question_type", "text", "answer")
_ROWS_PER_GROUP = 64
_CACHED = 512
"""Frames kept in memory, because questions share them."""


def openai(row: Row, urls: list[str]) -> Row:
    """Make OpenAI's chat row from a question and the data URLs of its frames.

    Examples
    --------
    >>> row = {"text": "Why?", "before": [], "turns": [{"role": "assistant", "content": "B"}]}
    >>> openai(row, ["data:image/png;base64,AA"])["messages"][0]["content"][0]["type"]
    'image_url'
    """
    content: list[Row] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content.append({"type": "text", "text": row["text"]})
    return {"messages": [*row["before"], {"role": "user", "content": content}, *row["turns"]]} | tools(row)


def write_openai(selection: Selection, part: Path) -> None:
    """Write lines with the frames as data URLs."""

    @lru_cache(maxsize=_CACHED)
    def url(path: str) -> str:
        kind = {".png": "png", ".webp": "webp"}.get(Path(path).suffix.lower(), "jpeg")
        return f"data:image/{kind};base64,{base64.b64encode(selection.file(path).read_bytes()).decode()}"

    lines_of(lambda row: openai(row, [url(path) for path in row["images"]]))(selection, part)


def write_hf(selection: Selection, part: Path) -> None:
    """Write a Parquet file whose column `images` datasets decodes to pictures."""
    import pyarrow as pa

    columns = {name: pa.string() for name in _TEXTS} | {"options": pa.list_(pa.string())}
    write_rows(selection, ((row, row["images"]) for row in selection.rows()), columns, part)


def write_rows(
    selection: Selection, rows: Iterable[tuple[Row, list[str]]], columns: Mapping[str, Any], path: Path
) -> None:
    """Write rows, and the frames of each, as Parquet that datasets and polars read.

    Parameters
    ----------
    selection : Selection
        Knows the files of the frames.
    rows : iterable of (dict, list of str)
        Values by column, and the frames of the row, which become its column `images`.
    columns : mapping of str to pyarrow.DataType
        Of all other columns; texts, numbers, and lists or structs of them.
    path : Path
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    features = {name: _feature(kind) for name, kind in columns.items()}
    features |= {"images": {"feature": {"_type": "Image"}, "_type": "List"}}
    schema = pa.schema(
        {**columns, "images": pa.list_(image)},
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    read = lru_cache(maxsize=_CACHED)(lambda path: selection.file(path).read_bytes())
    every = iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(every, _ROWS_PER_GROUP)):
            values = {name: [row[name] for row, _ in group] for name in columns}
            values["images"] = [
                [{"bytes": read(file), "path": Path(file).name} for file in shown] for _, shown in group
            ]
            writer.write_table(pa.table(values, schema=schema))


def _feature(kind: Any) -> Any:
    """Say what a column holds in the words of datasets."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": str(kind), "_type": "Value"}


def join_hf(parts: Iterable[Path], folder: Path, out: Path) -> None:
    """Name the parts as datasets does: `train.parquet`, or several files with their number."""
    files = list(parts)
    for k, part in enumerate(files):
        part.rename(folder / ("train.parquet" if len(files) == 1 else f"train-{k:05d}-of-{len(files):05d}.parquet"))


def join_parquet(path: Path, parts: Iterable[Path]) -> None:
    """Put the rows of Parquet files together in one, a group of rows at a time."""
    import pyarrow.parquet as pq

    writer = None
    for part in parts:
        with pq.ParquetFile(part) as file:
            writer = writer or pq.ParquetWriter(path, file.schema_arrow, compression="zstd")
            for k in range(file.num_row_groups):
                writer.write_table(file.read_row_group(k))
        part.unlink()
    if writer is not None:
        writer.close()
