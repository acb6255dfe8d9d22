"""Meshes of own scans: OBJ, glTF and PLY files that the tests write, whole and damaged."""

import base64
import json
import re
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats import gltf as gltf_reader
from qa_engine.formats.gltf import read_gltf
from qa_engine.formats.obj import read_obj
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float32)
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
TRIANGLES = np.array([t for a, b, c, d in QUADS for t in ((a, b, c), (a, c, d))])
PARTS = {"chair.001": (0.5, 2.0), "table": (1.5, -1.0)}
"""Name of a cube: its edge, and its place along x."""


def corners(edge, place):
    return CUBE * edge + np.array([place, 0, 0])


def obj(kind="o"):
    lines, n = ["# made by a test", "mtllib a.mtl"], 0
    for name, (edge, place) in PARTS.items():
        lines += [
            f"{kind} {name}",
            *("v {} {} {} 0.5 0.5 0.5".format(*v) for v in corners(edge, place).tolist()),
            "vn 0 0 1",
        ]
        lines += ["usemtl wood", *(f"f {' '.join(f'{n + i + 1}//1' for i in quad)}" for quad in QUADS)]
        n += len(CUBE)
    return "\n".join(lines).encode()


def gltf(**changes):
    """One cube, placed by two nodes of which the second stands below another."""
    blob = CUBE.astype("<f4").tobytes() + TRIANGLES.astype("<u2").tobytes()
    (chair, (a, x)), (table, (b, y)) = PARTS.items()
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0, 1]}],
        "nodes": [
            {"mesh": 0, "name": chair, "scale": [a] * 3, "translation": [x, 0, 0]},
            {"children": [2], "translation": [y, 0, 0]},
            {"mesh": 0, "name": table, "matrix": [b, 0, 0, 0, 0, b, 0, 0, 0, 0, b, 0, 0, 0, 0, 1]},
        ],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 8, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 36, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 96},
            {"buffer": 0, "byteOffset": 96, "byteLength": 72},
        ],
        "buffers": [{"byteLength": len(blob)}],
    }
    return document | changes, blob


def glb(document, blob):
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(blob), 0x004E4942) + blob
    return b"glTF" + struct.pack("<II", 2, 12 + len(body)) + body


@pytest.fixture
def scan(tmp_path):
    folder = tmp_path / "scans" / "kitchen"
    folder.mkdir(parents=True)
    return folder


def read(folder, **chosen):
    return load(discover(folder.parent, IngestOptions(settings=chosen))[0])


def check_parts(surface):
    assert surface.names[-2:] == list(PARTS)
    for number, (edge, place) in enumerate(PARTS.values(), len(surface.names) - 2):
        points = surface.vertices[surface.triangles[surface.part == number]].reshape(-1, 3)
        assert len(points) == 36
        assert points.min(axis=0).tolist() == [place, 0, 0]
        assert points.max(axis=0).tolist() == [place + edge, edge, edge]


@pytest.mark.parametrize("kind", ["o", "g"])
def test_an_obj_file_is_read_by_part(tmp_path, kind):
    (tmp_path / "a.obj").write_bytes(obj(kind))
    check_parts(read_obj(tmp_path / "a.obj"))


def test_negative_indices_count_back(tmp_path):
    (tmp_path / "a.obj").write_bytes(b"v 9 9 9\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 5 5 5\n")
    assert read_obj(tmp_path / "a.obj").triangles.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("form", ["glb", "file", "text"])
def test_a_gltf_file_is_read_by_node(tmp_path, form):
    document, blob = gltf()
    path = tmp_path / "a.gltf"
    if form == "glb":
        path.write_bytes(glb(document, blob))
    else:
        document["buffers"][0]["uri"] = (
            "a.bin" if form == "file" else "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
        )
        (tmp_path / "a.bin").write_bytes(blob)
        path.write_text(json.dumps(document))
    check_parts(read_gltf(path, [tmp_path.resolve()]))


def test_vertices_that_stand_among_others_are_found_by_their_stride(tmp_path):
    document, _ = gltf()
    both = np.concatenate([CUBE, np.full_like(CUBE, 7)], axis=1).astype("<f4").tobytes()
    document["bufferViews"] = [
        {"buffer": 0, "byteLength": len(both), "byteStride": 24},
        {"buffer": 0, "byteOffset": len(both), "byteLength": 72},
    ]
    (tmp_path / "a.glb").write_bytes(glb(document, both + TRIANGLES.astype("<u2").tobytes()))
    check_parts(read_gltf(tmp_path / "a.glb", [tmp_path.resolve()]))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"nodes": [{"children": [0]}], "scenes": [{"nodes": [0]}]}, r"nodes\[0\]"),
        ({"scenes": [{"nodes": [9]}]}, r"nodes\[9\]"),
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "Draco|compression"),
        ({"buffers": [{"byteLength": 9, "uri": "../secret"}]}, "link out"),
        ({"buffers": [{"byteLength": 9, "uri": "http://x/y"}]}, "no file"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 9}, {"buffer": 0, "byteLength": 72}]}, r"accessors\[0\]"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": 5}]}]}, "strips"),
        ({"meshes": [{"primitives": [{"attributes": {}}]}]}, "POSITION"),
    ],
)
def test_damaged_documents_are_refused_with_their_field(tmp_path, changes, field):
    (tmp_path / "a.glb").write_bytes(glb(*gltf(**changes)))
    with pytest.raises(SceneError, match=r"a\.glb") as caught:
        read_gltf(tmp_path / "a.glb", [tmp_path.resolve()])
    assert re.search(field, str(caught.value))


