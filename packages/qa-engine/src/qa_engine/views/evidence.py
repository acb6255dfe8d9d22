"""Tell whether chosen frames show what a question asks about: by the table `observations`.

An object is *recognised* in a frame where the thresholds below say that a model can tell it there. That is more than
the crossing of a number of pixels by which `qa_engine.views.sightings` dates the first appearance of a category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import read_table
from qa_contract.tables import FRAME_SETS, FRAMES, OBSERVATIONS

from qa_engine.arrays import Rows
from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import GROUPS_HELD, Store

MIN_IMAGE_SHARE = 0.0005
"""Share of an image that a recognised object covers at least: 154 pixels of 640 x 480, a square of 12."""

MIN_RECOGNISED_PX = 8
"""Pixels of a recognised object at least, however small the image."""

MIN_VISIBLE_FRACTION = 0.2
"""Share of a recognised object at least that nothing hides; where it is not known (no camera), pixels alone decide."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a choice of frames shows of the objects of one scene.

    Attributes
    ----------
    frame_ids : tuple of str
        The frames, in the order in which a model sees them.
    best : (n,) int64
        Per object the place in `frame_ids` of the frame that shows most of it, -1 where none shows enough.
    first : (n,) int64
        Per object the place of the first frame that shows enough of it, or -1.
    """

    frame_ids: tuple[str, ...]
    best: Rows
    first: Rows

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(n,) bool: objects that a frame shows well enough; their number is the count for this budget of frames."""
        return self.best >= 0


def recognised() -> pl.Expr:
    """Tell which rows of `observations`, joined with the pixels of their frame, show enough of an object.

    Examples
    --------
    >>> rows = pl.DataFrame({"visible_px": [90, 3], "visible_fraction": [0.5, 1.0], "frame_px": [10_000, 10_000]})
    >>> rows.select(recognised()).to_series().to_list()
    [True, False]
    """
    return (
        (pl.col("visible_px") >= MIN_RECOGNISED_PX)
        & (pl.col("visible_px") >= MIN_IMAGE_SHARE * pl.col("frame_px"))
        & (pl.col("visible_fraction").fill_null(1.0) >= MIN_VISIBLE_FRACTION)
    )


def evidence(
    observations: pl.DataFrame, instance_id: Rows, frame_ids: Sequence[str], frame_px: Sequence[int]
) -> Evidence:
    """Find what some frames of a scene show.

    Parameters
    ----------
    observations : DataFrame
        Rows of one scene, columns of the table `observations`.
    instance_id : (n,) int64
        Objects of the scene, in its order.
    frame_ids : sequence of str
        The frames of a frame set, in order.
    frame_px : sequence of int
        Pixels of each of them, width times height.

    Examples
    --------
    >>> rows = pl.DataFrame({"frame_id": ["a", "b", "b"], "instance_id": [7, 7, 9], "visible_px": [90, 400, 3],
    ...                      "visible_fraction": [0.5, 0.9, 1.0]})
    >>> found = evidence(rows, np.array([7, 9]), ["a", "b"], [10_000, 10_000])
    >>> found.best.tolist(), found.first.tolist()
    ([1, -1], [0, -1])
    """
    n = len(instance_id)
    best, first = np.full(n, -1, dtype=np.int64), np.full(n, len(frame_ids), dtype=np.int64)
    place = pl.DataFrame(
        {"frame_id": list(frame_ids), "place": range(len(frame_ids)), "frame_px": list(frame_px)},
        schema={"frame_id": pl.String, "place": pl.Int64, "frame_px": pl.Int64},
    )
    object_row = pl.DataFrame(
        {"instance_id": instance_id, "row": np.arange(n)}, schema={"instance_id": pl.Int64, "row": pl.Int64}
    )
    enough = (
        observations.join(place, on="frame_id")
        .join(object_row, on="instance_id")
        .filter(recognised())
        .sort("visible_px", "place", descending=[False, True])
    )
    row, at = enough["row"].to_numpy(), enough["place"].to_numpy()
    best[row] = at  # the last one, with most pixels, stays
    np.minimum.at(first, row, at)
    return Evidence(tuple(frame_ids), best, np.where(best >= 0, first, -1))


