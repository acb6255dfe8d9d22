import numpy as np
import pytest
from qa_engine.datasets.base import Dataset, IngestOptions, Setting
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.canonical import (
    OPENGL_FROM_OPENCV,
    Z_UP_FROM_UNITY,
    Z_UP_FROM_Y_UP,
    rotations,
    turn_onto,
)
from qa_engine.formats.depth import depth_reader, png_depth, resampled
from qa_engine.formats.parsing import Boxes
from qa_engine.formats.text_tables import number_columns, read_csv, read_matrix
from qa_engine.geometry.moves import move_boxes, move_poses
from scipy.spatial.transform import Rotation


def corners(boxes: Boxes) -> np.ndarray:
    signs = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    return boxes.center[:, None] + np.einsum("kj,nj,njd->nkd", signs / 2, boxes.size, boxes.rotation)


@pytest.mark.parametrize("matrix", [Z_UP_FROM_Y_UP, Z_UP_FROM_UNITY, np.diag([0.01, 0.01, 0.01, 1])])
def test_moved_boxes_have_the_moved_corners_and_stay_right_handed(matrix):
    rng = np.random.default_rng(0)
    boxes = Boxes(rng.normal(size=(9, 3)), rng.uniform(1, 2, (9, 3)), Rotation.random(9, rng=0).as_matrix())
    moved = move_boxes(boxes, matrix)
    expected = corners(boxes) @ matrix[:3, :3].T + matrix[:3, 3]
    found = corners(moved)
    gaps = np.linalg.norm(found[:, :, None] - expected[:, None], axis=-1)
    assert gaps.min(axis=2).max() < 1e-9
    assert np.allclose(np.linalg.det(moved.rotation), 1)


def test_moved_poses_keep_their_camera_and_take_the_scale():
    pose = np.eye(4)
    pose[:3, 3] = 100, 200, 300
    moved = move_poses(pose[None] @ OPENGL_FROM_OPENCV, np.diag([0.01, 0.01, 0.01, 1]))[0]
    assert np.allclose(moved[:3, 3], [1, 2, 3])
    assert np.allclose(moved[:3, :3], np.diag([1, -1, -1]))


def test_quaternions_in_both_orders_and_damaged_ones():
    turn = Rotation.from_rotvec([0, 0, 0.3])
    xyzw = turn.as_quat()[None]
    assert np.allclose(rotations(xyzw, "q", order="xyzw")[0], turn.as_matrix())
    assert np.allclose(rotations(xyzw[:, [3, 0, 1, 2]], "q", order="wxyz")[0], turn.as_matrix())
    with pytest.raises(SceneError, match=r"q\[0\].*length 0"):
        rotations(np.zeros((1, 4)), "q", order="wxyz")


def test_turn_onto_is_a_rotation_that_maps_one_onto_the_other():
    a, b = np.array([0.01, -0.02, -0.99]), np.array([0.0, 0, -1])
    turn = turn_onto(a, b)[:3, :3]
    assert np.allclose(turn @ a, b * np.linalg.norm(a))
    assert np.allclose(turn @ turn.T, np.eye(3))
    for bad in ([0.0, 0, 0], [0.0, 0, 1], [np.nan, 0, 0]):
        with pytest.raises(ValueError, match="direction"):
            turn_onto(np.array(bad), b)


def test_depth_of_another_size_comes_in_the_pixels_of_the_image(tmp_path):
    path = tmp_path / "d.pgm"
    path.write_bytes(b"P5\n2 1\n65535\n" + np.array([1000, 2500], ">u2").tobytes())
    roots = (tmp_path.resolve(),)
    depth = depth_reader(png_depth(path, roots, per_metre=1000), size=(4, 2))()
    assert depth.tolist() == [[1, 1, 2.5, 2.5]] * 2
    assert depth_reader(png_depth(path, roots, per_metre=4000))().tolist() == [[0.25, 0.625]]
    shifted = resampled(np.array([[1, 2]], np.float32), (3, 1), np.array([[1, 0, 1], [0, 1, 0], [0, 0, 1.0]]))
    assert shifted.tolist() == [[2, 0, 0]]


@pytest.mark.parametrize("data", [b"", b"P5\n2 1\n65535\n\x00", b"P5\n2 1\n255\nab", b"P5\n99999 99999\n65535\n"])
def test_a_damaged_depth_image_is_refused(tmp_path, data):
    path = tmp_path / "d.pgm"
    path.write_bytes(data)
    with pytest.raises(SceneError, match=r"d\.pgm"):
        depth_reader(png_depth(path, (tmp_path.resolve(),), per_metre=1000))()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", IngestReason.MISSING_FIELD),
        ("a,b\n1,2\n", IngestReason.MISSING_FIELD),
        ("a,x\n1\n", IngestReason.BAD_FORMAT),
        ("a,x\n1,one\n", IngestReason.WRONG_TYPE),
        ("a,x\n1,nan\n", IngestReason.NOT_FINITE),
        ("a,x\n1,1e999\n", IngestReason.NOT_FINITE),
        ("a,x\n1,\xff\n", IngestReason.UNREADABLE_FILE),
        ('a,x\n"1"1,2\n', IngestReason.BAD_FORMAT),
    ],
)
def test_a_damaged_table_is_named(tmp_path, text, reason):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SceneError, match=r"t\.csv") as caught:
        number_columns(read_csv(path, ["a", "x"], max_bytes=10**6), ["x"], "t.csv")
    assert caught.value.reason is reason


@pytest.mark.parametrize("text", ["1 2 3", "1 2 3 x", "1 2 3 inf"])
def test_a_damaged_matrix_is_named(tmp_path, text):
    path = tmp_path / "pose.txt"
    path.write_text(text)
    with pytest.raises(SceneError, match=r"pose\.txt"):
        read_matrix(path, (2, 2))


def test_unknown_settings_and_values_are_named():
    axes = Setting("axes", "", ("rows", "columns"))
    dataset = Dataset(name="d", description="", needs="", discover=None, load=None, settings=(axes,))
    assert dataset.chosen(IngestOptions()) == {"axes": "rows"}
    with pytest.raises(QAEngineError, match="Did you mean 'axes'"):
        dataset.chosen(IngestOptions(settings={"axis": "rows"}))
    with pytest.raises(QAEngineError, match="Did you mean 'columns'"):
        dataset.chosen(IngestOptions(settings={"axes": "column"}))
