"""Objects from masks: rooms whose boxes are known, rendered with wrong, missed and split masks."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from qa_contract.errors import FileError
from qa_engine.api import generate
from qa_engine.errors import QAEngineError
from qa_engine.lifting.run import lift
from qa_engine.scenes.store import Store

SCRIPT = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "lift.py")))
NOISE = SCRIPT.Noise(pixels=0.05, missed=0.05, split=0.05)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory) -> Path:
    """A folder with two rooms (`rooms`), their masks (`masks`), and what was lifted from these (`lifted`)."""
    folder = tmp_path_factory.mktemp("lift")
    store = SCRIPT.make_rooms(folder / "rooms", scenes=2, frames=16, size=160, seed=5)
    SCRIPT.write_masks(store, folder / "masks", NOISE)
    lift(store.path, folder / "masks", out=folder / "lifted")
    return folder


def test_visible_objects_are_found_and_their_errors_are_bounded(rooms):
    counts = SCRIPT.compare(Store(rooms / "rooms"), Store(rooms / "lifted"))
    assert counts["visible"] > 15
    assert counts["found"] >= 0.85 * counts["visible"]
    assert counts["within"] >= 0.95 * counts["visible"]
    assert counts["boxes"] <= counts["visible"] + 2


def test_the_same_bytes_for_any_number_of_workers(rooms, tmp_path):
    lift(rooms / "rooms", rooms / "masks", out=tmp_path / "again", workers=2)
    for table in ("objects", "scenes", "frames", "rejects"):
        name = f"{table}.parquet"
        assert (tmp_path / "again" / name).read_bytes() == (rooms / "lifted" / name).read_bytes()


def test_sizes_have_bounds_as_wide_as_the_stated_error(rooms):
    store = Store(rooms / "lifted")
    questions = generate(store, ["object_size_estimation"], screen=False)
    sizes = questions.filter(pl.col("question_type") == "object_size_estimation")
    share = (pl.col("answer_high") - pl.col("answer_value")) / pl.col("answer_value")
    wide = sizes.with_columns(share=share)
    table = pl.read_parquet(store.path / "objects.parquet")
    error = table.select(
        "scene_name",
        pl.col("category"),
        wanted=(2 * pl.col("face_error_m") / pl.col("size").list.max()).clip(lower_bound=0.05),
    )
    operand = pl.col("operands").list.first().struct.field("category").alias("category")
    both = wide.with_columns(operand).join(error, on=["scene_name", "category"])
    assert len(both) == len(sizes) > 0
    np.testing.assert_array_less(both["wanted"] - 1e-9, both["share"])


def test_a_category_with_an_object_left_out_is_not_counted(rooms, tmp_path):
    lift(rooms / "rooms", rooms / "masks", out=tmp_path / "lifted", min_frames=8)
    store = Store(tmp_path / "lifted")
    rejects = pl.read_parquet(tmp_path / "lifted" / "rejects.parquet")
    left_out = rejects.filter(pl.col("reason") == "seen_too_rarely")["detail"].str.extract(r"\((\w+) at ")
    n_more = 0
    for scene in store.iter_scenes():
        boxes = {name: int((scene.category == name).sum()) for name in scene.category_counts}
        assert all(n > 0 for n in boxes.values())
        n_more += sum(scene.category_counts.values()) - len(scene)
        assert set(scene.category_counts) == set(scene.category.tolist())
    assert 0 < n_more <= len(left_out)


def test_a_damaged_mask_file_loses_its_frame_and_a_missing_folder_its_scene(rooms, tmp_path):
    masks = tmp_path / "masks"
    shutil.copytree(rooms / "masks", masks)
    first, second = Store(rooms / "rooms").scene_names()
    shutil.rmtree(masks / second)
    damaged = sorted((masks / first / "mask_data").iterdir())[3]
    damaged.write_bytes(b"no array")
    report = lift(rooms / "rooms", masks, out=tmp_path / "lifted")
    assert report.n_scenes == 1
    assert report.lost == 2
    rejects = pl.read_parquet(tmp_path / "lifted" / "rejects.parquet").filter(pl.col("stage") == "ingest")
    assert sorted(rejects["reason"].to_list()) == ["bad_format", "missing_file"]
    assert rejects["detail"].str.contains(damaged.name).any()


def test_masks_of_another_video_are_refused_with_what_was_found(rooms, tmp_path):
    masks = tmp_path / "masks"
    shutil.copytree(rooms / "masks", masks)
    for path in masks.rglob("mask_*"):
        if path.is_file():
            path.rename(path.with_name(f"mask_other_{path.stem}_x{path.suffix}"))
    with pytest.raises(QAEngineError, match=r"16 frames, 16 with masks, 0 of the same name"):
        lift(rooms / "rooms", masks, out=tmp_path / "lifted")


def test_nothing_is_replaced_unasked(rooms):
    with pytest.raises(FileError, match="exists"):
        lift(rooms / "rooms", rooms / "masks", out=rooms / "lifted")
