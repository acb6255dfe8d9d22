"""Boxes of other tools: whatever writes them, the room of the tests comes out, and so does its floor."""

import json

import numpy as np
import pytest
from PIL import Image
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import IngestReason, SceneError
from qa_engine.geometry import box_corners
from qa_engine.ingestion.doctor import diagnose
from scipy.spatial.transform import Rotation

Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
KITTI_FROM_Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""x right, y down, z forward, for a camera that looks along y."""

RING = np.array([[-0.5, -1, 0], [5.5, -1, 0], [5.5, 3.5, 0], [-0.5, 3.5, 0]])
HEIGHT = 2.6


def turn(yaw):
    return np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])


def columns(rotation, place):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, place
    return matrix.T.ravel().tolist()


def xyz(values):
    return dict(zip("xyz", map(float, values), strict=True))


def roomplan(folder, room, *, floors=True, name="Room.json"):
    def item(category, dimensions, rotation, place):
        """A thing with x along its width, y up and z out of it."""
        own = rotation @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # columns: width, height, depth
        transform = columns(Y_UP_FROM_Z_UP @ own, Y_UP_FROM_Z_UP @ place)
        return {"category": {category: {}}, "dimensions": dimensions, "transform": transform, "identifier": "A"}

    objects = [item(n, [s[0], s[2], s[1]], turn(yaw), np.array(c)) for n, (c, s, yaw) in room.OBJECTS.items()]
    walls = []
    for a, b in zip(RING, np.roll(RING, -1, axis=0), strict=True):
        along = b - a
        middle = (a + b) / 2 + [0, 0, HEIGHT / 2]
        yaw = np.arctan2(along[1], along[0])
        walls.append(item("wall", [float(np.linalg.norm(along)), HEIGHT, 0.0], turn(yaw), middle))
    doors = [item("door", [0.9, 2.0, 0.0], turn(0), np.array([2.0, -1, 1]))]
    value = {"version": 2, "objects": objects, "walls": walls, "doors": doors, "windows": [], "openings": [{}]}
    if floors:
        lying = columns(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), [2.5, 0, -1.25])
        corners = RING - [2.5, 1.25, 0]
        value["floors"] = [{"category": {"floor": {}}, "transform": lying, "polygonCorners": corners.tolist()}]
    (folder / name).write_text(json.dumps(value))


def walls_of_layouts():
    return list(zip(RING, np.roll(RING, -1, axis=0), strict=True))


def spatiallm(folder, room):
    lines = [
        f"wall_{i}=Wall({','.join(map(str, [*a, *b]))},{HEIGHT},0.0)" for i, (a, b) in enumerate(walls_of_layouts())
    ]
    lines.append("door_0=Door(wall_0,2.0,-1.0,1.0,0.9,2.0)")
    lines += [
        f"bbox_{i}=Bbox({n},{','.join(map(str, [*c, yaw, *s]))})"
        for i, (n, (c, s, yaw)) in enumerate(room.OBJECTS.items())
    ]
    (folder / "layout.txt").write_text("\n".join(lines) + "\n")


def scenescript(folder, room):
    lines = []
    for i, (a, b) in enumerate(walls_of_layouts()):
        ends = ", ".join(f"{end}_{k}={v}" for end, p in (("a", a), ("b", b)) for k, v in zip("xyz", p, strict=True))
        lines.append(f"make_wall, id={i}, {ends}, height={HEIGHT}, thickness=0.0")
    place = "position_x=2.0, position_y=-1.0, position_z=1.0"
    lines.append(f"make_door, id=1000, wall0_id=0, wall1_id=-1, {place}, width=0.9, height=2.0")
    for i, (n, (c, s, yaw)) in enumerate(room.OBJECTS.items()):
        numbers = [f"position_{k}={v}" for k, v in zip("xyz", c, strict=True)] + [f"angle_z={yaw}"]
        numbers += [f"scale_{k}={v}" for k, v in zip("xyz", s, strict=True)]
        lines.append(f"make_bbox, id={2000 + i}, class={n}, " + ", ".join(numbers))
    (folder / "ase_scene_language.txt").write_text("\n".join(lines) + "\n")


def labelcloud(folder, room, *, unit="degrees"):
    objects = []
    for n, (c, s, yaw) in room.OBJECTS.items():
        angle = np.rad2deg(yaw) if unit == "degrees" else yaw
        lengths = dict(zip(("length", "width", "height"), s, strict=True))
        objects.append({"name": n, "centroid": xyz(c), "dimensions": lengths, "rotations": xyz([0, 0, angle])})
    value = {"folder": "f", "filename": "cloud.ply", "path": "f/cloud.ply", "objects": objects}
    (folder / "labels").mkdir()
    (folder / "labels" / "cloud.json").write_text(json.dumps(value))


def labelcloud_corners(folder, room):
    objects = []
    for n, (c, s, yaw) in room.OBJECTS.items():
        low = np.array([[-1, -1, -1], [-1, 1, -1], [1, 1, -1], [1, -1, -1]])
        signs = np.concatenate([low, low + np.array([0, 0, 2])])
        corners = (signs / 2 * s) @ turn(yaw).T + c
        objects.append({"name": n, "vertices": corners.round(6).tolist()})
    (folder / "cloud.json").write_text(json.dumps({"folder": "f", "filename": "c", "path": "p", "objects": objects}))


def segments(folder, room, *, release=False):
    annotations = [
        {"id": i + 1, "category_id": i + 1, "type": "cuboid", "position": xyz(c), "dimensions": xyz(s), "yaw": yaw}
        for i, (c, s, yaw) in enumerate(room.OBJECTS.values())
    ]
    attributes = {"format_version": "0.2", "annotations": annotations}
    if release:
        categories = [{"id": i + 1, "name": n} for i, n in enumerate(room.OBJECTS)]
        sample = {"name": "room", "labels": {"ground-truth": {"attributes": attributes}}}
        dataset = {"task_attributes": {"categories": categories}, "samples": [sample]}
        (folder / "room-v1.json").write_text(json.dumps({"name": "v1", "dataset": dataset}))
        return
    (folder / "segments.json").write_text(json.dumps(attributes))
    (folder / "labels.json").write_text(json.dumps({str(i + 1): n for i, n in enumerate(room.OBJECTS)}))


def supervisely(folder, room):
    objects = [{"key": f"k{i}", "classTitle": n} for i, n in enumerate(room.OBJECTS)]
    figures = [
        {
            "key": f"f{i}",
            "objectKey": f"k{i}",
            "geometryType": "cuboid_3d",
            "geometry": {"position": xyz(c), "rotation": xyz([0, 0, yaw]), "dimensions": xyz(s)},
        }
        for i, (c, s, yaw) in enumerate(room.OBJECTS.values())
    ]
    (folder / "cloud.pcd.json").write_text(json.dumps({"objects": objects, "figures": figures}))


def cvat(folder, room):
    annotations = [
        {"id": i, "type": "cuboid_3d", "label_id": i, "position": c, "rotation": [0, 0, yaw], "scale": s}
        for i, (c, s, yaw) in enumerate(room.OBJECTS.values())
    ]
    labels = {"label": {"labels": [{"name": n} for n in room.OBJECTS]}}
    (folder / "annotations").mkdir()
    value = {"categories": labels, "items": [{"id": "c", "annotations": annotations}, {"id": "d", "annotations": []}]}
    (folder / "annotations" / "default.json").write_text(json.dumps(value))


def kitti(folder, room, *, of_camera=True):
    lines = []
    for n, (c, s, yaw) in room.OBJECTS.items():
        length, width, height = s
        place = KITTI_FROM_Z_UP @ (np.array(c) - [0, 0, height / 2]) if of_camera else c
        words = [n, 0, 0, 0, 0, 0, 0, 0, height, width, length, *place, -yaw if of_camera else yaw]
        lines.append(" ".join(map(str, words)))
    lines.append("DontCare -1 -1 -10 0 0 1 1 -1 -1 -1 -1000 -1000 -1000 -10")
    (folder / "label_2").mkdir()
    (folder / "label_2" / "000000.txt").write_text("\n".join(lines) + "\n")


def house(folder, room):
    lines = ["ASCII 1.1", "H house label 0 0 0 0 0 0 0 0 0 0", "R 0 0 0 0 k 0 0 0 0 0 0 0 0 0 0 0"]
    lines += [f"C {i} {i} {n} {i} {n} 0 0 0 0 0" for i, n in enumerate(room.OBJECTS)]
    for i, (c, s, yaw) in enumerate(room.OBJECTS.values()):
        numbers = [*c, *turn(yaw)[:, 0], *turn(yaw)[:, 1], *(np.array(s) / 2)]
        lines.append(f"O {i} 0 {i} " + " ".join(f"{value:.6g}" for value in numbers) + " 0 0 0 0 0 0 0 0")
    lines.append("O 99 0 -1 0 0 0 1 0 0 0 1 0 1 1 1 0 0 0 0 0 0 0 0")
    (folder / "x.house").write_text("\n".join(lines) + "\n")


MADE = {
    "roomplan": roomplan,
    "spatiallm": spatiallm,
    "scenescript": scenescript,
    "labelcloud": labelcloud,
    "labelcloud corners": labelcloud_corners,
    "segments": segments,
    "segments release": lambda folder, room: segments(folder, room, release=True),
    "supervisely": supervisely,
    "cvat": cvat,
    "kitti": kitti,
    "matterport": house,
}
LAYOUTS = ("roomplan", "spatiallm", "scenescript")


@pytest.fixture
def scan(tmp_path):
    folder = tmp_path / "scans" / "room"
    folder.mkdir(parents=True)
    return folder


def read(folder, **chosen):
    return load(discover(folder.parent, IngestOptions(settings=chosen))[0])


def corners_apart(scene, room):
    """Farthest corner from the nearest of the room's own box of the same name, metres."""
    apart = []
    for i, name in enumerate(scene.category):
        if str(name) in room.OBJECTS:
            c, s, yaw = room.OBJECTS[str(name)]
            own = box_corners(np.array([c]), np.array([s], dtype=float), turn(yaw).T[None])[0]
            found = box_corners(scene.center[[i]], scene.size[[i]], scene.rotation[[i]])[0]
            apart.append(np.linalg.norm(found[:, None] - own[None], axis=2).min(axis=1).max())
    return max(apart), len(apart)


