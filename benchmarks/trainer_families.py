"""Which family of models goes through which command: a table, made by running all of them on small checkpoints.

Every cell is a run of the command line and a look at what it left: weights that moved and parts that stayed, a row per
question, the tokens that `plan` says against those that the processor makes. The questions have one frame, two, three,
and none. A cell is 'yes' or the first line of what went wrong.

Usage: uv run python benchmarks/trainer_families.py WORK [--family NAME ...] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image
from qa_contract.files import write_json
from qa_contract.tableio import table_metadata, with_every_column, write_table
from qa_contract.tables import TABLES
from tiny_families import FAMILIES, save_family

FRAMES = (1, 2, 3, 0)
"""Frames of each question."""
SHOWN = "shown"
"""Folder of the questions that have frames."""
SIZE = (64, 48)
"""Width and height of a frame, pixels."""
COMMON = ("--device", "cpu", "--force")
TRAIN = ("--steps", 1, "--batch-size", 4, "--learning-rate", 1e-2, *COMMON)


class CellError(Exception):
    """What a command left is wrong."""


def make_questions(folder: Path) -> Path:
    """Write a store of four scenes and one question about each."""
    rng = np.random.default_rng(0)
    rows: dict[str, list[dict[str, Any]]] = {"frames": [], "frame_sets": [], "questions": []}
    for index, count in enumerate(FRAMES):
        scene, ids = {"scene_name": f"scene_{index}"}, [f"f{number}" for number in range(count)]
        (folder / "images" / f"scene_{index}").mkdir(parents=True, exist_ok=True)
        for name in ids:
            pixels = np.kron(rng.integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3)), np.ones((8, 8, 1)))
            path = f"images/scene_{index}/{name}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(folder / path)
            rows["frames"].append(scene | {"frame_id": name, "image_path": path, "width": SIZE[0], "height": SIZE[1]})
        shown = {"frame_set_id": "all" if ids else None}
        if ids:
            rows["frame_sets"].append(scene | shown | {"method": "all", "n": count, "frame_ids": ids})
        choice = index == 1
        asked = {"question_type": "object_rel_distance" if choice else "object_counting", "prompt_id": "vsi-bench"}
        asked |= {"question": "Closest?" if choice else "How many chairs?", "ground_truth": "A" if choice else "4"}
        asked |= {"options": ["A. bed", "B. sofa"] if choice else None}
        rows["questions"].append(scene | shown | asked | {"question_id": f"q{index}", "signature": f"s{index}"})
    for table, found in rows.items():
        frame = with_every_column(pl.DataFrame(found, infer_schema_length=None), TABLES[table])
        metadata = table_metadata(table, "benchmarks/trainer_families.py", {}, 0)
        write_table(frame, folder / f"{table}.parquet", TABLES[table], metadata)
        if table == "questions":
            shown = frame.filter(pl.col("frame_set_id").is_not_null())
            write_table(shown, folder / SHOWN / "questions.parquet", TABLES[table], metadata)
    return folder


def run(command: Callable[[], None], *words: object) -> str:
    """Run a command line in this process; give what it writes.

    Raises
    ------
    CellError
        It ends with another exit code than 0.
    """
    printed, said = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = [str(word) for word in words]
    code: Any = 0
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
            command()
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = before
    if code:
        text = " ".join((said.getvalue() or printed.getvalue()).split())
        raise CellError(text if code == 2 else text[-400:])
    return printed.getvalue()


class Family:
    """The small checkpoint of a family, and the commands that are tried on it."""

    def __init__(self, name: str, work: Path, data: Path) -> None:
        self.model = save_family(name, work / "model")
        self.work, self.data = work, data

    def _train(self, command: str, *options: object) -> Path:
        from qa_trainer.cli import main

        out = self.work / command
        words = ("qa-trainer", command, self.data, "--store", self.data, "--model", self.model, "--out", out)
        run(main, *words, *TRAIN, *options)
        return out

    def _moved(self, out: Path) -> dict[str, bool]:
        """Tell of every trainable tensor whether it differs from the model's, by name."""
        from safetensors.torch import load_file

        before, after = (load_file(folder / "model.safetensors") for folder in (self.model, out / "model"))
        if before.keys() != after.keys():
            raise CellError(f"other weights: {sorted(before.keys() ^ after.keys())[:3]}")
        return {name: not before[name].equal(after[name]) for name in before}

    def sft(self) -> None:
        """Train two micro-batches of questions with different numbers of frames."""
        out = self._train("sft", "--micro-batch-size", 2)
        if not any(self._moved(out).values()):
            raise CellError("no weight moved")
        _need_rows(out, len(FRAMES))

    def freeze(self) -> None:
        """Freeze each part in turn: it stays where it is, and something else moves."""
        from qa_trainer.models.loading import part_of

        for part in ("vision", "connector", "language"):
            moved = self._moved(self._train("sft", "--freeze", part))
            changed = [name for name, differs in moved.items() if differs]
            wrong = [name for name in changed if part_of(name) == part]
            if wrong or not changed:
                raise CellError(f"--freeze {part}: {wrong[:1] or 'nothing'} moved")

    def adapters(self) -> None:
        """Train adapters; the merged model is one that differs."""
        out = self._train("sft", "--lora-rank", 2)
        if not any(self._moved(out).values()) or not (out / "adapter").is_dir():
            raise CellError("the merged model is the base")

    def score(self) -> None:
        """Answer every question in a clean pass."""
        from qa_trainer.cli import main

        words = ("score", self.data, "--store", self.data, "--model", self.model, "--out", self.work / "score")
        run(main, "qa-trainer", *words, *COMMON)
        _need_rows(self.work / "score", len(FRAMES))

    def evaluate(self) -> None:
        """Let the evaluator answer every question with frames; it takes none without them."""
        from qa_eval.cli import main

        words = ("run", self.data / SHOWN, "--store", self.data, "--model", self.model, "--out", self.work / "eval")
        run(main, "qa-eval", *words, *COMMON)
        _need_rows(self.work / "eval", len(FRAMES) - 1)

    def grpo(self) -> None:
        """Take one step of reinforcement on completions of all questions."""
        self._train("grpo", "--group-size", 2, "--max-completion-length", 4)

    def plan(self) -> None:
        """Compare the tokens of a question with those that the processor makes of its frames."""
        from qa_trainer.cli import main

        size = f"{SIZE[0]}x{SIZE[1]}"
        words = ("plan", "--model", self.model, "--frames", 3, "--frame-size", size, "--device", "cpu", "--json")
        said = json.loads(run(main, "qa-trainer", *words))
        words = ("sft", self.data, "--store", self.data, "--model", self.model, "--out", "none", "--dry-run")
        one, none = (self._tokens(frames) for frames in (3, 0))
        if said["image_tokens"] != one - none:
            raise CellError(f"{said['image_tokens']} tokens of frames, the processor makes {one - none}")

    def _tokens(self, frames: int) -> int:
        """Count the tokens of a prompt with so many frames, as the processor makes it."""
        from transformers import AutoProcessor

        processor: Any = AutoProcessor.from_pretrained(self.model)
        content = [{"type": "image"}] * frames + [{"type": "text", "text": "How many chairs?"}]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        shown = {"images": [[Image.new("RGB", SIZE)] * frames]} if frames else {}
        return int(processor(text=[text], **shown, return_tensors="pt")["input_ids"].shape[1])


