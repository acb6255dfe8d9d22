import errno
import os

import polars as pl
import pytest
from qa_contract import tablestream
from qa_contract.errors import FileError
from qa_contract.tableio import read_metadata, read_table, table_metadata
from qa_contract.tables import REJECTS
from qa_contract.tablestream import open_table

META = table_metadata("rejects", "test", {}, 0)


def rows(start: int, stop: int) -> pl.DataFrame:
    values = {name: [f"{name} {k}" for k in range(start, stop)] for name in REJECTS}
    return pl.DataFrame(values, schema=dict(REJECTS))


@pytest.mark.parametrize("portion", [1, 7, 10, 25, 100])
def test_the_file_does_not_depend_on_the_portions(tmp_path, monkeypatch, portion):
    monkeypatch.setattr(tablestream, "ROWS_PER_GROUP", 10)
    for name, size in (("whole", 100), ("portions", portion)):
        with open_table(tmp_path / name, REJECTS, META) as table:
            for start in range(0, 100, size):
                table.write(rows(start, min(start + size, 100)))
        assert table.n_rows == 100
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "portions").read_bytes()
    assert read_table(tmp_path / "whole", "rejects", REJECTS).equals(rows(0, 100))
    assert read_metadata(tmp_path / "whole") == META


def test_a_table_without_rows_has_its_columns(tmp_path):
    with open_table(tmp_path / "rejects.parquet", REJECTS, META) as table:
        table.write(rows(0, 0))
    assert read_table(tmp_path, "rejects", REJECTS).equals(rows(0, 0))


def test_a_failed_block_and_a_full_disk_leave_nothing(tmp_path, monkeypatch):
    with pytest.raises(KeyError), open_table(tmp_path / "rejects.parquet", REJECTS, META):
        raise KeyError("x")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tablestream.TableStream, "finish", full)
    with pytest.raises(FileError, match=r"rejects\.parquet: cannot be written \(No space"):  # noqa: SIM117
        with open_table(tmp_path / "rejects.parquet", REJECTS, META):
            pass
    assert not list(tmp_path.iterdir())
