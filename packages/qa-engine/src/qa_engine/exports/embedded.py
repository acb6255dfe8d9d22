"""Formats that hold the frames inside: OpenAI's chat rows, and Parquet for Hugging Face datasets."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from qa_engine.exports.lines import tools, write_lines
from qa_engine.exports.rows import Row, Selection

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


def write_openai(selection: Selection, folder: Path, out: Path) -> None:
    """Write `train.jsonl` with the frames as data URLs."""

    @lru_cache(maxsize=_CACHED)
    def url(path: str) -> str:
        kind = {".png": "png", ".webp": "webp"}.get(Path(path).suffix.lower(), "jpeg")
        return f"data:image/{kind};base64,{base64.b64encode(selection.file(path).read_bytes()).decode()}"

    rows = (openai(row, [url(path) for path in row["images"]]) for row in selection.rows())
    write_lines(rows, folder / "train.jsonl")


def write_hf(selection: Selection, folder: Path, out: Path) -> None:
    """Write `train.parquet`, whose column `images` datasets decodes to pictures."""
    import pyarrow as pa

    columns = {name: pa.string() for name in _TEXTS} | {"options": pa.list_(pa.string())}
    write_rows(selection, ((row, row["images"]) for row in selection.rows()), columns, folder / "train.parquet")


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
        while part := list(islice(every, _ROWS_PER_GROUP)):
            values = {name: [row[name] for row, _ in part] for name in columns}
            values["images"] = [[{"bytes": read(file), "path": Path(file).name} for file in shown] for _, shown in part]
            writer.write_table(pa.table(values, schema=schema))


def _feature(kind: Any) -> Any:
    """Say what a column holds in the words of datasets."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": str(kind), "_type": "Value"}
