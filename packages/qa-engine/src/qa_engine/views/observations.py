"""Find which objects each frame of a store shows: the table `observations`."""

from __future__ import annotations

import hashlib
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image
from qa_contract.remote import fetched
from qa_contract.tableio import read_table, table_metadata, write_frame
from qa_contract.tables import OBSERVATIONS
from qa_contract.tablestream import open_table

from qa_engine.errors import QAEngineError
from qa_engine.executor import HERE, Executor
from qa_engine.scenes.cameras import RAYS_PER_SIDE, back_project, camera_of
from qa_engine.scenes.fields import MAX_PIXELS
from qa_engine.scenes.meshes import Mesh
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.store import ROWS_PER_GROUP, Store
from qa_engine.views.boxes import SURFACE_TOLERANCE_M, Views, first_surface, see_boxes
from qa_engine.views.meshes import MeshCaster

SCENES_PER_PART = 16
"""Scenes of a part: what a stopped run loses at most."""

POINTS_PER_SIDE = 80
"""Points along a side of an image that stand for what it sees: finer than the voxels of a room."""

CONFIG = {"rays_per_side": RAYS_PER_SIDE, "surface_tolerance_m": SURFACE_TOLERANCE_M, "format": 1}
"""What decides the content besides the store."""

Progress = Callable[[int, int], None]
"""Called with scenes done and to do."""


@dataclass(frozen=True)
class ObserveReport:
    """What was written: rows, frames by whether they could be observed, parts taken over from a stopped run, seconds.

    Attributes
    ----------
    n_observations : int
    n_scenes : int
        Scenes with at least one frame that could be observed.
    n_frames, n_unknown : int
        Frames observed, and frames without camera and instance image.
    n_resumed : int
        Scenes whose part was there already.
    n_meshes : int
        Scenes whose mesh was looked at.
    """

    n_observations: int
    n_scenes: int
    n_frames: int
    n_unknown: int
    n_resumed: int
    n_meshes: int
    seconds: float


def can_observe(frame: Frame) -> bool:
    """Tell whether a frame says what it shows: it has a camera with pose, or an instance image.

    Examples
    --------
    >>> can_observe(Frame(frame_id="0", rgb=np.zeros((4, 6, 3), np.uint8)))
    False
    """
    return camera_of(frame) is not None or frame.instance_path is not None or frame.instance is not None


def observe_frame(scene: Scene, frame: Frame, caster: MeshCaster | None = None) -> Views:
    """Find what one frame shows of the objects of its scene.

    Parameters
    ----------
    scene : Scene
    frame : Frame
    caster : MeshCaster, optional
        The mesh of the scene, for frames without an instance image.

    Raises
    ------
    QAEngineError
        An image of the store is missing or damaged.
    """
    ids = read_instance(frame)
    camera = camera_of(frame)
    if ids is None and caster is not None and camera is not None:
        return caster.see(camera)
    return see_boxes(
        scene.center,
        scene.size,
        scene.rotation,
        camera,
        depth_m=read_depth(frame),
        instance=None if ids is None else scene.rows_of(ids),
    )


