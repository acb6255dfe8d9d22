"""A room with four posed frames of which everything can be worked out by hand; see `room_of_hand` for its plan."""

import numpy as np
import polars as pl
from qa_contract.tables import FRAMES
from qa_engine.facts.scene import Facts
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.views.evidence import evidence
from qa_engine.views.observations import observe_scene
from qa_engine.views.recording import make_recording

SIZE = 160
FOCAL = np.array([[64.0, 0, 79.5], [0, 64, 79.5], [0, 0, 1]])
"""The image spans 51 degrees to either side."""


def pose(position, forward):
    """Camera at a position with a level direction of view."""
    ahead = np.array([*forward, 0.0]) / np.linalg.norm(forward)
    right = np.array([ahead[1], -ahead[0], 0.0])
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, [0, 0, -1.0], ahead], axis=1)
    matrix[:3, 3] = position
    return matrix


def scene_with(boxes, poses, *, rotation=None, floor=None, name="posed"):
    """Scene of boxes (category, centre, size), seen by cameras at these poses."""
    n = len(boxes)
    frames = tuple(
        Frame(
            frame_id=f"f{k}",
            rgb=np.zeros((SIZE, SIZE, 3), np.uint8),
            time_s=float(k),
            intrinsics=FOCAL,
            world_from_camera=matrix,
        )
        for k, matrix in enumerate(poses)
    )
    return Scene(
        scene_name=name,
        dataset="hand",
        instance_id=np.arange(10, 10 + n),
        category=np.array([category for category, _, _ in boxes]),
        center=np.array([center for _, center, _ in boxes], dtype=float),
        size=np.array([size for _, _, size in boxes], dtype=float),
        rotation=np.repeat(np.eye(3)[None], n, axis=0) if rotation is None else rotation,
        floor_polygon=floor,
        frames=frames,
    )


def frame_rows(scene):
    """Rows of the table `frames`."""
    rows = [
        {
            "scene_name": scene.scene_name,
            "frame_id": frame.frame_id,
            "time_s": frame.time_s,
            "image_path": f"images/{frame.frame_id}.png",
            "width": SIZE,
            "height": SIZE,
            "intrinsics": frame.intrinsics.ravel().tolist(),
            "world_from_camera": frame.world_from_camera.ravel().tolist(),
        }
        for frame in scene.frames
    ]
    return pl.DataFrame(rows, schema=dict(FRAMES))


def facts_of(scene, views=None):
    """Facts with all frames as the frame set `all`; `views` are the scene's observations where they are known."""
    views = observe_scene(scene, scene.frames) if views is None else views
    ids = [frame.frame_id for frame in scene.frames]
    seen = evidence(views, scene.instance_id, ids, [SIZE * SIZE] * len(ids))
    recording = make_recording(frame_rows(scene), views, scene.instance_id)
    return Facts(scene, "exact", None, lambda _, name: seen if name == "all" else None, lambda _: recording)
