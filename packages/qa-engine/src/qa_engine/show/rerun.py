"""A recording of a store for the rerun viewer: clouds, boxes, cameras, frames with outlines, questions."""

from __future__ import annotations

import colorsys
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qa_contract.errors import TableError
from qa_contract.files import atomic_path
from qa_contract.remote import fetched

from qa_engine.extras import require
from qa_engine.geometry import box_corners
from qa_engine.scenes.cameras import camera_of, project
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.structure import is_structure
from qa_engine.show.selection import Shown, ViewReport, answer_text

CAMERA_PLANE_M = 0.3
"""Distance at which the image of a camera stands in the room."""
FLOOR_GREY = (150, 140, 120)
POINT_GREY = (150, 155, 160)
POINT_RADIUS_M = 0.008


def write_recording(shown: Shown, path: Path, *, max_questions: int = 200, force: bool = False) -> ViewReport:
    """Write an `.rrd` file; every scene is a branch of its own, with a tab in the viewer.

    Parameters
    ----------
    shown : Shown
        Scenes, frames and questions.
    path : Path
        The file.
    max_questions : int
        Per scene.
    force : bool
        Replace an existing file.

    Raises
    ------
    QAEngineError
        rerun is not installed.
    TableError
        `path` exists and `force` is false.

    Notes
    -----
    Entities of a scene: `cloud` or `floor`, `boxes`, `path` (places of the cameras), `camera` (pose and pinhole, by the
    timeline `frame`), `camera/image`, `camera/image/objects` (outlines in pixels), `questions` (Markdown).
    """
    started = time.perf_counter()
    rr = require("rerun", extra="viewer", purpose="A recording")
    if path.exists() and not force:
        raise TableError(f"{path} exists. Choose another --rrd, or pass --force.")
    path.parent.mkdir(parents=True, exist_ok=True)
    n_frames = n_questions = 0
    with atomic_path(path) as temporary:
        stream = rr.RecordingStream("qa-engine")
        stream.save(temporary, default_blueprint=_blueprint(rr, shown.names))
        stream.set_log_time_enabled(False)
        stream.set_log_tick_enabled(False)
        for name in shown.names:
            scene, frames, rows = shown.store.load_scene(name), shown.frames(name), shown.questions(name)
            _log_room(rr, stream, scene, shown)
            _log_frames(rr, stream, scene, frames, shown.seen)
            if rows:
                text = rr.TextDocument(_markdown(rows[:max_questions], len(rows)), media_type=rr.MediaType.MARKDOWN)
                stream.log([name, "questions"], text, static=True)
            n_frames += len(frames)
            n_questions += len(rows)
        stream.flush()
        stream.disconnect()
    return ViewReport(len(shown.names), n_frames, n_questions, time.perf_counter() - started)


