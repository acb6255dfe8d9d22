"""A stage whose rows are missing is done again when its cause is repaired, and costs what the repair changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qa_loop.cli import app
from qa_loop.config import load_config
from qa_loop.manifest import load_manifest
from qa_loop.run import run_loop


@pytest.fixture
def lossy(fakes):
    """A finished run whose ingest lost a scan; gives its folder and the scan."""
    scan = fakes.folder / "scans/one.ply"
    scan.parent.mkdir()
    scan.write_text("broken")
    os.utime(scan, (1, 1))
    fakes.change('dataset = "rooms"', 'dataset = "rooms"\nroot = "scans"')
    out = fakes.folder / "out"
    fakes.fault("store", "exit 1")
    assert run_loop(load_config(fakes.config), out).lossy == ["ingest"]
    return out, scan


def again(fakes, out: Path, **how: bool) -> tuple[list[str], set[str]]:
    """Start once more; give the stages whose rows are missing, and those that were run."""
    before = {name: record.start + str(record.attempts) for name, record in load_manifest(out).stages.items()}
    lost = run_loop(load_config(fakes.config), out, **how).lossy
    after = {name: record.start + str(record.attempts) for name, record in load_manifest(out).stages.items()}
    return lost, {name for name in after if after[name] != before.get(name)}


INSIDE = {"ingest", "observe", "sample-frames"}


def test_nothing_repaired_is_nothing_done_and_still_said(fakes, lossy):
    out, _ = lossy
    assert again(fakes, out) == (["ingest"], set())


def test_repaired_scan_that_changes_nothing_costs_no_training(fakes, lossy):
    out, scan = lossy
    scan.write_text("whole")
    assert again(fakes, out) == ([], INSIDE)
    assert again(fakes, out) == ([], set())


def test_repaired_scan_that_changes_the_store_redoes_what_reads_it(fakes, lossy, tables, monkeypatch, tmp_path):
    out, scan = lossy
    scan.write_text("whole")
    other = tmp_path / "tables"
    other.mkdir()
    for path in tables.iterdir():
        (other / path.name).symlink_to(path)
    (other / "objects.parquet").unlink()
    (other / "objects.parquet").write_bytes((tables / "objects.parquet").read_bytes() + b"\0")
    monkeypatch.setenv("FAKE_TABLES", str(other))
    lost, run = again(fakes, out)
    assert not lost
    assert run == set(load_manifest(out).stages)


def test_redo_lost_does_it_without_a_changed_file_and_survives_a_kill(fakes, lossy):
    out, _ = lossy
    fakes.fault("store", "kill")
    fakes.run("run", fakes.config, "--out", out, "--redo-lost")
    assert load_manifest(out).stages["ingest"].state == "running"
    assert load_manifest(out).stages["round_02-train"].state == "done"
    assert again(fakes, out) == ([], INSIDE)


def test_loss_in_a_stage_of_the_run_is_redone_on_request_only(fakes, lossy):
    out, scan = lossy
    scan.write_text("whole")
    (out / "round_02/confidence/confidence.parquet").unlink()
    fakes.fault("round_02_confidence", "exit 1")
    assert again(fakes, out)[0] == ["round_02-confidence"]
    assert again(fakes, out) == (["round_02-confidence"], set())
    result = CliRunner().invoke(app, ["run", str(fakes.config), "--out", str(out)])
    assert result.exit_code == 1
    assert "with --redo-lost" in result.stderr
    assert again(fakes, out, redo_lost=True) == ([], {"round_02-confidence"})


def test_scan_written_while_it_was_read_counts_as_repaired(fakes):
    fakes.change('dataset = "rooms"', 'dataset = "rooms"\nroot = "scans"')
    (fakes.folder / "scans").mkdir()
    late = fakes.folder / "scans/late.ply"
    late.write_text("x")
    os.utime(late, (4e9, 4e9))
    fakes.fault("store", "exit 1")
    run_loop(load_config(fakes.config), fakes.folder / "out")
    assert again(fakes, fakes.folder / "out") == ([], INSIDE)
