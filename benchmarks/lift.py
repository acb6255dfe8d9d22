"""How well `qa-engine lift` finds objects: rooms whose boxes are known, with masks and depth made worse on purpose.

    uv run python benchmarks/lift.py [--scenes 8] [--frames 24] [--size 256] [--seed 5]

An object counts as visible where three frames show at least 100 of its pixels and half of what nothing hides. It is
found where a box of its label lies within 10 cm of its centre along each axis and within 10% of each size; `bounds`
counts those whose true faces lie within the stated error. Answers are those of one run; seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.ingestion.run import ingest
from qa_engine.lifting.run import lift
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store
from qa_engine.views.observations import observe_scene, read_depth, read_instance

VISIBLE_FRAMES, VISIBLE_PX, VISIBLE_SHARE = 3, 100, 0.5
NEAR_M, SIZE_SHARE = 0.10, 0.10


@dataclass(frozen=True)
class Noise:
    """Shares of wrong pixels of masks, of missed and of split masks, of wrong depth, and relative noise of depth."""

    pixels: float = 0.0
    missed: float = 0.0
    split: float = 0.0
    wrong_depth: float = 0.0
    depth: float = 0.0


CASES = {
    "clean": Noise(),
    "5% of mask pixels, masks missed, masks split": Noise(0.05, 0.05, 0.05),
    "and 5% of depth pixels anywhere": Noise(0.05, 0.05, 0.05, 0.05),
    "and 1% noise on all depth": Noise(0.05, 0.05, 0.05, 0.05, 0.01),
}


def make_rooms(folder: Path, *, scenes: int, frames: int, size: int, seed: int) -> Store:
    """Render rooms into a store."""
    options = IngestOptions(scenes=scenes, frames=frames, size=size, seed=seed)
    ingest(get_dataset("rooms"), None, out=folder, options=options)
    return Store(folder)


def write_masks(store: Store, folder: Path, noise: Noise, *, seed: int = 0) -> None:
    """Write the masks of all frames as Grounded-SAM-2 does for a video, ids anew in every frame."""
    rng = np.random.default_rng(seed)
    for name in store.scene_names():
        scene = store.load_scene(name)
        label = dict(zip(scene.instance_id.tolist(), scene.category.tolist(), strict=True))
        for kind in ("mask_data", "json_data"):
            (folder / name / kind).mkdir(parents=True)
        for frame in store.frames(name):
            ids = read_instance(frame)
            assert ids is not None
            wrong = rng.random(ids.shape) < noise.pixels
            ids = np.where(wrong, rng.permutation(ids.ravel()).reshape(ids.shape), ids)
            image, labels = np.zeros(ids.shape, np.uint16), {}
            for instance in np.unique(ids[ids >= 0]).tolist():
                if rng.random() < noise.missed:
                    continue
                whole = ids == instance
                left = np.arange(ids.shape[1])[None] < np.median(np.nonzero(whole)[1])
                parts = [whole & left, whole & ~left] if rng.random() < noise.split else [whole]
                for part in parts:
                    number = len(labels) + 1
                    image[part] = number
                    labels[str(number)] = {"instance_id": number, "class_name": label[instance], "logit": 0.0}
            np.save(folder / name / "mask_data" / f"mask_{frame.frame_id}.npy", image)
            note = json.dumps({"mask_name": f"mask_{frame.frame_id}.npy", "labels": labels})
            (folder / name / "json_data" / f"mask_{frame.frame_id}.json").write_text(note)


def spoil_depth(store: Store, noise: Noise, *, seed: int = 0) -> None:
    """Write noise into the depth images of a store."""
    rng = np.random.default_rng(seed)
    for name in store.scene_names():
        for frame in store.frames(name):
            depth = read_depth(frame)
            assert depth is not None
            assert frame.depth_path is not None
            depth = depth * (1 + noise.depth * rng.standard_normal(depth.shape))
            wrong = rng.random(depth.shape) < noise.wrong_depth
            depth = np.where(wrong, rng.uniform(0.3, 6, depth.shape), depth)
            Image.fromarray((depth * 1000).clip(0, 65_534).astype(np.uint16)).save(frame.depth_path)


def compare(truth: Store, lifted: Store) -> dict[str, int]:
    """Count the visible objects, those found, those within the stated error, and the boxes that are none of them."""
    visible = found = within = boxes = 0
    for name in truth.scene_names():
        scene, other = truth.load_scene(name), lifted.load_scene(name)
        boxes += len(other)
        for row in _visible(scene, truth):
            visible += 1
            center, size = scene.center[row], scene.size[row]
            off = np.abs(other.center - center).max(axis=1) + 100.0 * (other.category != scene.category[row])
            nearest = int(off.argmin())
            turned = other.size[nearest], other.size[nearest][[1, 0, 2]]  # the same box after a quarter turn
            wrong = min((np.abs(side - size) for side in turned), key=np.max)
            found += bool(off[nearest] <= NEAR_M and (wrong <= SIZE_SHARE * size).all())
            assert other.face_error_m is not None
            error = other.face_error_m[nearest]
            within += bool(off[nearest] <= error and (wrong <= 2 * error).all())
    return {"visible": visible, "found": found, "within": within, "boxes": boxes}


def _visible(scene: Scene, store: Store) -> np.ndarray:
    table = observe_scene(scene, store.frames(scene.scene_name))
    seen = table.filter((pl.col("visible_px") >= VISIBLE_PX) & (pl.col("visible_fraction") >= VISIBLE_SHARE))
    often = seen.group_by("instance_id").len().filter(pl.col("len") >= VISIBLE_FRAMES)["instance_id"].to_list()
    return np.flatnonzero(np.isin(scene.instance_id, often))


def main() -> None:
    """Print a table, a row per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("scenes", 8), ("frames", 24), ("size", 256), ("seed", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = vars(parser.parse_args())
    print("| masks and depth | visible | within 10 cm and 10% | share | in stated bounds | boxes | s per scene |")
    print("|---|---|---|---|---|---|---|")
    for title, noise in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            truth = make_rooms(Path(folder, "rooms"), **chosen)
            spoilt = make_rooms(Path(folder, "spoilt"), **chosen)
            write_masks(truth, Path(folder, "masks"), noise)
            spoil_depth(spoilt, noise)
            began = time.perf_counter()
            lift(spoilt.path, Path(folder, "masks"), out=Path(folder, "lifted"))
            seconds = (time.perf_counter() - began) / chosen["scenes"]
            n = compare(truth, Store(Path(folder, "lifted")))
        share = f"{n['found'] / n['visible']:.0%}"
        row = (title, n["visible"], n["found"], share, n["within"], n["boxes"], f"{seconds:.1f}")
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
