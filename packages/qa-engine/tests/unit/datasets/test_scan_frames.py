"""What pictures of own scans show must be what `observations` say of them, whoever wrote lens, pose and depth."""

import json
import pickle
import struct

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.lenses import Lens, lens_of, pinhole_of
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views.observations import observe
from scipy.spatial.transform import Rotation

BENT = {
    "SIMPLE_RADIAL": (80, 47.5, 35.5, -0.12),
    "RADIAL": (80, 47.5, 35.5, 0.1, -0.02),
    "OPENCV": (80, 84, 46, 36, -0.15, 0.03, 0.01, -0.008),
    "FULL_OPENCV": (80, 80, 47.5, 35.5, 0.1, 0.02, 0.002, 0.001, 0.01, 0.2, 0.01, 0.001),
    "OPENCV_FISHEYE": (44, 44, 47.5, 35.5, 0.03, -0.01, 0, 0),
    "RADIAL_FISHEYE": (44, 47.5, 35.5, 0.03, -0.01),
    "THIN_PRISM_FISHEYE": (44, 44, 47.5, 35.5, 0.03, -0.01, 0.002, 0.001, 0, 0, 0.002, -0.001),
}


@pytest.fixture
def scan(tmp_path, room):
    folder = tmp_path / "scans" / "room"
    room.write_boxes(folder)
    return folder


def read(folder, **chosen):
    return load(discover(folder.parent, IngestOptions(settings=chosen))[0])


def stored(root, tmp_path, dataset="generic", frames_dir=None, **chosen):
    out = tmp_path / "store"
    ingest(
        get_dataset(dataset), root, out=out, options=IngestOptions(settings=chosen, frames_dir=frames_dir), force=True
    )
    observe(Store(out))
    return out


def off(room, store, lens=None):
    """Compare the outlines in the stored pictures with those of observations: pixels apart, at most, and how many.

    An undistorted picture has mixed colours along its edges. Apart from these it must be the picture that the straight
    lens shows, whose outlines are then compared.
    """
    rows = pl.read_parquet(store / "observations.parquet").to_dicts()
    said = {(row["frame_id"], row["instance_id"]): row["box_2d"] for row in rows if row["visible_px"] >= 40}
    worst, n = 0, 0
    for frame, pose in zip(pl.read_parquet(store / "frames.parquet").to_dicts(), room.POSES, strict=True):
        pixels = np.asarray(Image.open(store / frame["image_path"]).convert("RGB"))
        if lens is not None:
            sharp = room.picture(pose, pinhole_of(lens))[0]
            inner = room.within_surfaces(sharp)
            assert inner.mean() > 0.3
            assert (pixels[inner] == sharp[inner]).all()
            pixels = sharp
        seen = room.outlines(pixels)
        for i in seen:
            if (box := said.get((frame["frame_id"], i))) is not None:
                worst, n = max(worst, np.abs(np.subtract(box, seen[i])).max()), n + 1
        assert {i for name, i in said if name == frame["frame_id"]} <= set(seen)
    return worst, n


def write_colmap(folder, room, camera, *, binary=False, blank=True, order=(0, 1)):
    folder.mkdir(parents=True)
    model, values = camera
    quaternions = [Rotation.from_matrix(pose[:3, :3].T).as_quat()[[3, 0, 1, 2]] for pose in room.POSES]
    places = [-pose[:3, :3].T @ pose[:3, 3] for pose in room.POSES]
    if binary:
        number = list(lens_models()).index(model)
        head = struct.pack("<QiiQQ", 1, 1, number, 96, 72) + struct.pack(f"<{len(values)}d", *values)
        (folder / "cameras.bin").write_bytes(head)
        body = struct.pack("<Q", len(order))
        for i in order:
            body += struct.pack("<i7di", i + 1, *quaternions[i], *places[i], 1) + f"{i + 1:04d}.png\0".encode()
            body += struct.pack("<Qddq", 1, 3.0, 4.0, -1)
        (folder / "images.bin").write_bytes(body)
        return
    (folder / "cameras.txt").write_text(f"# c\n1 {model} 96 72 {' '.join(map(str, values))}\n")
    lines = [f"{i + 1} {' '.join(map(str, [*quaternions[i], *places[i]]))} 1 {i + 1:04d}.png" for i in order]
    features = ["", "12 13 -1 4.5 5 7 1 2 -1 3 4 -1"]
    (folder / "images.txt").write_text(
        "# i\n" + "".join(f"{line}\n" + (f"{features[k % 2]}\n" if blank else "") for k, line in enumerate(lines))
    )


def lens_models():
    from qa_engine.formats.lenses import MODELS

    return MODELS


