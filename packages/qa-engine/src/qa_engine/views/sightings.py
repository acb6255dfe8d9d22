"""When the frames of a scene first show each object, from the table `observations`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES, OBSERVATIONS

from qa_engine.scenes.store import GROUPS_HELD, Store


@dataclass(frozen=True)
class Sightings:
    """What the frames of one scene show.

    Parameters
    ----------
    time_s : (k,) float64, seconds
        Of the frame of each sighting.
    instance_id, visible_px : (k,) int64
        The object, and its visible pixels.
    frame_time_s : (f,) float64, seconds
        Of all frames, also of those that show nothing; of those that do where it is not given.
    frame : (k,) int64
        Place of the frame of each sighting among all, which stand by time, those of one time in the order of the
        recording. Where it is not given, frames are told apart by their times alone.
    """

    time_s: NDArray[np.float64]
    instance_id: NDArray[np.int64]
    visible_px: NDArray[np.int64]
    frame_time_s: NDArray[np.float64] = None  # pyright: ignore[reportAssignmentType]
    frame: NDArray[np.int64] = None  # pyright: ignore[reportAssignmentType]

    def __post_init__(self) -> None:
        if self.frame is None:
            times = np.unique(self.time_s if self.frame_time_s is None else self.frame_time_s)
            object.__setattr__(self, "frame_time_s", times)
            object.__setattr__(self, "frame", np.searchsorted(times, self.time_s))

    def first_frame(self, instance_id: NDArray[np.int64], min_px: float) -> NDArray[np.int64]:
        """Place of the first frame that shows at least `min_px` pixels of each object; the number of frames if none.

        Examples
        --------
        >>> times, objects, pixels = np.zeros(2), np.array([7, 8]), np.array([200, 200])
        >>> seen = Sightings(times, objects, pixels, times, np.array([1, 0]))
        >>> seen.first_frame(np.array([7, 8, 9]), 100).tolist()
        [1, 0, 2]
        """
        enough = self.visible_px >= min_px
        first = np.full(len(instance_id), len(self.frame_time_s))
        order = np.argsort(instance_id)
        place = np.searchsorted(instance_id, self.instance_id[enough], sorter=order)
        known = place < len(instance_id)
        rows = order[place[known]]
        same = instance_id[rows] == self.instance_id[enough][known]
        np.minimum.at(first, rows[same], self.frame[enough][known][same])
        return first

    def first_seen_s(self, instance_id: NDArray[np.int64], min_px: float) -> NDArray[np.float64]:
        """Time of the first frame that shows at least `min_px` pixels of each object.

        Returns
        -------
        (n,) float64, seconds
            Infinite where no frame does.

        Examples
        --------
        >>> seen = Sightings(np.array([0.0, 1.0, 2.0]), np.array([7, 7, 8]), np.array([20, 300, 200]))
        >>> seen.first_seen_s(np.array([7, 8, 9]), 100).tolist()
        [1.0, 2.0, inf]
        """
        return np.append(self.frame_time_s, np.inf)[self.first_frame(instance_id, min_px)]


class SightingIndex:
    """Sightings by scene; the tables are read for some scenes at a time, see `Store.together`.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read = lru_cache(GROUPS_HELD)(self._read_scenes)

    def _read_scenes(self, names: tuple[str, ...]) -> dict[str, Sightings]:
        keys = ["scene_name", "frame_id"]
        columns = [*keys, "instance_id", "visible_px"]
        seen = read_table(self.store.path, "observations", OBSERVATIONS, columns=columns, scenes=names)
        frames = read_table(self.store.path, "frames", FRAMES, columns=[*keys, "time_s"], scenes=names).drop_nulls()
        # Places by time, and else in the order of the recording.
        place = pl.int_range(pl.len(), dtype=pl.Int64).over("scene_name").alias("frame")
        frames = frames.sort("time_s", maintain_order=True).with_columns(place)
        times = {str(name): part["time_s"].to_numpy() for (name,), part in frames.group_by("scene_name")}
        joined = seen.join(frames.drop("time_s"), on=keys)
        found: dict[str, Sightings] = {}
        for (key,), part in joined.group_by("scene_name", maintain_order=True):
            name = str(key)
            frame, instance_id, visible_px = (part[c].to_numpy() for c in ("frame", "instance_id", "visible_px"))
            found[name] = Sightings(times[name][frame], instance_id, visible_px, times[name], frame)
        return found

    def of(self, scene_name: str) -> Sightings | None:
        """Get the sightings of a scene; None where it was not observed or its frames have no times."""
        if not (self.store.path / "observations.parquet").is_file():
            return None
        return self._read(self.store.together(scene_name)).get(scene_name)
