"""Every reader of files meets damaged copies of a valid scan: a scene or a refusal with field and reason, in time."""

import io
import json
import pickle
import re
import struct
import tarfile
import time
import zlib

import numpy as np
import pytest
from glb import box, glb
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError, SceneError
from qa_engine.ingestion.frame_files import store_frames
from qa_engine.ingestion.sanity import check_scene
from scipy.io import savemat

ROUNDS = 25
SLOW_S = 5.0
TOKENS = [b"NaN", b"Infinity", b"-1", b"0", b"1e308", b"1e999", b"1000000000", b"4294967296", b"-9" * 200, b'"x"', b""]
TOKENS += [b"null", b"[]", b"{}", b"\xff\xfe", b"\x00", b"../../etc/passwd", "é".encode("utf-16"), b"[" * 3000]
BOX = {"centroid": [0, 0, 0.5], "axesLengths": [1, 2, 1], "normalizedAxes": [1, 0, 0, 0, 1, 0, 0, 0, 1]}
POSE = np.eye(4)
POSE[:3, 3] = 1, 2, 1.5


def put(root, name, data):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


IMAGE, DEPTH = png(np.zeros((4, 8, 3), np.uint8)), png(np.full((4, 8), 900, np.uint16))
POINTS = np.random.default_rng(0).uniform(0, 3, (40, 3)).astype("<f4")


def ply(encoding):
    fields = "".join(f"property float {axis}\n" for axis in "xyz") + "property int instance\n"
    header = f"ply\nformat {encoding} 1.0\nelement vertex {len(POINTS)}\n{fields}end_header\n".encode()
    if encoding == "ascii":
        return header + "\n".join(f"{x} {y} {z} {i % 2}" for i, (x, y, z) in enumerate(POINTS.tolist())).encode()
    rows = np.zeros(len(POINTS), [("xyz", "<f4", 3), ("instance", "<i4")])
    rows["xyz"], rows["instance"] = POINTS, np.arange(len(POINTS)) % 2
    return header + rows.tobytes()


def pcd(encoding):
    names = "VERSION 0.7\nFIELDS x y z instance\nSIZE 4 4 4 4\nTYPE F F F I\nCOUNT 1 1 1 1\n"
    header = f"{names}WIDTH 40\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 40\nDATA {encoding}\n".encode()
    return header + ply("ascii" if encoding == "ascii" else "binary_little_endian").split(b"end_header\n")[1]


def arkitscenes(root):
    scan = "3dod/Training/41/41"
    put(root, f"{scan}_3dod_annotation.json", {"data": [{"label": "chair", "segments": {"obbAligned": BOX}}]})
    for i in range(2):
        put(root, f"{scan}_frames/lowres_wide/41_{i}.000.png", IMAGE)
        put(root, f"{scan}_frames/lowres_depth/41_{i}.000.png", DEPTH)
        put(root, f"{scan}_frames/lowres_wide_intrinsics/41_{i}.000.pincam", "8 4 5 5 4 2")
    put(root, f"{scan}_frames/lowres_wide.traj", "0.000 0 0 0 1 2 3\n1.000 0 0 0.1 1 2 3\n")


def scannet(root):
    stem = "scans/scene0001_00/scene0001_00"
    put(root, f"{stem}_vh_clean_2.ply", ply("binary_little_endian"))
    put(root, f"{stem}_vh_clean_2.0.010000.segs.json", {"segIndices": [i % 3 for i in range(40)]})
    groups = [{"id": i, "objectId": i, "label": "chair", "segments": [i]} for i in range(2)]
    put(root, f"{stem}.aggregation.json", {"segGroups": groups})
    put(root, f"{stem}.txt", "axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n")
    data = struct.pack("<IQ4s", 4, 4, b"test") + np.stack([np.diag([5.0, 5, 1, 1])] * 4).astype("<f4").tobytes()
    data += struct.pack("<2i4IfQ", 2, 1, 8, 4, 8, 4, 1000.0, 2)
    for i in range(2):
        packed = zlib.compress(np.full((4, 8), 900, "<u2").tobytes())
        data += POSE.astype("<f4").tobytes() + struct.pack("<4Q", i, 0, len(IMAGE), len(packed)) + IMAGE + packed
    put(root, f"{stem}.sens", data)


