"""Formats that hold the frames inside: OpenAI's chat rows, and Parquet for Hugging Face datasets."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from pathlib import Path

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
    import pyarrow.parquet as pq

    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    features: dict[str, object] = {name: {"dtype": "string", "_type": "Value"} for name in _TEXTS}
    features |= {"options": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}}
    features |= {"images": {"feature": {"_type": "Image"}, "_type": "List"}}
    fields = {name: pa.string() for name in _TEXTS}
    schema = pa.schema(
        {**fields, "options": pa.list_(pa.string()), "images": pa.list_(image)},
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    read = lru_cache(maxsize=_CACHED)(lambda path: selection.file(path).read_bytes())
    with pq.ParquetWriter(part, schema, compression="zstd") as writer:
        rows = selection.rows()
        while group := list(islice(rows, _ROWS_PER_GROUP)):
            filled = [
                row | {"images": [{"bytes": read(path), "path": Path(path).name} for path in row["images"]]}
                for row in group
            ]
            columns = {name: [row[name] for row in filled] for name in schema.names}
            writer.write_table(pa.table(columns, schema=schema))


def join_hf(parts: Iterable[Path], folder: Path, out: Path) -> None:
    """Name the parts as datasets does: `train.parquet`, or several files with their number."""
    files = list(parts)
    for k, part in enumerate(files):
        part.rename(folder / ("train.parquet" if len(files) == 1 else f"train-{k:05d}-of-{len(files):05d}.parquet"))
