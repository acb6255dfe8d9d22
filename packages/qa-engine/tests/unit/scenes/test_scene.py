import numpy as np
import pytest
from qa_engine.errors import IngestReason, SceneError
from qa_engine.scenes.scene import Frame, Scene


def scene(**changes) -> Scene:
    fields = {
        "scene_name": "s",
        "dataset": "d",
        "instance_id": np.array([4, 7]),
        "category": np.array(["chair", "table"]),
        "center": np.array([[0, 0, 0.5], [2, 0, 0.5]]),
        "size": np.array([[0.5, 0.5, 1], [1, 2, 0.8]]),
        "rotation": np.stack([np.eye(3)] * 2),
    }
    return Scene(**fields | changes)


def test_defaults_are_derived_from_the_objects():
    made = scene()
    assert made.scene_group == "s"
    assert made.category_counts == {"chair": 1, "table": 1}
    assert made.category_raw.tolist() == ["chair", "table"]
    assert (made.canonical_from_source == np.eye(4)).all()
    assert len(made) == 2


def test_arrays_are_copies_that_nobody_can_change():
    center = np.array([[0, 0, 0.5], [2, 0, 0.5]])
    made = scene(center=center)
    center[0, 0] = 99
    assert made.center[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        made.center[0, 0] = 1


def test_a_scene_without_objects_is_valid():
    nothing = scene(instance_id=None, category=np.array([]), center=np.empty((0, 3)), size=[], rotation=[])
    assert len(nothing) == 0
    assert nothing.rotation.shape == (0, 3, 3)


MIRROR = np.diag([1.0, 1.0, -1.0])
TILTED = np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"center": np.array([[0, 0, np.nan], [0, 0, 0]])}, "objects[0].center", IngestReason.NOT_FINITE),
        ({"size": np.array([[1, 1, 1], [1, np.inf, 1]])}, "objects[1].size", IngestReason.NOT_FINITE),
        ({"size": np.array([[1, 1, 1], [1, 0, 1]])}, "objects[1] (table).size", IngestReason.BAD_SIZE),
        ({"size": np.array([[1, -1, 1], [1, 1, 1]])}, "objects[0] (chair).size", IngestReason.BAD_SIZE),
        ({"size": np.ones((2, 2))}, "objects.size", IngestReason.WRONG_TYPE),
        ({"center": [["a", 0, 0], [0, 0, 0]]}, "objects.center", IngestReason.WRONG_TYPE),
        ({"rotation": np.stack([np.eye(3), MIRROR])}, "objects[1] (table).rotation", IngestReason.BAD_ROTATION),
        ({"rotation": np.stack([TILTED, np.eye(3)])}, "objects[0] (chair).rotation", IngestReason.BAD_ROTATION),
        ({"rotation": np.zeros((2, 3, 3))}, "objects[0] (chair).rotation", IngestReason.BAD_ROTATION),
        ({"instance_id": np.array([3, 3])}, "objects.instance_id", IngestReason.DUPLICATE_INSTANCE),
        ({"instance_id": np.array([-1, 3])}, "objects.instance_id", IngestReason.WRONG_TYPE),
        ({"instance_id": np.array([1.5, 3])}, "objects.instance_id", IngestReason.WRONG_TYPE),
        ({"category": np.array(["chair", " "])}, "objects.category[1]", IngestReason.BAD_NAME),
        ({"category": ["chair", "a\nb"]}, "objects.category[1]", IngestReason.BAD_NAME),
        ({"category_raw": np.array(["chair"])}, "objects.category_raw", IngestReason.WRONG_TYPE),
        ({"category_counts": {"chair": -1}}, "category_counts['chair']", IngestReason.BAD_COUNT),
        ({"category_counts": {"chair": True}}, "category_counts['chair']", IngestReason.BAD_COUNT),
        ({"scene_name": "../s"}, "scene_name", IngestReason.BAD_NAME),
        ({"scene_name": "a/b"}, "scene_name", IngestReason.BAD_NAME),
        ({"scene_name": ""}, "scene_name", IngestReason.BAD_NAME),
        ({"split": "training"}, "split", IngestReason.WRONG_TYPE),
        ({"room_size_m2": -3.0}, "room_size_m2", IngestReason.BAD_SIZE),
        ({"room_size_m2": np.nan}, "room_size_m2", IngestReason.NOT_FINITE),
        ({"room_center": [0, 0]}, "room_center", IngestReason.WRONG_TYPE),
        ({"floor_polygon": np.zeros((2, 2))}, "floor_polygon", IngestReason.WRONG_TYPE),
        ({"canonical_from_source": np.eye(3)}, "canonical_from_source", IngestReason.WRONG_TYPE),
    ],
)
def test_a_broken_field_is_named(changes, field, reason):
    with pytest.raises(SceneError) as caught:
        scene(**changes)
    assert caught.value.field == field
    assert caught.value.reason is reason


def test_frames_of_a_scene_have_different_names():
    twice = tuple(Frame(frame_id="a", rgb=np.zeros((2, 2, 3), np.uint8)) for _ in range(2))
    with pytest.raises(SceneError, match="'a' occurs twice"):
        scene(frames=twice)


RGB = np.zeros((4, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "either a file or pixels"),
        ({"rgb": RGB[0]}, "rgb: expected uint8"),
        ({"rgb": RGB.astype(float)}, "rgb: expected uint8"),
        ({"rgb": RGB, "depth_m": np.zeros((6, 4), np.float32)}, "depth_m: expected float32"),
        ({"rgb": RGB, "instance": np.zeros((4, 6), np.int64)}, "instance: expected int32"),
        ({"rgb": RGB, "time_s": np.nan}, "time_s"),
        ({"rgb": RGB, "intrinsics": np.zeros((3, 3))}, "focal length"),
        ({"rgb": RGB, "intrinsics": np.full((3, 3), np.nan)}, "NaN"),
        ({"rgb": RGB, "world_from_camera": np.diag([1, 1, -1, 1])}, "left-handed"),
        ({"rgb": RGB, "world_from_camera": np.full((4, 4), -np.inf)}, "NaN or infinite"),
    ],
)
def test_a_broken_frame_is_refused(fields, problem):
    with pytest.raises(SceneError, match=problem):
        Frame(frame_id="f", **fields)


def test_every_reason_says_what_to_do():
    assert all(reason.fix.endswith((".", "nothing to do.")) for reason in IngestReason)
