"""Descriptions, marks and coordinates: what they say, that they hold for one object, and who can be asked about."""

import io
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor
from qa_engine.facts.descriptions import describe
from qa_engine.facts.scene import Facts
from qa_engine.programs import run_program
from qa_engine.scenes.scene import Scene

BOXES = [
    ("window", (0, 5, 1.5), (2, 0.1, 1)),
    ("chair", (0, 4, 0.5), (0.5, 0.5, 1)),  # 0.7 m from the window
    ("chair", (0, 1, 0.5), (0.5, 0.5, 1)),
    ("chair", (4, 0, 0.5), (0.5, 0.5, 1)),
    ("table", (3, 3, 0.4), (2, 1, 0.8)),  # 1.28 m3
    ("table", (-3, 3, 0.3), (1, 1, 0.6)),
    ("shelf", (-4, 0, 0.9), (0.4, 1, 1.8)),
    ("lamp", (-4, 0, 2.0), (0.2, 0.2, 0.4)),  # on the shelf
    ("lamp", (3, -3, 0.2), (0.2, 0.2, 0.4)),
    ("cup", (1, -2, 0.05), (0.1, 0.1, 0.1)),
    ("cup", (1.05, -2.1, 0.05), (0.1, 0.1, 0.1)),  # nothing tells the cups apart by 15 cm or 10%
]


def scene_of(boxes, **changes):
    values = {
        "scene_name": "s",
        "dataset": "hand",
        "category": np.array([name for name, _, _ in boxes]),
        "center": np.array([center for _, center, _ in boxes], dtype=float),
        "size": np.array([size for _, _, size in boxes], dtype=float),
        "rotation": np.repeat(np.eye(3)[None], len(boxes), axis=0),
        "instance_id": np.arange(20, 20 + len(boxes)),
    }
    return Scene(**(values | changes))


def test_descriptions_worked_out_by_hand():
    found = {one.row: one.text for one in describe(Facts(scene_of(BOXES)))}
    assert found[1] == "chair closest to the window"
    assert found[3] == "chair farthest from the shelf"  # by 4 m; from the window by 3
    assert found[2] == "chair closest to the shelf"
    assert found[4] == "largest table"
    assert found[5] == "smallest table"
    assert found[7] == "lamp on the shelf"
    assert not {9, 10} & found.keys()
    assert not {0, 6} & found.keys()  # their names are enough


def test_what_was_published_but_has_no_box_keeps_a_category_from_being_described():
    counts = {"window": 1, "chair": 4, "table": 2, "shelf": 1, "lamp": 2, "cup": 2}
    found = {one.row for one in describe(Facts(scene_of(BOXES, category_counts=counts)))}
    assert found == {4, 5, 7, 8}


def test_a_lamp_that_nearly_stands_on_the_shelf_takes_the_words_from_the_one_that_does():
    boxes = [*BOXES, ("lamp", (-4, 0.4, 2.08), (0.2, 0.2, 0.4))]  # 8 cm above the shelf's top
    texts = [one.text for one in describe(Facts(scene_of(boxes)))]
    assert "lamp on the shelf" not in texts


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_every_description_is_a_program_that_finds_its_object_whatever_the_order_of_the_scene(seed):
    check_descriptions(seed)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=1000, deadline=None)
def test_every_description_finds_its_object_a_thousand_times(seed):
    check_descriptions(seed)


def check_descriptions(seed):
    rng = np.random.default_rng(seed)
    names = rng.choice(["chair", "table", "lamp", "window", "bed"], rng.integers(3, 12)).tolist()
    size = np.exp(rng.uniform(np.log(0.1), np.log(2), (len(names), 3)))
    center = np.column_stack([rng.uniform(-3, 3, (len(names), 2)), size[:, 2] / 2])
    boxes = list(zip(names, center, size, strict=True))
    facts = Facts(scene_of(boxes))
    found = describe(facts)
    for one in found:
        assert one.lead > 1
        assert run_program(one.proof, facts).value == 20 + one.row
    assert len({one.text for one in found}) == len(found)
    order = rng.permutation(len(names))
    again = describe(Facts(scene_of([boxes[i] for i in order])))
    assert {(order[one.row], one.text) for one in again} == {(one.row, one.text) for one in found}


@pytest.fixture(scope="module")
def rooms(tmp_path_factory, call):
    store = tmp_path_factory.mktemp("rooms") / "store"
    words = ("--scenes", 4, "--frames-per-scene", 12, "--size", 96)
    assert call("ingest", "rooms", *words, "--out", store) == 0
    assert call("observe", store) == 0
    assert call("sample-frames", store, "--frames", 8) == 0
    return store