def test_a_mesh_that_is_placed_too_often_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(gltf_reader, "MAX_ITEMS", 100)
    for n, refused in ((2, False), (20, True)):
        nodes = [{"mesh": 0}] * n
        (tmp_path / "a.glb").write_bytes(glb(*gltf(nodes=nodes, scenes=[{"nodes": list(range(n))}])))
        if not refused:
            assert len(read_gltf(tmp_path / "a.glb", [tmp_path.resolve()]).triangles) == 24
            continue
        with pytest.raises(SceneError) as caught:
            read_gltf(tmp_path / "a.glb", [tmp_path.resolve()])
        assert caught.value.reason is IngestReason.TOO_LARGE


@given(st.integers(0, 1500), st.binary(min_size=1, max_size=9), st.sampled_from(["a.obj", "a.glb", "a.gltf"]))
@example(797, b"\x00\x81\x7f", "a.glb")  # a NaN that signals
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_any_damage_is_a_refusal_or_a_surface(tmp_path, place, noise, name):
    document, blob = gltf()
    if name == "a.gltf":
        document["buffers"][0]["uri"] = "data:;base64," + base64.b64encode(blob).decode()
    whole = {"a.obj": obj(), "a.glb": glb(document, blob), "a.gltf": json.dumps(document).encode()}[name]
    path = tmp_path / name
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    try:
        surface = read_obj(path) if name == "a.obj" else read_gltf(path, [tmp_path.resolve()])
    except SceneError as error:
        if name not in str(error):
            raise
    else:
        assert np.isfinite(surface.vertices).all()
        assert len(surface.part) == len(surface.triangles)


@pytest.mark.parametrize("name", ["mesh.obj", "mesh.glb"])
@pytest.mark.parametrize("labels", ["file", "names"])
def test_parts_of_a_mesh_become_objects(scan, name, labels):
    (scan / name).write_bytes(obj() if name == "mesh.obj" else glb(*gltf()))
    (scan / "labels.json").write_text('{"chair.001": "chair", "table": "table"}')
    scene = read(scan, labels=labels)
    assert scene.category.tolist() == ["chair", "table"]
    edges = [edge for edge, _ in PARTS.values()]
    assert scene.size.tolist() == [[edge] * 3 for edge in edges]
    assert np.isin(scene.mesh.instance_id, scene.instance_id).all()
    assert len(scene.cloud) > 16
    shares = scene.cloud.count(scene.instance_id) / len(scene.cloud)
    assert shares[1] / shares[0] == pytest.approx((edges[1] / edges[0]) ** 2, rel=0.05)  # even all over the surface


def test_gltf_has_y_up(scan):
    (scan / "mesh.glb").write_bytes(glb(*gltf()))
    scene = read(scan, labels="names", up="y")
    edge, place = PARTS["chair.001"]
    assert scene.center[0].tolist() == [place + edge / 2, -edge / 2, edge / 2]


def test_a_ply_mesh_and_boxes_meet_by_instance(scan, tmp_path):
    header = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    header += "property int instance\nelement face 2\nproperty list uchar int vertex_indices\nend_header\n"
    points = "0 0 0 7\n4 0 0 7\n4 3 0 7\n0 3 0 9\n"
    (scan / "mesh.ply").write_text(header + points + "3 0 1 2\n3 0 2 3\n")
    (scan / "boxes.json").write_text('[{"label": "rug", "center": [2, 1, 0], "size": [4, 3, 0.02], "id": 7}]')
    report = ingest(get_dataset("generic"), scan.parent, out=tmp_path / "store", options=IngestOptions())
    assert report.rejects == {}
    store = Store(tmp_path / "store")
    mesh, cloud = store.mesh("kitchen"), store.cloud("kitchen")
    assert mesh.instance_id.tolist() == [7, 7]
    assert mesh.vertices[mesh.triangles].tolist() == [
        [[0, 0, 0], [4, 0, 0], [4, 3, 0]],
        [[0, 0, 0], [4, 3, 0], [0, 3, 0]],
    ]
    assert store.load_scene("kitchen").room_size_m2 == pytest.approx(12, rel=0.02)
    assert set(cloud.instance_id.tolist()) == {7}
    (scan / "mesh.ply").write_text(header.replace("face 2", "face 0") + points)
    with pytest.raises(SceneError, match="no faces"):
        read(scan)


@pytest.mark.parametrize("fit", ["aligned", "upright"])
def test_boxes_are_fitted_along_the_axes_or_turned(scan, fit):
    angle = 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    points = CUBE * [2, 1, 0.5] @ turn.T
    header = "ply\nformat ascii 1.0\nelement vertex 8\n" + "".join(f"property float {a}\n" for a in "xyz")
    rows = "".join("{} {} {} 3\n".format(*point) for point in points)
    (scan / "cloud.ply").write_text(f"{header}property int instance\nend_header\n{rows}")
    (scan / "labels.json").write_text('{"3": "table"}')
    scene = read(scan, boxes=fit)
    if fit == "aligned":
        assert scene.rotation[0].tolist() == np.eye(3).tolist()
        assert scene.size[0].round(3).tolist() == np.ptp(points, axis=0).round(3).tolist()
    else:
        assert sorted(scene.size[0].round(4).tolist()) == [0.5, 1, 2]
        assert scene.rotation[0, 2].tolist() == [0, 0, 1]
        assert np.allclose(scene.center[0], points.mean(axis=0))
