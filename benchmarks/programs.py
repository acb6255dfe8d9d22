"""Programs per second of `qa-engine run-programs`, workers and locks included.

uv run python benchmarks/programs.py --out benchmarks/results/programs.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
from qa_engine.programs.pool import ProgramPool
from qa_engine.scenes.scene import Scene
from qa_engine.views.sightings import Sightings

FORMS = (
    "distance_m({a}, {b})",
    "count('thing {k}')",
    "direction_quadrant({a}, {b}, {c})",
    "nearest_category({a}, ['thing {k}', 'thing {j}', 'thing {l}'])",
    "'yes' if distance_m({a}, {b}) < m({x}) else 'no'",
    "argmax(objects(), [volume_m3(o) for o in objects()])",
    "length([o for o in objects() if distance_m(o, {a}) < m({x})])",
    "longest_side_cm({a}) + cm({x})",
    "count_visible('thing {k}', {l})",
    "'before' if first_frame({a}) < first_frame({b}) else 'after'",
    "path_clear({a}, {b})",
    "free_area_m2() / room_area_m2() < {x}",
)
"""Programs of the length that templates and models write, from a look-up to two loops over all objects."""


def scene(name: str, n: int, rng: np.random.Generator) -> Scene:
    """Make a room with n boxes of 8 categories."""
    return Scene(
        scene_name=name,
        dataset="benchmark",
        category=np.array([f"thing {i % 8}" for i in range(n)]),
        center=rng.uniform(-4, 4, (n, 3)),
        size=rng.uniform(0.2, 2, (n, 3)),
        rotation=np.repeat(np.eye(3)[None], n, axis=0),
        room_size_m2=64.0,
        floor_polygon=np.array([[-4.0, -4], [4, -4], [4, 4], [-4, 4]]),
    )


def recording(n: int, rng: np.random.Generator) -> Sightings:
    """Show every one of n objects in some of 32 frames."""
    frame, thing = np.nonzero(rng.random((32, n)) < 0.2)
    frame, thing = np.append(frame, np.full(n, 31)), np.append(thing, np.arange(n))
    return Sightings(frame.astype(float), thing, rng.integers(100, 5000, len(frame)), np.arange(32.0))


def programs(count: int, n: int, rng: np.random.Generator) -> list[str]:
    """Write programs that all differ."""
    texts = []
    for i in range(count):
        a, b, c = rng.choice(n, 3, replace=False).tolist()
        k, j, l = rng.choice(8, 3, replace=False).tolist()  # noqa: E741
        texts.append(FORMS[i % len(FORMS)].format(a=a, b=b, c=c, k=k, j=j, l=l, x=f"{rng.uniform(0.5, 4):.4f}"))
    return texts


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--objects", type=int, default=30)
    parser.add_argument("--programs", type=int, default=1000, help="per scene")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    work = [
        (scene(f"s{i}", options.objects, rng), programs(options.programs, options.objects, rng))
        for i in range(options.scenes)
    ]
    seen = {room.scene_name: recording(options.objects, rng) for room, _ in work}
    with ProgramPool(options.workers, sightings=seen.get) as pool:
        began, times = time.perf_counter(), os.times()
        outcomes = [outcome for part in pool.run(work) for outcome in part]
        seconds = time.perf_counter() - began
        layers = ["interpreter", *pool.layers]
    after = os.times()
    cpu = after.children_user + after.children_system - times.children_user - times.children_system
    bad = [outcome for outcome in outcomes if outcome.status != "ok"]
    result = {
        "programs": len(outcomes),
        "not_ok": len(bad),
        "workers": options.workers,
        "layers": layers,
        "per_s": round(len(outcomes) / seconds, 1),
        "per_cpu_s": round(len(outcomes) / cpu, 1),
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()},
        "load": round(os.getloadavg()[0], 2),
    }
    text = json.dumps(result, indent=1) + "\n"
    sys.stdout.write(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
