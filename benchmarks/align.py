"""How well `qa-engine align` finds gravity and scale: scenes that are turned and scaled by known amounts.

    uv run python benchmarks/align.py [META_INFO.json] [--rooms 40] [--out align.json]

META_INFO.json is VSI-Bench's metadata: boxes alone. Its ScanNet scenes are not upright themselves (their boxes and what
stands on their floors agree on tilts of up to 6 degrees), so they stand in a row of their own. Rooms are rendered in 12
frames of 96 x 96 pixels, with noise of 1 cm on points of clouds. A scene is within its errors where the true vertical
and the true scale lie within those stated.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from qa_engine.alignment.scene import align
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import SceneError
from qa_engine.scenes.cameras import back_project, camera_of
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.clues import UNKNOWN_GRAVITY_DEG, UNKNOWN_SCALE
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.worlds import move_scene
from scipy.spatial.transform import Rotation

FRAMES, SIZE_PX, CLOUD_NOISE_M = 12, 96, 0.01
MAX_LOG_SCALE = 1.5


def boxes_alone(room: Scene, rng: np.random.Generator) -> Scene:
    """Keep the boxes."""
    return replace(room, frames=(), objects_checked=False)


def with_cloud(room: Scene, rng: np.random.Generator) -> Scene:
    """Boxes and a cloud without frames."""
    return replace(room, cloud=_cloud(room, rng), frames=(), objects_checked=False)


def cloud_and_cameras(room: Scene, rng: np.random.Generator) -> Scene:
    """No boxes: a cloud and the poses that filmed it."""
    frames = tuple(replace(frame, depth_m=None, instance=None) for frame in room.frames)
    return replace(_without_boxes(room), cloud=_cloud(room, rng), frames=frames)


def depth_and_cameras(room: Scene, rng: np.random.Generator) -> Scene:
    """No boxes: depth and poses of one scale, as a network gives them."""
    return replace(_without_boxes(room), frames=tuple(replace(frame, instance=None) for frame in room.frames))


def cloud_alone(room: Scene, rng: np.random.Generator) -> Scene:
    """Points and nothing else."""
    return replace(_without_boxes(room), cloud=_cloud(room, rng), frames=())


KINDS: dict[str, Callable[[Scene, np.random.Generator], Scene]] = {
    "boxes": boxes_alone,
    "boxes and cloud": with_cloud,
    "cloud and cameras": cloud_and_cameras,
    "depth and cameras": depth_and_cameras,
    "cloud alone": cloud_alone,
}


def _cloud(room: Scene, rng: np.random.Generator) -> Cloud:
    parts = [
        back_project(frame.depth_m, camera)
        for frame in room.frames
        if frame.depth_m is not None and (camera := camera_of(frame)) is not None
    ]
    points = np.concatenate(parts) + rng.normal(0, CLOUD_NOISE_M, (sum(map(len, parts)), 3))
    return Cloud(points.astype(np.float32), np.full(len(points), -1))


def _without_boxes(room: Scene) -> Scene:
    none = np.zeros((0, 3))
    return replace(
        room,
        category=np.array([]),
        category_raw=None,
        category_counts={},
        instance_id=None,
        center=none,
        size=none,
        rotation=np.zeros((0, 3, 3)),
        objects_checked=False,
    )


def moved(scenes: Sequence[Scene], make: Callable[[Scene, np.random.Generator], Scene]) -> Iterator[dict[str, float]]:
    """Turn and scale each scene at random, align it, and compare; nothing of one whose vertical is not told."""
    for number, scene in enumerate(scenes):
        rng = np.random.default_rng(number)
        scale = float(np.exp(rng.uniform(-MAX_LOG_SCALE, MAX_LOG_SCALE)))
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.random(random_state=number).as_matrix() * scale
        given = move_scene(make(replace(scene, floor_polygon=None, objects_checked=False), rng), matrix)
        deep = tuple(
            frame if frame.depth_m is None else replace(frame, depth_m=frame.depth_m * np.float32(scale))
            for frame in given.frames
        )
        given = replace(
            given,
            frames=deep,
            gravity_error_deg=UNKNOWN_GRAVITY_DEG,
            scale_error=UNKNOWN_SCALE,
            objects_checked=False,
        )
        try:
            found = align(given)
        except SceneError:
            continue
        up = matrix[:3, 2] / scale
        off = float(np.degrees(np.arccos(np.clip(found.turn[2] @ up, -1, 1))))
        ratio = abs(float(np.log(found.metres * scale)))
        assert found.gravity_error_deg is not None
        yield {
            "off_deg": off,
            "stated_deg": found.gravity_error_deg,
            "gravity_inside": off <= found.gravity_error_deg,
            "scale": float(np.expm1(ratio)),
            "scale_inside": ratio <= np.log1p(found.scale_error or 0.0),
        }


def told(scenes: Sequence[Scene], make: Callable[[Scene, np.random.Generator], Scene]) -> dict[str, float]:
    """Summarise the scenes of one kind."""
    rows = list(moved(scenes, make))
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}
    summary: dict[str, float] = {"scenes": len(scenes), "told": len(rows)}
    if rows:
        summary |= {
            "off_deg_median": float(np.median(column["off_deg"])),
            "off_deg_95": float(np.quantile(column["off_deg"], 0.95)),
            "stated_deg_median": float(np.median(column["stated_deg"])),
            "gravity_inside": float(column["gravity_inside"].mean()),
            "scale_off_median": float(np.median(column["scale"])),
            "scale_off_95": float(np.quantile(column["scale"], 0.95)),
            "scale_inside": float(column["scale_inside"].mean()),
            "wrong_axis": int((column["off_deg"] > 30).sum()),
        }
    return summary


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metadata", type=Path, nargs="?")
    parser.add_argument("--rooms", type=int, default=40)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    if given.metadata is not None:
        vsi = get_dataset("vsi-bench")
        scenes = [vsi.load(source) for source in vsi.discover(given.metadata, IngestOptions())]
        for name in sorted({scene.dataset for scene in scenes}):
            began = time.perf_counter()
            results[f"VSI-Bench, {name}"] = told([scene for scene in scenes if scene.dataset == name], boxes_alone)
            print(name, results[f"VSI-Bench, {name}"], f"{time.perf_counter() - began:.0f} s", flush=True)
    rooms = get_dataset("rooms")
    options = IngestOptions(scenes=given.rooms, frames=FRAMES, size=SIZE_PX)
    filmed = [rooms.load(source) for source in rooms.discover(None, options)]
    for name, make in KINDS.items():
        results[f"rooms, {name}"] = told(filmed, make)
        print(name, results[f"rooms, {name}"], flush=True)
    if given.out is not None:
        given.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
