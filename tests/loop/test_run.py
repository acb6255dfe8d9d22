"""The runner: skipping, resuming, refusing, and never leaving a process behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from qa_loop.config import load_config
from qa_loop.errors import QALoopError, StageError
from qa_loop.manifest import load_manifest
from qa_loop.process import lock_folder
from qa_loop.report import write_report
from qa_loop.run import run_loop
from qa_loop.stages import plan


def traces(out: Path) -> dict[str, str]:
    """What every stage was told and read, and every step that was taken."""
    return {
        str(path.relative_to(out)): path.read_text()
        for name in ("trace.txt", "steps.txt")
        for path in sorted(out.rglob(name))
    }


def starts(out: Path) -> dict[str, str]:
    return {name: record.start + str(record.attempts) for name, record in load_manifest(out).stages.items()}


def times_done(out: Path) -> dict[str, int]:
    """How often each stage wrote its output, by its log."""
    return {name: (out / "logs" / f"{name}.log").read_text().count("wrote") for name in load_manifest(out).stages}


def wait_for(path: Path, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)
    return path.read_text()


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_run_writes_every_output_log_and_record(finished_run):
    stages = plan(load_config(finished_run.parent / "loop.toml"))
    records = load_manifest(finished_run).stages
    assert list(records) == [stage.name for stage in stages]
    for stage in stages:
        assert stage.complete(finished_run), stage.name
        assert (finished_run / stage.log).read_text()
        record = records[stage.name]
        assert (record.state, record.exit_code, record.attempts) == ("done", 0, 1)
        assert record.rows is not None
    assert records["round_02-questions"].rows == 9


def test_manifest_names_versions_and_machine_without_names_of_people(finished_run):
    value = json.loads((finished_run / "manifest.json").read_text())
    assert {"python", "qa-loop", "polars"} <= set(value["versions"])
    assert set(value["host"]) == {"system", "cores", "threads", "memory_gb", "gpus"}


def test_second_start_does_nothing(fakes, finished_run):
    out = fakes.adopt(finished_run)
    before = starts(out)
    run_loop(load_config(fakes.config), out)
    assert starts(out) == before


def test_killed_in_every_stage_ends_as_undisturbed(fakes, finished_run):
    out = fakes.folder / "out"
    stages = {stage.kind: stage for stage in plan(load_config(fakes.config))}  # the last one of each kind
    for stage in stages.values():
        fakes.fault(stage.out.removesuffix(".parquet").replace("/", "_"), "kill")
    kills = 0
    while (process := fakes.run("run", fakes.config, "--out", out)).returncode == -signal.SIGKILL:
        kills += 1
        assert gone(int((fakes.faults / "hanging").read_text())), "a stage outlived its loop"
    assert process.returncode == 0, process.stderr
    assert kills == len(stages)
    assert not (fakes.faults / "survived").exists()
    assert traces(out) == traces(finished_run)
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize("begun", [True, False])
def test_what_a_killed_loop_left_half_written_goes(fakes, finished_run, begun):
    out = finished_run if begun else fakes.folder / "new"
    (out / "digests").mkdir(parents=True, exist_ok=begun)
    left = out / ".manifest.json.12345678.partial"
    left.write_text("{")
    if begun:
        (out / "digests" / ".ingest.json.12345678.partial").write_text("{")
    else:
        (out / "digests").rmdir()
    run_loop(load_config(fakes.config), out)
    assert not [*out.rglob(".*.partial")]


def test_changed_configuration_is_refused_with_the_key(fakes, finished_run):
    out = fakes.adopt(finished_run)
    fakes.change("learning_rate = 1e-3", "learning_rate = 2e-3")
    before = starts(out)
    with pytest.raises(QALoopError, match=r"train\.learning_rate: 0\.001 -> 0\.002"):
        run_loop(load_config(fakes.config), out)
    assert starts(out) == before


def test_force_redoes_what_the_change_touches_and_nothing_before(fakes, finished_run):
    out = fakes.adopt(finished_run)
    fakes.change("learning_rate = 1e-3", "learning_rate = 2e-3")
    run_loop(load_config(fakes.config), out, force=True)
    assert "0.002" in load_manifest(out).stages["round_01-train"].argv
    once = {"ingest", "observe", "sample-frames", "eval-questions", "round_01-questions"}
    once |= {name for name in load_manifest(out).stages if name.startswith("round_00")}
    assert {name for name, count in times_done(out).items() if count == 1} == once
    before, after = traces(finished_run), traces(out)
    assert before["round_02/questions/trace.txt"] != after["round_02/questions/trace.txt"]
    assert before["round_02/train/steps.txt"] == after["round_02/train/steps.txt"], "trained on top of the old run"


def test_one_round_more_keeps_the_earlier_ones(fakes, finished_run):
    out = fakes.adopt(finished_run)
    fakes.change("rounds = 2", "rounds = 3")
    run_loop(load_config(fakes.config), out, force=True)
    assert set(times_done(out).values()) == {1}
    assert (out / "round_03/blind/scores.parquet").exists()
    assert not (out / "round_02/blind").exists(), "round 2 is no longer the last one"


def test_more_workers_are_not_a_change(fakes, finished_run):
    out = fakes.adopt(finished_run)
    before = starts(out)
    fakes.change("[frames]", "[generate]\nworkers = 2\n[frames]")
    run_loop(load_config(fakes.config), out)
    assert starts(out) == before


def test_removed_output_is_made_again_with_all_that_reads_it(fakes, finished_run):
    out = fakes.adopt(finished_run)
    (out / "round_02/train/predictions.parquet").unlink()
    run_loop(load_config(fakes.config), out)
    assert traces(out) == traces(finished_run)
    again = {"train", "confidence", "feedback", "eval", "eval-confidence", "blind"}
    assert {name for name, count in times_done(out).items() if count == 2} == {f"round_02-{kind}" for kind in again}


@pytest.mark.parametrize(("fault", "code"), [("exit 2", 2), ("exit 3", 1)])
def test_failed_stage_stops_the_run_and_shows_its_log(fakes, fault, code):
    out = fakes.folder / "out"
    fakes.fault("store", fault)
    with pytest.raises(StageError, match=r"ingest failed(.|\n)*fault: exit") as error:
        run_loop(load_config(fakes.config), out)
    assert error.value.exit_code == code
    records = load_manifest(out).stages
    assert records["ingest"].state == "failed"
    assert list(records) == ["ingest"]


def test_stage_that_writes_nothing_is_a_failure(fakes):
    fakes.fault("store", "empty")
    with pytest.raises(StageError, match=r"did not write store/scenes\.parquet"):
        run_loop(load_config(fakes.config), fakes.folder / "out")


def test_lost_rows_are_remembered_and_do_not_stop(fakes, finished_run):
    out = fakes.adopt(finished_run)
    shutil.rmtree(out / "round_02/confidence")
    fakes.fault("round_02_confidence", "exit 1")
    assert run_loop(load_config(fakes.config), out).lossy == ["round_02-confidence"]
    assert load_manifest(out).stages["round_02-feedback"].state == "done"
    assert run_loop(load_config(fakes.config), out).lossy == ["round_02-confidence"], "a second start still says so"


def test_answer_without_confidence_is_no_loss(fakes, finished_run):
    out = fakes.adopt(finished_run)
    shutil.rmtree(out / "round_02/eval_confidence")
    fakes.fault("round_02_eval_confidence", "exit 1")
    assert run_loop(load_config(fakes.config), out).lossy == []
    assert load_manifest(out).stages["round_02-eval-confidence"].exit_code == 1


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 75)])
def test_stopped_loop_ends_its_stage_and_says_how_to_go_on(fakes, signum, code):
    out = fakes.folder / "out"
    fakes.fault("store", "hang")
    process = fakes.start("run", fakes.config, "--out", out)
    stage = int(wait_for(fakes.faults / "hanging"))
    process.send_signal(signum)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert "Traceback" not in err
    assert f"--out {out}" in err
    assert not alive(stage)
    assert load_manifest(out).stages["ingest"].state == "running"


def test_stage_killed_from_outside_is_named(fakes):
    fakes.fault("store", "hang")
    process = fakes.start("run", fakes.config, "--out", fakes.folder / "out")
    os.kill(int(wait_for(fakes.faults / "hanging")), signal.SIGKILL)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "ingest was killed by SIGKILL" in err


def test_two_loops_do_not_share_a_folder(fakes, monkeypatch):
    monkeypatch.setattr("qa_loop.process.GRACE_S", 0.2)
    out = fakes.folder / "out"
    out.mkdir()
    with lock_folder(out), pytest.raises(QALoopError, match=f"another qa-loop works here.*{os.getpid()}"):
        run_loop(load_config(fakes.config), out)


def test_folder_of_something_else_is_refused(fakes):
    out = fakes.folder / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("")
    with pytest.raises(QALoopError, match=r"holds thesis\.tex"):
        run_loop(load_config(fakes.config), out)
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_missing_program_is_named_before_anything_starts(fakes):
    (fakes.bin / "qa-trainer").unlink()
    with pytest.raises(QALoopError, match=r"'qa-trainer' is not in .*QA_LOOP_BIN"):
        run_loop(load_config(fakes.config), fakes.folder / "out")
    assert not (fakes.folder / "out").exists()


def test_video_after_images_is_warned_of_at_the_start_and_on_the_page(fakes, capfd):
    fakes.change("per_scene = 3", 'per_scene = 3\noptions = { frame_input = "video" }')
    out = fakes.folder / "out"
    run_loop(load_config(fakes.config), out)
    assert "warning: Training shows frames as images, and eval as video" in capfd.readouterr().err
    assert "Training shows frames as images" in write_report(out, others=False).read_text()
    fakes.change("[eval]", 'options = { frame_input = "video" }\n[eval]')
    assert load_config(fakes.config).cautions == []
    fakes.change('frame_input = "video"', 'frame_input = "images"')
    assert load_config(fakes.config).cautions == []