def scannetpp(root):
    group = {"id": 1, "objectId": 1, "label": "chair", "segments": [3], "obb": BOX}
    put(root, "data/0a/scans/segments_anno.json", {"segGroups": [group]})
    put(root, "data/0a/iphone/rgb/frame_000060.jpg", IMAGE)
    entry = {"aligned_pose": POSE.tolist(), "intrinsic": [[10, 0, 4], [0, 11, 3], [0, 0, 1]]}
    put(root, "data/0a/iphone/pose_intrinsic_imu.json", {"frame_000060": entry})


def rscan(root):
    group = {"id": 0, "objectId": 4, "label": "chair", "segments": [], "obb": BOX}
    put(root, "scan/semseg.v2.json", {"scan_id": "scan", "segGroups": [group]})
    matrix = " ".join(map(str, np.diag([8.0, 8, 1, 1]).ravel()))
    info = f"m_calibrationColorIntrinsic = {matrix}\nm_calibrationDepthIntrinsic = {matrix}\n"
    put(root, "scan/sequence/_info.txt", info)
    put(root, "scan/sequence/frame-000000.color.jpg", IMAGE)
    put(root, "scan/sequence/frame-000000.depth.pgm", b"P5\n8 4\n65535\n" + np.full((4, 8), 900, ">u2").tobytes())
    put(root, "scan/sequence/frame-000000.pose.txt", "\n".join(" ".join(map(str, row)) for row in POSE.tolist()))


def replica(root):
    box = {"abb": {"center": [1, 0, 0], "sizes": [2, 1, 1]}}
    box["orientation"] = {"rotation": [0, 0, 0, 1], "translation": [10, 0, 0]}
    item = {"id": 3, "class_id": 5, "class_name": "chair", "oriented_bbox": box}
    put(root, "room/habitat/info_semantic.json", {"objects": [item], "gravity_dir": [0, 0, -1]})


def multiscan(root):
    put(root, "scene_1/scene_1.annotations.json", {"objects": [{"label": "chair.1", "obb": BOX}]})


def adt(root):
    limits = "p_local_obj_xmin[m],p_local_obj_xmax[m],p_local_obj_ymin[m],p_local_obj_ymax[m],"
    limits += "p_local_obj_zmin[m],p_local_obj_zmax[m]"
    put(root, "rec/3d_bounding_box.csv", f"object_uid,timestamp[ns],{limits}\n7,-1,0,1,0,2,0,4\n")
    pose = "t_wo_x[m],t_wo_y[m],t_wo_z[m],q_wo_w,q_wo_x,q_wo_y,q_wo_z"
    put(root, "rec/scene_objects.csv", f"object_uid,timestamp[ns],{pose}\n7,-1,0,1,0,1,0,0,0\n")
    put(root, "rec/instances.json", {"7": {"category": "cup"}})


def procthor(root):
    corners = [{"x": x, "y": 0, "z": z} for x, z in ((0, 0), (0, 5), (4, 5), (4, 0))]
    table = {"assetId": "Table_1", "position": corners[2], "rotation": corners[0], "children": []}
    put(root, "house.json", {"objects": [table], "rooms": [{"floorPolygon": corners}]})
    asset = {"assetId": "Table_1", "boundingBox": {"x": 2, "y": 0.8, "z": 1}}
    put(root, "asset-database.json", {"DiningTable": [asset]})


