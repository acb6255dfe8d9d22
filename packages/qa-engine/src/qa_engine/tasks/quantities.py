"""Numbers that objects have, with their noise and the program that gives them: what forms make question types of."""

from __future__ import annotations

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks.noise import SIZE_NOISE, camera_distance_noise_m, distance_noise_m, volume_noise
from qa_engine.facts.batch import Batch
from qa_engine.geometry.cameras import box_depths_m, camera_distances_m, image_middles
from qa_engine.tasks.forms import Quantity

PERCENT_NOISE = 5.0
"""How far a share of visible pixels is off: the border of an object that is 40 pixels wide, by one pixel."""

PICTURE_NOISE = 0.01
"""How far the middle of an image box is off, as a share of the image."""


def _share(noise: float, value: Array) -> Array:
    return value * noise


HEIGHT = Quantity(
    of=lambda batch, context, codes: batch.height_m[batch.first_row[codes]] * 100,
    noise=lambda batch, context, codes, value: _share(SIZE_NOISE, value),
    program="height_cm({x})",
    unit="cm",
)

WIDTH = Quantity(
    of=lambda batch, context, codes: batch.level_sides_m[batch.first_row[codes], 0] * 100,
    noise=lambda batch, context, codes, value: _share(SIZE_NOISE, value),
    program="width_cm({x})",
    unit="cm",
)

VOLUME = Quantity(
    of=lambda batch, context, codes: batch.size[batch.first_row[codes]].prod(axis=1) * 1000,
    noise=lambda batch, context, codes, value: volume_noise(value),
    program="volume_l({x})",
    unit="l",
)

TOP = Quantity(
    of=lambda batch, context, codes: batch.top_m[batch.first_row[codes]],
    noise=lambda batch, context, codes, value: distance_noise_m(
        np.zeros(len(codes)), batch.height_m[batch.first_row[codes]] / 2
    ),
    program="top_m({x})",
    unit="m",
)


def _distance(batch: Batch, context: Rows, codes: Rows) -> Array:
    return batch.distance(batch.first_row[context[:, -1]], batch.first_row[codes])


def _distance_noise(batch: Batch, context: Rows, codes: Rows, value: Array) -> Array:
    half = batch.half_diagonal_m
    return distance_noise_m(half[batch.first_row[context[:, -1]]], half[batch.first_row[codes]])


DISTANCE = Quantity(of=_distance, noise=_distance_noise, program="distance_m({anchor_id}, {x})", unit="m")
"""Distance to the context's last role, which is called `anchor`."""


def _camera_distance(batch: Batch, context: Rows, codes: Rows) -> Array:
    rows = batch.first_row[codes]
    pose = batch.frames.pose[context[:, 0]]
    return camera_distances_m(pose, batch.center[rows], batch.size[rows], batch.rotation[rows])


CAMERA_DISTANCE = Quantity(
    of=_camera_distance,
    noise=lambda batch, context, codes, value: camera_distance_noise_m(batch.half_diagonal_m[batch.first_row[codes]]),
    program="camera_distance_m({x}, {frame_id})",
    unit="m",
)
"""Distance from the camera of the context's first role, which is called `frame`."""


def _depth(batch: Batch, context: Rows, codes: Rows) -> Array:
    return box_depths_m(batch.frames.pose[context[:, 0]], batch.center[batch.first_row[codes]])


DEPTH = Quantity(
    of=_depth,
    noise=lambda batch, context, codes, value: camera_distance_noise_m(np.zeros(len(codes))),
    program="depth_m({x}, {frame_id})",
    unit="m",
)


def _middle(axis: int) -> Quantity:
    def of(batch: Batch, context: Rows, codes: Rows) -> Array:
        frame = context[:, 0]
        views = batch.frames.views(frame, batch.first_row[codes])
        return image_middles(batch.frames.box_2d[views])[:, axis] / batch.frames.size[frame, axis]

    return Quantity(
        of=of,
        noise=lambda batch, context, codes, value: np.full(len(codes), PICTURE_NOISE),
        program=f"image_{'xy'[axis]}({{x}}, {{frame_id}})",
        unit="image",
    )


IMAGE_X, IMAGE_Y = _middle(0), _middle(1)
"""Middle of what an image shows of an object, as a share of its width and height."""


def _hidden(batch: Batch, context: Rows, codes: Rows) -> Array:
    views = batch.frames.views(context[:, 0], batch.first_row[codes])
    return 100 * (1 - batch.frames.share[views])


HIDDEN = Quantity(
    of=_hidden,
    noise=lambda batch, context, codes, value: np.full(len(codes), PERCENT_NOISE),
    program="hidden_percent({x}, {frame_id})",
    unit="",
)
