import errno
import os
import stat
import subprocess
import sys

import pytest
from qa_contract.errors import FileError
from qa_contract.files import (
    KINDS,
    atomic_path,
    check_output_file,
    check_output_folder,
    output_folder,
    path_inside,
    write_json,
)


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
        (folder / "a").write_text("2")
        (folder / "b").write_text("2")
    assert (out / "a").read_text() == "2"
    assert names(out) == ["a", "b"]
    assert names(tmp_path) == ["out"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(FileError, match="a file is there"), output_folder(tmp_path / "out", force=True):
        pytest.fail("the block must not run")


def test_a_folder_that_no_command_made_is_not_replaced_and_the_new_output_is_kept(tmp_path):
    out = tmp_path / "papers"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with (
        pytest.raises(FileError, match=r"holds 'thesis\.tex' and no manifest") as caught,
        output_folder(out, force=True) as folder,
    ):
        (folder / "questions.parquet").write_text("hours of work")
    assert (out / "thesis.tex").read_text() == "years of work"
    (kept,) = tmp_path.glob("papers.new-*")
    assert str(kept) in str(caught.value)
    assert names(kept) == ["questions.parquet"]


@pytest.mark.parametrize(("text", "replaced"), [('{"command": "x"}', True), ("{}", False), ("[" * 9999, False)])
def test_a_folder_with_its_manifest_is_replaced_whatever_was_added(tmp_path, text, replaced):
    out = tmp_path / "store"
    out.mkdir()
    (out / "observations.parquet").write_text("")
    (out / "manifest.json").write_text(text)
    try:
        with output_folder(out, force=True) as folder:
            (folder / "scenes.parquet").write_text("")
    except FileError:
        assert not replaced
    assert names(out) == (["scenes.parquet"] if replaced else ["manifest.json", "observations.parquet"])


@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_folder_that_holds_the_working_folder_is_not_replaced(tmp_path, monkeypatch, below):
    (tmp_path / "out" / below).mkdir(parents=True)
    (tmp_path / "out" / "manifest.json").write_text('{"command": "x"}')
    monkeypatch.chdir(tmp_path / "out" / below)
    with pytest.raises(FileError, match="holds your working folder"):
        check_output_folder(tmp_path / "out", force=True)


def stop_in(folder):
    (folder / "file").write_text("")
    raise KeyboardInterrupt


def test_a_failed_block_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), output_folder(tmp_path / "a/b/out") as folder:
        stop_in(folder)
    assert names(tmp_path) == []


def test_what_a_killed_command_left_is_deleted_and_what_another_writes_is_not(tmp_path):
    code = (
        "import sys, time, qa_contract.files as f, pathlib\n"
        "with f.output_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    print(folder.name, flush=True)\n"
        "    time.sleep(60)\n"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    left, held = [other.stdout.readline().strip() for other in others]
    others[0].kill()
    others[0].wait()
    for name in (left, held):
        os.utime(tmp_path / name, (1, 1))
    with output_folder(tmp_path / "out"):
        assert left not in names(tmp_path)
        assert held in names(tmp_path)
    others[1].terminate()
    others[1].wait()


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.json", "a.html", "a.png", "a"])
def test_a_file_is_replaced_by_force_and_only_by_its_kind(tmp_path, name):
    path = tmp_path / name
    check_output_file(path)
    begin = KINDS.get(path.suffix, KINDS[".jsonl"])[0]
    path.write_bytes(begin if isinstance(begin, bytes) else begin[-1])
    with pytest.raises(FileError, match="--force"):
        check_output_file(path)
    check_output_file(path, force=True)
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    with pytest.raises(FileError, match="and is not replaced"):
        check_output_file(path, force=True)
    path.write_text("")
    check_output_file(path, force=True)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/null", path)])
def test_what_is_no_file_is_never_replaced(tmp_path, make):
    make(tmp_path / "out.jsonl")
    for force in (False, True):
        with pytest.raises(FileError):
            check_output_file(tmp_path / "out.jsonl", force=force)


def test_a_path_that_leads_out_of_its_folder_is_refused(tmp_path):
    store, other = tmp_path / "store", tmp_path / "store2"
    for folder in (store / "frames", other):
        folder.mkdir(parents=True)
    (other / "key").write_text("secret")
    (store / "frames/0.png").write_text("frame")
    (store / "again.png").symlink_to(store / "frames/0.png")
    (store / "link.png").symlink_to(other / "key")
    (store / "folder").symlink_to(other)
    for path in ("frames/0.png", "again.png", "frames/../frames/0.png", "frames/missing.png"):
        assert path_inside(store, path) == store / path
    for path in ("link.png", "folder/key", "../store2/key", "/etc/passwd", "frames/../../store2/key", "", "a\0b"):
        with pytest.raises(FileError, match="leads out of the folder"):
            path_inside(store, path)
    (tmp_path / "link").symlink_to(store)
    assert path_inside(tmp_path / "link", "frames/0.png").is_file(), "the folder itself may be a link"
