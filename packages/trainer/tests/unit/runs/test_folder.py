from __future__ import annotations

import pytest
from qa_contract.errors import FileError
from qa_trainer.errors import QATrainerError
from qa_trainer.runs.folder import open_run

IDENTITY = {"settings": {"steps": 4, "freeze": ()}, "inputs": {"model": "abc"}}


def begin(out, identity=IDENTITY, *, force=False):
    with open_run(out, identity, force=force) as folder:
        folder.begin(identity, "steps = 4\n")
        return folder


def checkpoint(folder, step, *, sealed=True):
    path = folder.checkpoints / f"checkpoint-{step}"
    path.mkdir(parents=True)
    files = ("model.safetensors", "config.json", "optimizer.pt", "trainer_state.json", "training_args.bin")
    for name in (*files, "predictions.parquet"):
        (path / name).write_text(f"{name} {step}")
    if sealed:
        folder.seal(path, step)
    return path


def test_a_folder_is_new_then_resumed_then_complete(tmp_path):
    out = tmp_path / "a" / "out"
    folder = begin(out)
    assert (folder.status, folder.last_checkpoint()) == ("new", None)
    assert begin(out).status == "resumed"
    folder.finish(checkpoint(folder, 4), {"global_step": 4}, {"seconds": 1})
    with open_run(out, IDENTITY, force=False) as again:
        assert again.status == "complete"
    found = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert found == [
        ".lock",
        "config.toml",
        "manifest.json",
        "model/config.json",
        "model/model.safetensors",
        "predictions.parquet",
        "run.json",
        "state/optimizer.pt",
        "state/state.json",
        "state/trainer_state.json",
    ]
    assert (out / "model/model.safetensors").read_text() == "model.safetensors 4"


def test_half_written_checkpoints_are_ignored_and_removed(tmp_path):
    folder = begin(tmp_path / "out")
    checkpoint(folder, 2)
    checkpoint(folder, 10)
    checkpoint(folder, 12, sealed=False)
    (tmp_path / "out" / ".model.x.partial").mkdir()
    assert folder.last_checkpoint() == folder.checkpoints / "checkpoint-10"
    again = begin(tmp_path / "out")
    assert [path.name for path in again.checkpoints.iterdir()] == ["checkpoint-10"]
    assert not (tmp_path / "out" / ".model.x.partial").exists()


def test_another_configuration_is_refused_and_the_difference_named(tmp_path):
    out = tmp_path / "out"
    checkpoint(begin(out), 2)
    other = {"settings": {"steps": 8, "freeze": []}, "inputs": {"model": "abc"}}
    with pytest.raises(QATrainerError, match=r"\n  settings\.steps: 4 -> 8\n"), open_run(out, other, force=False):
        pass
    forced = begin(out, other, force=True)
    assert (forced.status, forced.last_checkpoint()) == ("new", None)


def test_foreign_content_is_refused_and_kept(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(QATrainerError, match="holds no training run"), open_run(tmp_path, IDENTITY, force=False):
        pass
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with (
        pytest.raises(FileError, match="a file is there"),
        open_run(tmp_path / "notes.txt", IDENTITY, force=True),
    ):
        pass


def test_two_processes_cannot_train_into_one_folder(tmp_path):
    with (
        open_run(tmp_path / "out", IDENTITY, force=False),
        pytest.raises(QATrainerError, match="another process"),
        open_run(tmp_path / "out", IDENTITY, force=False),
    ):
        pass
