"""Write the part of docs/tasks.md that lists the question types, each with an example from procedural rooms.

uv run python benchmarks/task_page.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from qa_engine.tasks import BLIND, TASKS, Task

PAGE = Path(__file__).parents[1] / "docs" / "tasks.md"
HEAD = "## Types"
ROOMS = ("--scenes", "12", "--frames-per-scene", "12", "--size", "96")


def examples() -> dict[str, dict[str, Any]]:
    """Ask everything about some rooms; give one question of each type."""
    with tempfile.TemporaryDirectory() as folder:
        store, questions = Path(folder) / "store", Path(folder) / "questions"
        for words in (
            ("ingest", "rooms", *ROOMS, "--out", store),
            ("observe", store),
            ("sample-frames", store, "--frames", "8"),
            ("generate", store, "--tasks", "every", "--per-scene", "2000", "--out", questions),
        ):
            command = [Path(sys.executable).with_name("qa-engine"), *map(str, words)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        table = pl.concat([pl.read_parquet(path) for path in sorted(questions.glob("questions*.parquet"))])
    first = table.sort("question_id").group_by("question_type", maintain_order=True).first()
    return {row["question_type"]: row for row in first.iter_rows(named=True)}


def line(task: Task, row: dict[str, Any] | None) -> str:
    """Write one type as a row of the page's tables."""
    answer = f"{task.answer_type}{', ' + task.unit if task.unit else ''}"
    said = task.question if row is None else row["question"]
    options = [] if row is None else row["options"] or []
    right = "" if row is None else next((o[3:] for o in options if o[0] == row["ground_truth"]), row["ground_truth"])
    example = f"{said} → **{right}**" if right else f"*{said}*"
    needed, wordings = task.tags.frames_needed, (task.question, *task.wordings)
    shown = f"video, {needed}" if task.shows == "video" else "one image" if needed == "one" else "two images"
    cells = (f"`{task.question_type}`", answer, task.tags.level, shown, blind(task), len(wordings), example)
    return "| " + " | ".join(str(cell).replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"


def blind(task: Task) -> str:
    """Write the score without looking and that of chance, in percent; bold where the type is not in `all`."""
    found = BLIND.get(task.question_type)
    if found is None:
        return ""
    text = f"{100 * found.score:.0f} / {100 * found.chance:.0f}"
    return f"**{text}**" if found.is_shortcut else text


def main() -> None:
    """Write the page."""
    found = examples()
    families: dict[str, list[Task]] = {}
    for task in TASKS.values():
        families.setdefault(task.tags.family, []).append(task)
    parts = [
        f"{HEAD}\n\n{len(TASKS)} types. A wording in italics is one that procedural rooms have no example of. *Blind* "
        "is the score of the text alone and that of chance, in percent; types in bold are not in `all`. "
        "`benchmarks/task_page.py` writes this part.\n"
    ]
    for family, tasks in families.items():
        parts.append(f"### {family}\n")
        parts.append(
            "| type | answer | level | shown; frames needed | blind | wordings | example |\n" + "|---" * 7 + "|"
        )
        parts += [line(task, found.get(task.question_type)) for task in tasks]
        parts.append("")
    text = PAGE.read_text(encoding="utf-8")
    before = text[: text.index(HEAD)] if HEAD in text else text.rstrip() + "\n\n"
    PAGE.write_text(before + "\n".join(parts).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