def embodiedscan(root):
    instance = {"bbox_3d": np.array([1, 2, 3, 4, 5, 6, 0.3, 0.2, 0.1]), "bbox_label_3d": 1, "bbox_id": 4}
    entry = {"sample_idx": "scannet/scene0007_01", "axis_align_matrix": np.eye(4), "cam2img": np.eye(4), "images": []}
    value = {"metainfo": {"categories": {"chair": 1}}, "data_list": [entry | {"instances": [instance]}]}
    put(root, "embodiedscan_infos_val.pkl", pickle.dumps(value))


def hypersim(root):
    h5py = pytest.importorskip("h5py")
    scene = root / "ai_001_001" / "_detail"
    box = "mesh/metadata_semantic_instance_bounding_box_object_aligned_2d_{}.hdf5"
    arrays = {
        box.format("positions"): [[100.0, 0, 50]],
        box.format("extents"): [[10.0, 20, 30]],
        box.format("orientations"): [np.eye(3).tolist()],
        "mesh/mesh_objects_sii.hdf5": [[0]],
        "mesh/mesh_objects_si.hdf5": [[5]],
        "cam_00/camera_keyframe_positions.hdf5": [[0.0, 0, 0]],
        "cam_00/camera_keyframe_orientations.hdf5": [np.eye(3).tolist()],
    }
    for name, values in arrays.items():
        (scene / name).parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(scene / name, "w") as file:
            file["dataset"] = np.array(values)
    names = ["settings_output_img_width", "settings_output_img_height", "settings_units_info_meters_scale"]
    names += [f"M_cam_from_uv_{i}{j}" for i in range(3) for j in range(3)]
    row = "ai_001_001,8,4,0.0254,1,0,0,0,0.5,0,0,0,-1"
    put(root, "metadata_camera_parameters.csv", "scene_name," + ",".join(names) + "\n" + row + "\n")
    put(root, "ai_001_001/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg", IMAGE)


def sunrgbd(root):
    folder = "SUNRGBD/kv1/NYUdata/NYU0001"
    put(root, f"{folder}/image/NYU0001.jpg", IMAGE)
    put(root, f"{folder}/depth/NYU0001.png", DEPTH)
    put(root, f"{folder}/intrinsics.txt", "5 0 4 0 5 2 0 0 1")
    put(root, f"{folder}/extrinsics/1.txt", "1 0 0 0\n0 1 0 0\n0 0 1 0")
    polygon = {"X": [0, 1, 1, 0], "Z": [2, 2, 3, 3], "Ymin": 0, "Ymax": 1}
    put(root, f"{folder}/annotation3Dfinal/index.json", {"objects": [None, {"name": "bed:", "polygon": [polygon]}]})


def sunrgbd_table(root):
    sunrgbd(root)
    fields = {"classname": "bed", "centroid": [0, 2, 1], "coeffs": [1, 1, 1], "basis": np.eye(3)}
    record = {"sequenceName": "SUNRGBD/kv1/NYUdata/NYU0001", "groundtruth3DBB": fields, "Rtilt": np.eye(3)}
    savemat(root / "SUNRGBDMeta3DBB_v2.mat", {"SUNRGBDMeta": record}, do_compression=True)


