"""Formats of one JSON row per question, with paths to the frames: TRL, LLaVA, Qwen."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
        "images": _paths(row),
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
    return found | ({"image": _paths(row)} if row["images"] else {})


def write_lines(rows: Iterable[Row], path: Path) -> None:
    """Write one JSON object per line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_beside(selection: Selection, path: Path) -> None:
    """Write the questions as they are, with paths to the frames beside the file."""
    names = ("id", "scene_name", "question_type", "text", "options", "answer")
    write_lines(({name: row[name] for name in names} | {"images": _paths(row)} for row in selection.rows()), path)


def write_trl(selection: Selection, folder: Path, out: Path) -> None:
    """Write `train.jsonl` for TRL's trainers."""
    write_lines(map(trl, selection.rows()), folder / "train.jsonl")


def write_qwen(selection: Selection, folder: Path, out: Path) -> None:
    """Write `train.jsonl` for Qwen-VL's fine-tuning code."""
    write_lines(map(llava, selection.rows()), folder / "train.jsonl")


def write_llava(selection: Selection, folder: Path, out: Path) -> None:
    """Write `train.json`, one list, for LLaVA's training code."""
    with (folder / "train.json").open("w", encoding="utf-8") as file:
        for index, row in enumerate(selection.rows()):
            file.write(("[\n" if index == 0 else ",\n") + json.dumps(llava(row), ensure_ascii=False))
        file.write("\n]\n")


def _paths(row: Row) -> list[str]:
    return [f"{IMAGES}/{path}" for path in row["images"]]
