"""What many scenes cost, and how `generate` scales with workers, from times that are measured here.

uv run python benchmarks/growth.py --out benchmarks/results/growth.json

The first table plans the engine's stages: what a scene, a frame and a question cost, times how many there are. Frames
are those of made rooms, so that `ingest` renders them, where it reads those of other data sets.

The second table simulates a crew. Rooms without frames are made; every batch of scenes is worked on alone, in CPU
seconds; so is what the first process does for a result and once, and the start of a worker. The simulation then hands
batches out as a crew does: to whoever is free and reads the strip of scenes that it does not hold, while the first
process takes the results one by one. Its times are those of cores like this one, each for one worker alone; disks and
networks are not in it.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any

PLANS = {"20 phone scans": (20, 300), "ScanNet's 1,500": (1_500, 300), "1,000,000 houses": (1_000_000, 32)}
"""Name of a plan to its scenes, and the frames of each."""

STAGES = ("ingest", "observe", "generate", "verify")

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def measured(n_scenes: int) -> dict[str, Any]:
    """Measure the parts of `generate` with all default question types, in CPU seconds."""
    from qa_contract.tableio import read_table
    from qa_contract.tables import QUESTIONS
    from qa_engine.api import make_request
    from qa_engine.datasets import get_dataset
    from qa_engine.datasets.base import IngestOptions
    from qa_engine.executor import HERE
    from qa_engine.generation.files import write_generation
    from qa_engine.generation.worker import Worker
    from qa_engine.ingestion.run import ingest
    from qa_engine.replay.verify import BOUNDS, COLUMNS, verify
    from qa_engine.scenes.store import Store

    spans: dict[str, list[tuple[float, float]]] = {"write": [], "shard": [], "_read_strip": []}

    def timed(of: type, name: str) -> None:
        work = getattr(of, name)

        def replacement(self: Any, item: Any) -> Any:
            began = time.process_time()
            result = work(self, item)
            spans[name].append((began, time.process_time()))
            return result

        setattr(of, name, replacement)

    timed(Worker, "write")
    timed(Worker, "shard")
    timed(Store, "_read_strip")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = IngestOptions(seed=3, scenes=n_scenes, frames=0)
        began = time.process_time()
        ingest(get_dataset("rooms"), None, out=folder / "store", options=options)
        ingested = time.process_time() - began
        store = Store(folder / "store")
        began = time.process_time()
        spans["_read_strip"].clear()
        run = write_generation(store, make_request(store, None), folder / "questions", executor=HERE)
        total = time.process_time() - began
        size = disk_bytes(folder / "questions")
        asked = read_table(folder / "questions", "questions", QUESTIONS, columns=[*COLUMNS, *BOUNDS])
        began = time.process_time()
        verify(store, asked)
        verified = time.process_time() - began
        tables = disk_bytes(folder / "store")
    strips = spans["_read_strip"]
    read = [sum(e - s for s, e in strips if start <= s < end) for start, end in spans["write"]]
    batches = [end - start - own for (start, end), own in zip(spans["write"], read, strict=True)]
    shards = sum(end - start for start, end in spans["shard"])
    # All questions of so few scenes are one file, written after the last batch: nothing else works between two batches.
    gaps = [later - end for (_, end), (later, _) in pairwise(spans["write"])]
    return {
        "scenes": n_scenes,
        "questions": run.n_questions,
        "bytes_per_question": size / run.n_questions,
        "bytes_per_scene": tables / n_scenes,
        "ingest_per_scene_s": ingested / n_scenes,
        "generate_per_scene_s": total / n_scenes,
        "verify_per_question_s": verified / run.n_questions,
        "batch_s": batches[:-1],  # the last one is smaller
        "shard_s": shards,
        "serial_per_batch_s": statistics.median(gaps),
        "strip_s": max(read),  # of a whole one
        "once_s": total - sum(batches) - sum(read) - shards - sum(gaps),
        "start_s": min(_start() for _ in range(3)),
    }


def measured_frames(bare: dict[str, Any], n_scenes: int, n_frames: int, size: int) -> dict[str, float]:
    """Measure what a frame adds to `ingest` and to the store, beyond a scene without frames, and costs `observe`."""
    from qa_engine.datasets import get_dataset
    from qa_engine.datasets.base import IngestOptions
    from qa_engine.ingestion.run import ingest
    from qa_engine.scenes.store import Store
    from qa_engine.views.observations import observe

    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "store"
        began = time.process_time()
        options = IngestOptions(seed=3, scenes=n_scenes, frames=n_frames, size=size)
        ingest(get_dataset("rooms"), None, out=store, options=options)
        ingested = time.process_time()
        observe(Store(store))
        observed = time.process_time()
        of_scenes = {key: n_scenes * bare[key] for key in ("ingest_per_scene_s", "bytes_per_scene")}
        n = n_scenes * n_frames
        return {
            "ingest_per_frame_s": (ingested - began - of_scenes["ingest_per_scene_s"]) / n,
            "observe_per_frame_s": (observed - ingested) / n,
            "bytes_per_frame": (disk_bytes(store) - of_scenes["bytes_per_scene"]) / n,
        }


def disk_bytes(folder: Path) -> int:
    """Add up the files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def plan(n_scenes: int, n_frames: int, found: dict[str, Any], price: float) -> dict[str, Any]:
    """Give frames, questions, gigabytes, hours of one core by stage, and what these cost."""
    frames, questions = n_scenes * n_frames, n_scenes * found["questions"] / found["scenes"]
    seconds = {
        "ingest": n_scenes * found["ingest_per_scene_s"] + frames * found["ingest_per_frame_s"],
        "observe": frames * found["observe_per_frame_s"],
        "generate": n_scenes * found["generate_per_scene_s"],
        "verify": questions * found["verify_per_question_s"],
    }
    sizes = ((n_scenes, "scene"), (frames, "frame"), (questions, "question"))
    hours = {stage: s / 3600 for stage, s in seconds.items()}
    return {
        "frames": frames,
        "questions": questions,
        "gb": sum(n * found[f"bytes_per_{what}"] for n, what in sizes) / 1e9,
        "hours": hours,
        "cost": sum(hours.values()) * price,
    }


