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
import urllib.request
from pathlib import Path

TABLES = Path(os.environ["FAKE_TABLES"])
FAULTS = Path(os.environ["FAKE_FAULTS"])
STEPS = 4


def option(name, default=None):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def trace(reads):
    """Hash the command and the traces of the inputs."""
    words = [word for word in sys.argv[1:] if not word.startswith("http://127.0.0.1:")]  # another port every time
    parts = [" ".join(words)] + [(Path(source) / "trace.txt").read_text() for source in reads]
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


def ask_server():
    """Ask the server that the command names, and say which model answered."""
    url = option("--base-url")
    if url is None:
        return
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", data=b"{}")) as response:
            answered = response.read().decode()
    except OSError as error:
        print(f"no answer: {error}", flush=True)
        time.sleep(60)
    assert answered == option("--model"), answered


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
        if "train" in stage:
            (out / name).mkdir(exist_ok=True)
            (out / name / "weights.bin").write_bytes(bytes(range(256)))
    for source, name in files.items():
        shutil.copy(TABLES / source, out / name)
    (out / "trace.txt").write_text(trace(reads))
    (out / "manifest.json").write_text("{}")


def main():
    program, command = sys.argv[1:3]
    if "--describe" in sys.argv:
        print(os.environ.get("FAKE_OPTIONS", "[]"))
        return
    out = option("--out", "store/frame_sets")
    stage = out.replace("/", "_")
    number = option("--round", "0")
    if command == "plan":
        cost = {"flops": 3e6, "seconds": 0.1, "total_bytes": 10, "available_bytes": 20}
        print(json.dumps({**cost, "weights_bytes": 4, "optimizer_bytes": 8}))
        return
    if command == "tasks":
        print(json.dumps([{"question_type": "letters", "answer_type": "choice", "asked_by_default": False}]))
        return
    if command in ("datasets", "models"):
        options = ["--scenes", "--frames-per-scene", "--size", "--first-scene"]
        print(json.dumps([{"name": "rooms", "options": options, "settings": {}}] if command == "datasets" else []))
        return
    if command == "ingest" and "--add" in sys.argv:
        name = option("--collection")
        Path("store/added").mkdir(exist_ok=True)
        Path(f"store/images/{name}.png").write_bytes(name.encode())
        tables = {f"{table}.parquet": f"{table}.parquet" for table in ("scenes", "objects", "frames")}
        all_or_nothing(f"store/added/{name}", tables, ["store"], f"store_{name}")
    elif command == "ingest":
        names = ("scenes.parquet", "objects.parquet", "frames.parquet", "images")
        all_or_nothing(out, {name: name for name in names}, [], stage)
    elif command == "observe":
        fault("store_observations")
        shutil.copy(TABLES / "observations.parquet", "store/observations.parquet")
    elif command == "sample-frames":
        fault(stage)
        shutil.copy(TABLES / "frame_sets.parquet", "store/frame_sets.parquet")
    elif command == "compare":
        cell = {"n": 9, "a": 0.5, "b": 0.6, "difference": 0.1}
        clear, open_ = {"low": 0.05, "high": 0.15}, {"low": -0.1, "high": 0.3}
        print(json.dumps({"types": {"count": {**cell, "interval": clear}}, "overall": {**cell, "interval": open_}}))
        return
    elif command == "generate" and out == "all":
        all_or_nothing(out, {"questions_1.parquet": "questions.parquet"}, [], stage)
    elif command in ("generate", "propose", "mix"):
        if command == "propose":
            ask_server()
        fixed = out.startswith("eval_questions") or out == "panel"
        source = "eval_questions" if fixed else f"questions_{number}"
        told = ("--exclude", "--feedback", "--sampler-state")
        first = ["store"] if command != "mix" else [word for word in sys.argv[3:] if "/asked_" in word]
        reads = first + [sys.argv[i + 1] for i, a in enumerate(sys.argv) if a in told]
        files = {f"{source}.parquet": "questions.parquet"}
        if not fixed:
            files |= {f"{name}_{number}.parquet": f"{name}.parquet" for name in ("choices", "rejects")}
        if command == "mix":
            files["mix.json"] = "manifest.json"
        all_or_nothing(out, files, reads, stage)
    elif command in ("draw", "gate"):
        here = int(out.split("/")[0][-2:])
        told = ("--evidence", "--exclude", "--about", "--again", "--doubts")
        reads = [sys.argv[3]] + [sys.argv[i + 1] for i, a in enumerate(sys.argv) if a in told]
        files = {f"questions_{here}.parquet": "questions.parquet"}
        if command == "gate":
            files |= {f"rejects_{here}.parquet": "rejects.parquet", "gate.json": "manifest.json"}
        all_or_nothing(out, files, reads, stage)
    elif command == "signal":
        here = int(out.split("/")[0][-2:])
        told = ("--blind", "--questions", "--panel", "--previous")
        reads = [sys.argv[3]] + [sys.argv[i + 1] for i, a in enumerate(sys.argv) if a in told]
        files = {f"own_{here}.parquet": "confidence.parquet"}
        files |= {name: name for name in ("calibrator.json", "signal.json")}
        all_or_nothing(out, files, reads, stage)
    elif command == "grpo":
        number = out.split("/")[0][-2:].lstrip("0")
        resuming(out, {f"rejects_{number}.parquet": "rejects.parquet"}, [sys.argv[3]], stage)
    elif command == "sft":
        reads = [sys.argv[3], *([option("--state-from")] if option("--state-from") else [])]
        resuming(out, {f"train_{number}.parquet": "predictions.parquet"}, reads, stage)
    elif command == "label":
        own = sys.argv[3].endswith("eval")
        reads = [sys.argv[3], *([option("--signal")] if option("--signal") else [])]
        here = int(sys.argv[3].split("/")[0][-2:])
        source = f"own_{here}" if own else f"confidence_{here}"
        all_or_nothing(out, {f"{source}.parquet": "confidence.parquet"}, reads, stage)
    elif command == "feedback":
        reads = [sys.argv[i + 1] for i, a in enumerate(sys.argv) if a in ("--questions", "--signal", "--previous")]
        all_or_nothing(out, {"feedback.parquet": "feedback.parquet"}, [sys.argv[3], *reads], stage)
    elif command == "run":
        runner = option("--runner")
        kind = {"transformers": "eval", "openai": "eval", "openai-blind": "blind"}.get(runner, runner)
        ask_server()
        files = {f"{kind}_{number}_{name}": name for name in ("predictions.parquet", "scores.parquet", "summary.json")}
        trained = [str(Path(option("--model")).parent)] if option("--model", "").startswith("round_") else []
        reads = [*([] if sys.argv[3].startswith("/") else [sys.argv[3]]), *trained]
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
