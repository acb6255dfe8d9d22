"""Own scans in one go: rendered rooms in the layout of own scans, whole, damaged, and without boxes."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from qa_engine.scan import scan
from qa_engine.scenes.store import Store
from typer.testing import CliRunner

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCANS = SimpleNamespace(**runpy.run_path(str(BENCHMARKS / "scan.py")))
LIFT = SimpleNamespace(**runpy.run_path(str(BENCHMARKS / "lift.py")))
SIZE = {"scenes": 2, "frames": 12, "size": 128, "seed": 5}


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    return SCANS.write_scans(tmp_path_factory.mktemp("scans") / "phone", **SIZE)


@pytest.fixture(scope="module")
def done(scans, tmp_path_factory):
    """The scans, scanned; the folder and what was done."""
    out = tmp_path_factory.mktemp("scan") / "out"
    return out, scan(scans, out, frames=4, per_scene=10)


def run(*words) -> tuple[int, str]:
    from qa_engine.cli import app

    result = CliRunner().invoke(app, ["scan", *map(str, words)])
    return result.exit_code, result.output


def test_every_step_is_done_or_says_why_not(done):
    states = {outcome.step: outcome.state for outcome in done[1].outcomes}
    left_out = {"lift", "align", "audit"}
    assert states == {
        name: "left out" if name in left_out else "done"
        for name in (
            *("look", "read", "lift", "align", "observe", "sample-frames", "generate", "verify", "audit", "view"),
        )
    }
    assert done[1].lost == 0
    assert done[1].n_questions > 5


def test_the_folder_holds_what_the_commands_write(done):
    out = done[0]
    assert len(pl.read_parquet(out / "questions" / "questions.parquet")) == done[1].n_questions
    assert set(pl.read_parquet(out / "store" / "frame_sets.parquet")["frame_set_id"]) == {"coverage-4"}
    steps = json.loads((out / "scan.json").read_text())["steps"]
    assert [step["step"] for step in steps] == [outcome.step for outcome in done[1].outcomes]


def test_the_page_leads_to_the_scenes_and_explains_a_question_of_each_type(done):
    out = done[0]
    page = (out / "index.html").read_text()
    questions = pl.read_parquet(out / "questions" / "questions.parquet")
    for name in Store(out / "store").scene_names():
        assert f'href="pages/scenes/{name}.html"' in page
        assert (out / "pages" / "scenes" / f"{name}.html").is_file()
    for kind in questions["question_type"].unique():
        assert kind in page
    assert "What to mend first" in page
    assert str(out.parent) not in page


def test_one_damaged_scan_is_lost_alone_and_named(scans, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(scans, mixed)
    name = sorted(path.name for path in mixed.iterdir())[0]
    (mixed / name / "boxes.json").write_text('[{"label": "chair", ')
    code, output = run(mixed, "--out", tmp_path / "out", "--frames", 2, "--per-scene", 5)
    assert code == 1, output
    page = (tmp_path / "out" / "index.html").read_text()
    assert "bad_json" in page
    assert f"{name}" in page


def test_a_scan_that_is_turned_counts_though_an_empty_one_is_lost(tmp_path):
    rows = {"chair": (0, 0, 0.5, 0.5, 0.9), "table": (1, 1, 1.2, 0.8, 0.75), "bed": (3, 1, 1.5, 2.1, 0.6)}
    rows |= {"door": (4, 3, 0.9, 0.1, 2.02), "sofa": (-1, 2, 2.0, 0.9, 0.85)}
    boxes = [
        {"label": label, "center": [x, high / 2, -y], "size": [wide, high, deep]}  # y is up
        for label, (x, y, wide, deep, high) in rows.items()
    ]
    for name, value in (("lying", boxes), ("empty", [])):
        (tmp_path / "scans" / name).mkdir(parents=True)
        (tmp_path / "scans" / name / "boxes.json").write_text(json.dumps(value))
    result = scan(tmp_path / "scans", tmp_path / "out", per_scene=2)
    (told,) = [outcome.told for outcome in result.outcomes if outcome.step == "align"]
    assert told.startswith("1 of 1 doubtful scans turned or scaled; lying: vertical within")
    assert result.lost == 1


def test_scans_of_which_nothing_can_be_used_leave_a_page_that_says_why(scans, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(scans, broken)
    for path in broken.glob("*/boxes.json"):
        path.write_text("[")
    code, output = run(broken, "--out", tmp_path / "out")
    assert code == 2
    assert "Step 'read' failed" in output
    page = (tmp_path / "out" / "index.html").read_text()
    assert "boxes.json" in page
    states = {step["step"]: step["state"] for step in json.loads((tmp_path / "out" / "scan.json").read_text())["steps"]}
    assert states["read"] == "failed"
    assert states["generate"] == "left out"


def test_a_folder_that_is_nothing_is_refused_with_what_is_known(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    code, output = run(tmp_path, "--out", tmp_path.with_name("out_of_nothing"))
    assert code == 2
    assert "like no dataset" in output


def test_nothing_is_replaced_unasked(done, scans):
    code, output = run(scans, "--out", done[0])
    assert code == 2
    assert "--force" in output


@pytest.mark.parametrize("boxes", [True, False])
def test_masks_take_the_place_of_boxes(tmp_path, boxes):
    scans = SCANS.write_scans(tmp_path / "scans", **SIZE | {"scenes": 1}, boxes=boxes)
    rooms = LIFT.make_rooms(tmp_path / "rooms", **SIZE | {"scenes": 1})
    LIFT.write_masks(rooms, tmp_path / "masks", LIFT.Noise())
    result = scan(scans, tmp_path / "out", masks=tmp_path / "masks", frames=4, per_scene=10)
    states = {outcome.step: outcome.state for outcome in result.outcomes}
    assert states["lift"] == "done"
    objects = pl.read_parquet(tmp_path / "out" / "store" / "objects.parquet")
    assert objects["face_error_m"].null_count() == 0
    assert result.n_questions > 0
