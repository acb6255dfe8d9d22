"""General data in TRL's conversational format: JSONL or Parquet with `messages`, or `prompt` and `completion`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import with_every_column
from qa_contract.tables import REJECTS

from qa_trainer.data.images import ImageCheck, check_images, decode
from qa_trainer.data.questions import CONTROL_TOKEN
from qa_trainer.errors import QATrainerError

_ROLES = ("system", "user", "assistant")
PLACE = "<image>"
"""What stands in a text where an image is shown."""
_ROWS: dict[str, Any] = {
    "number": pl.Int64,
    "prompt": pl.String,
    "completion": pl.String,
    "paths": pl.List(pl.String),
    "images": pl.List(pl.Binary),
    "frame_sizes": pl.List(pl.List(pl.Int64)),
}


class _BadRowError(ValueError):
    """A row that cannot be trained on: reason code and detail."""


@dataclass(frozen=True)
class Conversations:
    """Conversations to train on, in the order of the file, and those refused.

    Attributes
    ----------
    name : str
        Of the source.
    rows : polars.DataFrame
        `number` (line of the file, from 0), `prompt` (messages as JSON), `completion`, and the images as `paths`
        relative to `folder`, or as `images`, the bytes of files inside the Parquet file; `frame_sizes` has width and
        height of each (pixels).
    rejects : polars.DataFrame
        Table `rejects`.
    folder : Path
        Folder of the images.
    """

    name: str
    rows: pl.DataFrame
    rejects: pl.DataFrame
    folder: Path

    def __len__(self) -> int:
        return len(self.rows)

    def examples(self, indices: list[int]) -> dict[str, list[Any]]:
        """Build TRL's prompt-completion rows, as `Samples.examples` does; an image is a path or the bytes of a file."""
        batch: dict[str, list[Any]] = {"images": [], "prompt": [], "completion": []}
        for row in self.rows[indices].iter_rows(named=True):
            batch["images"].append([str(self.folder / path) for path in row["paths"]] or row["images"])
            batch["prompt"].append(json.loads(row["prompt"]))
            answer = [{"type": "text", "text": row["completion"]}]
            batch["completion"].append([{"role": "assistant", "content": answer}])
        return batch

    def names(self, indices: list[int]) -> list[str]:
        """Name rows in a message: source and line of the file."""
        return [f"{self.name}:{number}" for number in self.rows["number"][indices]]

    def text_bytes(self) -> NDArray[np.int64]:
        """Count at least the bytes of every row's messages: as JSON they are longer than in any chat template."""
        total = pl.col("prompt").str.len_bytes() + pl.col("completion").str.len_bytes()
        return self.rows.select(total.cast(pl.Int64)).to_series().to_numpy()

    def refuse(self, rows: pl.DataFrame, reason: str, details: Sequence[str]) -> pl.DataFrame:
        """Write rows as rows of the table `rejects`."""
        named = rows.select(item=pl.format("{}:{}", pl.lit(self.name), "number"))
        found = named.with_columns(stage=pl.lit("sft"), reason=pl.lit(reason), detail=pl.Series(details))
        return with_every_column(found, REJECTS)


def load_conversations(name: str, path: Path, folder: Path) -> Conversations:
    """Read a file of conversations and refuse those that cannot be trained on.

    Parameters
    ----------
    name : str
        Of the source, for messages and `rejects`.
    path : Path
        `.jsonl` (one object per line) or `.parquet`. A row has `messages` that end with the assistant's answer, or
        `prompt` and `completion`, and optionally `images` (or `image`): paths below `folder`, or bytes as `datasets`
        stores them. Where the messages have no place for them, the images come before the first user's text.
    folder : Path
        Folder of the images; a path that leads out of it is refused.

    Raises
    ------
    QATrainerError
        The file cannot be read, or no row is left.

    Notes
    -----
    Only the last answer of a conversation is trained on. Images inside a Parquet file stay in memory.
    """
    kept: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []

    def refuse(number: int, reason: str, detail: str) -> None:
        refused.append({"stage": "sft", "item": f"{name}:{number}", "reason": reason, "detail": detail})

    for number, row in enumerate(_rows(path)):
        try:
            kept.append({"number": number, **_normalised(row)})
        except _BadRowError as error:
            refuse(number, *error.args)
    checks = check_images(folder, [path for row in kept for path in row["paths"]])
    usable: list[dict[str, Any]] = []
    for row in kept:
        found = [checks[path] for path in row["paths"]]
        found += [decode(content, f"image {i}") for i, content in enumerate(row["images"])]
        bad: ImageCheck | None = next((check for check in found if check.reason is not None), None)
        if bad is None:
            usable.append(row | {"frame_sizes": [[check.width, check.height] for check in found]})
        else:
            refuse(row["number"], str(bad.reason), bad.detail)
    if not usable:
        raise QATrainerError(f"{path}: no conversation to train on ({len(refused)} refused).")
    rejects = pl.DataFrame([{column: row.get(column) for column in REJECTS} for row in refused], schema=REJECTS)
    return Conversations(name, pl.DataFrame(usable, schema=_ROWS), rejects, Path(folder))


