"""How `generate` scales with workers: service times are measured here, the crew is simulated from them.

uv run python benchmarks/growth.py --out benchmarks/results/growth.json

Rooms without frames are made; every batch of scenes is worked on alone, in CPU seconds; so is what the first process
does for a result and once, and the start of a worker. The simulation then hands batches out as a crew does: to whoever
is free, while the first process takes the results one by one. Its times are those of cores like this one, each for one
worker alone; disks and networks are not in it.
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
from itertools import pairwise
from pathlib import Path
from typing import Any

SCENES = (20, 1_500, 1_000_000)
"""Twenty scans of a phone, ScanNet, what synthetic houses give."""

WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def measured(n_scenes: int) -> dict[str, Any]:
    """Measure the parts of `generate` with all default question types, in CPU seconds."""
    from qa_engine.api import make_request
    from qa_engine.datasets import get_dataset
    from qa_engine.datasets.base import IngestOptions
    from qa_engine.executor import HERE
    from qa_engine.generation.files import write_generation
    from qa_engine.generation.worker import Worker
    from qa_engine.ingestion.run import ingest
    from qa_engine.scenes.store import Store

    spans: dict[str, list[tuple[float, float]]] = {"write": [], "shard": []}

    def timed(name: str) -> None:
        work = getattr(Worker, name)

        def replacement(self: Worker, item: Any) -> Any:
            began = time.process_time()
            result = work(self, item)
            spans[name].append((began, time.process_time()))
            return result

        setattr(Worker, name, replacement)

    timed("write")
    timed("shard")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = IngestOptions(seed=3, scenes=n_scenes, frames=0)
        began = time.process_time()
        ingest(get_dataset("rooms"), None, out=folder / "store", options=options)
        ingested = time.process_time() - began
        store = Store(folder / "store")
        began = time.process_time()
        run = write_generation(store, make_request(store, None), folder / "questions", executor=HERE)
        total = time.process_time() - began
        size = sum(path.stat().st_size for path in (folder / "questions").iterdir())
    batches = [end - start for start, end in spans["write"]]
    shards = sum(end - start for start, end in spans["shard"])
    # All questions of so few scenes are one file, written after the last batch: nothing else works between two batches.
    gaps = [later - end for (_, end), (later, _) in pairwise(spans["write"])]
    return {
        "scenes": n_scenes,
        "questions": run.n_questions,
        "bytes_per_question": size / run.n_questions,
        "ingest_per_scene_s": ingested / n_scenes,
        "batch_s": batches[:-1],  # the last one is smaller
        "shard_s": shards,
        "serial_per_batch_s": statistics.median(gaps),
        "once_s": total - sum(batches) - shards - sum(gaps),
        "start_s": min(_start() for _ in range(3)),
    }


def _start() -> float:
    """Measure what a worker costs before its first batch: its imports."""
    code = "import time, qa_engine.generation.worker; print(time.process_time())"
    environment = os.environ | {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return float(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout)


def simulated(n_scenes: int, workers: int, found: dict[str, Any], scenes_per_batch: int) -> float:
    """Give the seconds that a crew takes: batches go to whoever is free, their results through one process."""
    rng = random.Random(0)
    n_batches = -(-n_scenes // scenes_per_batch)
    last = (n_scenes - (n_batches - 1) * scenes_per_batch) / scenes_per_batch
    share = found["shard_s"] / len(found["batch_s"])
    free = [found["start_s"] * (1 if k == 0 else 2) for k in range(workers)]  # others start when the first is up
    heapq.heapify(free)
    taken = 0.0  # when the first process has taken the last result
    for k in range(n_batches):
        service = (rng.choice(found["batch_s"]) + share) * (last if k == n_batches - 1 else 1)
        done = heapq.heappop(free) + service
        heapq.heappush(free, done)
        taken = max(taken, done) + found["serial_per_batch_s"]
    return found["once_s"] + max([taken, *free])


def main() -> None:
    """Measure, simulate, print the table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1025, help="rooms that are measured")
    parser.add_argument("--out", type=Path, help="JSON file of the result")
    asked = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from qa_engine.facts.batch import SCENES_PER_BATCH

    found = measured(asked.scenes) | {"load": os.getloadavg()[0], "cores": os.cpu_count()}
    print("| scenes | questions | GB | " + " | ".join(f"{n} workers" for n in WORKERS) + " |")
    print("|---|---|---|" + "---|" * len(WORKERS))
    plans = {}
    for n in SCENES:
        seconds = {workers: simulated(n, workers, found, SCENES_PER_BATCH) for workers in WORKERS}
        questions = n * found["questions"] / found["scenes"]
        plans[n] = {"seconds": seconds, "questions": questions, "gb": questions * found["bytes_per_question"] / 1e9}
        cells = [f"{s:,.1f} s, {seconds[1] / s:,.1f}x" for s in seconds.values()]
        print(f"| {n:,} | {questions:,.0f} | {plans[n]['gb']:.3f} | " + " | ".join(cells) + " |")
    if asked.out:
        asked.out.write_text(json.dumps(found | {"plans": plans}, indent=1) + "\n")


if __name__ == "__main__":
    main()