@pytest.mark.parametrize("kind", MADE)
def test_boxes_of_every_tool_are_the_room(scan, room, kind):
    MADE[kind](scan, room)
    scene = read(scan)
    apart, n = corners_apart(scene, room)
    assert n == len(room.OBJECTS)
    assert apart < 1e-3
    assert not [error for error in scene.refused if error.reason is not IngestReason.SKIPPED]
    names = scene.category.tolist()
    assert (names.count("wall"), names.count("door")) == ((4, 1) if kind in LAYOUTS else (0, 0))
    if kind in LAYOUTS:
        assert scene.room_size_m2 == pytest.approx(6 * 4.5)
        assert {tuple(point) for point in scene.floor_polygon.round(6)} == {tuple(point) for point in RING[:, :2]}


@pytest.mark.parametrize("kind", MADE)
def test_doctor_names_the_format_of_boxes(scan, room, kind):
    MADE[kind](scan, room)
    found = diagnose(scan.parent, options=IngestOptions())
    assert found.dataset == "generic"
    assert kind.split()[0] in found.formats
    assert not [problem for problem in found.problems if problem.severe]


def test_the_floor_follows_from_walls_where_rooms_have_none(scan, room):
    roomplan(scan, room, floors=False)
    scene = read(scan)
    assert scene.room_size_m2 == pytest.approx(6 * 4.5)


