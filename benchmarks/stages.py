"""What every stage of the loop costs, and what a second worker gives, beside a yardstick of the same minute.

uv run python benchmarks/stages.py --out benchmarks/results/stages.json

A small loop runs once; its manifest has the seconds, CPU seconds, peak memory and rows per second of every stage. Then
the engine's commands run with one and with two workers on more scenes. The yardstick is the field's usual distance
(5 cm samples and a KD-tree per pair) on 300 pairs of boxes of these rooms. On a machine that does other work, CPU
seconds and the ratio to the yardstick hold; wall seconds do not, so the load is kept with them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
from engine import command, shell
from scipy.spatial import KDTree

CONFIG = """
[run]
name = "stages"
seed = 7
rounds = 1
[scenes]
dataset = "rooms"
scenes = {scenes}
frames = 2
size = 64
seed = 7
split = "train=0.8,val=0.0,test=0.2"
[frames]
frames = 2
[generate]
tasks = ["object_counting", "object_size_estimation", "room_size_estimation", "object_abs_distance"]
[train]
model = "tiny"
steps = {steps}
batch_size = 16
learning_rate = 4e-4
[eval]
per_scene = 4
batch_size = 32
runners = ["majority"]
"""


def pairs_per_cpu_second(store: Path, n: int = 300) -> float:
    """Give the yardstick: sampled distances of pairs of boxes per CPU second."""
    rows = pl.read_parquet(store / "objects.parquet").group_by("scene_name", maintain_order=True).agg(pl.all()).rows()
    boxes = [
        [
            {"centroid": center, "axesLengths": size, "normalizedAxes": turn}
            for center, size, turn in zip(row[4], row[5], row[6], strict=True)
        ]
        for row in rows[:100]
    ]
    every = [pair for scene in boxes for pair in combinations(scene, 2)]
    chosen = random.Random(0).sample(every, min(n, len(every)))
    began = time.process_time()
    for first, second in chosen:
        small, large = sorted((shell(first), shell(second)), key=len)
        KDTree(large).query(small)[0].min()
    return len(chosen) / (time.process_time() - began)


def loop_stages(folder: Path, *, scenes: int, steps: int) -> list[dict[str, Any]]:
    """Run a small loop and read what its stages cost."""
    config = folder / "loop.toml"
    config.write_text(CONFIG.format(scenes=scenes, steps=steps))
    program = Path(sys.executable).parent / "qa-loop"
    subprocess.run([program, "run", config, "--out", folder / "run"], check=True, stdout=subprocess.DEVNULL)
    manifest = json.loads((folder / "run/manifest.json").read_text())
    names = ("name", "rows", "seconds", "cpu_s", "peak_mb")
    return [{name: record[name] for name in names} for record in manifest["stages"]]


def engine_commands(folder: Path, *, scenes: int, workers: int) -> dict[str, dict[str, float]]:
    """Run the engine's commands with so many workers; give seconds, CPU seconds and the first process's peak memory."""
    store, asked = folder / f"store{workers}", folder / f"questions{workers}"
    many = ("--workers", workers)
    found = {
        "ingest": command("ingest", "rooms", "--scenes", scenes, "--frames-per-scene", 2, "--size", 64, "--seed", 3,
                          "--out", store, *many),
        "observe": command("observe", store, *many),
        "sample-frames": command("sample-frames", store, "--frames", 1, "--method", "coverage", *many),
        "generate": command("generate", store, "--out", asked, *many),
        "verify": command("verify", store, asked, *many),
        "answer": command("answer", store, asked, "--out", folder / f"answers{workers}.parquet", *many),
        "export": command("export", asked, "--store", store, "--format", "trl", "--out", folder / f"export{workers}",
                          *many),
    }  # fmt: skip
    return found


def digest(folder: Path, workers: int) -> str:
    """Hash all tables that the engine's commands wrote."""
    found = hashlib.sha256()
    for path in sorted([*folder.glob(f"*{workers}/*.parquet"), folder / f"answers{workers}.parquet"]):
        found.update(path.read_bytes())
    return found.hexdigest()


def table(stages: list[dict[str, Any]], yardstick: float) -> str:
    """Write the costs as Markdown."""
    lines = ["| stage | rows | seconds | CPU s | peak MB | rows per CPU s | rows per pair of the yardstick |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in stages:
        rate = row["rows"] / row["cpu_s"] if row["rows"] and row["cpu_s"] else 0
        lines.append(
            f"| {row['name']} | {row['rows'] or 0:,} | {row['seconds']:,.1f} | {row['cpu_s']:,.1f} | "
            f"{row['peak_mb'] or 0:,.0f} | {rate:,.1f} | {rate / yardstick:,.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the tables and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=60, help="scenes of the loop")
    parser.add_argument("--steps", type=int, default=8, help="training steps of the loop")
    parser.add_argument("--engine-scenes", type=int, default=400, help="scenes of the engine's commands")
    parser.add_argument("--out", type=Path, help="JSON file of the result")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    result: dict[str, Any] = {"cores": os.cpu_count(), "load_before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result["stages"] = loop_stages(folder, scenes=asked.scenes, steps=asked.steps)
        before = pairs_per_cpu_second(folder / "run/store")
        print(table(result["stages"], before), end="\n\n")
        result["engine"] = {n: engine_commands(folder, scenes=asked.engine_scenes, workers=n) for n in (1, 2)}
        after = pairs_per_cpu_second(folder / "store1")
        result["same_bytes"] = digest(folder, 1) == digest(folder, 2)
    result |= {"pairs_per_cpu_second": [before, after], "load_after": os.getloadavg()}
    print("| command | 1 worker: s, CPU s | 2 workers: s, CPU s | times as fast | CPU of 2 over 1 |")
    print("|---|---|---|---|---|")
    for name, one in result["engine"][1].items():
        two = result["engine"][2][name]
        print(
            f"| {name} | {one['wall_s']:.1f}, {one['cpu_s']:.1f} | {two['wall_s']:.1f}, {two['cpu_s']:.1f} | "
            f"{one['wall_s'] / two['wall_s']:.2f} | {two['cpu_s'] / one['cpu_s']:.2f} |"
        )
    loads = [result[name][0] for name in ("load_before", "load_after")]
    print(f"\nSame bytes: {result['same_bytes']}. Yardstick: {before:.0f} and {after:.0f} pairs per CPU second.")
    print(f"Load: {loads[0]:.1f} before, {loads[1]:.1f} after, on {result['cores']} cores.")
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
