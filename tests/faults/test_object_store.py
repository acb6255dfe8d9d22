"""Stores and questions on an S3 server: the bytes of this machine, also after an upload that was killed."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest
import typer
from disturb import digests, start
from qa_engine.cli import app as engine

from qa_loop.cli import app as loop

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")

KEYS = {"AWS_ACCESS_KEY_ID": "a-key-of-the-tests", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}
ROOMS = ("ingest", "rooms", "--frames-per-scene", 1, "--size", 32, "--seed", 3)


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """A server with the bucket `lab` that takes its time for tables; a file system that looks at it from aside."""
    from moto.s3.models import S3Backend

    put_object = S3Backend.put_object

    def slow(self, bucket_name, key_name, *more, **how):
        time.sleep(2 * key_name.endswith("objects.parquet"))
        return put_object(self, bucket_name, key_name, *more, **how)

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    there = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**KEYS, **there, "QA_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    fs = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    fs.mkdir("lab")
    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "put_object", slow)
        yield fs
    server.stop()


@pytest.fixture
def call(capsys):
    """Run a command in this process; give what it prints."""

    def call(app: Any, *words: object) -> tuple[str, str]:
        with pytest.raises(SystemExit) as stopped:
            typer.main.get_command(app).main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert stopped.value.code == 0, err
        return out, err

    return call


@pytest.mark.slow
def test_a_round_trip_with_a_killed_upload_ends_with_the_bytes_of_this_machine(s3, call, tmp_path):
    first = (*ROOMS, "--scenes", 3, "--out", "s3://lab/store")
    process = start(*first)
    while not s3.exists("lab/store/scenes.parquet") and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert s3.exists("lab/store/.uploading")
    assert not s3.exists("lab/store/manifest.json")
    _, err = call(engine, *first)
    assert err.endswith("Uploaded what the same command had made before.\n")
    call(engine, *ROOMS, "--scenes", 3, "--out", tmp_path / "store")

    for place in ("s3://lab", tmp_path):
        store, questions = f"{place}/store", f"{place}/questions"
        for words in (
            (*ROOMS, "--scenes", 1, "--first-scene", 3, "--out", store, "--add"),
            ("sample-frames", store, "--frames", 1),
            ("generate", store, "--out", questions, "--count", 20, "--seed", 1),
            ("verify", store, questions),
            ("export", questions, "--store", store, "--format", "trl", "--out", f"{place}/trl"),
        ):
            _, err = call(engine, *words)
            assert place is tmp_path or str(tmp_path) not in err
    out, _ = call(loop, "sql", "s3://lab/store", "SELECT count(*) AS n FROM scenes", "--format", "csv")
    assert out == "n\n4\n"

    there = tmp_path / "there"
    s3.get("lab", str(there), recursive=True)
    for name in ("store", "questions", "trl"):
        assert digests(there / name) == digests(tmp_path / name), name
    written = b"".join(path.read_bytes() for path in there.rglob("*") if path.is_file())
    assert not [text for text in (*KEYS.values(), str(tmp_path)) if text.encode() in written]
