"""Questions in the file formats of other trainers; frames are put beside them, so that the folder can be moved."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qa_trainer.data import Samples
from qa_trainer.errors import QATrainerError, unknown_name

Row = dict[str, Any]


def rows_of(samples: Samples) -> Iterator[Row]:
    """Give every question as `id`, `images` (paths relative to the export), `text`, `answer` and `question_type`."""
    for start in range(0, len(samples), 256):
        rows = list(range(start, min(start + 256, len(samples))))
        examples = samples.examples(rows)
        for row, prompt in zip(samples.rows[rows].iter_rows(named=True), examples["prompt"], strict=True):
            yield {
                "id": row["question_id"],
                "images": [f"images/{path}" for path in row["images"]],
                "text": prompt[0]["content"][-1]["text"],
                "answer": row["ground_truth"],
                "question_type": row["question_type"],
            }


def trl(row: Row) -> Row:
    """TRL's prompt-completion row with images.

    Examples
    --------
    >>> trl({"images": [], "text": "Why?", "answer": "B"})["completion"]
    [{'role': 'assistant', 'content': 'B'}]
    """
    content = [{"type": "image"}] * len(row["images"]) + [{"type": "text", "text": row["text"]}]
    return {
        "images": row["images"],
        "prompt": [{"role": "user", "content": content}],
        "completion": [{"role": "assistant", "content": row["answer"]}],
    }


def llava(row: Row) -> Row:
    r"""LLaVA's row, also read by Qwen's fine-tuning code: `image` and `conversations` with a tag per image.

    Examples
    --------
    >>> llava({"id": "q", "images": ["a.png"], "text": "Why?", "answer": "B"})["conversations"][0]["value"]
    '<image>\nWhy?'
    """
    tags = "<image>\n" * len(row["images"])
    turns = [{"from": "human", "value": tags + row["text"]}, {"from": "gpt", "value": row["answer"]}]
    found: Row = {"id": row["id"], "conversations": turns}
    return found | ({"image": row["images"]} if row["images"] else {})


def openai(row: Row, folder: Path) -> Row:
    """OpenAI's chat row; frames are written into it as data URLs."""
    content: list[Row] = []
    for path in row["images"]:
        kind = "jpeg" if path.lower().endswith(("jpg", "jpeg")) else "png"
        data = base64.b64encode((folder / path).read_bytes()).decode()
        content.append({"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}})
    content.append({"type": "text", "text": row["text"]})
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": row["answer"]}]}


def _write_lines(rows: Iterator[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _to_trl(samples: Samples, folder: Path) -> None:
    _write_lines(map(trl, rows_of(samples)), folder / "train.jsonl")


def _to_llava(samples: Samples, folder: Path) -> None:
    (folder / "train.json").write_text(
        json.dumps(list(map(llava, rows_of(samples))), ensure_ascii=False), encoding="utf-8"
    )


def _to_qwen(samples: Samples, folder: Path) -> None:
    _write_lines(map(llava, rows_of(samples)), folder / "train.jsonl")


def _to_openai(samples: Samples, folder: Path) -> None:
    _write_lines((openai(row, folder) for row in rows_of(samples)), folder / "train.jsonl")


def _to_hf(samples: Samples, folder: Path) -> None:
    """Write one Parquet file with the frames inside."""
    from datasets import Dataset, Features, Image, List, Value

    columns = {name: Value("string") for name in ("id", "text", "answer", "question_type")}
    features = Features(columns | {"images": List(Image())})
    rows = [
        row | {"images": [{"bytes": (folder / path).read_bytes()} for path in row["images"]]}
        for row in rows_of(samples)
    ]
    columnar = {name: [row[name] for row in rows] for name in features}
    Dataset.from_dict(columnar, features=features).to_parquet(folder / "train.parquet")
    shutil.rmtree(folder / "images", ignore_errors=True)


FORMATS: dict[str, Callable[[Samples, Path], None]] = {
    "trl": _to_trl,
    "llava": _to_llava,
    "qwen": _to_qwen,
    "openai": _to_openai,
    "hf": _to_hf,
}
"""Name of a format to the function that writes it."""


def export(samples: Samples, name: str, folder: Path) -> None:
    """Write the questions of `samples` and their frames to `folder`.

    Raises
    ------
    QATrainerError
        The format is unknown, or a frame cannot be put there.
    """
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    for path in samples.rows["images"].explode().drop_nulls().unique(maintain_order=True):
        target = folder / "images" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(samples.store / path, target)
        except OSError:
            try:
                shutil.copy2(samples.store / path, target)
            except OSError as error:
                raise QATrainerError(f"{samples.store / path}: cannot be copied ({error.strerror}).") from error
    FORMATS[name](samples, folder)
