"""When the frames of a scene first show each object, from the table `observations`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES, OBSERVATIONS

from qa_engine.scenes.store import Store


@dataclass(frozen=True)
class Sightings:
    """What the frames of one scene show, (k,) each: time of the frame, object, and its visible pixels.

    `frame_time_s` (f,) are the times of all frames, also of those that show nothing; without it, of those that do.
    """

    time_s: NDArray[np.float64]
    instance_id: NDArray[np.int64]
    visible_px: NDArray[np.int64]
    frame_time_s: NDArray[np.float64] | None = None

    def frames_s(self) -> NDArray[np.float64]:
        """Return the times of the frames, (f,) seconds, ascending; frames of one time count as one."""
        return np.unique(self.time_s if self.frame_time_s is None else self.frame_time_s)

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
        enough = self.visible_px >= min_px
        first = np.full(len(instance_id), np.inf)
        order = np.argsort(instance_id)
        place = np.searchsorted(instance_id, self.instance_id[enough], sorter=order)
        known = place < len(instance_id)
        rows = order[place[known]]
        same = instance_id[rows] == self.instance_id[enough][known]
        np.minimum.at(first, rows[same], self.time_s[enough][known][same])
        return first


class SightingIndex:
    """Sightings by scene; the tables are read when a scene is first asked for.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def _table(self) -> dict[str, pl.DataFrame]:
        if not (self.store.path / "observations.parquet").is_file():
            return {}
        keys = ["scene_name", "frame_id"]
        seen = read_table(self.store.path, "observations", OBSERVATIONS, columns=[*keys, "instance_id", "visible_px"])
        times = read_table(self.store.path, "frames", FRAMES, columns=[*keys, "time_s"]).drop_nulls()
        joined = seen.join(times, on=keys).drop("frame_id")
        return {str(name): part for (name,), part in joined.group_by("scene_name", maintain_order=True)}

    @cached_property
    def _times(self) -> dict[str, NDArray[np.float64]]:
        times = read_table(self.store.path, "frames", FRAMES, columns=["scene_name", "time_s"]).drop_nulls()
        return {str(name): part["time_s"].to_numpy() for (name,), part in times.group_by("scene_name")}

    def of(self, scene_name: str) -> Sightings | None:
        """Get the sightings of a scene; None where it was not observed or its frames have no times."""
        part = self._table.get(scene_name)
        if part is None:
            return None
        columns = (part[name].to_numpy() for name in ("time_s", "instance_id", "visible_px"))
        return Sightings(*columns, frame_time_s=self._times[scene_name])
