"""Time of choosing frames by coverage, beside the same greedy choice written with sets of tuples.

    uv run python benchmarks/frame_sampling.py --out benchmarks/results/frame_sampling.json

Both versions get the same surface points of one procedural room seen from 128 places, use the same voxels and must
choose the same frames. Times are the best of many runs, which is what the code costs when nothing else runs, and their
medians, which on a busy machine are longer: of the whole way from points to frames and of its two steps.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qa_engine.datasets.procedural import furnish, render, walk
from qa_engine.datasets.procedural.camera import intrinsics
from qa_engine.scenes.cameras import Camera, back_project
from qa_engine.views.coverage import VOXELS_PER_SIDE, most_covering, voxel_bits

CANDIDATES = 128
CHOSEN = (8, 16, 32)
SIZE_PX = 80
RUNS = 60
RUNS_OF_SETS = 5


def room_points() -> list[np.ndarray]:
    """Surface points (k, 3) of one room from each of the candidates."""
    room = furnish(np.random.default_rng(3))
    matrix = intrinsics(SIZE_PX)
    points = []
    for pose in walk(room, CANDIDATES):
        camera = Camera(width=SIZE_PX, height=SIZE_PX, intrinsics=matrix, world_from_camera=pose)
        points.append(back_project(render(room, pose, SIZE_PX).depth_m, camera))
    return points


def voxel_sets(points: Sequence[np.ndarray]) -> list[set[tuple[int, ...]]]:
    """Mark which voxels each frame sees, as sets of triples."""
    everything = np.concatenate(points)
    low = everything.min(axis=0)
    edge = float((everything.max(axis=0) - low).min()) / VOXELS_PER_SIDE
    return [set(map(tuple, ((part - low) * np.float32(1 / edge)).astype(np.int32).tolist())) for part in points]


def most_covering_sets(sets: Sequence[set[tuple[int, ...]]], n: int) -> list[int]:
    """Choose frames one by one by set differences."""
    covered: set[tuple[int, ...]] = set()
    chosen: list[int] = []
    while len(chosen) < n:
        gain = [len(voxels - covered) for voxels in sets]
        best = gain.index(max(gain))
        if gain[best] == 0:
            break
        chosen.append(best)
        covered |= sets[best]
    return chosen


@dataclass(frozen=True)
class Timing:
    """Best and median time of a call in milliseconds, and what it returned."""

    best: float
    median: float
    result: Any


def timed(call: Callable[[], Any], runs: int) -> Timing:
    """Run a call many times."""
    times, result = [], None
    for _ in range(runs):
        started = time.perf_counter()
        result = call()
        times.append(1e3 * (time.perf_counter() - started))
    return Timing(min(times), statistics.median(times), result)


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    points = room_points()
    marks, marks_of_sets = timed(lambda: voxel_bits(points), RUNS), timed(lambda: voxel_sets(points), RUNS_OF_SETS)
    bits, sets = marks.result, marks_of_sets.result
    rows = []
    for n in CHOSEN:
        ours = timed(lambda n=n: most_covering(bits, n), RUNS)
        theirs = timed(lambda n=n: most_covering_sets(sets, n), RUNS_OF_SETS)
        if ours.result.tolist() != theirs.result:
            raise SystemExit(f"the two versions choose differently: {ours.result.tolist()} and {theirs.result}")
        rows.append(
            {
                "frames": n,
                "bits_ms": round(marks.best + ours.best, 2),
                "bits_median_ms": round(marks.median + ours.median, 2),
                "sets_ms": round(marks_of_sets.best + theirs.best, 1),
                "speedup": round((marks_of_sets.best + theirs.best) / (marks.best + ours.best), 1),
                "choose_bits_ms": round(ours.best, 2),
                "choose_sets_ms": round(theirs.best, 1),
                "choose_speedup": round(theirs.best / ours.best, 1),
            }
        )
    result = {
        "candidates": CANDIDATES,
        "points": sum(map(len, points)),
        "voxels_seen": int(np.bitwise_count(np.bitwise_or.reduce(bits)).sum()),
        "voxels_per_frame": round(float(np.bitwise_count(bits).sum(axis=1).mean()), 1),
        "results": rows,
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    out.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
