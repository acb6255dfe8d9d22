"""Choose the frames of a scene that a model sees: the table `frame_sets`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.store import Store
from qa_engine.tableio import table_metadata, write_table
from qa_engine.tables import FRAME_SETS

Method = Callable[[int, int], NDArray[np.intp]]
"""`method(n_frames, n)` gives the indices of at most n of the frames, ascending, without repeats."""


def uniform(n_frames: int, n: int) -> NDArray[np.intp]:
    """Choose n of the frames at even steps, the first and the last among them.

    Parameters
    ----------
    n_frames : int
        Frames of the scene.
    n : int
        Frames wanted.

    Returns
    -------
    (min(n, n_frames),) intp
        `linspace(0, n_frames - 1, n)`, rounded to the nearest index (halves to the even one). Fewer frames than wanted:
        all of them, none twice. n = 1 gives the first frame.

    Examples
    --------
    >>> uniform(28, 4).tolist(), uniform(3, 8).tolist()
    ([0, 9, 18, 27], [0, 1, 2])
    """
    return np.rint(np.linspace(0, n_frames - 1, min(n, n_frames))).astype(np.intp)


METHODS: dict[str, Method] = {"uniform": uniform}
"""Name on the command line to method."""


@dataclass(frozen=True)
class SamplingReport:
    """What was sampled: the set's id; scenes with a row, with fewer frames than asked for, with none; seconds."""

    frame_set_id: str
    n_scenes: int
    n_short: int
    n_without_frames: int
    seconds: float


def sample_frames(store: Store, *, method: str = "uniform", n: int, force: bool = False) -> SamplingReport:
    """Add the frame set `<method>-<n>` to a store; other sets stay. Scenes without frames get no row.

    Raises
    ------
    QAEngineError
        Unknown method, n below 1, no frames in the store, or the set exists and `force` is false.
    """
    started = time.perf_counter()
    if method not in METHODS:
        raise unknown_name("frame sampling method", method, METHODS, "See 'qa-engine sample-frames --help'.")
    if n < 1:
        raise QAEngineError(f"--frames {n}: a frame set has at least 1 frame.")
    frame_set_id = f"{method}-{n}"
    if frame_set_id in store.frame_set_ids() and not force:
        raise QAEngineError(f"{store.path}: frame set '{frame_set_id}' exists; pass --force to make it again.")
    frames_of_scene = store.frame_ids()
    if not frames_of_scene:
        raise QAEngineError(f"{store.path}: no scene has frames, so there is nothing to sample.")
    choose = METHODS[method]
    chosen = {name: [ids[i] for i in choose(len(ids), n)] for name, ids in frames_of_scene.items()}
    rows = [
        {"scene_name": name, "frame_set_id": frame_set_id, "method": method, "n": len(ids), "frame_ids": ids}
        for name, ids in chosen.items()
    ]
    others = store.frame_sets.filter(pl.col("frame_set_id") != frame_set_id)
    table = pl.concat([others, pl.DataFrame(rows, schema=dict(FRAME_SETS))]).sort("frame_set_id", "scene_name")
    config = {"frame_set_ids": table["frame_set_id"].unique().sort().to_list()}
    metadata = table_metadata("frame_sets", producer="qa-engine sample-frames", config=config, seed=0)
    write_table(table, store.path / "frame_sets.parquet", FRAME_SETS, metadata)
    return SamplingReport(
        frame_set_id=frame_set_id,
        n_scenes=len(rows),
        n_short=sum(len(ids) < n for ids in chosen.values()),
        n_without_frames=len(store.scene_names()) - len(rows),
        seconds=time.perf_counter() - started,
    )
