import shutil

import numpy as np
import pytest
from PIL import Image
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import IngestReason, QAEngineError, SceneError

h5py = pytest.importorskip("h5py", reason="needs the extra 'hdf5'")

from qa_engine.datasets.hypersim import discover, load  # noqa: E402
from qa_engine.ingestion.frame_files import store_frames  # noqa: E402

BOX = "metadata_semantic_instance_bounding_box_object_aligned_2d_{}.hdf5"


def write_array(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["dataset"] = values


def read(root, **settings):
    return load(discover(root, IngestOptions(settings=settings))[0])


@pytest.fixture
def write_scene(tmp_path):
    """Three instances in inches: a chair, an unused row, and one without a class; a camera of 90 degrees."""

    def write():
        folder = tmp_path / "ai_001_001"
        mesh = folder / "_detail" / "mesh"
        turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
        write_array(mesh / BOX.format("positions"), [[100.0, 0, 50], [np.inf] * 3, [0, 0, 10]])
        write_array(mesh / BOX.format("extents"), [[10.0, 20, 30], [np.inf] * 3, [1, 1, 1]])
        write_array(mesh / BOX.format("orientations"), np.stack([turn, np.full((3, 3), np.inf), np.eye(3)]))
        write_array(mesh / "mesh_objects_sii.hdf5", [[0], [0], [0], [2], [-1]])
        write_array(mesh / "mesh_objects_si.hdf5", [[5], [5], [6], [-1], [1]])
        columns = ["scene_name", "settings_output_img_width", "settings_output_img_height"]
        columns += ["settings_units_info_meters_scale", *[f"M_cam_from_uv_{i}{j}" for i in range(3) for j in range(3)]]
        row = ["ai_001_001", 8, 4, 0.0254, 1, 0, 0, 0, 0.5, 0, 0, 0, -1]
        table = ",".join(columns) + "\n" + ",".join(map(str, row)) + "\n"
        (tmp_path / "metadata_camera_parameters.csv").write_text(table)
        return tmp_path

    return write


def test_boxes_are_metres_and_unused_rows_are_no_objects(write_scene):
    scene = read(write_scene())
    assert scene.category.tolist() == ["chair"]
    assert scene.instance_id.tolist() == [0]
    assert np.allclose(scene.center, [[2.54, 0, 1.27]])
    assert np.allclose(scene.size, [[0.254, 0.508, 0.762]])
    assert np.allclose(scene.rotation[0, 0], [0, 1, 0])  # the first column of the published matrix
    assert [error.reason for error in scene.refused] == [IngestReason.SKIPPED]
    assert read(write_scene(), unlabelled="keep").category.tolist() == ["chair", "undefined"]


def test_frames_have_opencv_cameras_in_metres_and_planar_depth(write_scene):
    root = write_scene()
    folder = root / "ai_001_001"
    camera = folder / "_detail" / "cam_00"
    write_array(camera / "camera_keyframe_positions.hdf5", [[0.0, 0, 0], [100, 200, 300]])
    write_array(camera / "camera_keyframe_orientations.hdf5", np.stack([np.eye(3)] * 2))
    preview = folder / "images" / "scene_cam_00_final_preview"
    preview.mkdir(parents=True)
    Image.new("RGB", (8, 4)).save(preview / "frame.0001.tonemap.jpg")
    Image.new("RGB", (8, 4)).save(preview / "frame.0001.color.jpg")
    geometry = folder / "images" / "scene_cam_00_geometry_hdf5" / "frame.0001.depth_meters.hdf5"
    write_array(geometry, np.full((4, 8), 2, np.float16))
    (frame,) = read(root).frames
    assert frame.frame_id == "cam_00_0001"
    assert np.allclose(frame.intrinsics, [[4, 0, 3.5], [0, 4, 1.5], [0, 0, 1]])
    assert np.allclose(frame.world_from_camera[:3, 3], [2.54, 5.08, 7.62])
    assert np.allclose(frame.world_from_camera[:3, :3], np.diag([1, -1, -1]))
    column, row = 7, 3
    ray = np.array([(column - 3.5) / 4, (row - 1.5) / 4, 1])
    assert np.isclose(frame.read_depth()[row, column], 2 / np.linalg.norm(ray))


def test_the_real_tilted_camera_puts_the_floor_at_zero(real_data, tmp_path):
    root = tmp_path / "hypersim"
    shutil.copytree(real_data / "real" / "hypersim", root, copy_function=shutil.copyfile)
    for path in root.rglob("*"):
        path.chmod(0o755)
    preview = root / "ai_037_002" / "images" / "scene_cam_00_final_preview"
    preview.mkdir()
    Image.new("RGB", (1024, 768)).save(preview / "frame.0000.tonemap.jpg")
    sources = {source.scene_name: source for source in discover(root, IngestOptions(settings={"boxes": "optional"}))}
    scene = load(sources["ai_037_002"])
    (frame,) = scene.frames
    depth = frame.read_depth().astype(np.float64)
    row, column = np.mgrid[:768, :1024]
    ray = np.stack([column, row, np.ones_like(row)], -1) @ np.linalg.inv(frame.intrinsics).T
    assert np.allclose(ray[..., 2], 1)
    points = (ray * depth[..., None]) @ frame.world_from_camera[:3, :3].T + frame.world_from_camera[:3, 3]
    heights = points[..., 2]
    low = heights[(heights < 0.05) & (heights > -0.3)]
    assert len(low) > 10_000
    assert abs(np.median(low)) < 0.002
    assert (low < -0.02).mean() < 0.01
    (stored,) = store_frames(scene, tmp_path / "store", sources["ai_037_002"].roots).rows
    with Image.open(tmp_path / "store" / stored["depth_path"]) as image:
        assert np.abs(np.asarray(image) / 1000 - depth).max() < 0.0006


def test_the_real_scene_without_instances_is_empty_and_one_without_boxes_is_refused(real_data):
    sources = {source.scene_name: source for source in discover(real_data / "real" / "hypersim", IngestOptions())}
    assert len(load(sources["ai_015_002"])) == 0
    with pytest.raises(SceneError, match=r"bounding_box_object_aligned_2d_positions\.hdf5: no such file"):
        load(sources["ai_037_002"])


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        (BOX.format("extents"), np.ones((2, 3)), IngestReason.BAD_FORMAT),
        (BOX.format("positions"), np.ones(3), IngestReason.BAD_FORMAT),
        (BOX.format("orientations"), np.zeros((3, 3, 3)), IngestReason.BAD_ROTATION),
        ("mesh_objects_si.hdf5", np.array([[b"x"]]), IngestReason.BAD_FORMAT),
    ],
)
def test_arrays_of_another_shape_are_refused(write_scene, name, values, reason):
    root = write_scene()
    write_array(root / "ai_001_001" / "_detail" / "mesh" / name, values)
    with pytest.raises(SceneError) as caught:
        read(root)
    assert caught.value.reason is reason


