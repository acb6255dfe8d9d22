"""Mistakes of own scans, made one at a time in made and real scenes: refused, named, or said to be untold."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.ingestion.sanity import check_scene
from qa_engine.scenes.scene import Scene

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "scan_faults.py"
OBJECTS = [
    ("sofa", [0.6, 2.2, 0.4], [2.0, 0.9, 0.8], 0.0),
    ("table", [2.0, 1.2, 0.36], [1.2, 0.7, 0.72], 0.35),
    ("floor lamp", [3.6, 2.5, 0.75], [0.4, 0.4, 1.5], 0.0),
    ("kitchen chair", [3.0, 0.5, 0.45], [0.5, 0.5, 0.9], 0.6),
    ("wardrobe", [0.3, 0.5, 1.0], [0.6, 1.3, 2.0], 0.0),
    ("tv", [1.9, 2.9, 1.2], [1.1, 0.08, 0.65], 0.0),
    ("bed", [4.6, 1.4, 0.3], [1.5, 2.0, 0.6], 0.0),
    ("gizmo", [1.2, 0.35, 0.25], [0.35, 0.35, 0.5], 0.2),
]


@pytest.fixture(scope="module")
def faults():
    spec = importlib.util.spec_from_file_location("scan_faults", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["scan_faults"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def real_scenes():
    if not (data := os.environ.get("SPATIAL_QA_DATA")):
        pytest.skip("SPATIAL_QA_DATA is not set: no real data to test on")
    dataset = get_dataset("vsi-bench")
    sources = dataset.discover(Path(data) / "vsi_bench" / "meta_info.json", IngestOptions())
    return [dataset.load(source) for source in sources]


def room():
    yaw = np.array([turn for *_, turn in OBJECTS])
    c, s, o = np.cos(yaw), np.sin(yaw), np.zeros(len(yaw))
    return Scene(
        scene_name="room",
        dataset="made",
        category=np.array([name for name, *_ in OBJECTS]),
        center=np.array([center for _, center, *_ in OBJECTS]),
        size=np.array([size for _, _, size, _ in OBJECTS]),
        rotation=np.stack([np.stack([c, s, o], 1), np.stack([-s, c, o], 1), np.stack([o, o, o + 1], 1)], axis=1),
    )


UNTOLD = {"columns are the axes"}
"""Boxes that turn about the vertical alone are upright either way."""


def test_each_mistake_in_a_made_room_is_named_or_said(faults, tmp_path):
    found = {fault.name: faults.outcome(room(), fault, tmp_path) for fault in faults.FAULTS}
    assert found.pop("none") == ("no effect", "")
    assert {name for name, (what, _) in found.items() if what not in ("refused", "named")} == UNTOLD
    assert all(found[name][0] == "said" for name in UNTOLD)
    switches = {fault.name: fault.switch for fault in faults.FAULTS}
    exact = ["y points up", "-y points up", "x points up", "-z points up", "quaternions are x, y, z, w"]
    assert all(switches[name] in found[name][1] for name in exact)
    assert "sizes=half" in found["half lengths as sizes"][1]
    assert "units=cm" in found["100 times as large"][1]


def test_no_real_scene_is_suspected(real_scenes):
    assert [scene.scene_name for scene in real_scenes if check_scene(scene).findings] == []


def test_no_mistake_in_a_few_real_scenes_is_missed(faults, real_scenes, tmp_path):
    for scene in real_scenes[::15]:
        for fault in faults.FAULTS[1:]:
            what, words = faults.outcome(scene, fault, tmp_path)
            assert what != "missed", (scene.scene_name, fault.name, words)
