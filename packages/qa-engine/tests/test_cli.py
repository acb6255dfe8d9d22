import json
import math
import os
import subprocess
import sys

import polars as pl
import pytest
from qa_engine.cli import app, main
from typer.main import get_command


@pytest.fixture
def run(monkeypatch, capfd):
    """Run the command line in this process; return exit code, stdout, stderr."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["qa-engine", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def test_every_command_says_what_it_does():
    commands = get_command(app).commands
    assert {"datasets", "ingest", "sample-frames"} <= commands.keys()
    for name, command in commands.items():
        assert command.help, name
        assert all(getattr(option, "help", "x") for option in command.params), name


def test_help_answers_at_once():
    words = [sys.executable, "-X", "importtime", "-c", "from qa_engine.cli import main; main()", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"numpy", "polars", "duckdb", "scipy", "shapely", "PIL", "rich"}
    assert "ingest" in done.stdout


def test_datasets_lists_what_can_be_read(run):
    code, out, _ = run("datasets")
    assert code == 0
    assert {"vsi-bench", "arkitscenes", "rooms"} <= {line.split()[0] for line in out.splitlines()}
    _, out, _ = run("datasets", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["arkitscenes"]["options"] == ["--annotations", "--frames-dir"]
    assert all(row["needs"] and row["description"] for row in rows.values())


def test_ingest_and_sample_frames_end_with_what_was_written(run, write_arkit, tmp_path):
    store = tmp_path / "store"
    code, out, err = run("ingest", "arkitscenes", write_arkit(n_frames=3), "--out", store)
    assert (code, out) == (0, "")
    assert f"Wrote {store}: 1 scenes (2 objects; 3 frames of 1 scenes) in" in err
    assert f"Next: qa-engine sample-frames {store}" in err
    code, out, err = run("sample-frames", store, "--method", "uniform", "--frames", 8)
    assert (code, out) == (0, "")
    assert "1 scenes have fewer than 8 frames and keep all of theirs." in err
    assert "1 scenes with 'uniform-8' in" in err
    assert f"Next: qa-engine generate {store}" in err
    assert pl.read_parquet(store / "frame_sets.parquet")["frame_ids"].list.len().to_list() == [3]
    code, _, err = run("sample-frames", store, "--frames", 8)
    assert code == 2
    assert "pass --force" in err
    assert run("sample-frames", store, "--frames", 8, "--force")[0] == 0


def test_rooms_are_made_without_a_root(run, tmp_path):
    words = ["ingest", "rooms", "--scenes", 2, "--frames-per-scene", 2, "--size", 32, "--seed", 7]
    assert run(*words, "--out", tmp_path / "two")[0] == 0
    assert run(*words, "--out", tmp_path / "next", "--first-scene", 1)[0] == 0
    names = [pl.read_parquet(tmp_path / n / "scenes.parquet")["scene_name"].to_list() for n in ("two", "next")]
    assert names[0][1] == names[1][0]
    images = [next((tmp_path / n / "frames" / names[0][1]).iterdir()).parent for n in ("two", "next")]
    for image in images[0].iterdir():
        assert image.read_bytes() == (images[1] / image.name).read_bytes()
    assert run("ingest", "rooms", tmp_path, "--out", tmp_path / "x")[0] == 2


def test_a_bad_scene_gives_exit_code_1_and_a_reject(run, write_vsi, vsi_entry, tmp_path):
    bad = json.loads(json.dumps(vsi_entry))
    bad["object_bbox"]["sofa"][0]["centroid"][0] = math.nan
    code, _, err = run("ingest", "vsi-bench", write_vsi({"good": vsi_entry, "bad": bad}), "--out", tmp_path / "s")
    assert code == 1
    assert "rejects: not_finite 1; lost: 1" in err
    (row,) = pl.read_parquet(tmp_path / "s" / "rejects.parquet").to_dicts()
    assert (row["stage"], row["scene_name"], row["reason"]) == ("ingest", "bad", "not_finite")
    assert row["item"] == "meta_info.json#bad"
    assert "object_bbox.'sofa'[0].centroid[0]: nan is not a finite number. Remove" in row["detail"]


def test_a_scene_that_its_authors_skipped_is_no_loss(run, write_arkit, tmp_path):
    root = write_arkit("41000001")
    write_arkit("41000002", skipped=True)
    code, _, err = run("ingest", "arkitscenes", root, "--out", tmp_path / "s")
    assert code == 0
    assert "rejects: skipped 1" in err
    assert "lost" not in err


def user_error(run, out, *words):
    """Run a command that must fail cleanly; return its message."""
    code, stdout, err = run(*words, "--out", out)
    assert code == 2
    assert stdout == ""
    assert "Traceback" not in err
    assert not out.exists()
    assert not list(out.parent.glob(".*"))
    return err


def test_mistakes_of_the_user_write_nothing(run, write_vsi, vsi_entry, tmp_path):
    out = tmp_path / "out" / "store"
    out.parent.mkdir()
    path = write_vsi({"a": vsi_entry})
    assert "no such file" in user_error(run, out, "ingest", "vsi-bench", tmp_path / "none.json")
    assert "Did you mean 'vsi-bench'" in user_error(run, out, "ingest", "vsibench", path)
    assert "sum to 0.5" in user_error(run, out, "ingest", "vsi-bench", path, "--split", "train=0.5")
    assert "Unknown scene 'z'" in user_error(run, out, "ingest", "vsi-bench", path, "--only", "z")
    assert "takes no --scenes" in user_error(run, out, "ingest", "vsi-bench", path, "--scenes", 3)
    assert "needs ROOT" in user_error(run, out, "ingest", "vsi-bench")
    assert "--size needs a whole number, at least 16" in user_error(run, out, "ingest", "rooms", "--size", 3)
    path.write_text(path.read_text()[:-30])
    assert "not valid JSON" in user_error(run, out, "ingest", "vsi-bench", path)
    bad = write_vsi({"a": {"dataset": "d"}})
    assert "None of the 1 scenes" in user_error(run, out, "ingest", "vsi-bench", bad)


def test_an_existing_output_stays(run, write_vsi, vsi_entry, tmp_path):
    store = tmp_path / "store"
    words = ("ingest", "vsi-bench", write_vsi({"a": vsi_entry}), "--out", store)
    assert run(*words)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    code, _, err = run(*words)
    assert code == 2
    assert "pass --force" in err
    assert before == {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    assert run(*words, "--force")[0] == 0


def test_sample_frames_wants_a_store_with_frames(run, write_vsi, vsi_entry, tmp_path):
    code, _, err = run("sample-frames", tmp_path, "--frames", 4)
    assert code == 2
    assert "scenes.parquet" in err
    run("ingest", "vsi-bench", write_vsi({"a": vsi_entry}), "--out", tmp_path / "s")
    code, _, err = run("sample-frames", tmp_path / "s", "--frames", 4)
    assert code == 2
    assert "no scene has frames" in err
    assert "Did you mean 'uniform'" in run("sample-frames", tmp_path / "s", "--frames", 4, "--method", "unform")[2]


def test_debug_shows_the_traceback(write_vsi, tmp_path):
    words = ["-c", "from qa_engine.cli import main; main()", "--debug", "ingest", "vsi-bench", "none", "--out", "s"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=tmp_path, env=os.environ)
    assert done.returncode != 0
    assert "QAEngineError" in done.stderr
    assert "Traceback" in done.stderr


def test_frames_is_short_for_what_the_dataset_has(run, tmp_path):
    made = ("ingest", "rooms", "--scenes", 1, "--size", 32)
    assert run(*made, "--frames", 3, "--out", tmp_path / "s")[0] == 0
    assert pl.read_parquet(tmp_path / "s" / "frames.parquet").height == 3
    code, _, err = run(*made, "--frames", "pictures", "--out", tmp_path / "t")
    assert code == 2
    assert "say how many per scene" in err
    code, _, err = run("ingest", "scannet", tmp_path, "--frames", "a", "--frames-dir", "b", "--out", tmp_path / "u")
    assert code == 2
    assert "give one of them" in err