def test_labels_of_the_cloud_and_relative_angles_are_switched(scan, room):
    kitti(scan, room, of_camera=False)
    assert corners_apart(read(scan, kitti="cloud", up="z"), room)[0] < 1e-3
    assert corners_apart(read(scan), room)[0] > 0.5


def test_angles_of_labelcloud_are_degrees_unless_switched(scan, room):
    labelcloud(scan, room, unit="radians")
    assert corners_apart(read(scan, yaw="radians"), room)[0] < 1e-3
    assert corners_apart(read(scan), room)[0] > 0.05


def test_a_damaged_object_is_refused_alone(scan, room):
    roomplan(scan, room)
    value = json.loads((scan / "Room.json").read_text())
    value["objects"][0]["transform"] = [1] * 16
    del value["objects"][1]["dimensions"]
    (scan / "Room.json").write_text(json.dumps(value))
    scene = read(scan)
    assert corners_apart(scene, room)[1] == len(room.OBJECTS) - 2
    assert {error.reason for error in scene.refused} >= {IngestReason.BAD_ROTATION, IngestReason.MISSING_FIELD}
    spatiallm(scan, room)
    path = scan / "layout.txt"
    path.write_text(path.read_text() + "bbox_9=Bbox(chair,1,2)\nnonsense\ndoor_7=Door(wall_9,0,0,0,1,1)\n")
    scene = read(scan, boxes_from="spatiallm")
    assert len(scene) == len(room.OBJECTS) + 5
    assert len([error for error in scene.refused if error.field.startswith("layout.txt")]) == 3


