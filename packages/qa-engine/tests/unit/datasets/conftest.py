"""A small room of boxes, each of its own colour, and pictures of it through any lens."""

from __future__ import annotations

import json
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.formats.lenses import Lens, distort
from scipy import ndimage

OBJECTS = {
    "sofa": ([0.6, 2.2, 0.4], [2.0, 0.9, 0.8], 0.0),
    "table": ([2.0, 1.2, 0.36], [1.2, 0.7, 0.72], 0.35),
    "lamp": ([3.6, 2.5, 0.75], [0.4, 0.4, 1.5], 0.0),
    "chair": ([3.0, 0.5, 0.45], [0.5, 0.5, 0.9], 0.6),
    "cabinet": ([0.25, 0.5, 0.9], [0.4, 0.9, 1.8], 0.0),
    "tv": ([1.9, 2.9, 1.2], [1.1, 0.08, 0.65], 0.0),
    "bed": ([4.6, 1.4, 0.3], [1.5, 2.0, 0.6], 0.0),
    "stool": ([1.2, 0.35, 0.25], [0.35, 0.35, 0.5], 0.2),
}
COLOURS = np.array([(60 + 20 * i, 250 - 25 * i, 40 * (i % 4) + 30) for i in range(len(OBJECTS))], np.uint8)
PINHOLE = Lens(96, 72, 80, 80, 47.5, 35.5)
BOXES = [{"label": n, "center": c, "size": s, "yaw": yaw} for n, (c, s, yaw) in OBJECTS.items()]


def looking(eye, target):
    """Pose of a camera, world_from_camera with OpenCV axes."""
    forward = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


POSES = [looking([2.6, -0.8, 1.5], [2.0, 1.7, 0.6]), looking([5.0, -0.6, 1.6], [2.5, 1.5, 0.6])]


def undistorted_rays(lens):
    """x / z and y / z of every pixel of a lens, by Newton's steps on `distort`."""
    v, u = np.mgrid[: lens.height, : lens.width].astype(float)
    pixel = np.stack([u, v], -1)
    point = (pixel - [lens.cx, lens.cy]) / [lens.fx, lens.fy]
    for _ in range(30):
        h = 1e-6
        at = distort(point, lens)
        jx, jy = ((distort(point + step, lens) - at) / h for step in ([h, 0], [0, h]))
        det = jx[..., 0] * jy[..., 1] - jy[..., 0] * jx[..., 1]
        off = pixel - at
        point = point + np.stack(
            [
                (off[..., 0] * jy[..., 1] - off[..., 1] * jy[..., 0]) / det,
                (off[..., 1] * jx[..., 0] - off[..., 0] * jx[..., 1]) / det,
            ],
            -1,
        )
    return point


def picture(pose, lens=PINHOLE):
    """Colours (h, w, 3) and depth along z (h, w), metres, 0 = none."""
    ray = np.concatenate([undistorted_rays(lens), np.ones((lens.height, lens.width, 1))], -1) @ pose[:3, :3].T
    depth, colours = np.full(ray.shape[:2], np.inf), np.full((*ray.shape[:2], 3), 245, np.uint8)
    for i, (center, size, yaw) in enumerate(OBJECTS.values()):
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        start, way = (pose[:3, 3] - center) @ turn, ray @ turn
        with np.errstate(divide="ignore", invalid="ignore"):
            a, b = (np.array([-1, 1])[:, None, None, None] * np.array(size) / 2 - start) / way
        near, far = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
        hit = (near < far) & (near > 0) & (near < depth)
        depth[hit], colours[hit] = near[hit], COLOURS[i]
    return colours, np.where(np.isfinite(depth), depth, 0)


def outlines(pixels, least=6):
    """First column, first row, one past the last of each object's colour in a picture."""
    found = {}
    for i, colour in enumerate(COLOURS.astype(int)):
        rows, columns = np.nonzero(np.abs(pixels.astype(int) - colour).sum(-1) <= 24)
        if len(rows) >= least:
            found[i] = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return found


def outlines_agree(store, n_frames=2):
    """Compare outlines of colours in the stored pictures with those of observations, pixels; count them."""
    rows = pl.read_parquet(store / "observations.parquet").to_dicts()
    said = {(row["frame_id"], row["instance_id"]): row["box_2d"] for row in rows if row["visible_px"] >= 40}
    frames = pl.read_parquet(store / "frames.parquet").to_dicts()
    assert len(frames) == n_frames
    worst, n = 0, 0
    for frame in frames:
        seen = outlines(np.asarray(Image.open(store / frame["image_path"]).convert("RGB")))
        mine = {i: box for (name, i), box in said.items() if name == frame["frame_id"]}
        assert set(mine) <= set(seen)
        for i in mine:
            worst, n = max(worst, np.abs(np.subtract(mine[i], seen[i])).max()), n + 1
    return worst, n


def within_surfaces(pixels):
    """Pixels two or more away from any edge of a sharp picture."""
    return (ndimage.maximum_filter(pixels, (5, 5, 1)) == ndimage.minimum_filter(pixels, (5, 5, 1))).all(-1)


def write_pictures(folder, poses=POSES, lens=PINHOLE, name="{:04d}.png"):
    folder.mkdir(parents=True, exist_ok=True)
    for i, pose in enumerate(poses, start=1):
        Image.fromarray(picture(pose, lens)[0]).save(folder / name.format(i))


def write_boxes(folder, boxes=BOXES):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "boxes.json").write_text(json.dumps(boxes))


def transforms(poses=POSES, **camera):
    """nerfstudio's file for the pictures in images/."""
    frames = [
        {"file_path": f"images/{i:04d}.png", "transform_matrix": (pose @ np.diag([1, -1, -1, 1])).tolist()}
        for i, pose in enumerate(poses, start=1)
    ]
    return {"fl_x": 80, "fl_y": 80, "cx": 47.5, "cy": 35.5, "w": 96, "h": 72, **camera, "frames": frames}


@pytest.fixture(scope="session")
def room():
    """This module: the room, its pictures and their outlines."""
    return sys.modules[__name__]
