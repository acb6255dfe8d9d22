"""Rays cast at meshes: against the renderer, against boxes, and on the surface of real depth images."""

import importlib.util
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.procedural import furnish, render, walk
from qa_engine.datasets.procedural.camera import intrinsics
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.cameras import Camera, back_project
from qa_engine.scenes.meshes import Mesh, read_mesh, write_mesh
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store
from qa_engine.views.boxes import see_boxes
from qa_engine.views.meshes import MeshCaster
from scipy.spatial.transform import Rotation

SIZE = 96
QUADS = np.array([(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)])
SIGNS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


def boxes_mesh(center, size, rotation, ids=None):
    """The surface of boxes, twelve triangles each."""
    n = len(center)
    vertices = (center[:, None] + (SIGNS * size[:, None]) @ rotation).reshape(-1, 3)
    fan = QUADS[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    triangles = (np.arange(n)[:, None, None] * 8 + fan).reshape(-1, 3)
    return Mesh(vertices.astype(np.float32), triangles, np.repeat(np.arange(n) if ids is None else ids, 12))


def scene_of(center, size, rotation=None, ids=None):
    n = len(center)
    return Scene(
        scene_name="s",
        dataset="d",
        category=np.array(["thing"] * n),
        center=np.asarray(center, dtype=float),
        size=np.asarray(size, dtype=float),
        rotation=np.stack([np.eye(3)] * n) if rotation is None else rotation,
        instance_id=ids,
    )


def looking_along_x(size=64):
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]]).T
    return Camera(width=size, height=size, intrinsics=intrinsics(size), world_from_camera=pose)


@pytest.fixture(scope="module", autouse=True)
def _open3d():
    if importlib.util.find_spec("open3d") is None:
        pytest.skip("Open3D is an extra")


def test_boxes_as_a_mesh_are_seen_as_the_renderer_draws_them():
    for seed in (1, 4, 9):
        room = furnish(np.random.default_rng(seed))
        ids = np.arange(len(room.size)) * 3 + 5
        scene = scene_of(room.center, room.size, room.rotation, ids)
        caster = MeshCaster(scene, boxes_mesh(room.center, room.size, room.rotation, ids))
        for pose in walk(room, 3):
            camera = Camera(width=SIZE, height=SIZE, intrinsics=intrinsics(SIZE), world_from_camera=pose)
            picture = render(room, pose, SIZE)
            exact = see_boxes(
                room.center, room.size, room.rotation, camera,
                depth_m=picture.depth_m, instance=picture.instance.astype(np.int64),
            )  # fmt: skip
            found = caster.see(camera)
            big = exact.row[exact.visible_px > 8]
            assert np.isin(big, found.row).all()
            ours, theirs = np.searchsorted(found.row, big), np.searchsorted(exact.row, big)
            px = exact.visible_px[theirs]
            assert (np.abs(found.visible_px[ours] - px) <= 3 + 0.01 * px).all()
            assert np.abs(found.depth_m[ours] - exact.depth_m[theirs]).max() < 0.02
            assert np.abs(found.visible_fraction[ours] - exact.visible_fraction[theirs]).max() < 0.05
            assert np.abs(found.box_2d[ours] - exact.box_2d[theirs]).max() <= 1
            assert (found.truncated[ours] == exact.truncated[theirs]).all()


def test_a_mesh_is_seen_through_where_its_box_is_not():
    """A frame of four bars, and a ball of a box behind it, seen through the opening."""
    center, size = np.array([[2.0, 0, 0], [4, 0, 0]]), np.array([[0.1, 2, 2], [0.5, 0.5, 0.5]])
    scene, camera = scene_of(center, size), looking_along_x()
    bars = np.array([[2.0, 0.9, 0], [2, -0.9, 0], [2, 0, 0.9], [2, 0, -0.9]])
    lengths = np.array([[0.1, 0.2, 2]] * 2 + [[0.1, 2, 0.2]] * 2)
    everything = np.concatenate([bars, center[1:]]), np.concatenate([lengths, size[1:]])
    mesh = boxes_mesh(*everything, np.stack([np.eye(3)] * 5), np.array([0, 0, 0, 0, 1]))
    by_boxes = see_boxes(scene.center, scene.size, scene.rotation, camera)
    by_mesh = MeshCaster(scene, mesh).see(camera)
    assert by_boxes.row.tolist() == [0]
    assert by_mesh.row.tolist() == [0, 1]
    assert by_mesh.visible_fraction.tolist() == [1, 1]
    assert by_mesh.visible_px[0] < 0.5 * by_boxes.visible_px[0]
    assert by_mesh.depth_m[1] == pytest.approx(3.75)


