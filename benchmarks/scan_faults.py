"""Which mistakes of own scans are refused, named or missed: one at a time, made in each scene of VSI-Bench's metadata.

    SPATIAL_QA_DATA=FOLDER uv run python benchmarks/scan_faults.py --out benchmarks/results/scan_faults.json

FOLDER holds `vsi_bench/meta_info.json`. Each scene is written as an own scan (boxes.json) with one mistake, read by
data set `generic` without switches, and checked. *No effect*: the boxes are what they are all the same. *Said*:
`doctor` says that the scene does not tell, and names the switch. *Missed*: neither. The share is that of refused and
named ones among those that are neither without effect nor said. Usual sizes come from the scenes of half `fit` and
other samples; the scenes of half `held out` played no part in them. The margins that separate readings were set by
the correct scenes of both halves.

Walls are no part of that metadata, so what they tell of boxes whose columns were taken for rows is measured in
generated rooms that are turned by 5 to 40 degrees: with boxes alone, with the outline of the room, and with a cloud of
its walls, floor and furniture.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import SceneError
from qa_engine.formats.canonical import Z_UP_FROM
from qa_engine.geometry import Boxes, box_corners
from qa_engine.ingestion.sanity import check_scene
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.scene import Scene
from scipy.spatial.transform import Rotation

WALLS = ("boxes alone", "outline", "cloud")
"""What is known of a generated room."""
POINTS = 4000
"""Points of walls, of the floor, and of furniture."""

OUTCOMES = ("refused", "named", "said", "missed", "no effect")
SAME_M = 0.02
"""Boxes whose corners agree this well are read as they are."""

Box = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """One mistake: what a scene becomes, in which form its boxes are written, and the switch that mends it."""

    name: str
    switch: str = ""
    change: Callable[[Boxes], Boxes] = lambda boxes: boxes
    write: Callable[[Boxes, int], Box] = lambda boxes, i: {"rotation": boxes.rotation[i].ravel().tolist()}


def turned(matrix: np.ndarray) -> Callable[[Boxes], Boxes]:
    """Turn the world by (3, 3) `matrix`."""
    return lambda boxes: Boxes(boxes.center @ matrix.T, boxes.size, boxes.rotation @ matrix.T)


def scaled(world: float, sizes: float) -> Callable[[Boxes], Boxes]:
    """Scale the world, and the sizes of boxes by themselves."""
    return lambda boxes: Boxes(boxes.center * world, boxes.size * world * sizes, boxes.rotation)


def tilt(degrees: float) -> np.ndarray:
    """Tilt about a horizontal axis that lies along nothing."""
    return Rotation.from_rotvec(np.deg2rad(degrees) * np.array([np.cos(0.7), np.sin(0.7), 0])).as_matrix()


def quaternion(boxes: Boxes, i: int) -> Box:
    """Write x, y, z, w."""
    return {"quaternion": Rotation.from_matrix(boxes.rotation[i].T).as_quat().tolist()}


def yaw_degrees(boxes: Boxes, i: int) -> Box:
    """Write the turn about z of the most nearly level axis, in degrees."""
    axis = boxes.rotation[i][np.abs(boxes.rotation[i][:, 2]).argmin()]
    return {"yaw": float(np.degrees(np.arctan2(axis[1], axis[0])))}


FAULTS = (
    Fault("none"),
    *(
        Fault(f"{axis} points up", f"up={axis}", turned(matrix[:3, :3].T))
        for axis, matrix in Z_UP_FROM.items()
        if axis != "z"
    ),
    *(Fault(f"tilt of {degrees} degrees", "up=", turned(tilt(degrees))) for degrees in (15, 30, 45)),
    Fault("columns are the axes", "axes=columns", lambda b: Boxes(b.center, b.size, b.rotation.transpose(0, 2, 1))),
    Fault("quaternions are x, y, z, w", "quaternion=xyzw", write=quaternion),
    Fault("yaw in degrees", "yaw=degrees", write=yaw_degrees),
    *(
        Fault(f"{factor:.3g} times as large", "units=", scaled(factor, 1))
        for factor in (1000.0, 100.0, 39.37, 3.281, 3.0, 2.0, 0.5, 1 / 3, 0.3048)
    ),
    Fault("half lengths as sizes", "units=", scaled(1, 0.5)),
    Fault("double lengths as sizes", "units=", scaled(1, 2)),
)


def half_of(name: str) -> str:
    """Tell the half of a scene, by a hash of its name."""
    return ("fit", "held out")[hashlib.sha256(name.encode()).digest()[0] % 2]


def outcome(scene: Scene, fault: Fault, folder: Path) -> tuple[str, str]:
    """Write a scene with a mistake, read and check it; return what came of it and what was said."""
    boxes = fault.change(scene.boxes)
    rows = [
        {"label": str(label), "center": boxes.center[i].tolist(), "size": boxes.size[i].tolist()}
        | fault.write(boxes, i)
        for i, label in enumerate(scene.category)
    ]
    (folder / "scan").mkdir(exist_ok=True)
    (folder / "scan" / "boxes.json").write_text(json.dumps(rows))
    generic = get_dataset("generic")
    (source,) = generic.discover(folder, IngestOptions())
    try:
        read = generic.load(source)
    except SceneError as error:
        return "refused", str(error)
    inspection = check_scene(read)
    named = [found for found in inspection.findings if found.error.reason.value not in ("odd_size", "similar_labels")]
    if named:
        return ("refused" if named[0].severe else "named"), str(named[0].error)
    given, right = (box_corners(found.center, found.size, found.rotation) for found in (read, scene))
    if np.linalg.norm(given[:, :, None] - right[:, None], axis=3).min(axis=2).max() < SAME_M:
        return "no effect", ""
    doubts = [doubt.switch for doubt in inspection.untold]
    return ("said" if any(doubt.startswith(fault.switch) for doubt in doubts) else "missed"), "; ".join(doubts)


def measure(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """Make every mistake in every scene."""
    rows = []
    for fault in FAULTS:
        found: dict[str, Counter[str]] = {"fit": Counter(), "held out": Counter()}
        right = 0
        for scene in scenes:
            with tempfile.TemporaryDirectory() as folder:
                what, words = outcome(scene, fault, Path(folder))
            found[half_of(scene.scene_name)][what] += 1
            right += what in ("refused", "named") and fault.switch in words
        row: dict[str, Any] = {"fault": fault.name, "right_switch": right}
        for half, counts in found.items():
            row[half] = {name: counts[name] for name in OUTCOMES}
            told = counts["refused"] + counts["named"]
            row[half]["share"] = round(told / (told + counts["missed"]), 3) if told + counts["missed"] else None
        rows.append(row)
    return rows


def cloud_of(scene: Scene, outline: np.ndarray, rng: np.random.Generator) -> Cloud:
    """Scatter points over walls, floor and the boxes of a room; they belong to no object."""
    start, end = outline, np.roll(outline, -1, axis=0)
    side = rng.choice(len(start), POINTS, p=(length := np.linalg.norm(end - start, axis=1)) / length.sum())
    walls = start[side] + (end - start)[side] * rng.uniform(size=(POINTS, 1))
    floor = rng.uniform(outline.min(axis=0), outline.max(axis=0), (POINTS, 2))
    parts = [np.column_stack([walls, rng.uniform(0, 2.5, POINTS)]), np.column_stack([floor, np.zeros(POINTS)])]
    box = rng.integers(len(scene), size=POINTS)
    inside = rng.uniform(-0.5, 0.5, (POINTS, 3)) * scene.size[box]
    parts.append(scene.center[box] + np.einsum("pi,pij->pj", inside, scene.rotation[box]))
    points = np.concatenate(parts) + rng.normal(0, 0.01, (3 * POINTS, 3))
    return Cloud(points.astype(np.float32), np.full(len(points), -1))


def measure_walls(n_rooms: int) -> list[dict[str, Any]]:
    """Take columns for rows in generated rooms that stand askew, with and without walls."""
    found = {(known, wrong): Counter[str]() for known in WALLS for wrong in (False, True)}
    rooms = get_dataset("rooms")
    for k, source in enumerate(rooms.discover(None, IngestOptions(scenes=n_rooms, frames=1, size=16))):
        rng = np.random.default_rng(k)
        matrix = Rotation.from_euler("z", rng.uniform(5, 40) * rng.choice([-1, 1]), degrees=True).as_matrix()
        room = rooms.load(source)
        assert room.floor_polygon is not None
        outline = room.floor_polygon @ matrix[:2, :2].T
        boxes = turned(matrix)(room.boxes)
        plain = {"dataset": "generic", "frames": (), "cloud": None, "mesh": None, "floor_polygon": None}
        right = replace(room, center=boxes.center, rotation=boxes.rotation, **plain)
        for known, changes in (
            ("boxes alone", {}),
            ("outline", {"floor_polygon": outline}),
            ("cloud", {"cloud": cloud_of(right, outline, rng)}),
        ):
            for wrong in (False, True):
                rotation = boxes.rotation.transpose(0, 2, 1) if wrong else boxes.rotation
                inspection = check_scene(replace(right, rotation=rotation, **changes))
                named = [f for f in inspection.findings if f.error.reason.value == "box_axes"]
                told = ("refused" if named[0].severe else "named") if named else "said"
                if not named and not any(doubt.switch.startswith("axes") for doubt in inspection.untold):
                    told = "nothing"
                found[known, wrong][told] += 1
    return [{"known": known, "columns": wrong, **counts} for (known, wrong), counts in found.items()]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Write the table as Markdown."""
    lines = ["| mistake | refused | named | said | no effect | missed | share, fit | share, held out |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in rows:
        n = {name: row["fit"][name] + row["held out"][name] for name in OUTCOMES}
        shares = ["" if (share := row[half]["share"]) is None else f"{share:.0%}" for half in ("fit", "held out")]
        cells = [row["fault"], *(n[name] for name in ("refused", "named", "said", "no effect", "missed")), *shares]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file of the result")
    parser.add_argument("--rooms", type=int, default=150, help="generated rooms; 0 leaves them out")
    options = parser.parse_args()
    if not (data := os.environ.get("SPATIAL_QA_DATA")):
        sys.exit("SPATIAL_QA_DATA is not set: name the folder with vsi_bench/meta_info.json.")
    dataset = get_dataset("vsi-bench")
    sources = dataset.discover(Path(data) / "vsi_bench" / "meta_info.json", IngestOptions())
    began = time.perf_counter()
    rows = measure([dataset.load(source) for source in sources])
    print(table(rows))
    print(f"{len(sources)} scenes, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    walls = measure_walls(options.rooms) if options.rooms else []
    for row in walls:
        print(row)
    if options.out is not None:
        result = {"scenes": len(sources), "python": platform.python_version(), "rows": rows, "walls": walls}
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