def _rows(path: Path) -> Iterator[Any]:
    """Read a file row by row."""
    try:
        if path.suffix == ".parquet":
            yield from pl.read_parquet(path).iter_rows(named=True)
            return
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise QATrainerError(f"{path}, line {number}: not JSON ({error}).") from error
    except OSError as error:
        raise QATrainerError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except pl.exceptions.PolarsError as error:
        raise QATrainerError(f"{path}: not a readable Parquet file ({error}).") from error
    except UnicodeDecodeError as error:
        raise QATrainerError(f"{path}: not a text file ({error}).") from error


def _normalised(row: Any) -> dict[str, Any]:
    """Turn a row into prompt, completion and images.

    Raises
    ------
    _BadRowError
    """
    if not isinstance(row, dict):
        raise _BadRowError("bad_conversation", "the row is not an object")
    if row.get("messages"):
        messages = _messages(row["messages"])
        prompt, answers = messages[:-1], messages[-1:]
    else:
        prompt, answers = _messages(row.get("prompt")), _messages(row.get("completion"))
    if len(answers) != 1 or answers[0]["role"] != "assistant" or not any(m["role"] == "user" for m in prompt):
        raise _BadRowError("bad_conversation", "expected a user's message and, last, one answer of the assistant")
    parts = answers[0]["content"]
    if any(part["type"] == "image" for part in parts):
        raise _BadRowError("bad_conversation", "an image in the answer")
    completion = "".join(part["text"] for part in parts)
    if not completion.strip():
        raise _BadRowError("no_ground_truth", "the answer is empty")
    texts = [part.get("text", "") for message in prompt for part in message["content"]]
    if any(re.search(CONTROL_TOKEN, text) for text in (*texts, completion)):
        raise _BadRowError("special_token", "")
    paths, images = _images(row)
    places = sum(part["type"] == "image" for message in prompt for part in message["content"])
    shown = len(paths) + len(images)
    if shown and not places:
        first = next(message for message in prompt if message["role"] == "user")
        first["content"] = [{"type": "image"}] * shown + first["content"]
    elif places != shown:
        raise _BadRowError("image_count", f"{places} places for {shown} images")
    return {"prompt": json.dumps(prompt), "completion": completion, "paths": paths, "images": images}


def _messages(value: Any) -> list[dict[str, Any]]:
    """Check messages, and write every content as a list of parts without the keys that a table fills with null."""
    if not isinstance(value, list) or not value:
        raise _BadRowError("bad_conversation", "no list of messages")
    found: list[dict[str, Any]] = []
    for message in value:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise _BadRowError("bad_conversation", f"a message without a role of {', '.join(_ROLES)}")
        content = message.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not isinstance(content, list):
            raise _BadRowError("bad_conversation", "a message without content")
        parts = [own for part in content for own in _placed(_part(part))]
        found.append({"role": message["role"], "content": parts})
    return found


def _placed(part: dict[str, str]) -> list[dict[str, str]]:
    """Make an image's place of every '<image>' in a text, as LLaVA's data writes it; a line break after it goes too."""
    if part["type"] != "text" or PLACE not in part["text"]:
        return [part]
    texts = re.split(rf"{PLACE}\n?", part["text"])
    parts: list[dict[str, str]] = []
    for number, text in enumerate(texts):
        parts += [{"type": "image"}] if number else []
        parts += [{"type": "text", "text": text}] if text else []
    return parts


def _part(part: Any) -> dict[str, str]:
    """Check one part of a content."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "image":
        return {"type": "image"}
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    raise _BadRowError("bad_conversation", f"a part of content that is neither text nor image ({kind})")


def _images(row: dict[str, Any]) -> tuple[list[str], list[bytes]]:
    """Collect the images of a row: paths, or bytes."""
    values = row.get("images") or ([row["image"]] if row.get("image") else [])
    paths: list[str] = []
    contents: list[bytes] = []
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, str):
            paths.append(value)
        elif isinstance(value, bytes):
            contents.append(value)
        else:
            raise _BadRowError("bad_conversation", "an image that is neither a path nor bytes")
    if paths and contents:
        raise _BadRowError("bad_conversation", "images both as paths and inside the file")
    return paths, contents