def ca1m(root):
    box = {"id": "a", "category": "wall", "position": [0, 0, 1], "scale": [1, 2, 1], "R": np.eye(3).tolist()}
    camera, level = [[5, 0, 4], [0, 5, 2], [0, 0, 1]], [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    files = {"world.gt/instances.json": [box], "1.gt/RT.json": POSE.tolist(), "1.wide/T_gravity.json": level}
    files |= {"1.gt/depth.png": DEPTH, "1.gt/depth/K.json": camera, "1.wide/image.png": IMAGE}
    for name, value in (files | {"1.wide/image/K.json": camera}).items():
        put(root, f"41/{name}", value)
    put(root, "41.labels.json", {"a": "chair"})


def ca1m_archive(root):
    ca1m(root)
    with tarfile.open(root / "ca1m-val-42.tar", "w") as archive:
        archive.add(root / "41", "42")


def hm3d(root):
    picture = np.repeat(np.array([[[200, 0, 0], [0, 200, 0]]], np.uint8), 2, axis=0)
    uv = np.repeat([[0.25, 0.5], [0.75, 0.5]], 36, axis=0)
    points = np.concatenate([box([0, 0, 0.5], [1, 1, 1]), box([3, 0, 0.5], [1, 1, 1])])
    put(root, "00001-ab/ab.semantic.glb", glb([{"points": points, "picture": picture, "uv": uv}]))
    put(root, "00001-ab/ab.semantic.txt", 'HM3D Semantic Annotations\n1,C80000,"bed",0\n2,00C800,"chair",0\n')


def hssd(root):
    put(root, "objects/a/a1.glb", glb([{"points": box([0, 0, 0], [1, 1, 1])}]))
    put(root, "objects/a/a1.object_config.json", {"up": [0, 1, 0], "front": [0, 0, -1], "scale": [1, 1, 1]})
    put(root, "stages/s.glb", glb([{"points": box([0, -1, 0], [4, 0.1, 4])}]))
    put(root, "semantics/objects.csv", "id,main_category\na1,chair\n")
    rooms = [{"poly_loop": [[0, 0, 0], [1, 0, 0], [1, 0, 1]]}]
    put(root, "semantics/scenes/s.semantic_config.json", {"region_annotations": rooms})
    item = {"template_name": "a1", "translation": [0, 0, 0], "rotation": [1, 0, 0, 0], "non_uniform_scale": [1, 2, 1]}
    house = {"stage_instance": {"template_name": "stages/s"}, "object_instances": [item]}
    put(root, "scenes/s.scene_instance.json", house | {"translation_origin": "asset_local"})


def vsi_bench(root):
    entry = {"dataset": "scannet", "room_size": 12.5, "room_center": [0, 0, 0], "object_counts": {"chair": 1}}
    put(root, "meta_info.json", {"s": entry | {"object_bbox": {"chair": [BOX]}}})


def generic_boxes(root):
    box = {"id": 3, "label": "chair", "center": [0, 0, 0.5], "size": [1, 1, 1], "yaw": 0.3}
    put(root, "a/boxes.json", [box, box | {"id": 4, "yaw": None, "quaternion": [1, 0, 0, 0]}])
    put(root, "a/cloud.ply", ply("ascii"))
    put(root, "a/images/0.png", IMAGE)
    put(root, "a/depth/0.png", DEPTH)
    frame = {"file_path": "images/0.png", "transform_matrix": POSE.tolist()}
    put(root, "a/transforms.json", {"fl_x": 5, "fl_y": 5, "cx": 4, "cy": 2, "w": 8, "h": 4, "frames": [frame]})


def generic_table(root):
    put(root, "a/boxes.csv", "label,cx,cy,cz,sx,sy,sz,id,yaw\nchair,0,0,0.5,1,1,1,4,0.2\ntable,3,0,0.5,1,1,1,5,0\n")
    put(root, "a/0.png", IMAGE)
    put(root, "a/poses.csv", "image,tx,ty,tz,qx,qy,qz,qw,fx,fy,cx,cy\n0.png,0,0,1,0,0,0,1,5,5,4,2\n")


def generic_clouds(root):
    for name, data in (("a/cloud.ply", ply("binary_little_endian")), ("b/cloud.pcd", pcd("binary"))):
        put(root, name, data)
        put(root, f"{name[0]}/labels.json", {"0": "chair", "1": "table"})
    put(root, "c/cloud.pcd", pcd("ascii"))
    put(root, "c/labels.json", {"1": "table"})
    put(root, "c/0.png", IMAGE)
    put(root, "c/images.txt", "1 1 0 0 0 0 0 1 1 0.png\n\n")
    put(root, "c/cameras.txt", "1 PINHOLE 8 4 5 5 4 2\n")


def mesh_ply(encoding, *, face=None):
    """Ten triangles between points without colours; `face` names a property that tells their object."""
    header = f"ply\nformat {encoding} 1.0\nelement vertex {len(POINTS)}\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz") + "property int instance\nproperty int objectId\n"
    header += "element face 10\nproperty list uchar int vertex_indices\n"
    header += f"property int {face}\nend_header\n" if face else "end_header\n"
    data = header.encode()
    for i, point in enumerate(POINTS.tolist()):
        values = [*point, i % 2, i % 2]
        text = " ".join(map(str, values)) + "\n"
        data += text.encode() if encoding == "ascii" else struct.pack("<3f2i", *values)
    for i in range(10):
        values = [3, i, i + 1, i + 20, *([3] if face else [])]
        text = " ".join(map(str, values)) + "\n"
        data += text.encode() if encoding == "ascii" else struct.pack("<B3i" + "i" * bool(face), *values)
    return data


