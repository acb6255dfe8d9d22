"""Prepared tables of a small run, and programs that stand in for the packages."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from page_browser import browser, open_page  # noqa: F401
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import TABLES

HERE = Path(__file__).parent
EVIL = "<script>alert('scene')</script>"
SCENES = (f"room_{EVIL}", "room_1", "room_2")
TYPES = ("object_counting", "object_rel_direction_easy", "object_size_estimation")
CONFIG = """
[run]
name = "fake & small"
seed = 5
rounds = 2
keep = "all"
[scenes]
dataset = "rooms"
scenes = 3
frames = 2
size = 32
split = "train=0.6,val=0.0,test=0.4"
[frames]
frames = 2
[train]
model = "tiny"
steps = 2
batch_size = 6
learning_rate = 1e-3
[eval]
per_scene = 3
"""


def png(side: int, shade: int) -> bytes:
    """A grey square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([shade]) * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write(folder: Path, name: str, table: str, rows: list[dict]) -> None:
    """Write rows of a table; columns that a row lacks are null."""
    schema = TABLES[table]
    frame = pl.DataFrame([{column: row.get(column) for column in schema} for row in rows], schema=dict(schema))
    write_table(frame, folder / f"{name}.parquet", schema, table_metadata(table, "test", {}, 0))


def questions(number: int) -> list[dict]:
    found = []
    for i, scene in enumerate(SCENES):
        for j, kind in enumerate(TYPES):
            choice = "direction" in kind
            found.append(
                {
                    "question_id": f"q{number}{i}{j}",
                    "dataset": "rooms",
                    "scene_name": scene,
                    "question_type": kind,
                    "question": f"How about the {EVIL} ({i}{j})?",
                    "options": ["A. left", "B. right"] if choice else None,
                    "ground_truth": "A" if choice else "3",
                    "answer_type": "choice" if choice else "number",
                    "program": f"count(category('{EVIL}'))",
                    "operands": [{"role": "query", "category": EVIL, "instance_ids": [1]}],
                    "cell": f"margin:{j}",
                    "frame_set_id": "uniform-2",
                    "signature": f"{scene}|{kind}|{number}",
                    "prompt_id": "vsi-bench",
                    "round": number,
                    "seed": 5,
                }
            )
    return found


def answers(asked: list[dict], kind: str, number: int) -> tuple[list[dict], list[dict]]:
    """Predictions and scores; the model gets better, blind and majority do not."""
    said, scored = [], []
    for i, question in enumerate(asked):
        right = kind == "eval" and i % 3 < number
        key = {name: question[name] for name in ("question_id", "scene_name", "question_type", "frame_set_id")}
        key |= {"run_id": f"{kind}{number}", "model_id": "tiny", "runner": kind, "round": number}
        said.append({**key, "phase": "eval", "completion": question["ground_truth"] if right else f"no {EVIL}"})
        scored.append({**key, "parsed": question["ground_truth"] if right else None, "score": 1.0 if right else 0.25})
    return said, scored


