import json

import polars as pl
import pytest


@pytest.fixture
def store(call, write_vsi, vsi_entry, tmp_path):
    path = write_vsi({"one": vsi_entry, "two": vsi_entry})
    assert call("ingest", "vsi-bench", path, "--out", tmp_path / "store") == 0
    return tmp_path / "store"


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_outcomes_stand_in_the_order_of_the_rows(call, store, tmp_path, capfd):
    rows = [
        {"id": "a", "scene_name": "two", "program": "count('chair')"},
        {"id": 7, "scene_name": "one", "program": "distance_m(0, 1)"},
        {"id": "c", "scene_name": "two", "program": "().__class__"},
        {"id": "d", "scene_name": "nowhere", "program": "1"},
        {"id": "e", "scene_name": "one", "program": "[category(x) for x in objects()]"},
        {"id": "f", "scene_name": "one", "program": "turn_deg(0, 1, 2)"},
    ]
    programs = write(tmp_path / "programs.jsonl", rows)
    assert call("run-programs", store, programs, "--out", tmp_path / "out.jsonl") == 0
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").open()]
    assert [row["id"] for row in out] == [row["id"] for row in rows]
    assert [row["status"] for row in out] == ["ok", "ok", "not_in_language", "unknown_scene", "ok", "ok"]
    assert out[0] | {"detail": ""} == {
        "id": "a", "status": "ok", "value": 2, "type": "number", "unit": "", "steps": 2, "detail": "",
    }  # fmt: skip
    assert (out[1]["value"], out[1]["unit"]) == (2.0, "m")
    assert out[2]["value"] is None
    assert "attributes" in out[2]["detail"]
    assert (out[4]["value"], out[4]["type"]) == (["chair", "chair", "sofa"], "list")
    assert (out[5]["type"], out[5]["unit"]) == ("angle", "deg")
    error = capfd.readouterr().err
    assert "interpreter" in error
    assert "per second" in error
    assert "ok 4" in error

    assert call("run-programs", store, programs, "--out", tmp_path / "again.jsonl", "--workers", 1) == 0
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()
    assert call("run-programs", store, programs, "--out", tmp_path / "out.jsonl") == 2
    assert call("run-programs", store, programs, "--out", tmp_path / "out.parquet") == 0
    table = pl.read_parquet(tmp_path / "out.parquet")
    assert table["value"].to_list()[:2] == ["2", "2.0"]
    assert table["id"].to_list()[1] == "7"


def test_programs_see_what_the_frames_show(call, tmp_path):
    store = tmp_path / "rooms"
    assert (
        call("ingest", "rooms", "--out", store, "--scenes", 1, "--frames-per-scene", 4, "--size", 64, "--seed", 3) == 0
    )
    assert call("sample-frames", store, "--frames", 4) == 0
    assert call("observe", store) == 0
    name = pl.read_parquet(store / "scenes.parquet")["scene_name"][0]
    seen = pl.read_parquet(store / "observations.parquet").filter(pl.col("visible_px") >= 5)
    objects = (
        pl.read_parquet(store / "objects.parquet").join(seen, on="instance_id").unique("category").sort("category")
    )
    first, second = objects["category"].to_list()[:2]
    texts = [
        f"appearance_order(['{first}', '{second}'], 5)",
        "length(frames())",
        "[length(seen_in(f)) for f in frames()]",
        f"count_seen('{first}', 'uniform-4') + 0",
        f"count_seen('{first}', 'uniform-9')",
        "free_area_m2() < room_area_m2()",
        "[path_clear(0, x) for x in objects() if x != 0]",
    ]
    rows = [{"id": i, "scene_name": name, "program": text} for i, text in enumerate(texts)]
    programs = write(tmp_path / "programs.jsonl", rows)
    assert call("run-programs", store, programs, "--out", tmp_path / "out.jsonl", "--workers", 1) == 0
    out = [json.loads(line) for line in (tmp_path / "out.jsonl").open()]
    assert [row["status"] for row in out] == ["ok"] * 4 + ["no_value"] + ["ok"] * 2, [row["detail"] for row in out]
    assert sorted(out[0]["value"].split(", ")) == [first, second]
    assert out[1]["value"] == 4
    shown = pl.read_parquet(store / "observations.parquet").filter(pl.col("visible_px") >= 100)
    assert out[2]["value"] == [
        shown.filter(frame_id=f).height for f in pl.read_parquet(store / "frames.parquet")["frame_id"]
    ]
    assert out[3]["value"] >= 0
    assert out[5]["value"] is True
    assert set(out[6]["value"]) <= {True, False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: expected an object"),
        ('{"id": 1, "scene_name": "one"}', "line 1: expected program to be a text"),
        ('\n{"id": null, "scene_name": "one", "program": "1"}', "line 2: expected id"),
        ("\xff", "not UTF-8"),
    ],
)
def test_a_row_that_is_none_is_named(call, store, tmp_path, capfd, text, message):
    path = tmp_path / "programs.jsonl"
    path.write_bytes(text.encode("latin-1"))
    assert call("run-programs", store, path, "--out", tmp_path / "out.jsonl") == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_operators_lists_the_language(call, capfd):
    from qa_engine.programs import OPERATORS

    assert call("operators", "--json") == 0
    assert [row["name"] for row in json.loads(capfd.readouterr().out)] == list(OPERATORS)
    assert call("operators") == 0
    assert "distance_m(a: instance, b: instance) -> number, m" in capfd.readouterr().out