def arkitscenes_mesh(root):
    arkitscenes(root)
    put(root, "3dod/Training/41/41_3dod_mesh.ply", mesh_ply("binary_little_endian"))


def scannetpp_mesh(root):
    scannetpp(root)
    put(root, "data/0a/scans/mesh_aligned_0.05.ply", mesh_ply("binary_little_endian"))


def rscan_mesh(root):
    rscan(root)
    put(root, "scan/labels.instances.annotated.v2.ply", mesh_ply("ascii"))


def replica_mesh(root):
    replica(root)
    put(root, "room/habitat/mesh_semantic.ply", mesh_ply("binary_little_endian", face="object_id"))


def multiscan_mesh(root):
    multiscan(root)
    put(root, "scene_1/scene_1.ply", mesh_ply("binary_little_endian"))
    put(root, "scene_1/scene_1.semseg.json", {"triIndices": {"chair.1:seat.1": [0, 1, 2], "remove": [9]}})


def generic_meshes(root):
    put(root, "a/mesh.ply", mesh_ply("ascii"))
    corners = "".join(f"v {x} {y} {z}\n" for x, y, z in POINTS[:9].tolist())
    put(root, "b/mesh.obj", f"o one\n{corners}f 1 2 3 4\nf -1 -2 -3\no two\nf 5/1 6/1 7/1\n")
    blob = POINTS.tobytes() + np.arange(39, dtype="<u2").tobytes()
    nodes = [{"mesh": 0, "name": "one"}, {"children": [2], "scale": [2, 2, 2]}, {"mesh": 0, "name": "two"}]
    accessors = [{"bufferView": 0, "componentType": 5126, "count": 40, "type": "VEC3"}]
    accessors += [{"bufferView": 1, "componentType": 5123, "count": 39, "type": "SCALAR"}]
    document = {
        "scenes": [{"nodes": [0, 1]}],
        "nodes": nodes,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": accessors,
        "bufferViews": [{"buffer": 0, "byteLength": 480}, {"buffer": 0, "byteOffset": 480, "byteLength": 78}],
        "buffers": [{"byteLength": len(blob), "uri": "mesh.bin"}],
    }
    put(root, "c/mesh.gltf", document)
    put(root, "c/mesh.bin", blob)
    for name in "abc":
        put(
            root, f"{name}/labels.json", {"0": "chair", "1": "table"} if name == "a" else {"one": "chair", "two": "bed"}
        )


def generic_usd(root):
    pytest.importorskip("pxr")
    faces = "int[] faceVertexCounts = [3, 3]\nint[] faceVertexIndices = [0, 1, 2, 0, 2, 3]\n"
    text = '#usda 1.0\n(\nmetersPerUnit = 1\nupAxis = "Z"\n)\ndef Mesh "Chair" (\nkind = "component"\n)\n{\n' + faces
    text += "point3f[] points = [(0, 0, 0), (1, 0, 0), (1, 1, 1), (0, 1, 1)]\n"
    put(root, "a/mesh.usda", text + 'token[] semantics:labels:class = ["chair"]\n}\n')