COLUMNS: dict[str, Callable[[Family], None]] = {
    "sft": Family.sft,
    "score": Family.score,
    "eval": Family.evaluate,
    "grpo": Family.grpo,
    "adapters": Family.adapters,
    "freeze": Family.freeze,
    "plan": Family.plan,
}


def _need_rows(folder: Path, count: int) -> None:
    """Raise unless the folder has so many usable predictions."""
    rows = pl.read_parquet(folder / "predictions.parquet")
    errors = rows["error"].drop_nulls().to_list() if "error" in rows.columns else []
    if len(rows) != count or errors:
        raise CellError(f"{len(rows)} predictions of {count}; {errors[:1]}")


def try_family(name: str, work: Path, columns: Sequence[str] = tuple(COLUMNS)) -> dict[str, str]:
    """Fill the row of a family: 'yes', or what went wrong, per column."""
    data = work / "data"
    if not data.is_dir():
        make_questions(data)
    try:
        family = Family(name, work / name, data)
    except (ImportError, AttributeError) as error:
        return dict.fromkeys(columns, f"not in this transformers ({error})")
    found: dict[str, str] = {}
    for column in columns:
        try:
            COLUMNS[column](family)
            found[column] = "yes"
        except CellError as error:
            found[column] = str(error)
        except Exception as error:
            # A traceback is what the table is there to find.
            found[column] = f"crash: {type(error).__name__}: {error}"
    return found


def as_markdown(table: dict[str, dict[str, str]]) -> str:
    """Write the table as it stands in the docs."""
    columns = list(next(iter(table.values())))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(row[column][:60] for column in columns) + " |" for name, row in table.items()]
    return "\n".join(lines)


def main() -> None:
    """Try the families and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path, help="folder for checkpoints and runs")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="only this one; may be repeated")
    parser.add_argument("--column", action="append", choices=COLUMNS, help="only this one; may be repeated")
    parser.add_argument("--out", type=Path, help="JSON file with the whole text of every cell")
    options = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1"}
    table: dict[str, dict[str, str]] = {}
    for name in options.family or FAMILIES:
        table[name] = try_family(name, options.work, options.column or tuple(COLUMNS))
        for column, cell in table[name].items():
            if cell != "yes":
                sys.stderr.write(f"{name}, {column}: {cell}\n")
    if options.out is not None:
        write_json(options.out, table)
    sys.stdout.write(as_markdown(table) + "\n")


if __name__ == "__main__":
    main()