@pytest.mark.parametrize("model", BENT)
def test_pictures_of_every_lens_are_undistorted(scan, tmp_path, room, model):
    lens = lens_of(model, BENT[model], (96, 72), "camera")
    room.write_pictures(scan / "images", lens=lens)
    write_colmap(scan / "sparse" / "0", room, (model, BENT[model]))
    store = stored(scan.parent, tmp_path)
    worst, n = off(room, store, lens)
    assert worst <= 3
    assert n >= 8
    matrix = np.reshape(pl.read_parquet(store / "frames.parquet")["intrinsics"][0].to_list(), (3, 3))
    assert np.allclose(matrix, pinhole_of(lens).intrinsics)


@pytest.mark.parametrize("fisheye", [False, True])
def test_lenses_of_transforms_are_undistorted_for_all_or_per_frame(scan, tmp_path, room, fisheye):
    numbers = {"k1": 0.03, "k2": -0.01} if fisheye else {"k1": -0.15, "k2": 0.03, "p1": 0.01, "p2": -0.008}
    camera = {"fl_x": 44, "fl_y": 44, "camera_model": "OPENCV_FISHEYE"} if fisheye else {"camera_model": "OPENCV"}
    f, k = camera.get("fl_x", 80), (numbers["k1"], numbers["k2"], 0, 0, 0, 0)
    lens = Lens(96, 72, f, f, 47.5, 35.5, fisheye, k, (numbers.get("p1", 0), numbers.get("p2", 0)))
    room.write_pictures(scan / "images", lens=lens)
    value = room.transforms(**camera)
    for frame in value["frames"]:
        frame |= numbers
    (scan / "transforms.json").write_text(json.dumps(value))
    worst, n = off(room, stored(scan.parent, tmp_path), lens)
    assert worst <= 3
    assert n >= 8


