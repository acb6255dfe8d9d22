"""One folder of own scans, all but one of them hostile: each becomes a reject with file, field and reason."""

import gzip
import json
import struct
import time
import zlib

import polars as pl
import pytest
from qa_engine.datasets import procthor
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError

BOX = {"label": "chair", "center": [0, 0, 0.5], "size": [0.5, 0.5, 1]}
GIANT = "ply\nformat binary_little_endian 1.0\nelement vertex 1000000000\nproperty float x\nproperty float y\n"
GIANT += "property float z\nend_header\n"
HIGH = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
HIGH += "element face 1000000000\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"


def boxes(*changes):
    return json.dumps([BOX | {"id": i} | change for i, change in enumerate(changes)]).encode()


SCANS = {
    "zero_bytes": ({"boxes.json": b""}, "bad_json", "boxes.json"),
    "cut_off": ({"boxes.json": boxes({})[:-9]}, "bad_json", "boxes.json"),
    "not_a_number": ({"boxes.json": boxes({"size": [1, float("nan"), 1]})}, "not_finite", "boxes.json[0].size[1]"),
    "infinite": ({"boxes.json": boxes({}, {"center": [float("inf"), 0, 0]})}, "not_finite", "boxes.json[1].center[0]"),
    "negative": ({"boxes.json": boxes({"size": [1, -1, 1]})}, "bad_size", "size"),
    "same_id": ({"boxes.json": boxes({"id": 4}, {"id": 4})}, "duplicate_instance", "instance_id"),
    "far_away": ({"boxes.json": boxes({"center": [1e30, 0, 0]})}, "wrong_units", "center"),
    "overflow": ({"boxes.json": b"[" + b"9" * 5000 + b"]"}, "", "boxes.json"),
    "deep": ({"boxes.json": b"[" * 200_000}, "bad_json", "boxes.json"),
    "same_key": ({"boxes.json": b'[{"label": "a", "label": "b"}]'}, "bad_json", "label"),
    "wrong_encoding": ({"boxes.json": "[\u00e9]".encode("latin-1")}, "bad_json", "boxes.json"),
    "wide_text": ({"boxes.csv": "label,cx,cy,cz,sx,sy,sz\n".encode("utf-16")}, "unreadable_file", "boxes.csv"),
    "label_of_control": ({"boxes.json": boxes({"label": "a\u0000b"})}, "bad_name", "category"),
    "giant_cloud": ({"cloud.ply": GIANT.encode(), "labels.json": b"{}"}, "bad_format", "element vertex"),
    "giant_mesh": ({"mesh.ply": HIGH.encode(), "labels.json": b"{}"}, "bad_format", "element face"),
    "image_above": (
        {"boxes.json": boxes({}), "poses.csv": b"image,tx,ty,tz,qx,qy,qz,qw\n../../secret.png,0,0,1,0,0,0,1\n"},
        "",
        "poses.csv",
    ),
    "image_of_a_folder": (
        {"boxes.json": boxes({}), "poses.csv": b"image,tx,ty,tz,qx,qy,qz,qw\n/etc/passwd,0,0,1,0,0,0,1\n"},
        "",
        "poses.csv",
    ),
}
"""Folder to its files, the reason (any where empty), and what the message names."""


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "scans"
    for name, (files, _, _) in SCANS.items():
        (folder / name).mkdir(parents=True)
        for file, data in files.items():
            (folder / name / file).write_bytes(data)
    (folder / "good").mkdir()
    (folder / "good" / "boxes.json").write_bytes(boxes({}))
    (tmp_path / "secret.json").write_bytes(boxes({}))
    for name in ("linked_out", "linked_in_circles", "ten_gigabytes"):
        (folder / name).mkdir()
    (folder / "linked_out" / "boxes.json").symlink_to(tmp_path / "secret.json")
    (folder / "linked_in_circles" / "boxes.json").write_bytes(boxes({}))
    (folder / "linked_in_circles" / "images").symlink_to(folder / "linked_in_circles")
    (folder / "linked_in_circles" / "mesh.ply").symlink_to(folder / "linked_in_circles" / "mesh.ply")
    (folder / "circle").symlink_to(folder)
    with (folder / "ten_gigabytes" / "boxes.json").open("wb") as file:
        file.truncate(10_000_000_000)  # a file with a hole: it takes no space
    return folder


def test_every_hostile_scan_is_a_reject_and_the_others_go_on(root, tmp_path, call):
    before = {path.name for path in tmp_path.iterdir()}
    started = time.perf_counter()
    assert call("ingest", "generic", root, "--out", tmp_path / "store") == 1
    assert time.perf_counter() - started < 20
    assert {path.name for path in tmp_path.iterdir()} == before | {"store"}
    scenes = pl.read_parquet(tmp_path / "store" / "scenes.parquet")["scene_name"].to_list()
    assert set(scenes) == {"good", "linked_in_circles"}
    rejects = pl.read_parquet(tmp_path / "store" / "rejects.parquet").filter(pl.col("stage") == "ingest")
    found = {row["scene_name"]: row for row in rejects.iter_rows(named=True)}
    assert set(found) == {*SCANS, "linked_out", "ten_gigabytes"}
    for name, (_, reason, field) in SCANS.items():
        assert reason in ("", found[name]["reason"]), found[name]
        assert field in found[name]["detail"], found[name]
    assert found["linked_out"]["reason"] == "unreadable_file"
    assert found["ten_gigabytes"]["reason"] == "too_large"


@pytest.mark.parametrize("damage", ["cut", "flipped", "bomb"])
def test_damaged_and_swollen_archives_are_refused(tmp_path, monkeypatch, damage):
    data = gzip.compress(b"{}\n" * 5000)
    if damage == "cut":
        data = data[:-20]
    elif damage == "flipped":
        data = data[:12] + bytes(255 - value for value in data[12:40]) + data[40:]
    else:
        monkeypatch.setattr(procthor, "MAX_BYTES", 10_000)
    (tmp_path / "train.jsonl.gz").write_bytes(data)
    (tmp_path / "asset-database.json").write_text('{"A": []}')
    with pytest.raises(QAEngineError, match=r"train\.jsonl\.gz"):
        procthor.discover(tmp_path, IngestOptions())


def test_a_picture_that_claims_to_be_vast_is_refused(tmp_path, call):
    folder = tmp_path / "scans" / "a"
    folder.mkdir(parents=True)
    (folder / "boxes.json").write_bytes(boxes({}))
    header = struct.pack(">2I5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    png = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    (folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + png)
    (folder / "poses.csv").write_text("image,tx,ty,tz,qx,qy,qz,qw\n0.png,0,0,1,0,0,0,1\n")
    assert call("ingest", "generic", folder.parent, "--out", tmp_path / "store") == 1
    (row,) = pl.read_parquet(tmp_path / "store" / "rejects.parquet").iter_rows(named=True)
    assert row["reason"] in ("too_large", "bad_frame")
    assert "0.png" in row["detail"] + row["item"]