def test_boxes_of_one_tool_join_frames_of_another(scan, room):
    """RoomPlan's world has Y up; that of the frames has Z up, and is turned and shifted besides."""
    roomplan(scan, room)
    room.write_pictures(scan / "images")
    (scan / "transforms.json").write_text(json.dumps(room.transforms()))
    poses = [frame.world_from_camera for frame in read(scan, frames_up="z").frames]
    assert np.allclose(poses, room.POSES)
    assert not np.allclose([frame.world_from_camera for frame in read(scan).frames], room.POSES, atol=0.1)
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = Rotation.from_euler("z", 40, degrees=True).as_matrix(), [3, -1, 0.2]
    (scan / "transforms.json").write_text(json.dumps(room.transforms(poses=[moved @ pose for pose in room.POSES])))
    y_up = np.eye(4)
    y_up[:3, :3] = Y_UP_FROM_Z_UP
    matrix = y_up @ np.linalg.inv(moved)
    (scan / "boxes_from_frames.txt").write_text("\n".join(" ".join(map(str, row)) for row in matrix))
    scene = read(scan)
    assert np.allclose([frame.world_from_camera for frame in scene.frames], room.POSES)
    assert not [error for error in scene.refused if error.reason is IngestReason.UNREAD_FILE]


def test_categories_without_names_are_asked_for(scan, room):
    segments(scan, room)
    (scan / "labels.json").unlink()
    with pytest.raises(SceneError, match=r"labels\.json"):
        read(scan)


def test_a_format_of_boxes_can_be_chosen(scan, room):
    roomplan(scan, room)
    room.write_boxes(scan, room.BOXES[:3])
    assert len(read(scan)) == 3
    assert corners_apart(read(scan, boxes_from="roomplan"), room)[1] == len(room.OBJECTS)


@pytest.mark.parametrize(("shift", "suspected"), [((0, 0), False), ((1.5, -1.0), True)])
def test_doctor_says_that_boxes_lie_beside_what_depth_shows(scan, room, shift, suspected):
    (scan / "depth").mkdir()
    room.write_pictures(scan / "images")
    for i, pose in enumerate(room.POSES, start=1):
        depth = np.rint(room.picture(pose)[1] * 1000).astype(np.uint16)
        Image.fromarray(depth).save(scan / "depth" / f"{i:04d}.png")
    (scan / "transforms.json").write_text(json.dumps(room.transforms()))
    lines = [
        f"bbox_{i}=Bbox({n},{c[0] + shift[0]},{c[1] + shift[1]},{c[2]},{yaw},{s[0]},{s[1]},{s[2]})"
        for i, (n, (c, s, yaw)) in enumerate(room.OBJECTS.items())
    ]
    (scan / "layout.txt").write_text("\n".join(lines))
    problems = [problem.problem for problem in diagnose(scan.parent, options=IngestOptions()).problems]
    assert any("sees through" in problem for problem in problems) == suspected
    assert suspected or not problems