def _start() -> float:
    """Measure what a worker costs before its first batch: its imports."""
    code = "import time, qa_engine.generation.worker; print(time.process_time())"
    environment = os.environ | {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return float(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout)


def simulated(n_scenes: int, workers: int, found: dict[str, Any]) -> float:
    """Give the seconds that a crew takes: batches go to whoever is free, their results through one process.

    A worker that gets a batch of a strip which it does not hold reads that strip first.
    """
    from qa_engine.executor.runs import in_runs
    from qa_engine.facts.batch import SCENES_PER_BATCH
    from qa_engine.scenes.store import SCENES_PER_STRIP, STRIPS_HELD

    rng = random.Random(0)
    n_batches = -(-n_scenes // SCENES_PER_BATCH)
    last = (n_scenes - (n_batches - 1) * SCENES_PER_BATCH) / SCENES_PER_BATCH
    strip_s = found["strip_s"] * min(n_scenes / SCENES_PER_STRIP, 1)
    share = found["shard_s"] / len(found["batch_s"])
    free = [(found["start_s"] * (1 if k == 0 else 2), k) for k in range(workers)]  # others start when the first is up
    heapq.heapify(free)
    held: list[deque[int]] = [deque(maxlen=STRIPS_HELD) for _ in range(workers)]
    taken = 0.0  # when the first process has taken the last result
    for batches in in_runs(range(n_batches), SCENES_PER_STRIP // SCENES_PER_BATCH, workers):
        end, worker = heapq.heappop(free)
        strip = batches[0] * SCENES_PER_BATCH // SCENES_PER_STRIP
        if strip not in held[worker]:
            held[worker].append(strip)
            end += strip_s
        for k in batches:
            end += (rng.choice(found["batch_s"]) + share) * (last if k == n_batches - 1 else 1)
        heapq.heappush(free, (end, worker))
        taken = max(taken, end) + len(batches) * found["serial_per_batch_s"]
    return found["once_s"] + max(taken, *(end for end, _ in free))


def main() -> None:
    """Measure, simulate, print the table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1025, help="rooms that are measured")
    parser.add_argument("--frame-scenes", type=int, default=16, help="rooms with frames that are measured")
    parser.add_argument("--frames", type=int, default=8, help="frames of each of them")
    parser.add_argument("--size", type=int, default=256, help="pixels along a side of a frame")
    parser.add_argument("--price", type=float, default=0.04, help="of an hour of one core, in any currency")
    parser.add_argument("--out", type=Path, help="JSON file of the result")
    asked = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found = measured(asked.scenes) | {"load": os.getloadavg()[0], "cores": os.cpu_count()}
    found |= measured_frames(found, asked.frame_scenes, asked.frames, asked.size)
    plans = {name: plan(*sizes, found, asked.price) for name, sizes in PLANS.items()}
    stages = " | ".join(f"{stage}, core h" for stage in STAGES)
    print(f"| scenes | frames | questions | GB | {stages} | h on 8 cores | h on 64 | cost |")
    print("|---" * (7 + len(STAGES)) + "|")
    for name, made in plans.items():
        hours = [made["hours"][stage] for stage in STAGES]
        cells = [f"{made['frames']:,}", f"{made['questions']:,.0f}", f"{made['gb']:,.2f}"]
        cells += [f"{h:,.3f}" for h in (*hours, sum(hours) / 8, sum(hours) / 64)]
        print(f"| {name} | " + " | ".join(cells) + f" | {made['cost']:,.2f} |")
    print("\n| `generate` | " + " | ".join(f"{n} workers" for n in WORKERS) + " |")
    print("|---|" + "---|" * len(WORKERS))
    for name, (n, _) in PLANS.items():
        seconds = {workers: simulated(n, workers, found) for workers in WORKERS}
        plans[name]["generate_s"] = seconds
        print(f"| {name} | " + " | ".join(f"{s:,.1f} s, {seconds[1] / s:,.1f}x" for s in seconds.values()) + " |")
    print(f"\nLoad {found['load']:.1f} on {found['cores']} cores.")
    if asked.out:
        asked.out.write_text(json.dumps(found | {"plans": plans}, indent=1) + "\n")


if __name__ == "__main__":
    main()