@pytest.mark.parametrize(
    ("camera", "word"),
    [
        ({"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR"),
        ({"camera_model": "FISHEYE624"}, "FISHEYE624"),
        ({"k1": 0.1, "k4": 0.1}, "k4"),
        ({"k1": -9.0}, "distortion"),
        ({"is_fisheye": True, "p1": 0.1}, "p1"),
    ],
)
def test_a_lens_that_cannot_be_undistorted_loses_its_frames_by_name(scan, room, camera, word):
    room.write_pictures(scan / "images")
    (scan / "transforms.json").write_text(json.dumps(room.transforms(**camera)))
    scene = read(scan)
    assert len(scene) == 8
    assert scene.frames == ()
    assert word in str(scene.refused[0])
    assert scene.refused[0].reason is IngestReason.LENS_MODEL


def test_scannetpp_fisheye_photos_are_undistorted(tmp_path, room):
    folder = tmp_path / "data" / "aa00bb11cc"
    (folder / "scans").mkdir(parents=True)
    groups = []
    for i, box in enumerate(room.BOXES):
        axes = Rotation.from_euler("z", box["yaw"]).as_matrix().T.ravel().tolist()
        obb = {"centroid": box["center"], "axesLengths": box["size"], "normalizedAxes": axes}
        groups.append({"id": i, "objectId": i, "label": box["label"], "segments": [], "obb": obb})
    (folder / "scans" / "segments_anno.json").write_text(json.dumps({"segGroups": groups}))
    camera = ("OPENCV_FISHEYE", BENT["OPENCV_FISHEYE"])
    room.write_pictures(folder / "dslr" / "resized_images", lens=lens_of(*camera, (96, 72), ""))
    write_colmap(folder / "dslr" / "colmap", room, camera)
    worst, n = off(room, stored(tmp_path, tmp_path, "scannetpp", camera="dslr"), lens_of(*camera, (96, 72), ""))
    assert worst <= 3
    assert n >= 8


@pytest.mark.parametrize("change", [{"binary": True}, {"blank": False}, {"order": (1, 0)}])
def test_colmap_models_of_any_kind_agree(scan, tmp_path, room, change):
    room.write_pictures(scan / "images")
    write_colmap(scan / "sparse" / "0", room, ("PINHOLE", (80, 80, 47.5, 35.5)), **change)
    store = stored(scan.parent, tmp_path)
    assert pl.read_parquet(store / "frames.parquet")["frame_id"].to_list() == ["0001", "0002"]
    assert off(room, store) == (0, 14)


@pytest.mark.parametrize("cut", [0, 8, 40, 100])
def test_binary_models_that_end_early_are_refused(scan, room, cut):
    room.write_pictures(scan / "images")
    write_colmap(scan / "sparse" / "0", room, ("PINHOLE", (80, 80, 47.5, 35.5)), binary=True)
    path = scan / "sparse" / "0" / "images.bin"
    path.write_bytes(path.read_bytes()[:cut])
    if cut == 0:
        with pytest.raises(SceneError, match="ends after 0 bytes"):
            read(scan)
    else:
        with pytest.raises(SceneError, match=r"images\.bin"):
            read(scan)


def test_files_of_nerf_have_an_angle_alone_and_names_without_ending(scan, tmp_path, room):
    room.write_pictures(scan / "train")
    frames = [frame | {"file_path": f"./train/000{i}"} for i, frame in enumerate(room.transforms()["frames"], 1)]
    (scan / "transforms_train.json").write_text(
        json.dumps({"camera_angle_x": 2 * np.arctan(48 / 80), "frames": frames})
    )
    assert off(room, stored(scan.parent, tmp_path)) == (0, 14)


def test_frames_stand_in_the_order_of_their_times(scan, room):
    room.write_pictures(scan / "images")
    value = room.transforms()
    for frame, time in zip(value["frames"], (5.0, 2.5), strict=True):
        frame["timestamp"] = time
    (scan / "transforms.json").write_text(json.dumps(value))
    assert [(frame.frame_id, frame.time_s) for frame in read(scan).frames] == [("0002", 2.5), ("0001", 5.0)]


def test_a_missing_image_loses_its_frame_alone(scan, room):
    room.write_pictures(scan / "images")
    (scan / "images" / "0002.png").unlink()
    (scan / "transforms.json").write_text(json.dumps(room.transforms()))
    scene = read(scan)
    assert [frame.frame_id for frame in scene.frames] == ["0001"]
    assert [(error.field, error.reason) for error in scene.refused] == [("images/0002.png", IngestReason.MISSING_FILE)]


def test_cameras_for_another_resolution_are_scaled_or_refused(scan, tmp_path, room):
    room.write_pictures(scan / "images")
    camera = {"fl_x": 160, "fl_y": 160, "cx": 95.5, "cy": 71.5, "w": 192, "h": 144}
    (scan / "transforms.json").write_text(json.dumps(room.transforms(**camera)))
    assert off(room, stored(scan.parent, tmp_path)) == (0, 14)
    (scan / "transforms.json").write_text(json.dumps(room.transforms(w=192, h=108)))
    assert {error.reason for error in read(scan).refused} == {IngestReason.BAD_CAMERA}


def test_a_camera_for_another_resolution_shows_by_its_middle(scan, room):
    room.write_pictures(scan / "images")
    row = "images/0001.png,1,2,3,0,0,0,1,800,800,479.5,359.5"
    (scan / "poses.csv").write_text(f"image,tx,ty,tz,qx,qy,qz,qw,fx,fy,cx,cy\n{row}\n")
    (error,) = [error for error in read(scan).refused if error.reason is IngestReason.BAD_CAMERA]
    assert "another resolution" in str(error)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_pictures_that_exif_turns_are_stored_upright(scan, tmp_path, room, orientation):
    room.write_pictures(scan / "images")
    undo = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}[orientation]
    for path in sorted((scan / "images").iterdir()):
        image = Image.open(path).transpose(undo)
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(path, exif=exif)
    (scan / "transforms.json").write_text(json.dumps(room.transforms()))
    store = stored(scan.parent, tmp_path)
    assert off(room, store) == (0, 14)
    assert not Image.open(next((store / "frames" / "room").iterdir())).getexif().get(0x0112)


def write_depth(folder, room, *, per_metre=1000, along_rays=False, none=0, name="{:04d}.png"):
    folder.mkdir(parents=True)
    v, u = np.mgrid[:72, :96]
    length = np.sqrt(1 + ((u - 47.5) / 80) ** 2 + ((v - 35.5) / 80) ** 2) if along_rays else 1
    for i, pose in enumerate(room.POSES, start=1):
        depth = room.picture(pose)[1]
        values = np.where(depth > 0, depth * length * per_metre, none)
        Image.fromarray(np.rint(values).astype(np.uint16)).save(folder / name.format(i))


def test_depth_is_found_where_transforms_name_it(scan, tmp_path, room):
    room.write_pictures(scan / "images")
    write_depth(scan / "depths", room, per_metre=4000)
    value = room.transforms(depth_unit_scale_factor=0.00025)
    for i, frame in enumerate(value["frames"], start=1):
        frame["depth_file_path"] = f"depths/{i:04d}.png"
    (scan / "transforms.json").write_text(json.dumps(value))
    store = stored(scan.parent, tmp_path)
    assert pl.read_parquet(store / "frames.parquet")["depth_path"].null_count() == 0
    assert off(room, store)[0] <= 1


