import io

import numpy as np
import pytest
from PIL import Image
from qa_engine.errors import IngestReason
from qa_engine.ingestion.frame_files import store_frames
from qa_engine.scenes.scene import Frame, Scene


def scene(*frames) -> Scene:
    return Scene(
        scene_name="s",
        dataset="d",
        instance_id=np.array([0, 5]),
        category=np.array(["chair", "table"]),
        center=np.zeros((2, 3)),
        size=np.ones((2, 3)),
        rotation=np.stack([np.eye(3)] * 2),
        frames=frames,
    )


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


def keep(store, source, *frames):
    return store_frames(scene(*frames), store, [source.resolve()])


def reasons(stored):
    return [error.reason for _, error in stored.refused]


def test_files_are_copied_byte_for_byte_under_the_name_of_the_frame(store, source):
    path = source / "picture.JPEG"
    Image.new("RGB", (6, 8), "red").save(path, format="JPEG")
    (row,) = keep(store, source, Frame(frame_id="f1", image_path=path)).rows
    assert row["image_path"] == "frames/s/f1.jpg"
    assert (row["width"], row["height"]) == (6, 8)
    assert (store / row["image_path"]).read_bytes() == path.read_bytes()
    assert row["depth_path"] is row["instance_path"] is row["intrinsics"] is row["world_from_camera"] is None


def test_pixels_depth_and_instances_come_back(store, source):
    rgb = np.random.default_rng(0).integers(0, 256, (4, 3, 3), dtype=np.uint8)
    depth = np.array([[0, 1.2344, 65.535], [np.nan, np.inf, -1], [65.6, 1e9, 0.0004], [2, 3, 4]], np.float32)
    instance = np.array([[-1, 0, 5]] * 4, np.int32)
    frame = Frame(frame_id="f", rgb=rgb, depth_m=depth, instance=instance)
    (row,) = keep(store, source, frame).rows
    images = [np.asarray(Image.open(store / row[key])) for key in ("image_path", "depth_path", "instance_path")]
    assert (images[0] == rgb).all()
    assert images[1].dtype == np.uint16
    assert images[1].tolist() == [[0, 1234, 65535], [0, 0, 0], [0, 0, 0], [2000, 3000, 4000]]
    assert images[2].tolist() == [[0, 1, 6]] * 4


def test_a_truncated_image_loses_its_frame_and_nothing_else(store, source):
    good, bad = source / "good.jpg", source / "bad.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(good)
    bad.write_bytes(good.read_bytes()[:-400])
    frames = [Frame(frame_id=path.stem, image_path=path) for path in (bad, good)]
    stored = keep(store, source, *frames)
    assert [row["frame_id"] for row in stored.rows] == ["good"]
    ((item, error),) = stored.refused
    assert item == "s/bad (bad.jpg)"
    assert error.reason is IngestReason.BAD_FRAME
    assert not (store / "frames" / "s" / "bad.jpg").exists()


def test_a_missing_image_and_a_text_are_refused(store, source):
    (source / "note.png").write_text("no image")
    frames = [Frame(frame_id=name, image_path=source / f"{name}.png") for name in ("none", "note")]
    assert reasons(keep(store, source, *frames)) == [IngestReason.MISSING_FILE, IngestReason.BAD_FRAME]


def test_a_bomb_is_refused_before_it_is_decoded(store, source):
    path = source / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(path)
    assert path.stat().st_size < 100_000
    assert reasons(keep(store, source, Frame(frame_id="b", image_path=path))) == [IngestReason.TOO_LARGE]


def test_other_formats_are_refused(store, source):
    path = source / "a.png"
    Image.new("RGB", (4, 4)).save(path, format="TIFF")
    assert reasons(keep(store, source, Frame(frame_id="a", image_path=path))) == [IngestReason.BAD_FRAME]


def test_a_link_out_of_the_source_is_refused(store, source, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "outside.png")
    (source / "a.png").symlink_to(tmp_path / "outside.png")
    stored = keep(store, source, Frame(frame_id="a", image_path=source / "a.png"))
    assert reasons(stored) == [IngestReason.UNREADABLE_FILE]
    assert not list(store.rglob("*.png"))


def test_an_image_of_another_size_than_its_camera_is_refused(store, source):
    Image.new("RGB", (4, 4)).save(source / "a.png")
    frame = Frame(frame_id="a", image_path=source / "a.png", width=8, height=8)
    assert reasons(keep(store, source, frame)) == [IngestReason.BAD_CAMERA]


@pytest.mark.parametrize(
    ("pixels", "mode"), [(np.zeros((4, 4), np.uint8), "8-bit"), (np.zeros((2, 4), np.uint16), "small")]
)
def test_bad_depth_is_left_out_and_the_image_stays(store, source, pixels, mode):
    Image.new("RGB", (4, 4)).save(source / "a.png")
    Image.fromarray(pixels).save(source / "depth.png")
    stored = keep(store, source, Frame(frame_id="a", image_path=source / "a.png", depth_path=source / "depth.png"))
    assert stored.rows[0]["depth_path"] is None
    assert reasons(stored) == [IngestReason.BAD_FRAME]


def test_good_depth_files_are_copied(store, source):
    Image.new("RGB", (4, 4)).save(source / "a.png")
    Image.fromarray(np.full((4, 4), 1500, np.uint16)).save(source / "depth.png")
    frame = Frame(frame_id="a", image_path=source / "a.png", depth_path=source / "depth.png")
    (row,) = keep(store, source, frame).rows
    assert row["depth_path"] == "depth/s/a.png"
    assert np.asarray(Image.open(io.BytesIO((store / row["depth_path"]).read_bytes()))).max() == 1500


def test_instances_that_the_scene_lacks_are_refused(store, source):
    frame = Frame(frame_id="a", rgb=np.zeros((1, 2, 3), np.uint8), instance=np.array([[5, 6]], np.int32))
    stored = keep(store, source, frame)
    assert stored.rows[0]["instance_path"] is None
    assert "6 is no instance_id" in stored.refused[0][1].problem
