"""Several data sets in a run: how they are named, shared, stored, counted, and what happens where they run dry."""

from __future__ import annotations

import shutil
import signal

import polars as pl
import pytest

from qa_loop.config import load_config, parse_config
from qa_loop.digests import damage
from qa_loop.errors import QALoopError, StageError
from qa_loop.forecast import forecast
from qa_loop.manifest import load_manifest
from qa_loop.pools import Pool, check_panel
from qa_loop.report import write_report
from qa_loop.run import run_loop
from qa_loop.stage import dependents
from qa_loop.stages import plan

BASE = {
    "run": {"name": "x", "rounds": 3},
    "frames": {"frames": 2},
    "train": {"model": "tiny", "steps": 5, "batch_size": 4, "learning_rate": 0.1},
    "eval": {"per_scene": 2},
}
ROOMS = {"dataset": "rooms", "scenes": 4, "share": 0.75}
FLAT = {"dataset": "scannet", "root": "/s", "name": "flat", "share": 0.25, "split": "train=0.5,test=0.5"}
TWO = """[[scenes]]
dataset = "rooms"
scenes = 3
frames = 2
size = 32
split = "train=0.6,val=0.0,test=0.4"
share = 0.5
[[scenes]]
dataset = "rooms"
name = "more"
first_scene = 3
scenes = 2
frames = 2
size = 32
split = "train=0.6,val=0.0,test=0.4"
share = 0.5
"""
ONE = """[scenes]
dataset = "rooms"
scenes = 3
frames = 2
size = 32
split = "train=0.6,val=0.0,test=0.4"
"""


def traces(out):
    """What every stage was told and read."""
    return {str(path.relative_to(out)): path.read_text() for path in sorted(out.rglob("trace.txt"))}


def parsed(*scenes: dict, **sections):
    return parse_config({**BASE, "scenes": [*scenes], **sections}, source="x.toml")


def test_data_sets_come_to_one_store_and_share_what_is_asked():
    more = {"name": "real", "scenes": "flat", "count": 3}
    config = parsed(ROOMS, FLAT, eval=[{"per_scene": 2}, more], confidence={"profile": "calibrated", "panel": 4})
    found = {stage.name: stage for stage in plan(config)}
    first, second = found["ingest"], found["ingest-flat"]
    assert first.argv[-2:] == ("--collection", "rooms")
    assert "--add" not in first.argv
    assert second.argv[:6] == ("qa-engine", "ingest", "scannet", "/s", "--out", "store")
    assert ("--add" in second.argv, second.argv[-2:]) == (True, ("--collection", "flat"))
    assert (second.out, second.inputs, second.adds_to) == ("store/added/flat", ("store",), "store")
    reading = dependents(found.values(), second)
    assert {"observe", "sample-frames", "panel", "eval-questions", "round_01-train"} <= reading
    shared = {name for name, stage in found.items() if "rooms=0.75,flat=0.25" in stage.argv}
    assert shared == {"panel", *(f"round_{t:02d}-candidates" for t in (1, 2, 3))}
    real = found["eval-questions-real"].argv
    assert real[real.index("--collections") + 1] == "flat=1"
    assert "--collections" not in found["eval-questions"].argv


def test_without_shares_scenes_are_asked_alike_and_one_data_set_has_no_name():
    alike = plan(parsed({"dataset": "rooms"}, {"dataset": "scannet", "root": "/s"}))
    assert not any("--collections" in stage.argv for stage in alike)
    assert [stage.argv[-1] for stage in alike[:2]] == ["rooms", "scannet"]
    assert "--collection" not in plan(parsed({"dataset": "rooms"}))[0].argv


@pytest.mark.parametrize(
    ("scenes", "message"),
    [
        ([ROOMS, {**FLAT, "share": 0.5}], "the shares must add up to 1, found 0.75 + 0.5 = 1.25"),
        ([ROOMS, {**FLAT, "share": None}], "give every [[scenes]] a share, or none"),
        ([{**ROOMS, "share": 0.5}], "the shares must add up to 1, found 0.5 = 0.5"),
        ([{**ROOMS, "share": 0.25}, ROOMS], "two entries are called 'rooms'"),
        (
            [{**ROOMS, "share": 0.25, "name": "b", "first_scene": 3}, ROOMS],
            "hold the same scenes of 'rooms'",
        ),
        (
            [{**FLAT, "share": 0.75}, {**FLAT, "name": "b"}],
            "same scenes of 'scannet'; tell them apart by only",
        ),
        ([{**FLAT, "share": 0.75, "only": ["a"]}, {**FLAT, "name": "b", "only": ["b", "a"]}], "apart by only"),
        ([{**ROOMS, "name": "Big Rooms"}], "scenes.0.name"),
        ([], "at least 1 item"),
    ],
)
def test_mistakes_are_named(scenes, message):
    with pytest.raises(QALoopError) as error:
        parsed(*scenes)
    assert message in str(error.value)


def test_the_same_data_set_stands_twice_where_its_scenes_are_told_apart():
    parsed({**ROOMS, "share": 0.25, "name": "b", "first_scene": 4}, ROOMS)
    parsed({**ROOMS, "share": 0.25, "name": "b", "seed": 1}, ROOMS)
    parsed({**FLAT, "share": 0.75, "only": ["a"]}, {**FLAT, "name": "b", "only": ["b"]})
    with pytest.raises(QALoopError, match=r"eval\.scenes is 'flat', which is no .*; valid: rooms"):
        parsed({**ROOMS, "share": 1}, eval={"count": 2, "scenes": "flat"})


