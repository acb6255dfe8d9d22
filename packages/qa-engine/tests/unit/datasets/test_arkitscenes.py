import os

import numpy as np
import pytest
from PIL import Image
from qa_engine.datasets.arkit_frames import nearest, read_pincam, read_trajectory
from qa_engine.datasets.arkitscenes import discover, load
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.ingestion.frame_files import store_frames


def read(root, **options):
    return load(discover(root, IngestOptions(**options))[0])


def refuse(root):
    with pytest.raises(SceneError) as caught:
        read(root)
    return caught.value


def test_labels_follow_vsi_bench_and_the_source_label_stays(write_arkit):
    scene = read(write_arkit(labels=["chair", "tv_monitor"]))
    assert scene.category.tolist() == ["chair", "tv"]
    assert scene.category_raw.tolist() == ["chair", "tv_monitor"]
    assert scene.category_counts == {"chair": 1, "tv": 1}
    assert scene.room_size_m2 is None


def test_frames_come_with_depth_camera_and_pose_in_the_order_of_time(write_arkit):
    scene = read(write_arkit(n_frames=3))
    assert [frame.time_s for frame in scene.frames] == [99.9, 100.0, 100.1]
    last = scene.frames[2]
    assert last.frame_id == "41000001_100.100"
    assert last.depth_path is not None
    assert last.depth_path.parent.name == "lowres_depth"
    assert np.allclose(last.intrinsics, [[20, 0, 8], [0, 20, 6], [0, 0, 1]])
    # The line says where a world point lies for the camera: turned by 0.2 rad around z, then moved by (1, 2, 3).
    seen = np.array([np.cos(0.2) + 1, np.sin(0.2) + 2, 3, 1])
    assert np.allclose(last.world_from_camera @ seen, [1, 0, 0, 1])


def test_a_picture_of_another_resolution_has_its_camera_and_depth(write_arkit, tmp_path):
    root = write_arkit(n_frames=2)
    first, second = sorted(root.rglob("lowres_wide/*.png"), key=lambda path: float(path.stem.split("_")[1]))
    Image.new("RGB", (8, 6)).save(first)
    Image.new("RGB", (8, 8)).save(second)
    scene = read(root)
    frame = scene.frames[0]
    assert (frame.width, frame.height) == (8, 6)
    assert np.allclose(frame.intrinsics, [[10, 0, 3.75], [0, 10, 2.75], [0, 0, 1]])
    assert frame.read_depth().shape == (6, 8)
    stored = store_frames(scene, tmp_path / "store", (root.resolve(),))
    assert [row["width"] for row in stored.rows] == [8]
    assert [error.reason for _, error in stored.refused] == [IngestReason.BAD_CAMERA]


@pytest.mark.parametrize(
    ("line", "third_row"),
    [
        (
            "1627.68140546 -1.5545600446434271 1.532901960141653 0.883467254271724 0.0450016 0.0506107 -0.000194237",
            (0.038, 0.884, -0.466),
        ),
        (
            "803.47236621 1.6851560664954446 -1.7402208764128138 -0.8469396625258023 0.0404551 0.0562208 -0.00155703",
            (-0.768, 0.054, -0.639),
        ),
    ],
)
def test_real_trajectory_lines_point_up_as_published(tmp_path, line, third_row):
    path = tmp_path / "lowres_wide.traj"
    path.write_text(line + "\n")
    times, poses = read_trajectory(path)
    assert times[0] == float(line.split()[0])
    assert np.allclose(poses[0, 2, :3], third_row, atol=1e-3)


def test_a_frame_without_a_pose_in_time_has_none(write_arkit):
    root = write_arkit(n_frames=2)
    trajectory = next(root.rglob("*.traj"))
    trajectory.write_text("99.904 0 0 0 0 0 0\n100.006 0 0 0 0 0 0\n")
    first, second = read(root).frames
    assert first.world_from_camera is not None
    assert second.world_from_camera is None


def test_nearest_agrees_with_looking_at_all():
    rng = np.random.default_rng(0)
    times, wanted = np.sort(rng.uniform(0, 10, 50)), rng.uniform(-1, 11, 200)
    gaps = np.abs(times[None] - wanted[:, None])
    expected = np.where(gaps.min(1) <= 0.1, gaps.argmin(1), -1)
    assert (nearest(times, wanted, tolerance_s=0.1) == expected).all()
    assert (nearest(times[:1], wanted, tolerance_s=100) == 0).all()
    assert (nearest(times[:0], wanted, tolerance_s=100) == -1).all()


def test_the_older_names_of_folders_are_read(write_arkit):
    root = write_arkit(n_frames=2)
    frames = next(root.rglob("*_frames"))
    renamed = {"lowres_wide": "wide", "lowres_depth": "depth_densified", "lowres_wide_intrinsics": "color_intrinsics"}
    for old, new in (renamed | {"lowres_wide.traj": "color.traj"}).items():
        (frames / old).rename(frames / new)
    for path in [*frames.glob("*/*.png"), *frames.glob("*/*.pincam")]:
        path.rename(path.with_name(path.name.removeprefix("41000001_")))
    frame = read(root).frames[1]
    assert frame.frame_id == "100.000"
    assert frame.depth_path is not None
    assert frame.intrinsics is not None
    assert frame.world_from_camera is not None


