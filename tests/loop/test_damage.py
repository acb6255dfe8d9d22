"""What changed since a stage wrote it is noticed; outputs that cannot be written are named."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from qa_contract.errors import FileError
from typer.testing import CliRunner

from qa_loop.cli import app
from qa_loop.config import load_config
from qa_loop.errors import QALoopError
from qa_loop.manifest import load_manifest
from qa_loop.process import lock_folder
from qa_loop.run import run_loop
from qa_loop.status import run_status


def command(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["weights.bin", "../predictions.parquet"])
def test_flipped_byte_in_an_output_stops_the_resume_and_names_the_file(fakes, finished_run, name):
    out = fakes.adopt(finished_run)
    shutil.rmtree(out / "round_01/eval")
    path = (out / "round_01/train/model" / name).resolve()
    flip(path)
    process = command("run", fakes.config, "--out", out)
    assert process.exit_code == 2
    assert "round_01-eval would read damaged files of round_01-train" in process.stderr
    assert f"{path}: differs from what the stage wrote" in process.stderr
    assert f"remove {out}/round_01/train and start the same command again" in process.stderr
    assert load_manifest(out).stages["round_01-train"].state == "done", "nothing was forgotten"


def test_way_out_of_the_message_leads_to_the_undisturbed_run(fakes, finished_run):
    out = fakes.adopt(finished_run)
    shutil.rmtree(out / "round_02/eval")
    flip(out / "round_02/train/model/weights.bin")
    shutil.rmtree(out / "round_02/train")
    run_loop(load_config(fakes.config), out)
    assert not run_status(out, check=True).damage
    for name in ("round_02/train/trace.txt", "round_02/eval/trace.txt"):
        assert (out / name).read_text() == (finished_run / name).read_text()


def test_predictions_of_another_round_are_noticed(fakes, finished_run):
    out = fakes.adopt(finished_run)
    shutil.rmtree(out / "round_02/confidence")
    shutil.copy(out / "round_01/train/predictions.parquet", out / "round_02/train/predictions.parquet")
    with pytest.raises(QALoopError, match=r"round_02/train/predictions\.parquet: differs"):
        run_loop(load_config(fakes.config), out)
    assert not (out / "round_02/confidence").exists()


def test_swapped_frame_and_missing_list_are_noticed(fakes, finished_run):
    out = fakes.adopt(finished_run)
    shutil.rmtree(out / "round_02/blind")
    shutil.copy(out / "store/images/0_0.png", out / "store/images/0_1.png")
    with pytest.raises(QALoopError, match=r"store/images/0_1\.png: differs"):
        run_loop(load_config(fakes.config), out)
    (out / "digests/ingest.json").unlink()
    with pytest.raises(QALoopError, match=r"digests/ingest\.json: the list .* is missing"):
        run_loop(load_config(fakes.config), out)


def test_status_check_finds_what_no_stage_reads_any_more(fakes, finished_run):
    out = fakes.adopt(finished_run)
    assert run_status(out, check=True).done
    flip(out / "round_02/blind/scores.parquet")
    (out / "round_00/eval/summary.json").write_text("{}")
    assert command("status", out).exit_code == 0, "without --check nothing is read"
    process = command("status", out, "--check", "--json")
    assert process.exit_code == 1
    value = json.loads(process.stdout)
    assert {stage["name"] for stage in value["stages"] if stage["state"] == "damaged"} == {
        "round_02-blind", "round_00-eval"
    }  # fmt: skip
    assert len(value["damage"]) == 2
    assert "restore the damaged files" in command("status", out, "--check").stderr


def test_run_of_an_older_version_has_no_digests_and_goes_on(fakes, finished_run):
    out = fakes.adopt(finished_run)
    path = out / "manifest.json"
    value = json.loads(path.read_text())
    for record in value["stages"]:
        del record["digest"]
    path.write_text(json.dumps(value))
    shutil.rmtree(out / "round_02/blind")
    run_loop(load_config(fakes.config), out)
    assert load_manifest(out).stages["round_02-blind"].digest is not None


def test_pipe_in_the_place_of_the_folder_is_refused_and_stays(fakes):
    out = fakes.folder / "out"
    os.mkfifo(out)
    for flags in ([], ["--force"]):
        process = command("run", fakes.config, "--out", out, *flags)
        assert process.exit_code == 2
        assert f"{out}: is no folder" in process.stderr
        assert stat.S_ISFIFO(out.stat().st_mode)


def test_full_disk_is_named_with_the_file(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with (
        pytest.raises(FileError, match=r"\.lock: cannot be written \(No space left on device\)"),
        lock_folder(tmp_path),
    ):
        pass


def test_full_disk_in_a_stage_is_told_without_a_traceback(fakes, finished_run, monkeypatch):
    out = fakes.adopt(finished_run)
    shutil.rmtree(out / "round_02/blind")

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out / "logs/round_02-blind.log"))

    monkeypatch.setattr("qa_loop.run.run_command", full)
    result = command("run", fakes.config, "--out", out)
    assert result.exit_code == 2
    assert "logs/round_02-blind.log: no space left on the disk" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_in_an_object_store_is_checked_whole_its_frames_too(finished_run, tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setenv("QA_CACHE", str(tmp_path / "cache"))
    there = Path(shutil.copytree(finished_run, tmp_path / "bucket/run"))
    image = next((there / "store/images").iterdir())
    assert command("status", f"file://{there}").exit_code == 0
    assert not list((tmp_path / "cache").rglob(image.name))
    checked = command("status", f"file://{there}", "--check")
    assert checked.exit_code == 0, checked.output
    flip(image)
    checked = command("status", f"file://{there}", "--check")
    assert checked.exit_code == 1
    assert f"file://{image}: differs from what the stage wrote" in checked.output
