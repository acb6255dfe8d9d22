"""Procedural furnished rooms: a dataset that needs no download."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qa_engine.datasets.base import Dataset, IngestOptions, SceneSource, flag
from qa_engine.datasets.procedural import furnish, render, walk
from qa_engine.datasets.procedural.camera import intrinsics
from qa_engine.errors import QAEngineError
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.seeding import scene_rng

DEFAULT_SCENES = 20
DEFAULT_FRAMES = 8
DEFAULT_SIZE_PX = 224
FRAMES_PER_S = 1.0
"""Frame rate that the times of the frames pretend."""


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the rooms; a room depends on the seed and its number alone, so that stores can be extended."""
    scenes = DEFAULT_SCENES if options.scenes is None else options.scenes
    frames = DEFAULT_FRAMES if options.frames is None else options.frames
    size = DEFAULT_SIZE_PX if options.size is None else options.size
    first = 0 if options.first_scene is None else options.first_scene
    for name, value, low, high in (
        ("scenes", scenes, 1, 10**6),
        ("frames", frames, 0, 10**4),
        ("size", size, 16, 4096),
    ):
        if not low <= value <= high:
            raise QAEngineError(f"rooms: {flag(name)} is {value}; give a number from {low} to {high}.")
    names = [f"room_{options.seed}_{number:05d}" for number in range(first, first + scenes)]
    return [SceneSource(scene_name=n, item=f"rooms:{n}", data=(options.seed, n, frames, size)) for n in names]


def load(source: SceneSource) -> Scene:
    """Make one room with its rendered frames."""
    seed, name, frames, size = source.data
    room = furnish(scene_rng(seed, name, "rooms"))
    poses = walk(room, frames)
    pictures = [render(room, pose, size) for pose in poses]
    return Scene(
        scene_name=name,
        dataset="rooms",
        category=room.category,
        center=room.center,
        size=room.size,
        rotation=room.rotation,
        room_size_m2=room.area_m2,
        room_center=np.array([*room.extent / 2, 0.0]),
        floor_polygon=room.polygon,
        source_sha=hashlib.sha256(f"rooms/1 {seed} {name}".encode()).hexdigest(),
        frames=tuple(
            Frame(
                frame_id=f"{index:05d}",
                rgb=picture.rgb,
                depth_m=picture.depth_m,
                instance=picture.instance,
                time_s=index / FRAMES_PER_S,
                intrinsics=intrinsics(size),
                world_from_camera=pose,
            )
            for index, (picture, pose) in enumerate(zip(pictures, poses, strict=True))
        ),
    )


ROOMS = Dataset(
    name="rooms",
    description="procedural furnished rooms with rendered colour, depth and instance ids",
    needs="nothing: rooms are made from --seed",
    discover=discover,
    load=load,
    needs_root=False,
    options=frozenset({"scenes", "frames", "size", "first_scene"}),
)