def summary(scored: list[dict]) -> dict:
    def cell(rows: list[dict]) -> dict:
        mean = float(np.mean([row["score"] for row in rows]))
        return {"n": len(rows), "mean": mean, "ci_low": max(mean - 0.05, 0.0), "ci_high": min(mean + 0.05, 1.0)}

    types = {kind: cell([row for row in scored if row["question_type"] == kind]) for kind in TYPES}
    return {"n_scored": len(scored), "types": types, "overall": cell(scored)}


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every table that the stages of a two-round run write."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "images").mkdir()
    eye = np.eye(3).ravel().tolist()
    objects, frames, sets = [], [], []
    for i, scene in enumerate(SCENES):
        for k, category in enumerate(("table", EVIL)):
            box = {"center": [1.0 + 2 * k, 1.5, 0.4], "size": [1.0, 0.6, 0.8], "rotation": eye}
            objects.append({"scene_name": scene, "instance_id": k, "category": category, **box})
        for k in range(2):
            path = f"images/{i}_{k}.png"
            (folder / path).write_bytes(png(8, 60 + 40 * k))
            pose = np.array([[1, 0, 0, 2], [0, 0, 1, 0.3], [0, -1, 0, 1.5], [0, 0, 0, 1]], dtype=float).ravel().tolist()
            frame = {"scene_name": scene, "frame_id": f"f{k}", "image_path": path, "width": 8, "height": 8}
            frames.append({**frame, "world_from_camera": pose})
        sets.append({"scene_name": scene, "frame_set_id": "uniform-2", "n": 2, "frame_ids": ["f0", "f1"]})
    floor = [[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0]]
    write(folder, "scenes", "scenes", [{"scene_name": s, "dataset": "rooms", "floor_polygon": floor} for s in SCENES])
    write(folder, "objects", "objects", objects)
    write(folder, "frames", "frames", frames)
    write(folder, "frame_sets", "frame_sets", sets)
    seen = pl.DataFrame({"scene_name": SCENES, "frame_id": "f0", "instance_id": 0, "visible_px": 20})
    metadata = table_metadata("observations", "test", {}, 0)
    write_table(seen, folder / "observations.parquet", seen.schema, metadata)
    counted = {"scene_name": SCENES[1], "question_type": TYPES[0], "cell": "margin:0", "n": 3, "n_easy": 1}
    write(folder, "feedback", "feedback", [{"round": 1, "mean_confidence": 0.5, **counted}])
    asked = questions(0)
    write(folder, "eval_questions", "questions", asked)
    for number in range(4):
        for kind in ("eval", "blind", "majority"):
            said, scored = answers(asked, kind, number)
            write(folder, f"{kind}_{number}_predictions", "predictions", said)
            write(folder, f"{kind}_{number}_scores", "scores", scored)
            (folder / f"{kind}_{number}_summary.json").write_text(json.dumps(summary(scored)))
        sure = [
            {**said, "phase": "eval", "raw_confidence": 0.8, "label": "frontier", "score": scored["score"]}
            for said, scored in zip(*answers(asked, "eval", number), strict=True)
        ]
        write(folder, f"own_{number}", "confidence", sure)
        trained = questions(number)
        write(folder, f"questions_{number}", "questions", trained)
        chosen = [{**row, "sampler": "learning", "weight": 0.1, "why": "many frontier questions"} for row in trained]
        write(folder, f"choices_{number}", "choices", chosen)
        refused = {"stage": "generate", "item": EVIL, "reason": "ambiguous", "detail": f"two of {EVIL}"}
        write(folder, f"rejects_{number}", "rejects", [refused])
        tokens = {"phase": "train", "token_mask": [True, False], "token_is_top1": [True, False], "round": number}
        write(folder, f"train_{number}", "predictions", [{**row, **tokens} for row in trained])
        values = [(0.05, "hard"), (0.5, "frontier"), (0.95, "easy")]
        labelled = [
            {**row, "phase": "train", "gold_confidence": values[i % 3][0], "label": values[i % 3][1]}
            for i, row in enumerate(trained)
        ]
        write(folder, f"confidence_{number}", "confidence", labelled)
    cells = {"n": 9, "mean_score": 0.5, "ece_before": 0.3, "ece_after": 0.1, "brier_before": 0.3, "brier_after": 0.2}
    told = {"rows": 9, "panel": 3, "suspects": 1, "labels": {"easy": 2, "suspect": 1}, "mean_headroom": 0.1}
    told |= {"calibration": {"all": cells, TYPES[0]: cells}, "drift": None, "refit": {"refit": True, "gain": None}}
    (folder / "signal.json").write_text(json.dumps(told))
    (folder / "calibrator.json").write_text("{}")
    gates = [{"gate": "duplicate", "seen": 9, "judged": 9, "refused": 2}]
    gates += [{"gate": "blind", "seen": 7, "judged": 5, "refused": 1}]
    sources = [
        {"source": name, "share": share, "offered": 9, "refused": 1, "taken": 6}
        for name, share in (("asked_1_template", 6), ("asked_2_llm", 6))
    ]
    (folder / "mix.json").write_text(json.dumps({"sources": sources}))
    (folder / "gate.json").write_text(json.dumps({"candidates": 9, "questions": 6, "passed": 6, "gates": gates}))
    return folder


class Fakes:
    """A folder with a configuration and programs that stand in for the packages."""

    def __init__(self, folder: Path, tables: Path):
        self.folder, self.faults, self.bin = folder, folder / "faults", folder / "bin"
        self.faults.mkdir()
        self.bin.mkdir()
        for name in ("qa-engine", "qa-trainer", "qa-confidence", "qa-eval"):
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{HERE / "fake_stage.py"}" {name} "$@"\n')
            script.chmod(0o755)
        self.config = folder / "loop.toml"
        self.config.write_text(CONFIG)
        self.environment = {"QA_LOOP_BIN": str(self.bin), "FAKE_TABLES": str(tables), "FAKE_FAULTS": str(self.faults)}

    def fault(self, stage: str, what: str) -> None:
        """Let a stage, named by its output, go wrong once."""
        (self.faults / stage).write_text(what)

    def adopt(self, run: Path) -> Path:
        """Copy a finished run, to go on from there."""
        return Path(shutil.copytree(run, self.folder / "out"))

    def change(self, old: str, new: str) -> None:
        """Edit the configuration."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-c", "from qa_loop.cli import main; main()", *map(str, arguments)]

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start the command line as a process of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def fakes(tmp_path: Path, tables: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    found = Fakes(tmp_path, tables)
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture(scope="session")
def finished_run(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that ended well; read only."""
    from qa_loop.config import load_config
    from qa_loop.offers import shipped_models
    from qa_loop.run import run_loop

    fakes = Fakes(tmp_path_factory.mktemp("finished"), tables)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in fakes.environment.items():
            patch.setenv(name, value)
        shipped_models.cache_clear()  # an earlier test may have asked the real trainer
        run_loop(load_config(fakes.config), fakes.folder / "out")
    shipped_models.cache_clear()
    return fakes.folder / "out"
