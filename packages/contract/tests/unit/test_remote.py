"""Copies of remote folders: what is fetched and uploaded, and when; a folder of this machine stands for the store."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from qa_contract import remote
from qa_contract.errors import UserError
from qa_contract.files import path_inside, write_json
from qa_contract.identity import config_hash
from qa_contract.remote import RemoteError
from qa_contract.remote.addresses import address_of, told
from qa_contract.remote.cache import place_of

pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    monkeypatch.setenv("QA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bucket").mkdir()
    yield tmp_path / "bucket"
    remote.close_mirrors()


def put(folder: Path, **texts: str) -> Path:
    """Write files; `__` in a name stands for a folder, and all are JSON but the images."""
    for name, text in texts.items():
        path = folder / (name.replace("__", "/") + (".png" if "frames__" in name else ".json"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def files(folder: Path) -> dict[str, str]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_text() for name, path in sorted(found.items())}


def opened(folder: Path, **how) -> Path:
    """Open an address as the next command would."""
    remote.close_mirrors()
    return remote.local(f"file://{folder}", **how)


def interrupt(monkeypatch, at: str) -> None:
    """Cut the network off where a file of that name is uploaded."""
    from fsspec.implementations.local import LocalFileSystem

    put_file = LocalFileSystem.put_file

    def broken(self, path, *more, **how):
        if Path(path).name == at:
            raise TimeoutError("https://lab.example/x?X-Amz-Signature=0123 timed out")
        return put_file(self, path, *more, **how)

    monkeypatch.setattr(LocalFileSystem, "put_file", broken)


def test_what_a_command_changes_is_uploaded_and_only_what_others_changed_is_fetched_again(bucket):
    put(bucket / "run", a="1", b="1", c="1", deep__d="1")
    copy = opened(bucket / "run")
    assert files(copy) == files(bucket / "run")
    kept = (copy / "a.json").stat()
    put(copy, b="two", deep__e="new")
    (copy / "c.json").unlink()
    (copy / ".draft").write_text("hidden")
    assert remote.upload_changes() == {f"file://{bucket}/run": 2}
    wanted = {"a.json": "1", "b.json": "two", "deep/d.json": "1", "deep/e.json": "new"}
    assert files(bucket / "run") == wanted
    assert remote.upload_changes() == {}
    put(bucket / "run", **{"deep__d": "changed"})
    copy = opened(bucket / "run")
    assert (copy / "a.json").stat() == kept
    assert files(copy) == wanted | {"deep/d.json": "changed", ".draft": "hidden"}
    assert remote.upload_changes() == {}


def test_a_file_alone_and_what_is_written_beside_it(bucket):
    copy = opened(bucket / "answers.json", output=True)
    assert not copy.exists()
    copy.write_text("1")
    (copy.parent / "names.txt").write_text("2")
    remote.upload_changes()
    assert files(bucket) == {"answers.json": "1", "names.txt": "2"}
    assert opened(bucket / "answers.json").read_text() == "1"


def test_of_a_store_frames_are_fetched_when_they_are_opened(bucket):
    store = put(bucket / "run/store", frames__attic__0="image", frames__attic__1="image", added__00001__manifest="{}")
    for folder in (store, store / "added/00001"):
        (folder / "scenes.parquet").write_text("table")
    copy = opened(bucket / "run") / "store"
    assert set(files(copy)) == {"scenes.parquet", "added/00001/manifest.json", "added/00001/scenes.parquet"}
    assert not path_inside(copy, "frames/attic/0.png", fetch=False).exists()
    assert path_inside(copy, "frames/attic/0.png").read_text() == "image"
    assert not path_inside(copy, "frames/attic/7.png").exists()
    assert not (copy / "frames/attic/1.png").exists()
    assert remote.upload_changes() == {}


def test_names_that_lead_out_of_the_folder_and_hidden_ones_are_left_out(bucket, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    find = LocalFileSystem.find
    put(bucket / "run", a="1")
    (bucket / "run/.git").write_text("hidden")

    def planted(self, path, **how):
        found = find(self, path, **how)
        return found | {f"{path}/../evil.json": found[f"{path}/a.json"]}

    monkeypatch.setattr(LocalFileSystem, "find", planted)
    copy = opened(bucket / "run")
    assert files(copy.parent) == {"run/a.json": "1"}


def test_tables_alone_are_fetched_for_sql(bucket):
    put(bucket / "run/model", weights="1")
    (bucket / "run/scores.parquet").write_text("table")
    assert set(files(opened(bucket / "run", tables_only=True))) == {"scores.parquet"}


@pytest.fixture
def cut_off(bucket, monkeypatch):
    """A folder of which the second of three files did not arrive."""
    copy = put(opened(bucket / "run", output=True), a="1", b="2", manifest="{}")
    with monkeypatch.context() as patch:
        interrupt(patch, "b.json")
        with pytest.raises(RemoteError, match=rf"what was made waits in {copy.parents[1]}: the server"):
            remote.upload_changes("this command", 1)
    return bucket / "run"


def test_an_upload_that_is_cut_off_goes_on(cut_off):
    assert {"b.json", "manifest.json"}.isdisjoint(files(cut_off))
    assert files(opened(cut_off)) == files(cut_off) == {"a.json": "1", "b.json": "2", "manifest.json": "{}"}
    assert remote.finished_upload("this command") == 1
    assert remote.finished_upload("another command") is None
    opened(cut_off)
    assert remote.finished_upload("this command") is None


def test_a_folder_that_is_not_whole_is_not_read_and_may_be_written_anew(cut_off, tmp_path, monkeypatch):
    with monkeypatch.context() as other:
        other.setenv("QA_CACHE", str(tmp_path / "other"))
        with pytest.raises(RemoteError, match="is not whole"):
            opened(cut_off)
        put(opened(cut_off, output=True), c="3")
        remote.upload_changes("another command")
    assert files(cut_off) == {"c.json": "3"}
    with pytest.raises(RemoteError, match="was changed by others"):
        opened(cut_off)


def test_a_folder_that_is_replaced_takes_all_old_files_along(bucket):
    store = put(bucket / "store", frames__attic__0="image", manifest="{}")
    (store / "scenes.parquet").write_text("table")
    copy = opened(store, output=True)
    copy.rename(copy.with_name(".old"))
    put(copy, manifest="new")
    remote.upload_changes()
    assert files(store) == {"manifest.json": "new"}


def test_what_a_stopped_command_made_waits_unless_others_wrote_there(bucket):
    copy = put(opened(bucket / "run", output=True), half="1")
    assert files(opened(bucket / "run", output=True)) == {"half.json": "1"}
    put(copy, rest="2")
    remote.upload_changes()
    assert files(bucket / "run") == {"half.json": "1", "rest.json": "2"}
    put(opened(bucket / "run"), half="here")
    put(bucket / "run", half="there, by others")
    with pytest.raises(RemoteError, match=rf"was changed by others.*delete {place_of(f'file://{bucket}/run')}"):
        opened(bucket / "run")


def test_the_longest_unused_copies_go_but_not_those_in_use_or_with_own_work(bucket, monkeypatch):
    for name in ("old", "work", "new"):
        put(bucket / name, a="x" * 1000)
    places = {name: place_of(f"file://{bucket}/{name}") for name in ("old", "work", "new")}
    opened(bucket / "old")
    put(opened(bucket / "work"), b="made here")
    monkeypatch.setenv("QA_CACHE_GB", "0")
    opened(bucket / "new")
    assert [name for name, place in places.items() if place.exists()] == ["work", "new"]
    monkeypatch.setenv("QA_CACHE_GB", "much")
    with pytest.raises(UserError, match="QA_CACHE_GB is 'much'"):
        opened(bucket / "old")


def test_manifests_hashes_and_messages_name_the_address(bucket, tmp_path):
    copy = opened(bucket / "Räume", output=True)
    write_json(tmp_path / "manifest.json", {"store": str(copy / "ä")})
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"store": f"file://{bucket}/Räume/ä"}
    assert config_hash({"store": copy}) == config_hash({"store": f"file://{bucket}/Räume"})
    assert remote.shown(f"see {copy}/ä, not {copy.parents[1]}") == f"see file://{bucket}/Räume/ä, not {copy.parents[1]}"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s4://lab/rooms", "unknown scheme 's4'. Did you mean 's3'"),
        ("https://lab/rooms", "unknown scheme 'https'"),
        ("s3://lab/../rooms", "names no folder"),
        ("s3://", "names no folder"),
    ],
)
def test_a_wrong_address_is_named(address, message):
    with pytest.raises(UserError, match=message):
        address_of(address)


@pytest.mark.parametrize("address", ["s3://AKIA0123:secret@lab/rooms", "s3://lab/rooms?X-Amz-Signature=secret"])
def test_an_address_that_may_hold_a_key_is_not_shown(address):
    with pytest.raises(UserError, match="may be a key") as error:
        remote.local(Path(address))
    assert "secret" not in str(error.value)


def test_a_missing_library_is_named_with_what_brings_it(bucket, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs s3fs. Install it with: pip install 'qa-contract\[s3\]'"):
        remote.local("s3://lab/rooms")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError("Access Denied for verysecret"), r"refused \(Access Denied for \[LAB_SECRET\]\). Set AWS_"),
        (TimeoutError("https://h/?X-Amz-Signature=verysecret"), r"does not answer \(https://h/\?...\)"),
        (ValueError("odd"), r"ValueError \(odd\)"),
    ],
)
def test_what_a_library_says_is_passed_on_without_keys(monkeypatch, error, message):
    monkeypatch.setenv("LAB_SECRET", "verysecret")
    with pytest.raises(RemoteError, match=message) as found, told("s3://lab/rooms", "cannot be read"):
        raise error
    assert found.value.__suppress_context__
    assert "verysecret" not in str(found.value)


def test_a_full_disk_is_no_error_of_the_store():
    with pytest.raises(OSError, match="No space"), told("s3://lab/rooms", "cannot be read"):
        raise OSError(28, os.strerror(28))
