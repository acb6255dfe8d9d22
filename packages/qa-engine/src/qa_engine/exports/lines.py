"""Formats of one JSON row per question, with paths to the frames: TRL, LLaVA, Qwen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from qa_engine.exports.rows import Row, Selection
from qa_engine.traces import TOOLS

IMAGES = "images"
"""Folder of the frames in an export, beside the file that names them."""


def trl(row: Row) -> Row:
    """Make TRL's prompt-completion row; TRL puts the images before the text of the first message.

    Examples
    --------
    >>> row = {"images": ["a.png"], "text": "Why?", "before": [], "turns": [{"role": "assistant", "content": "B"}]}
    >>> trl(row)["images"]
    ['images/a.png']
    """
    made = {
        "images": beside(row),
        "prompt": [*row["before"], {"role": "user", "content": row["text"]}],
        "completion": row["turns"],
    }
    return made | tools(row)


def tools(row: Row) -> Row:
    """Give the tools that a row calls as its column `tools`; nothing where it calls none."""
    calls = [call["function"]["name"] for turn in row["turns"] for call in turn.get("tool_calls") or ()]
    return {"tools": [TOOLS[name] for name in dict.fromkeys(calls)]} if calls else {}


def llava(row: Row) -> Row:
    r"""Make LLaVA's row, also read by Qwen's fine-tuning code: `image` and `conversations` with a tag per image.

    Examples
    --------
    >>> llava({"id": "q", "images": ["a.png"], "text": "Why?", "answer": "B"})["conversations"][0]["value"]
    '<image>\nWhy?'
    """
    tags = "<image>\n" * len(row["images"])
    turns = [{"from": "human", "value": tags + row["text"]}, {"from": "gpt", "value": row["answer"]}]
    found: Row = {"id": row["id"], "conversations": turns}
    return found | ({"image": beside(row)} if row["images"] else {})


def beside(row: Row) -> list[str]:
    """Name the images of a row from where the rows are."""
    return [f"{IMAGES}/{path}" for path in row["images"]]


def plain(row: Row) -> Row:
    """Take the question as it is, with paths to the frames beside the file."""
    names = ("id", "scene_name", "question_type", "text", "options", "answer")
    return {name: row[name] for name in names} | {"images": beside(row)}


def lines_of(make: Callable[[Row], Row]) -> Callable[[Selection, Path], None]:
    """Write one JSON object per line, made from a row."""

    def write(selection: Selection, part: Path) -> None:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(make(row), ensure_ascii=False) + "\n" for row in selection.rows())

    return write


def join_lines(parts: Iterable[Path], folder: Path, out: Path) -> None:
    """Put lines together as `train.jsonl`."""
    join_as(folder / "train.jsonl", parts)


def join_as(path: Path, parts: Iterable[Path]) -> None:
    """Put the lines of parts together in one file."""
    with path.open("wb") as file:
        for part in parts:
            with part.open("rb") as lines:
                shutil.copyfileobj(lines, file)
            part.unlink()


def join_list(parts: Iterable[Path], folder: Path, out: Path) -> None:
    """Put lines together as `train.json`, one list, for LLaVA's training code."""
    with (folder / "train.json").open("wb") as file:
        between = b"[\n"
        for part in parts:
            with part.open("rb") as lines:
                for line in lines:
                    file.write(between + line.removesuffix(b"\n"))
                    between = b",\n"
            part.unlink()
        file.write(b"\n]\n")
