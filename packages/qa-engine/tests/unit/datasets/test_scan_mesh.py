"""Meshes that datasets publish beside their boxes, written to the documented layouts."""

import json
import struct

import numpy as np
import polars as pl
import pytest
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import IngestReason
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store

FLOOR = [(0, 0, 0), (4, 0, 0), (4, 3, 0), (0, 3, 0)]
CHAIR = [(1, 1, 0.4), (1.5, 1, 0.4), (1.5, 1.5, 0.4), (1, 1.5, 0.4)]


def grid(corners, n=41):
    """Points (n * n, 3) all over a rectangle, and the quads between them."""
    a, b, _, d = np.array(corners, dtype=float)
    u, v = (part.ravel()[:, None] for part in np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij"))
    first = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).ravel()
    return a + u * (b - a) + v * (d - a), np.stack([first, first + n, first + n + 1, first + 1], axis=1)


def ply(path, *, vertex=None, face=None, quads=False, ascii_=False):
    """A floor and a chair above it: `vertex` or `face` names the property that holds the object."""
    (floor, below), (chair, above) = grid(FLOOR), grid(CHAIR)
    points = np.concatenate([floor, chair])
    polygons = np.concatenate([below, above + len(floor)])
    if not quads:
        polygons = polygons[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    of_vertex = np.repeat([0, 7], [len(floor), len(chair)])
    header = ["ply", f"format {'ascii' if ascii_ else 'binary_little_endian'} 1.0", f"element vertex {len(points)}"]
    header += [*(f"property float {axis}" for axis in "xyz"), *([f"property ushort {vertex}"] if vertex else [])]
    header += [f"element face {len(polygons)}", "property list uchar int vertex_indices"]
    header += [f"property int {face}"] if face else []
    data = bytearray("\n".join([*header, "end_header", ""]).encode())
    for place, number in zip(points.tolist(), of_vertex.tolist(), strict=True):
        values = [*place, *([number] if vertex else [])]
        text = (" ".join(map(str, values)) + "\n").encode()
        data += text if ascii_ else struct.pack("<3f" + "H" * bool(vertex), *values)
    for corners in polygons.tolist():
        number = [int(of_vertex[corners[0]])] if face else []
        text = (" ".join(map(str, [len(corners), *corners, *number])) + "\n").encode()
        data += (
            text if ascii_ else struct.pack(f"<B{len(corners)}i" + "i" * bool(face), len(corners), *corners, *number)
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return len(floor), len(chair)


def group(make_box, number=7):
    box = make_box((1.25, 1.25, 0.4), (0.5, 0.5, 0.02))
    n = len(grid(FLOOR)[0])
    return {"id": number, "objectId": number, "label": "chair", "segments": list(range(n, 2 * n)), "obb": box}


def arkitscenes(root, make_box):
    scan = root / "3dod" / "Training" / "41000001"
    ply(scan / "41000001_3dod_mesh.ply")
    entry = {"label": "chair", "segments": {"obbAligned": group(make_box)["obb"]}}
    (scan / "41000001_3dod_annotation.json").write_text(json.dumps({"data": [entry], "skipped": False}))
    return scan / "41000001_3dod_mesh.ply"


def scannetpp(root, make_box):
    folder = root / "data" / "0a5c013435" / "scans"
    ply(folder / "mesh_aligned_0.05.ply")
    (folder / "segments_anno.json").write_text(json.dumps({"segGroups": [group(make_box)]}))
    return folder / "mesh_aligned_0.05.ply"


def rscan(root, make_box):
    folder = root / "scan-a"
    ply(folder / "labels.instances.annotated.v2.ply", vertex="objectId", ascii_=True)
    (folder / "semseg.v2.json").write_text(json.dumps({"scan_id": "scan-a", "segGroups": [group(make_box)]}))
    return folder / "labels.instances.annotated.v2.ply"


def replica(root, make_box):
    folder = root / "room_9" / "habitat"
    ply(folder / "mesh_semantic.ply", face="object_id", quads=True)
    turn = {"rotation": [0, 0, 0, 1], "translation": [0, 0, 0]}
    box = {"abb": {"center": [1.25, 1.25, 0.4], "sizes": [0.5, 0.5, 0.02]}, "orientation": turn}
    entry = {"id": 7, "class_id": 5, "class_name": "chair", "oriented_bbox": box}
    (folder / "info_semantic.json").write_text(json.dumps({"objects": [entry], "gravity_dir": [0, 0, -1]}))
    return folder / "mesh_semantic.ply"


def multiscan(root, make_box):
    folder = root / "scene_00007_01"
    ply(folder / "scene_00007_01.ply")
    n = 2 * len(grid(FLOOR)[1])
    parts = {
        "chair.1:seat.1": list(range(n, n + 100)),
        "chair.1:back.1": list(range(n + 100, 2 * n)),
        "floor.1": [0, 1],
    }
    objects = [{"label": "chair.1", "obb": group(make_box)["obb"]}]
    (folder / "scene_00007_01.annotations.json").write_text(json.dumps({"objects": objects}))
    (folder / "scene_00007_01.semseg.json").write_text(json.dumps({"triIndices": parts}))
    return folder / "scene_00007_01.ply"


LAYOUTS = {
    "arkitscenes": arkitscenes,
    "scannetpp": scannetpp,
    "3rscan": rscan,
    "replica": replica,
    "multiscan": multiscan,
}


def taken(dataset, root, out, **settings):
    report = ingest(get_dataset(dataset), root, out=out, options=IngestOptions(settings=settings))
    store = Store(out)
    (name,) = store.scene_names()
    return report, store, store.load_scene(name)


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_cloud_mesh_and_floor_come_from_the_published_mesh(tmp_path, make_box, dataset):
    LAYOUTS[dataset](tmp_path / "root", make_box)
    report, store, scene = taken(dataset, tmp_path / "root", tmp_path / "store")
    assert report.rejects == {}
    n, n_quads = (len(part) for part in grid(FLOOR))
    cloud, mesh = store.cloud(scene.scene_name), store.mesh(scene.scene_name)
    assert len(cloud) == 2 * n
    assert len(mesh) == 4 * n_quads
    assert scene.room_size_m2 == pytest.approx(12, rel=0.03)
    assert np.ptp(scene.floor_polygon, axis=0) == pytest.approx([4, 3], abs=0.1)
    (n_points,) = pl.read_parquet(tmp_path / "store" / "objects.parquet")["n_points"]
    if dataset == "arkitscenes":
        assert n_points is None  # the mesh names no objects
        return
    (number,) = scene.instance_id.tolist()
    assert n_points == n
    points = cloud.xyz[cloud.instance_id == number]
    assert points[:, 2].min() == pytest.approx(0.4)
    corners = mesh.vertices[mesh.triangles[mesh.instance_id == number]].reshape(-1, 3)
    assert len(corners) == 6 * n_quads
    assert corners.min(axis=0) == pytest.approx([1, 1, 0.4])


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_a_damaged_mesh_loses_itself_and_no_boxes(tmp_path, make_box, dataset):
    path = LAYOUTS[dataset](tmp_path / "root", make_box)
    path.write_bytes(path.read_bytes()[:-40])
    report, store, scene = taken(dataset, tmp_path / "root", tmp_path / "store")
    assert report.rejects == {"bad_format": 1}
    assert report.lost == 1
    assert len(scene) == 1
    assert store.cloud(scene.scene_name) is None
    assert path.name in pl.read_parquet(store.path / "rejects.parquet")["detail"][0]


def test_segments_of_scannetpp_may_have_names(tmp_path, make_box):
    path = scannetpp(tmp_path / "root", make_box)
    n = len(grid(FLOOR)[0])
    entry = group(make_box) | {"segments": [900]}
    (path.parent / "segments_anno.json").write_text(json.dumps({"segGroups": [entry]}))
    (path.parent / "segments.json").write_text(json.dumps({"segIndices": [5] * n + [900] * n}))
    _, store, scene = taken("scannetpp", tmp_path / "root", tmp_path / "store", segments="segments")
    assert store.cloud(scene.scene_name, [7]).xyz[:, 2].min() == pytest.approx(0.4)
    (path.parent / "segments.json").write_text(json.dumps({"segIndices": [5]}))
    report, _, _ = taken("scannetpp", tmp_path / "root", tmp_path / "other", segments="segments")
    assert report.rejects == {"bad_format": 1}


def test_a_link_out_of_the_dataset_is_no_mesh(tmp_path, make_box):
    path = rscan(tmp_path / "root", make_box)
    path.rename(tmp_path / "secret.ply")
    path.symlink_to(tmp_path / "secret.ply")
    report, store, scene = taken("3rscan", tmp_path / "root", tmp_path / "store")
    assert report.rejects == {IngestReason.UNREADABLE_FILE: 1}
    assert store.mesh(scene.scene_name) is None


def test_the_real_triangles_of_multiscan_reach_their_objects(real_data, tmp_path):
    """The published lists of triangles with a mesh of as many triangles (the real one is not published with them)."""
    name = "scene_00000_00"
    source, folder = real_data / "real" / "multiscan" / name, tmp_path / "root" / name
    folder.mkdir(parents=True)
    for file in (f"{name}.annotations.json", f"{name}.semseg.json"):
        (folder / file).write_bytes((source / file).read_bytes())
    parts = json.loads((source / f"{name}.semseg.json").read_text())["triIndices"]
    n = 1 + max(max(faces) for faces in parts.values())
    faces = np.zeros(n, [("n", "u1"), ("corners", "<i4", 3)])
    faces["n"], faces["corners"] = 3, [0, 1, 2]
    header = (
        "ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    )
    header += f"element face {n}\nproperty list uchar int vertex_indices\nend_header\n"
    (folder / f"{name}.ply").write_bytes(header.encode() + np.eye(3, dtype="<f4").tobytes() + faces.tobytes())
    report, store, scene = taken("multiscan", tmp_path / "root", tmp_path / "store")
    assert (report.n_objects, report.lost, n) == (27, 0, 295_658)
    mesh = store.mesh(name)
    for label, number in zip(scene.category_raw, scene.instance_id, strict=True):
        published = sum(len(faces) for part, faces in parts.items() if part.partition(":")[0] == label)
        assert (mesh.instance_id == number).sum() == published > 0
