"""The frames of a scene with their cameras and what each shows: what questions about images are computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES, OBSERVATIONS

from qa_engine.arrays import Array, Rows
from qa_engine.geometry.moves import move_poses
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import GROUPS_HELD, Store


@dataclass(frozen=True, eq=False, kw_only=True)
class Recording:
    """Frames in order of time, f of them, and their views of n objects.

    Frames without a time are left out where others have one; where none has, the order is that of the table.

    Attributes
    ----------
    frame_ids : tuple of str
    time_s : (f,) float64, seconds
        NaN where no frame has a time.
    size : (f, 2) int64
        Width and height, pixels.
    intrinsics : (f, 3, 3) float64, pixels
    world_from_camera : (f, 4, 4) float64
        OpenCV axes, metres; NaN, like `intrinsics`, for a frame whose camera is not known.
    pixels : (f, n) int64
        Pixels that show each object.
    share : (f, n) float64
        Those over the pixels that it would cover if nothing stood before it; NaN where that is not known.
    truncated : (f, n) bool
        It goes on beyond the border of the image.
    box_2d : (f, n, 4) float64, pixels
        First column, first row, one past the last column and row; NaN where it is not seen.
    """

    frame_ids: tuple[str, ...]
    time_s: Array
    size: Rows
    intrinsics: Array
    world_from_camera: Array
    pixels: Rows
    share: Array
    truncated: NDArray[np.bool_]
    box_2d: Array

    def __len__(self) -> int:
        return len(self.frame_ids)

    @cached_property
    def posed(self) -> NDArray[np.bool_]:
        """(f,) bool: frames whose camera is known."""
        known = [np.isfinite(part).all(axis=(1, 2)) for part in (self.world_from_camera, self.intrinsics)]
        return np.asarray(known[0] & known[1])

    @cached_property
    def position(self) -> Array:
        """Where the cameras stand, (f, 3) metres, world frame."""
        return self.world_from_camera[:, :3, 3]

    @cached_property
    def forward(self) -> Array:
        """Directions of view, (f, 3), world frame."""
        return self.world_from_camera[:, :3, 2]

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Place of each frame id."""
        return {name: place for place, name in enumerate(self.frame_ids)}

    def in_camera(self, frame: Rows, points: Array) -> Array:
        """Turn points of the world into those of cameras.

        Parameters
        ----------
        frame : (k,) int64
        points : (k, ..., 3) float64, metres, world frame

        Returns
        -------
        (k, ..., 3) float64, metres, x right, y down, z forward
        """
        pose = self.world_from_camera[frame]
        extra = (1,) * (points.ndim - 2)
        offset = points - pose[:, :3, 3].reshape(len(frame), *extra, 3)
        return np.einsum("k...i,kij->k...j", offset, pose[:, :3, :3])


class RecordingIndex:
    """Recordings by scene; the tables are read for some scenes at a time, see `Store.together`.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._frames = lru_cache(GROUPS_HELD)(self._read_frames)
        self._views = lru_cache(GROUPS_HELD)(self._read_views)

    def _read_frames(self, names: tuple[str, ...]) -> dict[str, pl.DataFrame]:
        columns = ["scene_name", "frame_id", "time_s", "width", "height", "intrinsics", "world_from_camera"]
        return _by_scene(read_table(self.store.path, "frames", FRAMES, columns=columns, scenes=names))

    def _read_views(self, names: tuple[str, ...]) -> dict[str, pl.DataFrame]:
        return _by_scene(read_table(self.store.path, "observations", OBSERVATIONS, scenes=names))

    def of(self, scene: Scene) -> Recording | None:
        """Get the recording of a scene; None where it has no frames or nobody observed it."""
        if not (self.store.path / "observations.parquet").is_file():
            return None
        names = self.store.together(scene.scene_name)
        frames = self._frames(names).get(scene.scene_name)
        if frames is None:
            return None
        views = self._views(names).get(scene.scene_name, pl.DataFrame(schema=dict(OBSERVATIONS)))
        recording = make_recording(frames, views, scene.instance_id)
        if scene.world_from_store is None:
            return recording
        return replace(recording, world_from_camera=move_poses(recording.world_from_camera, scene.world_from_store))


def _by_scene(table: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(name): part for (name,), part in table.group_by("scene_name", maintain_order=True)}


def make_recording(frames: pl.DataFrame, views: pl.DataFrame, instance_id: Rows) -> Recording:
    """Make the recording of one scene.

    Parameters
    ----------
    frames, views : DataFrame
        Its rows of the tables `frames` and `observations`.
    instance_id : (n,) int64
        Objects of the scene, in its order.
    """
    if frames["time_s"].is_not_null().any():
        frames = frames.filter(pl.col("time_s").is_not_null()).sort("time_s", maintain_order=True)
    f, n = len(frames), len(instance_id)
    place = {name: k for k, name in enumerate(frames["frame_id"].to_list())}
    row = {number: k for k, number in enumerate(instance_id.tolist())}
    at = np.array([place.get(name, -1) for name in views["frame_id"].to_list()], dtype=np.int64)
    who = np.array([row.get(number, -1) for number in views["instance_id"].to_list()], dtype=np.int64)
    known = np.flatnonzero((at >= 0) & (who >= 0))
    spot = at[known], who[known]
    pixels, truncated = np.zeros((f, n), dtype=np.int64), np.zeros((f, n), dtype=bool)
    share, box_2d = np.full((f, n), np.nan), np.full((f, n, 4), np.nan)
    pixels[spot] = views["visible_px"].to_numpy()[known]
    truncated[spot] = views["truncated"].to_numpy()[known]
    share[spot] = views["visible_fraction"].cast(pl.Float64).fill_null(np.nan).to_numpy()[known]
    box_2d[spot] = _matrix(views["box_2d"], (4,))[known]
    return Recording(
        frame_ids=tuple(place),
        time_s=frames["time_s"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        size=frames.select(pl.col("width", "height").fill_null(0)).to_numpy().astype(np.int64).reshape(f, 2),
        intrinsics=_matrix(frames["intrinsics"], (3, 3)),
        world_from_camera=_matrix(frames["world_from_camera"], (4, 4)),
        pixels=pixels,
        share=share,
        truncated=truncated,
        box_2d=box_2d,
    )


def _matrix(column: pl.Series, shape: tuple[int, ...]) -> Array:
    """Turn a column of lists into one array; NaN where the list is missing."""
    width = int(np.prod(shape))
    known = column.is_not_null().to_numpy()
    values = np.full((len(column), width), np.nan)
    values[known] = column.drop_nulls().list.explode().to_numpy().reshape(-1, width)
    return values.reshape(-1, *shape)
