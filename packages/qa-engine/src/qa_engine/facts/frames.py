"""The frames that a model may be shown, of several scenes as one set of columns, with what each shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array, Rows
from qa_engine.facts.scene import Facts
from qa_engine.scenes.structure import is_structure
from qa_engine.views.evidence import MIN_IMAGE_SHARE, MIN_RECOGNISED_PX, MIN_VISIBLE_FRACTION


class Frames:
    """Columns over the frames of several scenes: those of a frame set, or all; only frames whose camera is known.

    Parameters
    ----------
    facts : sequence of Facts
    frame_set_id : str or None

    Attributes
    ----------
    scene : (f,) int64
    place : (f,) int64
        Place in the recording of its scene, by which programs address a frame.
    number : (f,) int64
        Number among the frames of the set, from 1: what questions call it.
    frame_id : list of str
    start : (s + 1,) int64
        First frame of each scene.
    """

    def __init__(self, facts: Sequence[Facts], frame_set_id: str | None) -> None:
        self._facts = tuple(facts)
        places, numbers = [], []
        for part in facts:
            place, number = _shown(part, frame_set_id)
            places.append(place)
            numbers.append(number)
        sizes = np.array([len(place) for place in places], dtype=np.int64)
        self.scene: Rows = np.repeat(np.arange(len(sizes)), sizes)
        self.place: Rows = np.concatenate([np.zeros(0, dtype=np.int64), *places])
        self.number: Rows = np.concatenate([np.zeros(0, dtype=np.int64), *numbers])
        self.start: Rows = np.concatenate([[0], np.cumsum(sizes)])
        self.frame_id = [
            part.recording.frame_ids[k]
            for part, place in zip(facts, places, strict=True)
            if part.recording is not None
            for k in place.tolist()
        ]
        self._n = np.array([len(part.scene) for part in facts], dtype=np.int64)
        self._row_start = np.concatenate([[0], np.cumsum(self._n)])
        views = sizes * self._n
        self._base = (np.cumsum(views) - views)[self.scene] + (np.arange(len(self.scene)) - self.start[self.scene]) * (
            self._n[self.scene]
        )

    def __len__(self) -> int:
        return len(self.scene)

    @cached_property
    def size(self) -> Rows:
        """Width and height of each frame, (f, 2) pixels."""
        return self._column("size", (2,), np.int64)

    @cached_property
    def pose(self) -> Array:
        """`world_from_camera` of each frame, (f, 4, 4)."""
        return self._column("world_from_camera", (4, 4), np.float64)

    @cached_property
    def intrinsics(self) -> Array:
        """Intrinsics of each frame, (f, 3, 3) pixels."""
        return self._column("intrinsics", (3, 3), np.float64)

    @cached_property
    def time_s(self) -> Array:
        """Time of each frame, (f,) seconds; NaN where it has none."""
        return self._column("time_s", (), np.float64)

    @cached_property
    def pixels(self) -> Rows:
        """Pixels of each view, see `views`."""
        return self._views("pixels", (), np.int64)

    @cached_property
    def share(self) -> Array:
        """Share of each view that nothing hides; 1 where it is not known."""
        return np.nan_to_num(self._views("share", (), np.float64), nan=1.0)

    @cached_property
    def truncated(self) -> NDArray[np.bool_]:
        """Views that go on beyond the border of the image."""
        return self._views("truncated", (), np.bool_)

    @cached_property
    def box_2d(self) -> Array:
        """Image box of each view, (v, 4) pixels."""
        return self._views("box_2d", (4,), np.float64)

    def views(self, frame: Rows, row: Rows) -> Rows:
        """Place of the views of objects `row` in frames `frame` of the same scene in the columns of views, (k,)."""
        return self._base[frame] + row - self._row_start[self.scene[frame]]

    @cached_property
    def clear(self) -> NDArray[np.bool_]:
        """Views in which an object is recognised, by the thresholds of frame sets."""
        area = np.repeat(self.size.prod(axis=1), self._n[self.scene])
        enough = (self.pixels >= MIN_RECOGNISED_PX) & (self.pixels >= MIN_IMAGE_SHARE * area)
        return enough & (self.share >= MIN_VISIBLE_FRACTION)

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """Clear views of an object whose category no other object in the image has: "the chair" in this image."""
        found = np.zeros(len(self.pixels), dtype=bool)
        for k, part in enumerate(self._facts):
            first, last = self.start[k], self.start[k + 1]
            if first == last or not self._n[k]:
                continue
            block = slice(int(self._base[first]), int(self._base[last - 1] + self._n[k]))
            seen = self.pixels[block].reshape(-1, self._n[k]) > 0
            of_category = part.code[:, None] == np.arange(len(part.categories))
            count = seen.astype(np.int64) @ of_category
            known = (part.boxes == part.counts) & ~is_structure(part.categories)
            alone = (count[:, part.code] == 1) & known[part.code]
            found[block] = self.clear[block] & alone.ravel()
        return found

    def _column(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        parts = [np.zeros((0, *shape), dtype=dtype)]
        for k, part in enumerate(self._facts):
            if part.recording is not None:
                parts.append(getattr(part.recording, name)[self.place[self.start[k] : self.start[k + 1]]])
        return np.concatenate(parts).astype(dtype)

    def _views(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        parts = [np.zeros((0, *shape), dtype=dtype)]
        for k, part in enumerate(self._facts):
            if part.recording is not None:
                own = getattr(part.recording, name)[self.place[self.start[k] : self.start[k + 1]]]
                parts.append(own.reshape(-1, *shape))
        return np.concatenate(parts).astype(dtype)


def _shown(facts: Facts, frame_set_id: str | None) -> tuple[Rows, Rows]:
    """Places in the recording of the frames that may be shown, and their numbers."""
    none = np.zeros(0, dtype=np.int64)
    recording = facts.recording
    if recording is None:
        return none, none
    if frame_set_id is None:
        places = np.arange(len(recording))
        numbers = places + 1
    else:
        shown = facts.evidence(frame_set_id)
        ids = () if shown is None else shown.frame_ids
        known = [(recording.place_of[name], k) for k, name in enumerate(ids, start=1) if name in recording.place_of]
        places, numbers = np.array(known, dtype=np.int64).reshape(-1, 2).T
    posed = recording.posed[places]
    return places[posed], numbers[posed]