BUILDERS = {
    "vsi-bench": [vsi_bench],
    "arkitscenes": [arkitscenes, arkitscenes_mesh],
    "scannet": [scannet],
    "scannetpp": [scannetpp, scannetpp_mesh],
    "3rscan": [rscan, rscan_mesh],
    "replica": [replica, replica_mesh],
    "multiscan": [multiscan, multiscan_mesh],
    "adt": [adt],
    "procthor": [procthor],
    "embodiedscan": [embodiedscan],
    "hypersim": [hypersim],
    "sunrgbd": [sunrgbd, sunrgbd_table],
    "ca1m": [ca1m, ca1m_archive],
    "hm3d": [hm3d],
    "hssd": [hssd],
    "generic": [generic_boxes, generic_table, generic_clouds, generic_meshes, generic_usd],
}
CASES = [(name, builder) for name, builders in BUILDERS.items() for builder in builders]


def damaged(data, rng):
    """Damage the bytes of a file in one of the ways that happen, or that somebody would try."""
    kind = rng.integers(6)
    at = int(rng.integers(max(len(data), 1)))
    if kind == 0:
        return data[:at]
    if kind == 1:
        return b""
    if kind == 2:
        flipped = bytearray(data)
        for i in rng.integers(len(data), size=int(rng.integers(1, 6))) if data else ():
            flipped[i] ^= int(rng.integers(1, 256))
        return bytes(flipped)
    words = list(re.finditer(rb"-?\d[\d.e+-]*|\"[^\"]*\"|\w+", data))
    token = TOKENS[int(rng.integers(len(TOKENS)))]
    if kind == 3 and words:
        word = words[int(rng.integers(len(words)))]
        return data[: word.start()] + token + data[word.end() :]
    if kind == 4:
        return data[:at] + data[at : at + 50] * 2 + data[at + 50 :]
    return data[:at] + token + data[at:]


def read_everything(name, root, out):
    """Read all scenes as ingest does; return how many came through."""
    dataset = get_dataset(name)
    try:
        sources = dataset.discover(root, IngestOptions())
    except QAEngineError:
        return 0
    n = 0
    for source in sources:
        try:
            scene = dataset.load(source)
            if any(finding.severe for finding in check_scene(scene).findings):
                continue
        except (SceneError, OSError):  # an OSError becomes a row of rejects, too: a name that is too long
            continue
        assert np.isfinite(scene.center).all()
        assert (scene.size > 0).all()
        store_frames(scene, out, source.roots)
        for surface in (scene.cloud, scene.mesh):
            if surface is not None and len(surface):
                assert np.isin(surface.instance_id, [-1, *scene.instance_id]).all()
        n += 1
    return n


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "build"), CASES, ids=[build.__name__ for _, build in CASES])
def test_damaged_files_are_refused_and_never_crash(name, build, tmp_path):
    root, out = tmp_path / "in", tmp_path / "out" / "store"
    build(root)
    whole = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    assert read_everything(name, root, out) > 0
    files = [path for path in whole if path.suffix not in (".png", ".jpg")] or list(whole)
    for i in range(ROUNDS):
        rng = np.random.default_rng([i, sum(map(ord, name))])
        path = files[i % len(files)] if i % 5 else list(whole)[int(rng.integers(len(whole)))]
        path.write_bytes(damaged(whole[path], rng))
        started = time.perf_counter()
        try:
            read_everything(name, root, out)
        except Exception as error:
            pytest.fail(f"round {i}, {path.name}: {type(error).__name__}: {error}")
        assert time.perf_counter() - started < SLOW_S, f"round {i}, {path.name}"
        path.write_bytes(whole[path])
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "out"}
    assert {path.name for path in (tmp_path / "out").glob("*")} <= {"store"}
