import json

import numpy as np
import pytest
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.replica import discover, load
from qa_engine.errors import IngestReason, SceneError

BOX = {
    "abb": {"center": [1, 0, 0], "sizes": [2, 1, 1]},
    "orientation": {"rotation": [0, 0, np.sqrt(0.5), np.sqrt(0.5)], "translation": [10, 0, 0]},
}
OBJECT = {"id": 3, "class_id": 5, "class_name": "tv-screen", "oriented_bbox": BOX}


@pytest.fixture
def write_room(tmp_path):
    def write(*objects, **changes):
        path = tmp_path / "room_9" / "habitat" / "info_semantic.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"objects": list(objects), "gravity_dir": [0, 0, -1]} | changes))
        return tmp_path

    return write


def read(root, name=None, **settings):
    sources = discover(root, IngestOptions(settings=settings))
    return load(next(source for source in sources if name in (None, source.scene_name)))


def test_the_centre_is_in_the_turned_frame_and_columns_are_axes(write_room):
    scene = read(write_room(OBJECT))
    assert scene.category.tolist() == ["tv screen"]
    assert np.allclose(scene.center, [[10, 1, 0]])
    assert np.allclose(scene.rotation[0, 0], [0, 1, 0])
    assert scene.size.tolist() == [[2, 1, 1]]


def test_the_tilt_is_taken_out_and_stored(write_room):
    down = np.array([0.1, 0.0, -1.0])
    root = write_room(OBJECT, gravity_dir=down.tolist())
    level, raw = read(root), read(root, gravity="raw")
    turn = level.canonical_from_source[:3, :3]
    assert np.allclose(turn @ down, [0, 0, -np.linalg.norm(down)])
    assert np.allclose(level.center, raw.center @ turn.T)
    assert np.allclose(level.rotation, raw.rotation @ turn.T)
    assert (raw.canonical_from_source == np.eye(4)).all()


@pytest.mark.parametrize(
    ("name", "n", "unlabelled", "floor"), [("room_0", 92, 12, -1.50), ("office_4", 65, None, -1.18)]
)
def test_the_real_rooms_have_the_published_objects_and_floors(real_data, name, n, unlabelled, floor):
    root = real_data / "real" / "replica"
    scene, everything = read(root, name), read(root, name, unlabelled="keep")
    assert len(everything) == n
    assert len(scene) + len(scene.refused) == n
    assert unlabelled in (None, len(scene.refused))
    assert not {"undefined", "non plane"} & set(scene.category.tolist())
    ground = max(np.flatnonzero(scene.category == "floor"), key=lambda i: scene.size[i].prod())
    assert abs(scene.center[ground, 2] - floor) < 0.1
    # Nothing but windows, blinds and doors sticks out of the floor's box by more than 35 cm.
    floors = scene.category == "floor"
    half = np.einsum("nij,ni->nj", np.abs(scene.rotation), scene.size) / 2
    low, high = (scene.center - half)[floors].min(0) - 0.35, (scene.center + half)[floors].max(0) + 0.35
    out = ((scene.center < low) | (scene.center > high))[:, :2].any(1)
    assert out.sum() <= 2


@pytest.mark.parametrize(
    ("entry", "changes", "field", "reason"),
    [
        ({**OBJECT, "id": -1}, {}, "objects[0].id", IngestReason.WRONG_TYPE),
        ({**OBJECT, "oriented_bbox": {}}, {}, "objects[0].oriented_bbox.abb", IngestReason.MISSING_FIELD),
        (OBJECT, {"gravity_dir": [0, 0, 0]}, "gravity_dir", IngestReason.BAD_ROTATION),
        (OBJECT, {"gravity_dir": [0, 0, 1]}, "gravity_dir", IngestReason.BAD_ROTATION),
        (OBJECT, {"objects": 3}, "info_semantic.objects", IngestReason.WRONG_TYPE),
    ],
)
def test_a_broken_file_is_named(write_room, entry, changes, field, reason):
    with pytest.raises(SceneError) as caught:
        read(write_room(entry, **changes))
    assert (caught.value.field, caught.value.reason) == (field, reason)


def test_two_objects_of_one_id_are_refused(write_room):
    with pytest.raises(SceneError) as caught:
        read(write_room(OBJECT, OBJECT))
    assert caught.value.reason is IngestReason.DUPLICATE_INSTANCE
