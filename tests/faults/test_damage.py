"""Damaged files: a run says which, a command ends with a message or loses the scene; nothing crashes."""

from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
from pathlib import Path

import pytest
from disturb import run
from qa_contract.errors import UserError
from qa_contract.tableio import read_table
from qa_contract.tables import TABLES
from typer.testing import CliRunner

from qa_loop.cli import app
from qa_loop.status import run_status


def flip(path: Path, place: int, bit: int = 4) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(bytes(data))


def test_a_flipped_byte_in_any_file_of_a_run_is_found(fakes, finished_run):
    out, rng = fakes.adopt(finished_run), random.Random(5)
    files = sorted({name for listed in (out / "digests").glob("*.json") for name in json.loads(listed.read_text())})
    assert len(files) > 40
    for name in files:
        whole = (out / name).read_bytes()
        flip(out / name, rng.randrange(1 << 30), rng.randrange(8))
        assert run_status(out, check=True).damage == [f"{out / name}: differs from what the stage wrote"]
        (out / name).write_bytes(whole)
    assert not run_status(out, check=True).damage


@pytest.mark.parametrize("name", ["manifest.json", "config.resolved.json", "digests/ingest.json"])
@pytest.mark.parametrize("left", [0, 1, 100, -3])
def test_a_truncated_file_of_the_loop_is_named(fakes, finished_run, name, left):
    out = fakes.adopt(finished_run)
    (out / name).write_bytes((out / name).read_bytes()[:left])
    shutil.rmtree(out / "round_02/blind")  # something to do, so that digests are compared
    for words in (("run", fakes.config, "--out", out), ("status", out, "--check")):
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code in (1, 2)
        assert name.rsplit("/", 1)[-1] in result.output
        assert not isinstance(result.exception, ValueError | KeyError | OSError)


@pytest.mark.parametrize("table", ["scenes", "objects", "frames", "frame_sets", "observations", "questions"])
def test_a_damaged_table_is_refused_with_its_name_or_read(undisturbed, tmp_path, table):
    folder = undisturbed / ("questions" if table == "questions" else "store")
    data, path = (folder / f"{table}.parquet").read_bytes(), tmp_path / f"{table}.parquet"
    rng, refused = random.Random(table), 0
    for k in range(40):
        if k % 2:
            path.write_bytes(data[: rng.randrange(len(data))])
        else:
            path.write_bytes(data)
            # The end of a Parquet file holds the schema and where everything lies.
            flip(path, rng.randrange(len(data)) if k % 4 else len(data) - rng.randrange(2000), rng.randrange(8))
        with contextlib.suppress(UserError):
            read_table(tmp_path, table, TABLES[table])
            continue
        refused += 1
        with pytest.raises(UserError, match=re.escape(str(tmp_path))):
            read_table(tmp_path, table, TABLES[table])
    assert refused >= 20, "what was cut off at least"


def test_a_damaged_frame_is_named_and_costs_no_traceback(undisturbed, tmp_path):
    store = Path(shutil.copytree(undisturbed / "store", tmp_path / "store"))
    frame = min(store.glob("instances/*/*.png"))
    frame.write_bytes(frame.read_bytes()[:60])
    code, err = run("observe", store, "--force", "--workers", 2)
    assert code == 2
    assert f"{frame} is missing or damaged" in err
    assert "Traceback" not in err
    shutil.copy(undisturbed / "store" / frame.relative_to(store), frame)
    assert run("observe", store, "--force")[0] == 0
    table = "observations.parquet"
    assert (store / table).read_bytes() == (undisturbed / "store" / table).read_bytes()


def test_a_damaged_part_of_a_stopped_ingest_is_read_again(tmp_path):
    from qa_engine.datasets import get_dataset
    from qa_engine.datasets.base import IngestOptions
    from qa_engine.ingestion.parts import Reader
    from qa_engine.ingestion.run import ingest

    options = IngestOptions(seed=1, scenes=24, frames=1, size=16)
    ingest(get_dataset("rooms"), None, out=tmp_path / "whole", options=options)

    def stop(done: int, of: int) -> None:
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(get_dataset("rooms"), None, out=tmp_path / "store", options=options, progress=stop)
    parts = sorted((tmp_path / ".store.ingest/.parts").iterdir())
    assert len(parts) == 2, Reader.__doc__
    cut = parts[0] / "objects.parquet"
    cut.write_bytes(cut.read_bytes()[:-9])
    report = ingest(get_dataset("rooms"), None, out=tmp_path / "store", options=options)
    assert report.n_resumed == 8
    for table in ("scenes", "objects", "frames", "rejects"):
        name = f"{table}.parquet"
        assert (tmp_path / "store" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