def _log_room(rr: Any, stream: Any, scene: Scene, shown: Shown) -> None:
    """Log what does not change: cloud or floor, and boxes with labels."""
    root = scene.scene_name
    stream.log([root], rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    cloud = shown.cloud(root)
    if cloud is not None and len(cloud):
        colours = np.full((len(cloud), 3), POINT_GREY, dtype=np.uint8)
        for number, category in zip(scene.instance_id, scene.category, strict=True):
            colours[cloud.instance_id == number] = _rgb(str(category))
        stream.log([root, "cloud"], rr.Points3D(cloud.xyz, colors=colours, radii=POINT_RADIUS_M), static=True)
    elif scene.floor_polygon is not None:
        low = (box_corners(scene.center, scene.size, scene.rotation)[..., 2]).min(initial=0.0) if len(scene) else 0.0
        ring = np.column_stack([scene.floor_polygon, np.full(len(scene.floor_polygon), low)])
        stream.log([root, "floor"], rr.LineStrips3D([np.concatenate([ring, ring[:1]])], colors=FLOOR_GREY), static=True)
    of_room = is_structure(scene.category)
    for name, rows in (("boxes", ~of_room), ("walls", of_room)):
        if rows.any():
            named = zip(scene.category[rows], scene.instance_id[rows], strict=True)
            boxes = rr.Boxes3D(
                centers=scene.center[rows],
                half_sizes=scene.size[rows] / 2,
                quaternions=_quaternions(scene.rotation[rows]),
                labels=[f"{c} {i}" for c, i in named] if name == "boxes" else None,
                colors=[_rgb(str(c)) if name == "boxes" else FLOOR_GREY for c in scene.category[rows]],
            )
            stream.log([root, name], boxes, static=True)


def _log_frames(
    rr: Any,
    stream: Any,
    scene: Scene,
    frames: Sequence[Frame],
    seen: Mapping[tuple[str, str], Mapping[int, Sequence[float]]] | None,
) -> None:
    """Log cameras and images along the timeline `frame`."""
    root = scene.scene_name
    eyes = [frame.world_from_camera[:3, 3] for frame in frames if frame.world_from_camera is not None]
    if eyes:
        stream.log([root, "path"], rr.LineStrips3D([np.array(eyes)]), static=True)
    for number, frame in enumerate(frames):
        stream.set_time("frame", sequence=number)
        camera = [root, "camera"]
        if frame.world_from_camera is None:
            stream.log(camera, rr.Clear(recursive=False))
        else:
            pose = frame.world_from_camera
            stream.log(camera, rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
        if frame.intrinsics is not None:
            pinhole = rr.Pinhole(
                image_from_camera=frame.intrinsics,
                width=frame.width,
                height=frame.height,
                camera_xyz=rr.ViewCoordinates.RDF,
                image_plane_distance=CAMERA_PLANE_M,
            )
            stream.log(camera, pinhole)
        if frame.image_path is not None:
            stream.log([*camera, "image"], rr.EncodedImage(path=fetched(frame.image_path)))
        known = None if seen is None else seen.get((root, frame.frame_id), {})
        outlines = _outlines(scene, frame) if known is None else known
        names = dict(zip(scene.instance_id.tolist(), scene.category.tolist(), strict=True))
        boxes = rr.Boxes2D(
            array=np.array(list(outlines.values()), dtype=np.float64).reshape(-1, 4),
            array_format=rr.Box2DFormat.XYXY,
            labels=[f"{names[i]} {i}" for i in outlines],
            colors=[_rgb(str(names[i])) for i in outlines],
        )
        stream.log([*camera, "image", "objects"], boxes)
    stream.reset_time()


def _outlines(scene: Scene, frame: Frame) -> dict[int, list[float]]:
    """Bound the boxes whose centre is in the image and whose corners are before the camera: instance_id to pixels."""
    camera = camera_of(frame)
    if camera is None or not len(scene):
        return {}
    limit = np.array([camera.width, camera.height], dtype=np.float64)
    centers, _ = project(scene.center, camera)
    pixels, depth = project(box_corners(scene.center, scene.size, scene.rotation), camera)
    with np.errstate(invalid="ignore"):
        shown = np.all((centers >= 0) & (centers < limit), axis=1) & (depth > 0).all(axis=1)
    low, high = np.clip(pixels.min(axis=1), 0, limit), np.clip(pixels.max(axis=1) + 1, 0, limit)
    return {int(scene.instance_id[i]): [*low[i].tolist(), *high[i].tolist()] for i in np.flatnonzero(shown)}


def _blueprint(rr: Any, names: Sequence[str]) -> Any:
    """Arrange a tab per scene: the room, the frame, the questions."""
    rrb = rr.blueprint
    tabs = [
        rrb.Horizontal(
            rrb.Spatial3DView(origin=f"/{part}", name="room"),
            rrb.Vertical(
                rrb.Spatial2DView(origin=f"/{part}/camera/image", name="frame"),
                rrb.TextDocumentView(origin=f"/{part}/questions", name="questions"),
            ),
            column_shares=[3, 2],
            name=name,
        )
        for name, part in zip(names, map(rr.escape_entity_path_part, names), strict=True)
    ]
    return rrb.Blueprint(rrb.Tabs(*tabs), collapse_panels=True)


def _markdown(rows: Sequence[Mapping[str, Any]], n_rows: int) -> str:
    """List questions with their answers."""
    more = f"The first {len(rows)} of {n_rows} questions.\n\n" if n_rows > len(rows) else ""
    parts: list[str] = []
    for row in rows:
        options = "".join(f"\n    - {option}" for option in row["options"] or ())
        parts.append(f"- **{row['question_type']}**: {row['question']}{options}\n    - answer: **{answer_text(row)}**")
    return more + "\n".join(parts)


def _rgb(category: str) -> tuple[int, int, int]:
    """Give a category its colour, the same in every scene; a room in 3D has more categories than a palette."""
    hue = (zlib.crc32(category.encode()) % 997) / 997
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.42, 0.75))
    return red, green, blue


def _quaternions(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn box axes (n, 3, 3), rows in world, into quaternions x, y, z, w that turn a box into its place."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(rotation.transpose(0, 2, 1)).as_quat()