def test_objects_without_triangles_are_seen_by_the_depth_of_the_mesh():
    room = furnish(np.random.default_rng(2))
    camera = Camera(width=SIZE, height=SIZE, intrinsics=intrinsics(SIZE), world_from_camera=walk(room, 2)[0])
    scene = scene_of(room.center, room.size, room.rotation)
    known = boxes_mesh(room.center, room.size, room.rotation)
    unknown = Mesh(known.vertices, known.triangles, np.where(known.instance_id % 2, -1, known.instance_id))
    whole, half = (MeshCaster(scene, mesh).see(camera) for mesh in (known, unknown))
    assert whole.row.tolist() == half.row.tolist()
    assert set((whole.row % 2).tolist()) == {0, 1}
    assert np.abs(whole.visible_px - half.visible_px).max() <= 4 * np.sqrt(whole.visible_px.max()) + 6
    odd = whole.row % 2 == 0
    assert (whole.visible_px[odd] == half.visible_px[odd]).all()


def test_a_mesh_is_stored_and_read_again(tmp_path):
    room = furnish(np.random.default_rng(2))
    mesh = boxes_mesh(room.center, room.size, room.rotation)
    again = read_mesh(write_mesh(mesh, tmp_path, "s"))
    assert (again.vertices[again.triangles] == mesh.vertices[mesh.triangles]).all()
    assert (again.instance_id == mesh.instance_id).all()


@pytest.fixture
def own_scan(tmp_path):
    """A room as its owner would have it: mesh by instance, labels, images and poses, no depth."""
    room = furnish(np.random.default_rng(6))
    folder = tmp_path / "scans" / "kitchen"
    (folder / "images").mkdir(parents=True)
    mesh = boxes_mesh(room.center, room.size, room.rotation)
    lines = ["ply", "format ascii 1.0", f"element vertex {len(mesh.vertices)}"]
    lines += [*(f"property float {axis}" for axis in "xyz"), f"element face {len(mesh)}"]
    lines += ["property list uchar int vertex_indices", "property int instance", "end_header"]
    lines += [f"{x} {y} {z}" for x, y, z in mesh.vertices.tolist()]
    lines += [f"3 {a} {b} {c} {i}" for (a, b, c), i in zip(mesh.triangles, mesh.instance_id, strict=True)]
    (folder / "mesh.ply").write_text("\n".join(lines) + "\n")
    names = ", ".join(f'"{i}": "{name}"' for i, name in enumerate(room.category))
    (folder / "labels.json").write_text(f"{{{names}}}")
    matrix = intrinsics(SIZE)
    rows = ["image,tx,ty,tz,qx,qy,qz,qw,fx,fy,cx,cy"]
    for i, pose in enumerate(walk(room, 3)):
        Image.fromarray(render(room, pose, SIZE).rgb).save(folder / "images" / f"{i}.png")
        values = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        values += [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]
        rows.append(",".join([f"{i}.png", *map(repr, map(float, values))]))
    (folder / "poses.csv").write_text("\n".join(rows) + "\n")
    return folder.parent


def test_observe_casts_rays_at_the_mesh_of_an_own_scan(own_scan, tmp_path, monkeypatch, call, capsys):
    report = ingest(
        get_dataset("generic"), own_scan, out=tmp_path / "store", options=IngestOptions(settings={"boxes": "upright"})
    )
    assert (report.n_scenes, report.n_frames, report.rejects, report.warnings) == (1, 3, {}, {})
    assert Store(tmp_path / "store").load_scene("kitchen").room_size_m2 is None  # the mesh has furniture, and no floor
    assert call("observe", tmp_path / "store") == 0
    assert "1 scenes were seen by casting rays at their meshes" in capsys.readouterr().err
    by_mesh = pl.read_parquet(tmp_path / "store" / "observations.parquet")
    assert call("observe", tmp_path / "store", "--no-mesh", "--force") == 0
    by_boxes = pl.read_parquet(tmp_path / "store" / "observations.parquet")
    both = by_mesh.join(by_boxes, on=["scene_name", "frame_id", "instance_id"])
    assert both.height >= 0.9 * by_mesh.height > 5
    assert ((both["visible_px"] - both["visible_px_right"]).abs() <= 6 + 0.05 * both["visible_px"]).all()
    monkeypatch.setitem(sys.modules, "open3d", None)
    assert call("observe", tmp_path / "store", "--force") == 2
    message = capsys.readouterr().err
    assert "qa-engine[open3d]" in message
    assert "--no-mesh" in message
    assert call("observe", tmp_path / "store", "--force", "--no-mesh") == 0
    assert len(Store(tmp_path / "store").mesh("kitchen")) > 0


