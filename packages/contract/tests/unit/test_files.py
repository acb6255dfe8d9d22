import errno
import os
import stat

import pytest
from qa_contract.errors import FileError
from qa_contract.files import atomic_path, output_folder, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_block_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text(str(1 / 0))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_is_readable_by_others(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": [2]})
    assert (tmp_path / "a.json").read_text() == '{\n "a": [\n  2\n ],\n "b": 1\n}\n'
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o644


def test_a_pipe_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="no regular file"), atomic_path(tmp_path / "pipe"):
        pytest.fail("the block must not run")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(FileError, match="is a folder"), atomic_path(tmp_path):
        pytest.fail("the block must not run")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileError, match=r"nowhere/a\.json: cannot be written \(No such file"):
        write_json(tmp_path / "nowhere/a.json", {})


def test_a_full_disk_is_named_with_the_file(tmp_path):
    with pytest.raises(FileError, match=r"a\.txt: cannot be written \(No space left"), atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def test_an_error_of_something_else_in_the_block_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.txt"):
        (tmp_path / "input").read_text()


def test_an_output_folder_appears_whole(tmp_path):
    out = tmp_path / "out"
    with output_folder(out) as folder:
        (folder / "a").write_text("1")
        assert not out.exists()
    assert names(out) == ["a"]
    with pytest.raises(FileError, match="--force"), output_folder(out):
        pytest.fail("the block must not run")
    with pytest.raises(RuntimeError), output_folder(out, force=True) as folder:
        raise RuntimeError
    assert names(out) == ["a"]
    with output_folder(out, force=True) as folder:
        (folder / "b").write_text("2")
    assert names(out) == ["b"]
    assert names(tmp_path) == ["out"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(FileError, match="a file is there"), output_folder(tmp_path / "out", force=True):
        pytest.fail("the block must not run")