def test_damaged_and_hostile_files_are_refused(write_scene, tmp_path):
    root = write_scene()
    path = root / "ai_001_001" / "_detail" / "mesh" / BOX.format("positions")
    whole = path.read_bytes()
    for size in (0, 10, 100, 600, len(whole) - 8):
        path.write_bytes(whole[:size])
        with pytest.raises(SceneError, match="positions"):
            read(root)
    with h5py.File(path, "w") as file:
        file.create_dataset("dataset", (10**9, 3), "f8", compression="gzip", chunks=(10**5, 3))
    with pytest.raises(SceneError, match="too many"):
        read(root)
    secret = tmp_path / "secret.hdf5"
    write_array(secret, np.ones((3, 3)))
    with h5py.File(path, "w") as file:
        file["dataset"] = h5py.ExternalLink(str(secret), "dataset")
    with pytest.raises(SceneError, match="missing"):
        read(root)


def test_the_table_of_cameras_is_needed(write_scene):
    root = write_scene()
    (root / "metadata_camera_parameters.csv").unlink()
    with pytest.raises(QAEngineError, match="no metadata_camera_parameters"):
        discover(root, IngestOptions())


def test_a_preview_of_another_resolution_has_its_camera_and_depth(write_scene, tmp_path):
    root = write_scene()
    images = root / "ai_001_001" / "images"
    for name, size in (("0000", (4, 2)), ("0001", (4, 4))):
        path = images / "scene_cam_00_final_preview" / f"frame.{name}.tonemap.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(path)
        write_array(images / "scene_cam_00_geometry_hdf5" / f"frame.{name}.depth_meters.hdf5", np.full((4, 8), 2.0))
    scene = read(root)
    half, other = scene.frames
    assert (half.width, half.height) == (4, 2)
    assert np.allclose(half.intrinsics, [[2, 0, 1.5], [0, 2, 0.5], [0, 0, 1]])
    assert half.read_depth().shape == (2, 4)
    assert (other.width, other.height) == (8, 4)  # of another shape: refused where it is stored
    stored = store_frames(scene, tmp_path / "store", (root.resolve(),))
    assert [row["frame_id"] for row in stored.rows] == ["cam_00_0000"]
    assert [error.reason for _, error in stored.refused] == [IngestReason.BAD_CAMERA]