def test_the_smallest_box_of_a_turned_object():
    from qa_engine.datasets.box_fitting import fit_boxes

    turn = Rotation.from_euler("xyz", [0.4, 0.7, 0.2]).as_matrix()
    points = (SIGNS * [2, 1, 0.5]) @ turn.T + [5, 6, 7]
    boxes = fit_boxes(points, np.zeros(8, np.int64), 1, "minimal")
    assert sorted(boxes.size[0].round(4).tolist()) == [0.5, 1, 2]
    assert np.allclose(boxes.center[0], [5, 6, 7])
    local = (points - boxes.center[0]) @ boxes.rotation[0].T
    assert np.allclose(np.abs(local), boxes.size[0] / 2, atol=1e-6)
    assert np.linalg.det(boxes.rotation[0]) == pytest.approx(1)


def test_meshes_that_open3d_writes_are_read(tmp_path):
    import open3d as o3d
    from qa_engine.formats.gltf import read_gltf
    from qa_engine.formats.obj import read_obj
    from qa_engine.formats.ply import positions
    from qa_engine.formats.ply_faces import read_ply

    shape = o3d.geometry.TriangleMesh.create_torus(1.0, 0.4, 12, 8)
    for name in ("a.ply", "a.obj", "a.glb"):
        path = tmp_path / name
        assert o3d.io.write_triangle_mesh(str(path), shape)
        if name == "a.ply":
            mesh = read_ply(path)
            vertices, triangles = positions(mesh.vertices, name), mesh.triangles
        else:
            mesh = read_obj(path) if name == "a.obj" else read_gltf(path, [tmp_path.resolve()])
            vertices, triangles = mesh.vertices, mesh.triangles
        ours = np.sort(vertices[triangles].sum(axis=1), axis=0)
        expected = np.sort(np.asarray(shape.vertices)[np.asarray(shape.triangles)].sum(axis=1), axis=0)
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_the_surface_of_a_real_depth_image_is_seen_again(real_data):
    """The surface of a real depth image in tiles, seen from its own place and from that of the next image."""
    folder = real_data / "real" / "rgbd_frames" / "slambook2_ch5_rgbd"
    matrix = np.array([[518.0, 0, 325.5], [0, 519, 253.5], [0, 0, 1]])
    cameras, depths = [], []
    for number, line in zip((4, 5), (folder / "pose.txt").read_text().splitlines()[3:5], strict=True):
        *place, x, y, z, w = map(float, line.split())
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = Rotation.from_quat([x, y, z, w]).as_matrix(), place
        cameras.append(Camera(width=640, height=480, intrinsics=matrix, world_from_camera=pose).every(4))
        depths.append(np.asarray(Image.open(folder / "depth" / f"{number}.pgm"))[::4, ::4] / 1000)
    known = depths[0] > 0
    index = np.full(known.shape, -1)
    index[known] = np.arange(known.sum())
    corner = [(slice(a, a - 1 or None), slice(b, b - 1 or None)) for a, b in ((0, 0), (0, 1), (1, 1), (1, 0))]
    quads, near = (np.stack([image[place] for place in corner], axis=-1) for image in (index, depths[0]))
    row, column = np.nonzero((quads >= 0).all(axis=-1) & (np.ptp(near, axis=-1) < 0.05))
    quads, tile = quads[row, column], row // 8 * 20 + column // 8
    _, tile, n = np.unique(tile, return_inverse=True, return_counts=True)
    mesh = Mesh(back_project(depths[0], cameras[0]), quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3), np.repeat(tile, 2))
    scene = scene_of(np.zeros((len(n), 3)), np.ones((len(n), 3)))  # boxes decide nothing but what is cut off
    caster = MeshCaster(scene, mesh)
    own, other = (caster.see(camera) for camera in cameras)
    assert 0.98 * len(quads) <= own.visible_px.sum() <= len(np.unique(quads))  # corners are hit or just missed
    assert np.median(own.visible_fraction) > 0.99  # tiles share the pixels of their borders
    for views, depth, most_m in ((own, depths[0], 0.005), (other, depths[1], 0.03)):
        whole = (views.visible_fraction > 0.9) & (views.visible_px > 20)
        off = []
        for (left, top, right, bottom), found in zip(
            views.box_2d[whole].astype(int), views.depth_m[whole], strict=True
        ):
            measured = depth[top:bottom, left:right]
            off.append(abs(np.median(measured[measured > 0]) - found) if (measured > 0).any() else np.nan)
        assert len(off) > 60
        assert np.nanmedian(off) < most_m


def test_rays_need_the_core_of_open3d_alone():
    words = "import sys; from qa_engine.extras import open3d_core; core = open3d_core('rays'); "
    words += (
        "assert core.t.geometry.RaycastingScene and 'open3d' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", words], check=True)
