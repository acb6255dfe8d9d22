"""Every configuration that ships plans, its options are those of the commands, and recipes run over stand-ins."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from qa_loop.config import load_config
from qa_loop.manifest import load_manifest
from qa_loop.offers import check_scenes, engine_datasets
from qa_loop.options import check_options
from qa_loop.run import run_loop
from qa_loop.stages import plan

ROOT = Path(__file__).parents[2]
FILES = {p: tomllib.loads(p.read_text()) for p in sorted((ROOT / "configs").glob("*.toml"))}
LOOPS = [path for path, raw in FILES.items() if "run" in raw and "rules" not in raw]
VARIABLES = ("ARKITSCENES_ROOT", "SCANNET_ROOT", "MY_SCANS", "SPATIAL_MLLM_MODEL", "SPATIAL_QA_DATA")
SMALL = {"rounds = 6": "rounds = 2", "rounds = 4": "rounds = 2", "steps = 100": "steps = 2", "steps = 500": "steps = 2"}
SMALL |= {"panel = 512": "panel = 4"}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder for every variable that a configuration names."""
    (tmp_path / "real/arkitscenes/reconstructed/3dod").mkdir(parents=True)
    for name in VARIABLES:
        monkeypatch.setenv(name, str(tmp_path))


@pytest.mark.parametrize("path", [*LOOPS, ROOT / "src/qa_loop/configs/demo.toml"], ids=lambda path: path.stem)
def test_configuration_plans_and_its_commands_take_its_options(places, path):
    config = load_config(path)
    for scenes in config.scenes:
        check_scenes(scenes, engine_datasets())
    check_options(plan(config))


@pytest.mark.parametrize("name", ["paper", "calibrated", "spatialevo"])
def test_recipe_runs_over_stand_ins(fakes, places, name):
    text = (ROOT / "configs" / f"{name}.toml").read_text()
    for old, new in SMALL.items():
        text = text.replace(old, new)
    head, rest = text.split("[scenes]")
    after = rest.split("\n[", 1)[1]
    scenes = '[scenes]\ndataset = "rooms"\nscenes = 3\nsize = 32\nsplit = "train=0.6,val=0.2,test=0.2"\n\n['
    fakes.config.write_text(head + scenes + after)
    outcome = run_loop(load_config(fakes.config), fakes.folder / "out")
    assert not outcome.lossy
    records = load_manifest(fakes.folder / "out").stages
    assert all(record.state == "done" for record in records.values())
    assert [name for name in records if name.endswith("-train")] == ["round_01-train", "round_02-train"]