@pytest.mark.parametrize(
    ("made", "chosen"),
    [
        ({"per_metre": 5000}, {"depth_per_metre": "5000"}),
        ({"along_rays": True}, {"depth": "ray"}),
        ({"none": 65535}, {}),
    ],
)
def test_depth_of_other_scales_and_kinds_is_switched(scan, room, made, chosen):
    room.write_pictures(scan / "images")
    write_depth(scan / "depth", room, **made)
    (scan / "transforms.json").write_text(json.dumps(room.transforms()))
    frame = read(scan, **chosen).frames[0]
    assert np.abs(frame.read_depth() - room.picture(room.POSES[0])[1]).max() < 2e-3


def test_depth_that_fits_no_box_is_refused(scan, tmp_path, room):
    room.write_pictures(scan / "images")
    write_depth(scan / "depth", room, per_metre=5000)
    (scan / "transforms.json").write_text(json.dumps(room.transforms()))
    with pytest.raises(QAEngineError, match="depth_scale"):
        stored(scan.parent, tmp_path)
    assert off(room, stored(scan.parent, tmp_path, depth_per_metre="5000"))[0] <= 1


def test_two_cameras_of_a_rig_do_not_share_one_depth_image(scan, room):
    value = room.transforms()
    for frame, side in zip(value["frames"], ("left", "right"), strict=True):
        frame["file_path"] = f"images/{side}/0001.png"
        room.write_pictures(scan / "images" / side, [room.POSES[0]])
    (scan / "transforms.json").write_text(json.dumps(value))
    write_depth(scan / "depth", room)
    assert [frame.read_depth for frame in read(scan).frames] == [None, None]
    write_depth(scan / "depth" / "left", room)
    assert [frame.read_depth is None for frame in read(scan).frames] == [False, True]


def test_depth_of_embodiedscan_has_its_own_camera(tmp_path, room):
    folder = tmp_path / "3rscan" / "room1"
    folder.mkdir(parents=True)
    of_depth = Lens(96, 72, 60, 60, 47.5, 35.5)
    images = []
    for i, pose in enumerate(room.POSES):
        Image.fromarray(room.picture(pose)[0]).save(folder / f"{i}.png")
        depth = np.rint(room.picture(pose, of_depth)[1] * 1000).astype(np.uint16)
        Image.fromarray(depth).save(folder / f"{i}.depth.png")
        names = {"img_path": f"3rscan/room1/{i}.png", "depth_path": f"3rscan/room1/{i}.depth.png"}
        images.append(names | {"cam2global": pose.tolist()})
    instances = [
        {"bbox_3d": [*box["center"], *box["size"], box["yaw"], 0, 0], "bbox_label_3d": i, "bbox_id": i}
        for i, box in enumerate(room.BOXES)
    ]
    matrices = {"cam2img": room.PINHOLE.intrinsics.tolist(), "depth_cam2img": of_depth.intrinsics.tolist()}
    entry = {"sample_idx": "3rscan/room1", "images": images, "instances": instances, **matrices}
    info = {"metainfo": {"categories": {box["label"]: i for i, box in enumerate(room.BOXES)}}, "data_list": [entry]}
    path = tmp_path / "embodiedscan_infos_val.pkl"
    path.write_bytes(pickle.dumps(info))
    worst, n = off(room, stored(path, tmp_path, "embodiedscan", frames_dir=tmp_path))
    assert worst <= 3
    assert n >= 8


def test_axes_of_transforms_can_be_switched(scan, tmp_path, room):
    room.write_pictures(scan / "images")
    write_depth(scan / "depth", room)
    value = room.transforms()
    for frame, pose in zip(value["frames"], room.POSES, strict=True):
        frame["transform_matrix"] = pose.tolist()
    (scan / "transforms.json").write_text(json.dumps(value))
    with pytest.raises(QAEngineError, match="camera=opencv"):
        stored(scan.parent, tmp_path)
    assert off(room, stored(scan.parent, tmp_path, camera="opencv"))[0] <= 1


@pytest.mark.parametrize("chosen", [{"pose": "camera_from_world"}])
def test_switches_that_contradict_a_format_are_refused(scan, room, chosen):
    room.write_pictures(scan / "images")
    (scan / "transforms.json").write_text(json.dumps(room.transforms()))
    with pytest.raises(SceneError, match="does not apply"):
        read(scan, **chosen)
    (scan / "transforms.json").unlink()
    write_colmap(scan / "colmap", room, ("PINHOLE", (80, 80, 47.5, 35.5)))
    with pytest.raises(SceneError, match="does not apply"):
        read(scan, camera="opengl")
