"""Addresses on a command line: copies come before the command, an upload follows its success."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import typer
from qa_contract.cli import Out, Wrote, close, make_app, shell

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    monkeypatch.setenv("QA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


@pytest.fixture
def copy(capsys):
    """Call a program whose command copies the rows of tables that are not empty, and say which rows are lost."""
    app = make_app("qa-contract", "Copy.")

    @app.command()
    def rows(tables: list[Path], *, out: Out) -> None:
        began = time.perf_counter()
        lines = [line for table in tables for line in table.read_text(encoding="utf-8").splitlines()]
        kept = [line for line in lines if line]
        out.mkdir()
        (out / "rows.txt").write_text("\n".join(kept), encoding="utf-8")
        close(Wrote(out, len(kept)), since=began, lost=len(lines) - len(kept), next=shell("show", out))

    def call(*words: object) -> tuple[int, list[str]]:
        with pytest.raises(SystemExit) as stopped:
            typer.main.get_command(app).main(["rows", *map(str, words)])
        code = stopped.value.code
        return int(code or 0), capsys.readouterr().err.splitlines()

    return call


def test_a_command_reads_and_writes_addresses_and_names_them(copy, bucket, tmp_path):
    (bucket / "a").write_text("1\n\n")
    (tmp_path / "b").write_text("2\n")
    code, lines = copy(f"file://{bucket}/a", tmp_path / "b", "--out", f"file://{bucket}/out")
    assert (code, (bucket / "out/rows.txt").read_text()) == (1, "1\n2")  # a row is lost, and the output is there
    assert lines[0].startswith("transfer: 1 of 1 files")
    assert lines[1].startswith(f"Wrote file://{bucket}/out: 2 rows (lost: 1) in ")
    assert lines[1].endswith(f"Next: show file://{bucket}/out")
    assert lines[-1] == f"Uploaded file://{bucket}/out: 1 file."


def test_a_command_that_fails_uploads_nothing_and_names_the_address(copy, bucket):
    code, lines = copy(f"file://{bucket}/none", "--out", f"file://{bucket}/out")
    assert (code, lines) == (2, [f"error: file://{bucket}/none: no such file or folder. Check the path."])
    assert not list(bucket.iterdir())


def test_the_same_command_finishes_an_upload_that_was_cut_off_and_does_nothing_else(copy, bucket, monkeypatch):
    (bucket / "a").write_text("1\n\n")
    words = (f"file://{bucket}/a", "--out", f"file://{bucket}/out")
    with monkeypatch.context() as patch:
        patch.setattr("fsspec.implementations.local.LocalFileSystem.put_file", lambda *_, **__: 1 / 0)
        code, lines = copy(*words)
    assert code == 2
    assert lines[-1].startswith(f"error: file://{bucket}/out: cannot be written; what was made waits in ")
    assert not (bucket / "out/rows.txt").exists()

    code, lines = copy(*words)
    assert (code, (bucket / "out/rows.txt").read_text()) == (1, "1")
    assert [path.name for path in (bucket / "out").iterdir()] == ["rows.txt"]
    assert lines[-1] == "Uploaded what the same command had made before."