def test_images_and_annotations_may_lie_apart(write_arkit, tmp_path):
    annotations = write_arkit()
    write_arkit("41000002")
    images = tmp_path / "images" / "41000001" / "scene_41000001_imgs"
    images.mkdir(parents=True)
    for number in (9, 10):
        Image.new("RGB", (6, 8)).save(images / f"frame_{number}.jpg")
    root = tmp_path / "elsewhere"
    root.mkdir()
    sources = discover(root, IngestOptions(annotations=annotations, frames_dir=tmp_path / "images"))
    scenes = [load(source) for source in sources]
    assert [[frame.frame_id for frame in scene.frames] for scene in scenes] == [["frame_9", "frame_10"], []]
    assert scenes[0].frames[0].time_s is None


def test_videos_of_one_visit_share_a_group(write_arkit):
    root = write_arkit("41000001")
    write_arkit("41000002", fold="Validation")
    write_arkit("41000003")
    table = "video_id,visit_id,fold\n41000001,77,Training\n41000002,77,Validation\n41000003,NA,Training\n"
    (root / "threedod").mkdir()
    (root / "threedod" / "3dod_train_val_splits.csv").write_text(table)
    groups = {source.scene_name: load(source).scene_group for source in discover(root, IngestOptions())}
    assert groups == {"41000001": "77", "41000002": "77", "41000003": "41000003"}


def test_a_split_file_without_its_columns_is_an_error(write_arkit):
    root = write_arkit()
    (root / "3dod_train_val_splits.csv").write_text("a,b\n1,2\n")
    with pytest.raises(QAEngineError, match=r"splits.csv: video_id: the column is missing; found 'a', 'b'"):
        discover(root, IngestOptions())


def test_a_folder_further_down_is_found(write_arkit):
    root = write_arkit()
    for folder in (root / "3dod", root / "3dod" / "Training", root / "3dod" / "Training" / "41000001"):
        assert [source.scene_name for source in discover(folder, IngestOptions())] == ["41000001"]


def test_no_scan_and_no_folder_are_errors(tmp_path):
    with pytest.raises(QAEngineError, match="no scan here"):
        discover(tmp_path, IngestOptions())
    with pytest.raises(QAEngineError, match="no such folder"):
        discover(tmp_path / "x", IngestOptions())


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"skipped": True}, "skipped", IngestReason.SKIPPED),
        ({"skipped": "no"}, "skipped", IngestReason.WRONG_TYPE),
        ({"data": None}, "annotation.data", IngestReason.WRONG_TYPE),
        ({"data": [3]}, "data[0]", IngestReason.WRONG_TYPE),
        ({"data": [{"label": "chair"}]}, "data[0].segments", IngestReason.MISSING_FIELD),
        ({"data": [{"segments": {}}]}, "data[0].label", IngestReason.MISSING_FIELD),
        ({"data": [{"label": "a", "segments": {}}]}, "data[0].segments.obbAligned", IngestReason.MISSING_FIELD),
    ],
)
def test_a_broken_annotation_is_named(write_arkit, changes, field, reason):
    error = refuse(write_arkit(**changes))
    assert (error.field, error.reason) == (field, reason)


def test_an_empty_annotation_is_a_scene_without_objects(write_arkit):
    assert len(read(write_arkit(data=[]))) == 0


def test_missing_and_truncated_annotations_are_refused(write_arkit):
    root = write_arkit()
    path = next(root.rglob("*annotation.json"))
    path.write_text(path.read_text()[:-20])
    assert refuse(root).reason is IngestReason.BAD_JSON
    path.unlink()
    assert refuse(root).reason is IngestReason.MISSING_FILE


def test_a_link_out_of_the_dataset_is_refused(write_arkit, tmp_path):
    root = write_arkit()
    path = next(root.rglob("*annotation.json"))
    path.rename(tmp_path / "secret.json")
    path.symlink_to(tmp_path / "secret.json")
    error = refuse(root)
    assert error.reason is IngestReason.UNREADABLE_FILE
    assert "link out of the dataset" in error.problem


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_block(write_arkit):
    root = write_arkit()
    path = next(root.rglob("*annotation.json"))
    path.unlink()
    os.mkfifo(path)
    assert refuse(root).problem == "not a plain file"


@pytest.mark.parametrize("text", ["1 2 3", "1 2 3 4 5 6 x", "1 2 3 4 5 6 nan", "1 2 3 4 5 6 7 8", "ab\xff"])
def test_a_damaged_trajectory_is_named(tmp_path, text):
    path = tmp_path / "lowres_wide.traj"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SceneError, match=r"lowres_wide\.traj"):
        read_trajectory(path)


@pytest.mark.parametrize(
    "text", ["", "16 12 20 20 8", "16 12 0 20 8 6", "16 12 20 20 8 6\n16 12 20 20 8 6", "inf 1 1 1 1 1"]
)
def test_a_damaged_camera_file_is_named(tmp_path, text):
    path = tmp_path / "1.pincam"
    path.write_text(text)
    with pytest.raises(SceneError, match=r"1\.pincam"):
        read_pincam(path)
