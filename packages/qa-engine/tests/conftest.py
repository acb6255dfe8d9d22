"""Fixtures of the engine's tests."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from qa_engine.cli import main

sys.path.insert(0, str(Path(__file__).parent / "made"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with `vsi_bench/` and `real/`, named by SPATIAL_QA_DATA."""
    folder = os.environ.get("SPATIAL_QA_DATA")
    if not folder:
        pytest.skip("SPATIAL_QA_DATA is not set: no real data to test on")
    return Path(folder)


def _call(*words) -> int:
    before, sys.argv = sys.argv, ["qa-engine", *map(str, words)]
    try:
        main()
    except SystemExit as stop:
        return stop.code or 0
    finally:
        sys.argv = before
    return 0


@pytest.fixture(scope="session")
def call():
    """Run the command line in this process and return the exit code."""
    return _call


def oriented_box(center=(0, 0, 0.5), size=(1, 2, 1)) -> dict:
    """Return a box along the axes in the JSON form of VSI-Bench and ARKitScenes."""
    return {"centroid": list(center), "axesLengths": list(size), "normalizedAxes": [1, 0, 0, 0, 1, 0, 0, 0, 1]}


@pytest.fixture
def make_box():
    return oriented_box


@pytest.fixture
def vsi_entry() -> dict:
    """One scene of the metadata file: two chairs and a sofa."""
    return {
        "dataset": "scannet",
        "room_size": 20.5,
        "room_center": [0.0, 0.0, 1.0],
        "object_counts": {"chair": 2, "sofa": 1},
        "object_bbox": {"chair": [oriented_box(), oriented_box((3, 0, 0.5))], "sofa": [oriented_box((0, 4, 0.5))]},
    }


@pytest.fixture
def write_vsi(tmp_path):
    """Write scenes to a metadata file and return its path."""

    def write(scenes, name="meta_info.json") -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(scenes))
        return path

    return write


@pytest.fixture
def write_arkit(tmp_path):
    """Write one scan in the official layout and return the dataset's root."""

    def write(video_id="41000001", *, labels=("chair", "tv_monitor"), n_frames=0, fold="Training", **changes) -> Path:
        root = tmp_path / "arkit"
        scan = root / "3dod" / fold / video_id
        scan.mkdir(parents=True)
        data = [
            {"uid": str(i), "label": label, "segments": {"obbAligned": oriented_box((3 * i, 0, 0))}}
            for i, label in enumerate(labels)
        ]
        annotation = {"data": data, "skipped": False} | changes
        (scan / f"{video_id}_3dod_annotation.json").write_text(json.dumps(annotation))
        frames = scan / f"{video_id}_frames"
        for i in range(n_frames):
            for folder in ("lowres_wide", "lowres_depth", "lowres_wide_intrinsics"):
                (frames / folder).mkdir(parents=True, exist_ok=True)
            time = f"{99.9 + i / 10:.3f}"  # sorts differently as a number and as text
            name = f"{video_id}_{time}"
            Image.fromarray(np.full((12, 16, 3), i, np.uint8)).save(frames / "lowres_wide" / f"{name}.png")
            Image.fromarray(np.full((12, 16), 1000 + i, np.uint16)).save(frames / "lowres_depth" / f"{name}.png")
            (frames / "lowres_wide_intrinsics" / f"{name}.pincam").write_text("16 12 20 20 8 6")
            with (frames / "lowres_wide.traj").open("a") as trajectory:
                trajectory.write(f"{time} 0 0 {i / 10} 1 2 3\n")
        return root

    return write
