"""HM3D's semantics in their layout: a table of colours, and a house whose triangles have them."""

import numpy as np
import pytest
from glb import box, glb
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.hm3d import discover, load, read_table
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.ingestion.doctor import diagnose

HOUSE = "00800-TEEsavR23oF"
OBJECTS = {
    1: (0x0A0B0C, "wall", 0, [0, 2, 1.25], [4, 0.1, 2.5]),
    2: (0xFF8800, "chair", 0, [1, 0, 0.45], [0.5, 0.5, 0.9]),
    3: (0x23694C, "refrigerator cabinet, left", 0, [-1, 0, 0.9], [0.7, 0.6, 1.8]),
    4: (0x0000FF, "bed", 7, [8, 0, 0.3], [2, 1.5, 0.6]),
    5: (0x00FF00, "unknown", 7, [9, 3, 0.3], [0.2, 0.2, 0.6]),
}
"""Number: colour, category, room, middle, size."""
CRUMB = box([3.0, 3, 2.4], [0.02, 0.02, 0.02])
"""Triangles of the chair that touch none of it."""


def rgb(colour):
    return np.array([colour >> 16, colour >> 8 & 255, colour & 255], np.uint8)


def table(rows=OBJECTS, more=""):
    lines = [f'{number},{colour:06X},"{label}",{room}' for number, (colour, label, room, *_) in rows.items()]
    return "HM3D Semantic Annotations\n" + "\n".join(lines) + "\n" + more


def painted():
    """Version 0.2: a picture of a patch per object, whose border is of other colours."""
    points, uv = [], []
    picture = np.zeros((8, 8 * (len(OBJECTS) + 1), 3), np.uint8) + 77
    for i, (colour, _, _, center, size) in enumerate(OBJECTS.values()):
        picture[1:7, 8 * i + 1 : 8 * i + 7] = rgb(colour)
        points.append(box(center, size) if i != 1 else np.concatenate([box(center, size), CRUMB]))
        patch = np.array([[1.2 + 8 * i, 1.2], [6.8 + 8 * i, 1.2], [4 + 8 * i, 6.8]])
        uv.append(np.tile(patch / [picture.shape[1], 8], (len(points[-1]) // 3, 1)))
    points.append(box([0, 0, -0.05], [4, 4, 0.1]))  # what nobody annotated
    uv.append(np.full((36, 2), [1 - 4 / picture.shape[1], 0.5]))
    return [{"points": np.concatenate(points), "picture": picture, "uv": np.concatenate(uv)}]


def coloured():
    """Version 0.1: colours of vertices."""
    return [
        {"points": box(center, size), "colours": np.tile(rgb(colour), (36, 1))}
        for colour, _, _, center, size in OBJECTS.values()
    ]


@pytest.fixture
def write(tmp_path):
    def write(meshes=None, text=None):
        folder = tmp_path / "hm3d" / "minival" / HOUSE
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "TEEsavR23oF.semantic.txt").write_text(table() if text is None else text)
        (folder / "TEEsavR23oF.semantic.glb").write_bytes(glb(painted() if meshes is None else meshes))
        return tmp_path / "hm3d"

    return write


def read(root, i=0, **settings):
    return load(discover(root, IngestOptions(settings=settings))[i])


@pytest.mark.parametrize("meshes", [painted, coloured])
def test_objects_are_boxes_around_triangles_of_their_colour(write, meshes):
    scene = read(write(meshes()))
    assert (scene.scene_name, scene.scene_group) == (f"{HOUSE}_room0", HOUSE)
    assert scene.instance_id.tolist() == [1, 2, 3]
    assert scene.category.tolist() == ["wall", "chair", "refrigerator cabinet, left"]
    assert np.allclose(scene.center, [OBJECTS[i][3] for i in (1, 2, 3)], atol=1e-6)
    assert np.allclose(scene.size, [OBJECTS[i][4] for i in (1, 2, 3)], atol=1e-6)
    mesh = scene.mesh
    assert len(mesh.triangles) == (48 if meshes is painted else 36)
    found = mesh.vertices[mesh.triangles[mesh.instance_id == 3]].reshape(-1, 3)
    assert np.allclose([found.min(axis=0), found.max(axis=0)], [[-1.35, -0.3, 0], [-0.65, 0.3, 1.8]], atol=1e-6)


def test_strokes_beside_an_object_are_left_out_and_said(write):
    root = write()
    (note,) = read(root).refused
    assert "12 triangles touch nothing" in str(note)
    assert read(root, parts="all").size[1].max() > 2
    (note,) = read(root, i=1).refused
    assert "1 objects have no category" in str(note)


def test_a_house_may_be_one_scene_with_what_nobody_annotated(write):
    root = write()
    assert [source.scene_name for source in discover(root, IngestOptions())] == [f"{HOUSE}_room0", f"{HOUSE}_room7"]
    scene = read(root, scenes="houses")
    assert scene.scene_name == HOUSE
    assert scene.instance_id.tolist() == [1, 2, 3, 4]
    assert (scene.mesh.instance_id == -1).sum() == 24  # the floor, and what is unknown
    assert diagnose(root, options=IngestOptions()).dataset == "hm3d"


def test_y_up_is_a_switch_and_a_house_that_lies_is_named(write):
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # rows: box axes after z became y
    meshes = [
        {"points": box(center, size) @ turn, "colours": np.tile(rgb(colour), (36, 1))}
        for colour, _, _, center, size in OBJECTS.values()
    ]
    root = write(meshes)
    assert np.allclose(read(root, up="y").size, [OBJECTS[i][4] for i in (1, 2, 3)], atol=1e-6)
    diagnosis = diagnose(root, options=IngestOptions())
    said = [problem.problem for problem in diagnosis.problems] + [str(doubt) for doubt in diagnosis.untold.values()]
    assert any("--set up=y" in words for words in said), said


@pytest.mark.parametrize(
    "line", ['x,FF0000,"bed",1', "9,FF0000", '9,GG0000,"bed",1', '2,FF0000,"bed",1', '9,1FF0000,"b",1']
)
def test_a_damaged_line_is_refused_alone(write, line):
    path = write(text=table(more=f"{line}\n\n")) / "minival" / HOUSE / "TEEsavR23oF.semantic.txt"
    rows, refused = read_table(path)
    assert [row.number for row in rows] == list(OBJECTS)
    assert [error.field for error in refused] == ["TEEsavR23oF.semantic.txt: line 7"]


def test_what_is_missing_is_named(write, tmp_path):
    root = write(text=table(OBJECTS | {8: (0x123456, "größe", 0, 0, 0)}))
    scene = read(root)
    assert IngestReason.BAD_SIZE in [error.reason for error in scene.refused]  # a row without triangles
    folder = root / "minival" / HOUSE
    (folder / "TEEsavR23oF.semantic.glb").unlink()
    with pytest.raises(SceneError, match=r"semantic\.glb"):
        read(root)
    (folder / "TEEsavR23oF.semantic.txt").write_text("1,FF0000,bed,1\n")
    with pytest.raises(SceneError, match="begins with"):
        read(root)
    assert len(discover(write(text="HM3D Semantic Annotations\n"), IngestOptions())) == 0
    with pytest.raises(QAEngineError, match="no scene here"):
        discover(tmp_path, IngestOptions())
