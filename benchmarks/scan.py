"""How long `qa-engine scan` takes for phone scans: rendered rooms in the layout of own scans, with depth and poses.

uv run python benchmarks/scan.py [--scenes 20] [--frames 60] [--size 256] [--workers 2] [--keep DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.ingestion.run import ingest
from qa_engine.scan import scan
from qa_engine.scenes.store import Store

OPENGL = np.diag([1.0, -1, -1, 1])


def write_scans(folder: Path, *, scenes: int, frames: int, size: int, seed: int = 3, boxes: bool = True) -> Path:
    """Write rendered rooms as own scans: `transforms.json`, images, depth, and `boxes.json` if wanted."""
    rooms = folder.with_name(f"{folder.name}_rooms")
    options = IngestOptions(scenes=scenes, frames=frames, size=size, seed=seed)
    ingest(get_dataset("rooms"), None, out=rooms, options=options)
    store = Store(rooms)
    for scene in store.iter_scenes():
        place = folder / scene.scene_name
        (place / "images").mkdir(parents=True)
        (place / "depth").mkdir()
        shots = []
        for frame in store.frames(scene):
            assert frame.intrinsics is not None
            assert frame.world_from_camera is not None
            assert frame.depth_path is not None
            assert frame.image_path is not None
            shutil.copy(frame.image_path, place / "images")
            shutil.copy(frame.depth_path, place / "depth")
            k = frame.intrinsics
            shots.append(
                {
                    "file_path": f"images/{frame.image_path.name}",
                    "depth_file_path": f"depth/{frame.depth_path.name}",
                    "transform_matrix": (frame.world_from_camera @ OPENGL).tolist(),
                    **{"fl_x": k[0, 0], "fl_y": k[1, 1], "cx": k[0, 2] + 0.5, "cy": k[1, 2] + 0.5},
                    **{"w": frame.width, "h": frame.height},
                }
            )
        (place / "transforms.json").write_text(json.dumps({"camera_model": "PINHOLE", "frames": shots}))
        if boxes:
            rows = zip(scene.category, scene.center, scene.size, scene.rotation, strict=True)
            (place / "boxes.json").write_text(
                json.dumps(
                    [
                        {"label": str(name), "center": c.tolist(), "size": s.tolist(), "rotation": r.ravel().tolist()}
                        for name, c, s, r in rows
                    ]
                )
            )
    shutil.rmtree(rooms)
    return folder


def main() -> None:
    """Print what each step gave and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("scenes", 20), ("frames", 60), ("size", 256), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--keep", type=Path, help="Folder to leave the scans and the result in.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        scans = write_scans(folder / "scans", scenes=chosen.scenes, frames=chosen.frames, size=chosen.size)
        began = time.perf_counter()
        done = scan(scans, folder / "out", workers=chosen.workers)
        seconds = time.perf_counter() - began
    print("| step | state | figures | s |")
    print("|---|---|---|---|")
    for outcome in done.outcomes:
        print(f"| {outcome.step} | {outcome.state} | {outcome.told} | {outcome.seconds} |")
    print(f"\n{chosen.scenes} scans of {chosen.frames} frames, {chosen.workers} workers: {seconds:.0f} s")


if __name__ == "__main__":
    main()
