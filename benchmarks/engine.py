"""Speed of qa-engine beside the field's usual distance, measured in the same run.

uv run python benchmarks/engine.py META_INFO.json --out benchmarks/results/engine.json

META_INFO.json is VSI-Bench's metadata. The yardstick is a 5 cm sampled distance with a KD-tree per pair, on 300 pairs
of single-instance boxes; wall and CPU time are both kept, as a machine that does other work shows in the first only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_engine.geometry import box_distance
from scipy.optimize import lsq_linear
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

REPEATS = 20


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Run `work` in this process; return its result with wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def command(*words: object) -> dict[str, float]:
    """Run a command of qa-engine; return wall and CPU seconds, those of its workers included, and its peak memory."""
    code = "import sys; from qa_engine.cli import main; sys.argv[0] = 'qa-engine'; main()"
    wall = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)], stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"qa-engine {words[0]} failed:\n{errors.read()}")
    seconds = {"wall_s": time.perf_counter() - wall, "cpu_s": usage.ru_utime + usage.ru_stime}
    return seconds | {"peak_mb": usage.ru_maxrss / 1024}


def shell(box: dict[str, Any], step: float = 0.05) -> np.ndarray:
    """Points of a box at `step`, its core left out."""
    size = np.asarray(box["axesLengths"], float)
    axes, center = np.asarray(box["normalizedAxes"], float).reshape(3, 3), np.asarray(box["centroid"], float)
    grid = [np.linspace(-x / 2, x / 2, int(np.ceil(x / step))) for x in size]
    points = np.stack(np.meshgrid(*grid), -1).reshape(-1, 3)
    points = points[np.any(np.abs(points) > size / 4, axis=1)] @ axes + center
    return points if len(points) else shell(box, step * 0.5)


def single_pairs(meta: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """All pairs of boxes of one scene that are the only ones of their categories."""
    pairs = []
    for name in sorted(meta):
        boxes = meta[name]["object_bbox"]
        single = sorted(category for category in boxes if len(boxes[category]) == 1)
        pairs += [(boxes[a][0], boxes[b][0]) for a, b in itertools.combinations(single, 2)]
    return pairs


def yardstick(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, float]:
    """Pairs per second of the sampled distance."""
    chosen = random.Random(0).sample(pairs, min(300, len(pairs)))

    def run() -> float:
        total = 0.0
        for a, b in chosen:
            few, many = sorted((shell(a), shell(b)), key=len)
            total += KDTree(many).query(few)[0].min()
        return float(total)

    total, seconds = timed(run)
    rates = {"pairs_per_s": len(chosen) / seconds["wall_s"], "pairs_per_cpu_s": len(chosen) / seconds["cpu_s"]}
    return {"pairs": len(chosen), "checksum_m": round(total, 6), **rates}


def kernel(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, float]:
    """Pairs per second of the exact distance, packing not included."""
    repeated = pairs * (100_000 // len(pairs) + 1)

    def arrays(side: int) -> list[np.ndarray]:
        boxes = [pair[side] for pair in repeated]
        rotation = np.array([box["normalizedAxes"] for box in boxes]).reshape(-1, 3, 3)
        return [np.array([box["centroid"] for box in boxes]), np.array([box["axesLengths"] for box in boxes]), rotation]

    a, b = arrays(0), arrays(1)
    runs = [timed(lambda: box_distance(*a, *b))[1] for _ in range(3)]
    best = min(runs, key=lambda seconds: seconds["cpu_s"])
    return {
        "pairs": len(repeated),
        "pairs_per_s": len(repeated) / best["wall_s"],
        "pairs_per_cpu_s": len(repeated) / best["cpu_s"],
    }


def accuracy(n: int = 10_000) -> dict[str, float]:
    """Largest difference to bounded least squares over random pairs, thin and overlapping ones included."""
    rng = np.random.default_rng(0)
    boxes = []
    for _ in range(2):
        size = rng.uniform(0.02, 2, (n, 3))
        size[: n // 10, 0] = 1e-3
        boxes.append((rng.uniform(-2, 2, (n, 3)), size, Rotation.random(n, rng).as_matrix()))
    got = box_distance(*boxes[0], *boxes[1])
    worst = 0.0
    for i in range(n):
        (ca, sa, ra), (cb, sb, rb) = ([x[i] for x in box] for box in boxes)
        half = np.concatenate([sa, sb]) / 2
        fit = lsq_linear(np.hstack([ra.T, -rb.T]), cb - ca, (-half, half), method="bvls", tol=1e-15)
        worst = max(worst, abs(float(np.sqrt(2 * fit.cost)) - got[i]))
    return {"pairs": n, "overlapping": int((got == 0).sum()), "largest_difference_m": worst}


def pipeline(meta: dict[str, Any], source: Path, work: Path) -> dict[str, Any]:
    """Time the commands on the scenes repeated 20 times, processes' start-up and Parquet included."""
    many = work / "meta.json"
    many.write_text(json.dumps({f"{name}_{k:02d}": entry for k in range(REPEATS) for name, entry in meta.items()}))
    result: dict[str, Any] = {"scenes": len(meta) * REPEATS}
    result["start_up"] = min((command("--help") for _ in range(5)), key=lambda seconds: seconds["wall_s"])
    for name, path in (("once", source), ("store", many)):
        command("ingest", "vsi-bench", path, "--out", work / name)
    result["generate_once"] = command("generate", work / "once", "--out", work / "q0", "--seed", 1)
    for workers in (1, 2):
        result[f"generate_{workers}_workers"] = best_generation(work / "store", work / f"q{workers}", workers)
    same = all((work / "q1" / f.name).read_bytes() == f.read_bytes() for f in (work / "q2").glob("*.parquet"))
    result["same_bytes_for_1_and_2_workers"] = same
    n = result["generate_1_workers"]["questions"]
    result["memory"] = memory(meta, work)
    result["answer_exact"] = rates(n, command("answer", work / "store", work / "q1", "--out", work / "a.parquet"))
    part = pl.read_parquet(work / "q0" / "questions.parquet")
    result["verify"] = rates(len(part), command("verify", work / "once", work / "q0"))
    sampled = part.filter(pl.col("question_type").is_in(["object_abs_distance", "object_rel_distance"])).head(1500)
    sampled.select("scene_name", "question_type", "question", "options", id="question_id").write_parquet(
        work / "s.parquet"
    )
    words = ("answer", work / "once", work / "s.parquet", "--out", work / "as.parquet", "--profile", "vsi-bench")
    result["answer_vsi_bench_distances"] = rates(len(sampled), command(*words))
    return result