class EvidenceIndex:
    """What one frame set shows of each scene of a store, read for some scenes at a time, see `Store.together`.

    Parameters
    ----------
    store : Store
    frame_set_id : str

    Raises
    ------
    QAEngineError
        There is no such frame set, or `observe` has not run.
    """

    def __init__(self, store: Store, frame_set_id: str) -> None:
        if frame_set_id not in store.frame_set_ids():
            raise unknown_name(
                "frame set", frame_set_id, store.frame_set_ids(), "See 'qa-engine sample-frames --help'."
            )
        if not (store.path / "observations.parquet").is_file():
            raise QAEngineError(
                f"{store.path} has no observations.parquet: run 'qa-engine observe {store.path}' first."
            )
        self._store = store
        self._frame_set_id = frame_set_id
        self._read = lru_cache(GROUPS_HELD)(self._read_scenes)

    def _frames(self, names: tuple[str, ...]) -> pl.DataFrame:
        """Frames of the set in their order, with their pixels and whether they say what they show."""
        folder = self._store.path
        sets = read_table(folder, "frame_sets", FRAME_SETS, scenes=names).filter(frame_set_id=self._frame_set_id)
        chosen = sets.select("scene_name", frame_id="frame_ids").explode("frame_id").drop_nulls()
        columns = ["scene_name", "frame_id", "width", "height", "intrinsics", "world_from_camera", "instance_path"]
        frames = read_table(folder, "frames", FRAMES, columns=columns, scenes=names).select(
            "scene_name",
            "frame_id",
            frame_px=(pl.col("width") * pl.col("height")).fill_null(0),
            tells=pl.col("instance_path").is_not_null()
            | (pl.col("intrinsics").is_not_null() & pl.col("world_from_camera").is_not_null()),
        )
        return chosen.with_columns(place=pl.int_range(pl.len()).over("scene_name")).join(
            frames, on=["scene_name", "frame_id"], maintain_order="left"
        )

    def _read_scenes(self, names: tuple[str, ...]) -> dict[str, _Seen]:
        """Read what the frames show, for the scenes that have a frame which says what it shows."""
        frames = self._frames(names)
        columns = ["scene_name", "frame_id", "instance_id", "visible_px", "visible_fraction"]
        seen = read_table(self._store.path, "observations", OBSERVATIONS, columns=columns, scenes=names)
        views = seen.join(frames, on=["scene_name", "frame_id"]).filter(recognised())
        objects = (
            views.sort("visible_px", "place", descending=[True, False])
            .group_by("scene_name", "instance_id")
            .agg(best=pl.col("place").first(), first=pl.col("place").min())
            .sort("scene_name", "instance_id")
        )
        runs = objects["scene_name"].rle().struct.unnest()
        stops = runs["len"].cum_sum().to_list()
        part = {name: slice(stop - n, stop) for name, n, stop in zip(runs["value"], runs["len"], stops, strict=True)}
        ids, best, first = (objects[name].to_numpy() for name in ("instance_id", "best", "first"))
        told = frames.group_by("scene_name").agg("frame_id", pl.col("tells").any()).filter("tells")
        found = {}
        for name, frame_ids in zip(told["scene_name"], told["frame_id"].to_list(), strict=True):
            rows = part.get(name, slice(0, 0))
            found[name] = _Seen(tuple(frame_ids), ids[rows], best[rows], first[rows])
        return found

    def scene(self, scene_name: str, instance_id: Rows) -> Evidence | None:
        """Find what the frames show of one scene; None where they cannot tell: no frames, or none with a camera."""
        seen = self._read(self._store.together(scene_name)).get(scene_name)
        if seen is None:
            return None
        place = np.searchsorted(seen.instance_id, instance_id)
        known = np.append(seen.instance_id, -1)[place] == instance_id
        rows = [np.where(known, np.append(column, -1)[place], -1) for column in (seen.best, seen.first)]
        return Evidence(seen.frame_ids, *rows)


@dataclass(frozen=True, eq=False)
class _Seen:
    """The frames of a set in one scene, and the objects that they show, ascending, with places as in `Evidence`."""

    frame_ids: tuple[str, ...]
    instance_id: Rows
    best: Rows
    first: Rows


class FrameEvidence:
    """What the frame sets of a store show; the tables of a set are read when it is first asked for.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._indexes: dict[str, EvidenceIndex] = {}

    def of(self, scene: Scene, frame_set_id: str) -> Evidence | None:
        """Get what the frames of a set show of a scene; None where they cannot tell, or there is no such set."""
        if frame_set_id not in self._indexes:
            try:
                self._indexes[frame_set_id] = EvidenceIndex(self._store, frame_set_id)
            except QAEngineError:
                return None
        return self._indexes[frame_set_id].scene(scene.scene_name, scene.instance_id)

    def every(self, scene: Scene) -> dict[str, Evidence]:
        """Get what every frame set of the store shows of a scene, by name; those that cannot tell are left out."""
        found = {name: self.of(scene, name) for name in self._store.frame_set_ids()}
        return {name: evidence for name, evidence in found.items() if evidence is not None}