@pytest.mark.parametrize("reference", ["description", "mark", "coordinate"])
def test_more_objects_are_asked_about_and_every_answer_is_replayed(rooms, tmp_path, call, reference):
    asked = {}
    for name in ("name", reference):
        words = ("--reference", name, "--tasks", "object_size_estimation,object_rel_distance", "--out", tmp_path / name)
        assert call("generate", rooms, *words) == 0
        assert call("verify", rooms, tmp_path / name) == 0
        table = pl.read_parquet(tmp_path / name / "questions.parquet")
        asked[name] = table.filter(question_type="object_size_estimation").height
    assert asked[reference] > 2 * asked["name"]
    assert not (tmp_path / "name" / "details.parquet").exists()
    details = pl.read_parquet(tmp_path / reference / "details.parquet")
    assert details["question_id"].to_list() == table["question_id"].to_list()
    assert set(details["reference"]) == {reference}


def test_marks_name_colour_number_and_frame_and_frame_the_object(rooms, tmp_path, call):
    words = ("--reference", "mark", "--tasks", "object_size_estimation", "--out", tmp_path / "q")
    assert call("generate", rooms, *words) == 0
    table = pl.read_parquet(tmp_path / "q" / "questions.parquet")
    joined = table.join(pl.read_parquet(tmp_path / "q" / "details.parquet"), on="question_id")
    seen = pl.read_parquet(rooms / "observations.parquet")
    sets = pl.read_parquet(rooms / "frame_sets.parquet")
    for row in joined.iter_rows(named=True):
        (mark,) = row["marks"]
        ids = sets.filter(scene_name=row["scene_name"])["frame_ids"].item().to_list()
        number = ids.index(mark["frame_id"]) + 1
        assert (
            f"the object in the {mark['colour']} box with number {mark['label']} in frame {number}" in row["question"]
        )
        key = {"scene_name": row["scene_name"], "frame_id": mark["frame_id"], "instance_id": mark["instance_id"]}
        assert seen.filter(**key)["box_2d"].item().to_list() == mark["box_2d"]
        assert row["operands"][0]["instance_ids"] == [mark["instance_id"]]


def test_a_reference_that_does_not_exist_or_that_no_frame_can_carry_is_refused(rooms, tmp_path, call, capsys):
    assert call("generate", rooms, "--reference", "markk", "--out", tmp_path / "a") == 2
    assert "Did you mean 'mark'" in capsys.readouterr().err
    assert call("generate", rooms, "--reference", "mark", "--no-screen", "--out", tmp_path / "b") == 2
    assert "qa-engine observe" in capsys.readouterr().err


def test_paraphrases_change_the_words_and_nothing_else(rooms, tmp_path, call):
    for name, words in (("plain", ()), ("other", ("--paraphrase",))):
        assert call("generate", rooms, "--tasks", "object_height", *words, "--out", tmp_path / name) == 0
    plain, other = (pl.read_parquet(tmp_path / name / "questions.parquet") for name in ("plain", "other"))
    assert plain["question"].to_list() != other["question"].to_list()
    assert plain.drop("question").equals(other.drop("question"))
    assert pl.read_parquet(tmp_path / "other" / "details.parquet")["wording"].n_unique() > 1
    assert json.loads((tmp_path / "other" / "manifest.json").read_text())["config"]["paraphrase"]


@pytest.mark.parametrize("name", ["trl", "hf"])
def test_marks_are_drawn_on_the_frames_of_an_export(rooms, tmp_path, call, name):
    words = ("--reference", "mark", "--tasks", "image_left_or_right", "--per-scene", 2, "--out", tmp_path / "q")
    assert call("generate", rooms, *words) == 0
    assert call("export", tmp_path / "q", "--store", rooms, "--format", name, "--out", tmp_path / "out") == 0
    details = pl.read_parquet(tmp_path / "q" / "details.parquet")
    if name == "hf":
        pictures = [row[0]["bytes"] for row in pl.read_parquet(tmp_path / "out" / "train.parquet")["images"].to_list()]
    else:
        lines = (tmp_path / "out" / "train.jsonl").read_text().splitlines()
        pictures = [(tmp_path / "out" / json.loads(line)["images"][0]).read_bytes() for line in lines]
    assert len(pictures) == len(details) > 0
    for picture, marks in zip(pictures, details["marks"].to_list(), strict=True):
        image = Image.open(io.BytesIO(picture)).convert("RGB")
        for mark in marks:
            _, y, right, bottom = mark["box_2d"]
            corner = image.getpixel((int(right) - 1, int((y + bottom) // 2)))
            others = [ImageColor.getrgb(other["colour"]) for other in marks]  # boxes may share a border
            assert corner in others