def surface_points(scene: Scene, frame: Frame) -> NDArray[np.float32]:
    """Find the points of the world that a frame sees, by its depth, or without depth on the boxes.

    Returns
    -------
    (k, 3) float32, metres, world frame
        At most about `POINTS_PER_SIDE` along either side of the image; none without a camera.
    """
    camera = camera_of(frame)
    if camera is None:
        return np.zeros((0, 3), dtype=np.float32)
    step = -(-max(camera.width, camera.height) // POINTS_PER_SIDE)
    small = camera.every(step)
    depth = read_depth(frame)
    depth = first_surface(scene.center, scene.size, scene.rotation, small) if depth is None else depth[::step, ::step]
    return back_project(depth, small)


def observe_scene(scene: Scene, frames: Sequence[Frame], mesh: Mesh | None = None) -> pl.DataFrame:
    """Find what the frames of one scene show.

    Parameters
    ----------
    scene : Scene
    frames : sequence of Frame
    mesh : Mesh, optional
        Surface of the scene, for frames without an instance image.

    Returns
    -------
    DataFrame
        Columns of `observations`; frames in their order, objects of a frame in the order of the scene.
    """
    caster = None if mesh is None or not len(scene) else MeshCaster(scene, mesh)
    parts = [
        _rows(scene, frame, observe_frame(scene, frame, caster))
        for frame in frames
        if len(scene) > 0 and can_observe(frame)
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=dict(OBSERVATIONS))


@dataclass(frozen=True)
class _Part:
    """What became of some scenes: the file with their rows, and how many of what there are."""

    path: Path
    n: NDArray[np.int64]


_COUNTS = ("n_scenes", "n_frames", "n_unknown", "n_resumed", "n_meshes")


@dataclass(frozen=True)
class _Observer:
    """A worker that looks at the frames of some scenes."""

    store: Store
    mesh: bool
    folder: Path

    def look(self, batch: Sequence[str]) -> _Part:
        """Write what the frames of some scenes show, unless an earlier run has."""
        store = self.store
        frames = {name: store.frames(name) for name in batch}
        known = [sum(map(can_observe, frames[name])) for name in batch]
        scenes = [store.load_scene(name) for name in batch]
        cast = [self.mesh and any(map(_needs_mesh, frames[name])) and store.has_mesh(name) for name in batch]
        path = self.folder / f"{_fingerprint(scenes, frames, cast)}.parquet"
        resumed = _is_whole(path)
        if not resumed:
            table = pl.concat(
                [
                    observe_scene(scene, frames[scene.scene_name], store.mesh(scene.scene_name) if has_mesh else None)
                    for scene, has_mesh in zip(scenes, cast, strict=True)
                ]
            )
            write_frame(table, path)
        n_unknown = sum(map(len, frames.values())) - sum(known)
        counts = (sum(n > 0 for n in known), sum(known), n_unknown, len(batch) if resumed else 0, sum(cast))
        return _Part(path, np.array(counts))


def observe(
    store: Store,
    *,
    mesh: bool = True,
    executor: Executor = HERE,
    force: bool = False,
    progress: Progress = lambda done, of: None,
) -> ObserveReport:
    """Write the table `observations` of a store; a run that was stopped goes on where it was.

    Parameters
    ----------
    store : Store
    mesh : bool
        Cast rays at the meshes of scenes that have one; needs Open3D for these.
    executor : Executor
        Where the work is done, which changes nothing in the table.
    force : bool
        Write the table again.
    progress : callable
        Called with scenes done and to do.

    Raises
    ------
    QAEngineError
        The table exists and `force` is false, no frame can be observed, an image is damaged, or Open3D is missing.
    """
    started = time.perf_counter()
    target = store.path / "observations.parquet"
    if target.exists() and not force:
        raise QAEngineError(f"{target} exists; pass --force to write it again.")
    parts_folder = store.path / ".observations.partial"
    parts_folder.mkdir(exist_ok=True)
    names = store.scene_names()
    batches = [names[i : i + SCENES_PER_PART] for i in range(0, len(names), SCENES_PER_PART)]
    counts, paths = np.zeros(len(_COUNTS), dtype=np.int64), []
    with executor.crew(_Observer, store, mesh, parts_folder) as crew:
        for part in crew.map("look", batches):
            counts += part.n
            paths.append(part.path)
            progress(min(len(paths) * SCENES_PER_PART, len(names)), len(names))
    found = dict(zip(_COUNTS, counts.tolist(), strict=True))
    if not found["n_frames"]:
        shutil.rmtree(parts_folder)
        raise QAEngineError(f"{store.path}: no frame has a camera with pose or an instance image, so none can be seen.")
    config = CONFIG | ({"meshes": found["n_meshes"]} if found["n_meshes"] else {})
    metadata = table_metadata("observations", producer="qa-engine observe", config=config, seed=0)
    with open_table(target, OBSERVATIONS, metadata, rows_per_group=ROWS_PER_GROUP) as table:
        for path in paths:
            table.write(pl.read_parquet(path))
    shutil.rmtree(parts_folder)
    return ObserveReport(n_observations=table.n_rows, **found, seconds=time.perf_counter() - started)


def _is_whole(part: Path) -> bool:
    """Tell whether an earlier run has written a part, and nothing has damaged it since."""
    try:
        return part.is_file() and pl.read_parquet(part).schema == pl.Schema(OBSERVATIONS)
    except (pl.exceptions.PolarsError, OSError):
        return False


def read_observations(store: Path) -> pl.DataFrame:
    """Read the table `observations` of a store.

    Raises
    ------
    QAEngineError
        `observe` has not run.
    """
    if not (Path(store) / "observations.parquet").is_file():
        raise QAEngineError(f"{store} has no observations.parquet: run 'qa-engine observe {store}' first.")
    return read_table(Path(store), "observations", OBSERVATIONS)


def _rows(scene: Scene, frame: Frame, views: Views) -> pl.DataFrame:
    """Turn the views of one frame into rows of the table."""
    return pl.DataFrame(
        {
            "scene_name": [scene.scene_name] * len(views.row),
            "frame_id": [frame.frame_id] * len(views.row),
            "instance_id": scene.instance_id[views.row],
            "visible_px": views.visible_px,
            "visible_fraction": pl.Series(views.visible_fraction).fill_nan(None),
            "truncated": views.truncated,
            "box_2d": views.box_2d.tolist(),
            "depth_m": pl.Series(views.depth_m).fill_nan(None),
        },
        schema=dict(OBSERVATIONS),
    )


def read_depth(frame: Frame) -> NDArray[np.float32] | None:
    """Read the depth of a frame, (h, w) metres along the camera's z axis, 0 = none; None where it has none."""
    if frame.read_depth is not None:
        return frame.read_depth()
    if frame.depth_path is None:
        return frame.depth_m
    return _grey(frame.depth_path, frame).astype(np.float32) / np.float32(1000)


def read_instance(frame: Frame) -> NDArray[np.int64] | None:
    """Read the instances of a frame, (h, w) `instance_id`, -1 = none; None where it has none."""
    if frame.instance_path is not None:
        return _grey(frame.instance_path, frame).astype(np.int64) - 1
    return None if frame.instance is None else frame.instance.astype(np.int64)


def _grey(path: Path, frame: Frame) -> NDArray[np.uint16]:
    """Read a 16-bit image of the store that belongs to a frame."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(fetched(path), formats=["PNG"]) as image:
                if image.size != (frame.width, frame.height) or image.width * image.height > MAX_PIXELS:
                    raise QAEngineError(f"{path}: {image.size} pixels, its frame has {frame.width} x {frame.height}.")
                return np.asarray(image).astype(np.uint16)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise QAEngineError(f"{path} is missing or damaged ({error}); ingest the scene again.") from None


def _needs_mesh(frame: Frame) -> bool:
    """Tell whether a frame is seen by casting rays: it has a camera, and no instance image."""
    return camera_of(frame) is not None and frame.instance_path is None and frame.instance is None


def _fingerprint(scenes: Sequence[Scene], frames: dict[str, tuple[Frame, ...]], cast: Sequence[bool]) -> str:
    """Hash what decides the observations of some scenes, so that no part of another store is taken over."""
    digest = hashlib.sha256(repr(sorted(CONFIG.items())).encode())
    for scene, has_mesh in zip(scenes, cast, strict=True):
        digest.update(f"{scene.scene_name}\x1f{scene.source_sha}\x1f{len(scene)}\x1f{has_mesh}\x1f".encode())
        for array in (scene.instance_id, scene.center, scene.size, scene.rotation):
            digest.update(np.ascontiguousarray(array).tobytes())
        for frame in frames[scene.scene_name]:
            digest.update(f"{frame.frame_id}\x1f{frame.width}\x1f{frame.height}\x1f".encode())
            digest.update(f"{frame.depth_path is not None}\x1f{frame.instance_path is not None}\x1f".encode())
            for matrix in (frame.intrinsics, frame.world_from_camera):
                digest.update(b"-" if matrix is None else np.ascontiguousarray(matrix).tobytes())
    return digest.hexdigest()[:32]
