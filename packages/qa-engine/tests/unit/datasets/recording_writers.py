"""Write the made room as each program writes it: its layout, its axes, its units, its files beside."""

import json
import zipfile

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
OPENGL = np.diag([1.0, -1, -1, 1])
TURNED = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
"""The sensor of a phone that is held upright: x of the sensor points down, y points left."""

K = (80.0, 80.0, 47.5, 35.5)
TIMES = (100.0, 100.1)


def arkit(room, *, sideways=False):
    """Poses as ARKit gives them: Y up, cameras that look along -z."""
    return [Y_UP_FROM_Z_UP @ pose @ (TURNED if sideways else np.eye(4)) @ OPENGL for pose in room.POSES]


def sensor(room, *, sideways=False):
    """What the sensor sees: colours and depth of each pose."""
    turn = TURNED if sideways else np.eye(4)
    return [room.picture(pose @ turn) for pose in room.POSES]


def small(depth):
    """A depth map of half the pixels, as LiDAR has fewer than the camera."""
    return depth[::2, ::2]


def grey16(path, metres, per_metre=1000):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(metres * per_metre).astype(np.uint16)).save(path)


def grey8(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def doubtful(metres, high=2):
    """Give nearness with low confidence where nothing is, and the confidence."""
    nothing = metres == 0
    return np.where(nothing, 0.3, metres), np.where(nothing, 0, high)


def write_video(path, pictures, *, rotation=None):
    """Write H.264 without loss; `rotation` is the mark of how it is to be shown, degrees."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=10, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = pictures[0].shape[1], pictures[0].shape[0], "rgb24"
        if rotation is not None:
            stream.metadata["rotate"] = str(rotation)
        for pixels in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def stray(folder, room, *, sideways=False, per_frame=True):
    poses = [pose @ OPENGL for pose in arkit(room, sideways=sideways)]  # the app turns them to OpenCV's axes
    seen = sensor(room, sideways=sideways)
    write_video(folder / "rgb.mp4", [colours for colours, _ in seen])
    head = "timestamp, frame, x, y, z, qx, qy, qz, qw" + (", fx, fy, cx, cy" if per_frame else "")
    lines = [head]
    for i, pose in enumerate(poses):
        numbers = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat(), *(K if per_frame else ())]
        lines.append(f"{TIMES[i]}, {i:06d}, " + ", ".join(f"{value:.9f}" for value in numbers))
        metres, level = doubtful(small(seen[i][1]))
        grey16(folder / "depth" / f"{i:06d}.png", metres)
        grey8(folder / "confidence" / f"{i:06d}.png", level)
    (folder / "odometry.csv").write_text("\n".join(lines) + "\n")
    (folder / "camera_matrix.csv").write_text(f"{K[0]}, 0.0, {K[2]}\n0.0, {K[1]}, {K[3]}\n0.0, 0.0, 1.0")
    (folder / "imu.csv").write_text("timestamp, a_x\n0, 0\n")


def record3d(folder, room, *, sideways=False, unpacked=False, own_cameras=True, compress=True):
    import imagecodecs

    table = [[*Rotation.from_matrix(p[:3, :3]).as_quat(), *p[:3, 3]] for p in arkit(room, sideways=sideways)]
    meta = {"w": 96, "h": 72, "fps": 10, "K": [80, 0, 0, 0, 80, 0, 47.5, 35.5, 1], "poses": table, "dw": 48, "dh": 36}
    if own_cameras:
        meta |= {"perFrameIntrinsicCoeffs": [list(K)] * 2, "frameTimestamps": [0.0, 0.1]}
    members = {"metadata": json.dumps(meta).encode(), "icon": b"x"}
    for i, (colours, depth) in enumerate(sensor(room, sideways=sideways)):
        metres, level = doubtful(small(depth))
        pixels = folder.parent / "pixels.jpg"
        Image.fromarray(colours).save(pixels, quality=100, subsampling=0)
        members[f"rgbd/{i}.jpg"] = pixels.read_bytes()
        pixels.unlink()
        members[f"rgbd/{i}.depth"] = imagecodecs.lzfse_encode(metres.astype("<f4").tobytes())
        members[f"rgbd/{i}.conf"] = imagecodecs.lzfse_encode(level.astype(np.uint8).tobytes())
    if unpacked:
        for name, data in members.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        return
    with zipfile.ZipFile(folder / "2026-01-01--10-00-00.r3d", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def polycam(folder, room, *, sideways=False, corrected=True, aligned=None):
    kind = "corrected_" if corrected else ""
    world = np.eye(4) if aligned is None else np.linalg.inv(aligned)
    for i, (pose, (colours, depth)) in enumerate(
        zip(arkit(room, sideways=sideways), sensor(room, sideways=sideways), strict=True)
    ):
        stamp, pose = f"{100_000_000 + i * 100_000}", world @ pose
        camera = {f"t_{r}{c}": pose[r, c] for r in range(3) for c in range(4)}
        camera |= dict(zip(("fx", "fy", "cx", "cy"), K, strict=True)) | {"width": 96, "height": 72, "blur_score": 9.0}
        for name in {"", kind}:
            (folder / "keyframes" / f"{name}cameras").mkdir(parents=True, exist_ok=True)
            (folder / "keyframes" / f"{name}images").mkdir(exist_ok=True)
            (folder / "keyframes" / f"{name}cameras" / f"{stamp}.json").write_text(json.dumps(camera))
            shown = colours if name == kind else 255 - colours
            picture = folder / "keyframes" / f"{name}images" / f"{stamp}.jpg"
            Image.fromarray(shown).save(picture, quality=100, subsampling=0)
        metres, level = doubtful(small(depth), high=255)
        grey16(folder / "keyframes" / "depth" / f"{stamp}.png", metres)
        grey8(folder / "keyframes" / "confidence" / f"{stamp}.png", level)
    if aligned is not None:
        (folder / "mesh_info.json").write_text(json.dumps({"alignmentTransform": aligned.T.ravel().tolist()}))


def scanner3d(folder, room, *, sideways=False):
    for i, (pose, (colours, depth)) in enumerate(
        zip(arkit(room, sideways=sideways), sensor(room, sideways=sideways), strict=True)
    ):
        value = {
            "cameraPoseARFrame": pose.ravel().tolist(),
            "intrinsics": [K[0], 0, K[2], 0, K[1], K[3], 0, 0, 1],
            "time": TIMES[i],
            "frame_index": 6 * i,
        }
        (folder / f"frame_{6 * i:05d}.json").write_text(json.dumps(value))
        (folder / f"frame_{6 * i + 1:05d}.json").write_text(json.dumps(value))  # a pose without a picture
        Image.fromarray(colours).save(folder / f"frame_{6 * i:05d}.jpg", quality=100, subsampling=0)
        metres, level = doubtful(small(depth))
        grey16(folder / f"depth_{6 * i:05d}.png", metres)
        grey8(folder / f"conf_{6 * i:05d}.png", level)
    (folder / "info.json").write_text("{}")


def nerfcapture(folder, room, *, sideways=False):
    frames = []
    (folder / "images").mkdir()
    for i, (pose, (colours, _)) in enumerate(
        zip(arkit(room, sideways=sideways), sensor(room, sideways=sideways), strict=True)
    ):
        camera = dict(zip(("fl_x", "fl_y", "cx", "cy"), K, strict=True))
        frames.append(
            {
                "file_path": f"images/{i}",
                "depth_path": f"images/{i}.depth.png",
                "transform_matrix": pose.tolist(),
                "timestamp": TIMES[i],
                **camera,
                "w": 96,
                "h": 72,
            }
        )
        Image.fromarray(colours).save(folder / "images" / f"{i}.png")
    top = {"w": 96, "h": 72, "fl_x": 1, "fl_y": 1, "cx": 320, "cy": 240, "depth_integer_scale": 1.0, "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(top))


def tum(folder, room, *, trajectory="groundtruth.txt", lists=True):
    lines = ["# timestamp tx ty tz qx qy qz qw"]
    for t, pose in zip(TIMES, room.POSES, strict=True):
        for late in (-0.05, 0.004):  # poses come more often than pictures, and not at the same time
            numbers = [*pose[:3, 3] + (late < 0), *Rotation.from_matrix(pose[:3, :3]).as_quat()]
            lines.append(f"{t + late:.6f} " + " ".join(f"{value:.9f}" for value in numbers))
    (folder / trajectory).write_text("\n".join(lines) + "\n")
    (folder / "calibration.txt").write_text(" ".join(map(str, K)))
    lists_of = {"rgb": [], "depth": []}
    for t, (colours, depth) in zip(TIMES, sensor(room), strict=True):
        (folder / "rgb").mkdir(exist_ok=True)
        Image.fromarray(colours).save(folder / "rgb" / f"{t:.6f}.png")
        lists_of["rgb"].append(f"{t:.6f} rgb/{t:.6f}.png")
        grey16(folder / "depth" / f"{t + 0.01:.6f}.png", depth, 5000)
        lists_of["depth"].append(f"{t + 0.01:.6f} depth/{t + 0.01:.6f}.png")
    for kind, names in lists_of.items():
        if lists:
            (folder / f"{kind}.txt").write_text("# timestamp filename\n" + "\n".join(names) + "\n")


ROBOT_FROM_CAMERA = np.array([[0.0, 0, 1, 0.1], [-1, 0, 0, 0], [0, -1, 0, 0.3], [0, 0, 0, 1]])


def rtabmap(folder, room, *, of_robot=False, by_time=False):
    lines = ["#timestamp x y z qx qy qz qw id"]
    for i, (t, pose) in enumerate(zip(TIMES, room.POSES, strict=True)):
        node, name = 7 + 3 * i, f"{t:.6f}" if by_time else str(7 + 3 * i)
        written = pose @ np.linalg.inv(ROBOT_FROM_CAMERA) if of_robot else pose
        numbers = [*written[:3, 3], *Rotation.from_matrix(written[:3, :3]).as_quat()]
        line = f"{t:.6f} " + " ".join(f"{value:.9f}" for value in numbers)
        lines += [f"{line} {node}", f"{t + 0.03:.6f} {line.split(' ', 1)[1]} {node + 1}"]
        colours, depth = room.picture(pose)
        (folder / "map_rgb").mkdir(exist_ok=True)
        Image.fromarray(colours).save(folder / "map_rgb" / f"{name}.jpg", quality=100, subsampling=0)
        grey16(folder / "map_depth" / f"{name}.png", depth)
        (folder / "map_calib").mkdir(exist_ok=True)
        matrix, place = [K[0], 0, K[2], 0, K[1], K[3], 0, 0, 1], ROBOT_FROM_CAMERA[:3].ravel().tolist()
        (folder / "map_calib" / f"{name}.yaml").write_text(
            f"%YAML:1.0\n---\ncamera_name: c\nimage_width: 96\nimage_height: 72\n"
            f"camera_matrix:\n   rows: 3\n   cols: 3\n   data: {matrix}\n"
            f"distortion_coefficients:\n   rows: 1\n   cols: 5\n   data: [ 0., 0., 0., 0., 0. ]\n"
            f"distortion_model: plumb_bob\n"
            f"local_transform:\n   rows: 3\n   cols: 4\n   data: {place}\n"
        )
    (folder / f"map_{'' if of_robot else 'camera_'}poses.txt").write_text("\n".join(lines) + "\n")
