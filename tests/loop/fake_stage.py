# ruff: noqa: T201
"""Stands in for the four packages: copies prepared tables, and leaves a trace of what it was told and what it read.

Started as `fake_stage.py PROGRAM ARGUMENTS...` in the run's folder. FAKE_TABLES names the folder of prepared tables,
FAKE_FAULTS a folder of files named after stages that say what goes wrong, once: "kill", "hang", "exit N", "empty".
"""

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

TABLES = Path(os.environ["FAKE_TABLES"])
FAULTS = Path(os.environ["FAKE_FAULTS"])
STEPS = 4


def option(name, default=None):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def trace(reads):
    """Hash the command and the traces of the inputs."""
    parts = [" ".join(sys.argv[1:])] + [(Path(source) / "trace.txt").read_text() for source in reads]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def fault(stage):
    path = FAULTS / stage
    if not path.exists():
        return
    what = path.read_text()
    path.unlink()
    print(f"fault: {what}", flush=True)
    if what in ("kill", "hang"):
        (FAULTS / "hanging").write_text(str(os.getpid()))
        if what == "kill":
            os.kill(int(Path(".lock").read_text()), signal.SIGKILL)
        time.sleep(60)
        (FAULTS / "survived").write_text(stage)
    if what == "empty":
        sys.exit(0)
    if what.startswith("exit") and what != "exit 1":
        sys.exit(int(what.split()[1]))
    LOST.append(stage)


LOST = []


def all_or_nothing(out, files, reads, stage):
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        print(f"error: {out} exists", flush=True)
        sys.exit(2)
    partial = out.parent / f".{out.name}.{os.getpid()}.partial"
    partial.mkdir()
    for source, name in files.items():
        if (TABLES / source).is_dir():
            shutil.copytree(TABLES / source, partial / name)
        else:
            shutil.copy(TABLES / source, partial / name)
    (partial / "trace.txt").write_text(trace(reads))
    fault(stage)
    partial.replace(out)


def resuming(out, files, reads, stage):
    """Work in steps; one that is done is never done again."""
    out = Path(out)
    out.mkdir(exist_ok=True)
    steps = out / "steps.txt"
    for step in range(len(steps.read_text().split()) if steps.exists() else 0, STEPS):
        with steps.open("a") as file:
            file.write(f"{step}\n")
        if step == STEPS // 2:
            fault(stage)
    for name in ("model", "state"):
        if stage.endswith("train"):
            (out / name).mkdir(exist_ok=True)
            (out / name / "weights.bin").write_bytes(bytes(range(256)))
    for source, name in files.items():
        shutil.copy(TABLES / source, out / name)
    (out / "trace.txt").write_text(trace(reads))
    (out / "manifest.json").write_text("{}")


def main():
    program, command = sys.argv[1:3]
    out = option("--out", "store/frame_sets")
    stage = out.replace("/", "_")
    number = option("--round", "0")
    if command in ("datasets", "models"):
        options = ["--scenes", "--frames-per-scene", "--size"]
        print(json.dumps([{"name": "rooms", "options": options, "settings": {}}] if command == "datasets" else []))
        return
    if command == "ingest":
        names = ("scenes.parquet", "objects.parquet", "frames.parquet", "images")
        all_or_nothing(out, {name: name for name in names}, [], stage)
    elif command == "observe":
        fault("store_observations")
        shutil.copy(TABLES / "observations.parquet", "store/observations.parquet")
    elif command == "sample-frames":
        fault(stage)
        shutil.copy(TABLES / "frame_sets.parquet", "store/frame_sets.parquet")
    elif command == "generate":
        source = "eval_questions" if out == "eval_questions" else f"questions_{number}"
        reads = ["store"] + [sys.argv[i + 1] for i, a in enumerate(sys.argv) if a in ("--exclude", "--feedback")]
        files = {f"{source}.parquet": "questions.parquet"}
        if source != "eval_questions":
            files |= {f"{name}_{number}.parquet": f"{name}.parquet" for name in ("choices", "rejects")}
        all_or_nothing(out, files, reads, stage)
    elif command == "sft":
        reads = [sys.argv[3], *([option("--state-from")] if option("--state-from") else [])]
        resuming(out, {f"train_{number}.parquet": "predictions.parquet"}, reads, stage)
    elif command == "label":
        own = sys.argv[3].endswith("eval")
        here = int(sys.argv[3].split("/")[0][-2:])
        source = f"own_{here}" if own else f"confidence_{here}"
        all_or_nothing(out, {f"{source}.parquet": "confidence.parquet"}, [sys.argv[3]], stage)
    elif command == "feedback":
        all_or_nothing(out, {"feedback.parquet": "feedback.parquet"}, [sys.argv[3], option("--questions")], stage)
    elif command == "run":
        runner = option("--runner")
        kind = "eval" if runner == "transformers" else runner
        files = {f"{kind}_{number}_{name}": name for name in ("predictions.parquet", "scores.parquet", "summary.json")}
        reads = [sys.argv[3], *([str(Path(option("--model")).parent)] if number != "0" else [])]
        resuming(out, files, reads, stage)
    elif command == "report":
        fault(stage)
        Path(out).mkdir(parents=True, exist_ok=True)
        (Path(out) / "report.html").write_text(f"<!doctype html><link rel=icon href='data:,'><title>{program}</title>")
    else:
        raise SystemExit(f"{program} {command}?")
    print(f"wrote {out}", flush=True)
    if LOST:
        sys.exit(1)


main()