@pytest.fixture
def two(fakes):
    fakes.change(ONE, TWO)
    fakes.change("rounds = 2", "rounds = 1")
    fakes.change("[frames]\nframes = 2\n", "")
    fakes.change("per_scene = 3", "per_scene = 3\nrunners = []")
    return fakes


def test_scenes_are_added_whole_watched_and_taken_away(two):
    out, undisturbed = two.folder / "out", two.folder / "one"
    run_loop(load_config(two.config), undisturbed)
    two.fault("store_more", "kill")
    assert two.run("run", two.config, "--out", out).returncode == -signal.SIGKILL
    run_loop(load_config(two.config), out)
    assert traces(out) == traces(undisturbed)
    records = load_manifest(out).stages
    (out / "store/images/more.png").write_bytes(b"other")
    assert damage(out, records["ingest-more"]) == [f"{out}/store/images/more.png: differs from what the stage wrote"]
    assert damage(out, records["ingest"]) == []
    two.change("[[scenes]]" + TWO.split("[[scenes]]")[2], "")
    two.change("share = 0.5", "share = 1")
    run_loop(load_config(two.config), out, force=True)
    assert not (out / "store/added/more").exists()
    assert "ingest-more" not in load_manifest(out).stages
    logs = {name: (out / f"logs/{name}.log").read_text().count("wrote") for name in ("ingest", "eval-questions")}
    assert logs == {"ingest": 1, "eval-questions": 2}, "questions about scenes that are gone stay"


def test_plan_counts_every_data_set(two, tables):
    store = two.folder / "store"
    store.mkdir()
    named = pl.Series("collection", ["rooms", "rooms", "more"])
    scenes = pl.read_parquet(tables / "scenes.parquet").with_columns(named, split=pl.lit("train"))
    scenes.write_parquet(store / "scenes.parquet")
    told = forecast(load_config(two.config), store=store)
    assert [(one.name, one.scenes, one.available, one.asked) for one in told.data_sets] == [
        ("rooms", 2, 6, 6),
        ("more", 1, 3, 6),
    ]
    assert {item.data_set for item in told.supply} == {"rooms", "more"}
    done = two.run("plan", two.config, "--store", store)
    assert "more            1          3          6" in done.stdout
    assert "Panel and rounds ask 6 questions of more, and its scenes hold 3" in done.stderr
    scenes.with_columns(collection=pl.lit("rooms")).write_parquet(store / "scenes.parquet")
    with pytest.raises(QALoopError, match="has no training scenes of more; it holds rooms"):
        forecast(load_config(two.config), store=store)


def test_a_panel_larger_than_the_pool_is_refused_before_the_first_stage(fakes):
    fakes.config.write_text(fakes.config.read_text() + '[confidence]\nprofile = "calibrated"\npanel = 10\n')
    with pytest.raises(QALoopError, match=r"panel wants 10 questions .* never trained on, and .* scenes hold 9\."):
        run_loop(load_config(fakes.config), fakes.folder / "out")
    assert not (fakes.folder / "out").exists()


def test_a_panel_is_refused_by_an_estimate_only_where_that_is_sure():
    config = parsed({**ROOMS, "share": 0.5}, {**FLAT, "share": 0.5}, confidence={"profile": "calibrated", "panel": 100})
    exact, guessed = Pool("rooms", 0.5, {("a", "-"): 50}, 4, 4), Pool("flat", 0.5, {("a", "-"): 25}, 24, 90)
    check_panel(config, [exact, guessed])
    check_panel(config, [exact])  # nothing is known of the other
    with pytest.raises(QALoopError, match=r"50 questions of 'flat' that .* hold about 24"):
        check_panel(config, [exact, Pool("flat", 0.5, {("a", "-"): 24}, 24, 90)])
    with pytest.raises(QALoopError, match=r"50 questions of 'rooms' that .* hold 49"):
        check_panel(config, [Pool("rooms", 0.5, {("a", "-"): 49}, 4, 4), guessed])


def test_a_round_without_questions_ends_the_run_and_the_next_start_goes_on(fakes, finished_run, tables, monkeypatch):
    out, dry = fakes.adopt(finished_run), fakes.folder / "tables"
    dry.mkdir()
    for path in tables.iterdir():
        (dry / path.name).symlink_to(path)
    (dry / "questions_2.parquet").unlink()
    pl.read_parquet(tables / "questions_2.parquet").clear().write_parquet(dry / "questions_2.parquet")
    shutil.rmtree(out / "round_02/questions")
    with monkeypatch.context() as patched:
        patched.setenv("FAKE_TABLES", str(dry))
        with pytest.raises(
            StageError, match=r"Round 2 has no questions: the scenes hold no.*set run\.rounds = 1"
        ) as error:
            run_loop(load_config(fakes.config), out)
    assert error.value.exit_code == 2
    assert load_manifest(out).stages["round_02-questions"].state == "failed"
    run_loop(load_config(fakes.config), out)
    assert traces(out) == traces(finished_run)


def test_a_round_smaller_than_asked_is_no_loss_and_stands_at_the_top_of_the_report(fakes, finished_run):
    done = fakes.run("run", fakes.config, "--out", finished_run)
    assert done.returncode == 0
    assert "smaller than asked: round 1 (9 questions), 2 (9 questions)" in done.stderr.replace("\n", " ")
    page = write_report(fakes.adopt(finished_run), others=False).read_text()
    assert "Round 1 trains on 9 of 12 questions, some of them repeatedly" in page