def best_generation(store: Path, out: Path, workers: int, runs: int = 5) -> dict[str, Any]:
    """Generate several times; the fastest run by wall time, and the wall times of all."""
    words = ("generate", store, "--out", out, "--seed", 1, "--workers", workers, "--force")
    tried = [command(*words) for _ in range(runs)]
    n = pl.scan_parquet(out / "questions*.parquet").select(pl.len()).collect().item()
    best = min(tried, key=lambda seconds: seconds["wall_s"])
    least_cpu = min(seconds["cpu_s"] for seconds in tried)
    return rates(n, best) | {
        "all_wall_s": [round(seconds["wall_s"], 3) for seconds in tried],
        "least_cpu_s": least_cpu,
        "load": round(os.getloadavg()[0], 2),
    }


def memory(meta: dict[str, Any], work: Path) -> dict[str, dict[str, float]]:
    """Peak memory over more and more copies of the scenes, with two processes."""
    found = {}
    for repeats in (10, 20, 40):
        path, store = work / f"meta{repeats}.json", work / f"store{repeats}"
        path.write_text(json.dumps({f"{name}_{k:02d}": entry for k in range(repeats) for name, entry in meta.items()}))
        command("ingest", "vsi-bench", path, "--out", store)
        seconds = command("generate", store, "--out", work / "qm", "--seed", 1, "--workers", 2, "--force")
        found[f"{len(meta) * repeats} scenes"] = {"peak_mb": seconds["peak_mb"]}
    return found


def rates(n: int, seconds: dict[str, float]) -> dict[str, float]:
    """Add questions per second of wall and of CPU time."""
    return {"questions": n, **seconds, "per_s": n / seconds["wall_s"], "per_cpu_s": n / seconds["cpu_s"]}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meta", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    meta = json.loads(options.meta.read_text())
    pairs = single_pairs(meta)
    result: dict[str, Any] = {
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "polars": pl.__version__,
            "load_before": round(os.getloadavg()[0], 2),
        },
        "yardstick": yardstick(pairs),
        "box_distance": kernel(pairs),
    }
    y = result["yardstick"]
    result["box_distance"]["times_yardstick"] = result["box_distance"]["pairs_per_cpu_s"] / y["pairs_per_cpu_s"]
    result["accuracy"] = accuracy()
    with tempfile.TemporaryDirectory() as folder:
        result["pipeline"] = pipeline(meta, options.meta, Path(folder))
    result["yardstick_after"] = yardstick(pairs)
    text = json.dumps(result, indent=1)
    sys.stdout.write(text + "\n")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
