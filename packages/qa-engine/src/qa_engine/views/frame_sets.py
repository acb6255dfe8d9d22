"""Choose the frames of a scene that a model sees: the table `frame_sets`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import FRAME_SETS, QUESTIONS

from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.executor import HERE, Executor
from qa_engine.scenes.cameras import camera_of
from qa_engine.scenes.store import ROWS_PER_GROUP, Store
from qa_engine.views.coverage import best_views, filled, most_covering, voxel_bits
from qa_engine.views.observations import read_observations, surface_points

CANDIDATES = 128
"""Frames, evenly spaced, that `coverage` chooses from; as in Spatial-MLLM (arXiv 2505.23747)."""

SCENES_PER_BATCH = 16
"""Scenes that a worker is given at a time."""

Choose = Callable[[str, int, int], NDArray[np.intp]]
"""`choose(scene_name, n_frames, n)` gives the indices of frames, in any order, at most n."""


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


METHODS = {
    "uniform": "even steps from the first to the last frame",
    "coverage": "frames that together see most of the room, by depth or boxes",
    "query": "frames that see the objects of --questions best",
}
"""Name on the command line to what it does."""


@dataclass(frozen=True)
class SamplingReport:
    """What was sampled.

    Attributes
    ----------
    frame_set_id : str
    n_scenes, n_short, n_without_frames : int
        Scenes with a row, with fewer frames than asked for, with none.
    n_blind : int
        Scenes in which the method had nothing to go by, so that it took frames at even steps.
    """

    frame_set_id: str
    n_scenes: int
    n_short: int
    n_without_frames: int
    n_blind: int
    seconds: float


def choose_frame_set(store: Store, wanted: str | None) -> str | None:
    """Decide which frame set goes with the questions: the only one of the store, the one named, or none.

    Raises
    ------
    QAEngineError
        The store has several, or not the one named.
    """
    known = store.frame_set_ids()
    if wanted is not None:
        if wanted not in known:
            have = ", ".join(known) or "none; run 'qa-engine sample-frames'"
            raise QAEngineError(f"Unknown frame set {wanted!r}. The store has: {have}.")
        return wanted
    if len(known) > 1:
        raise QAEngineError(f"The store has several frame sets ({', '.join(known)}); choose one by --frame-set.")
    return known[0] if known else None


def can_screen(store: Store, frame_set_id: str | None) -> bool:
    """Tell whether it is known what the frames of a frame set show: the store has observations."""
    return frame_set_id is not None and (store.path / "observations.parquet").is_file()


@dataclass(frozen=True)
class _FrameChooser:
    """A worker that chooses the frames of some scenes."""

    store: Store
    method: str
    n: int
    questions: Path | None

    @cached_property
    def _choose(self) -> Choose:
        return _coverage(self.store) if self.questions is None else _query(self.store, self.questions)

    def choose(self, scenes: Sequence[tuple[str, int]]) -> list[tuple[list[int], bool]]:
        """Choose frames of scenes, given with their number of frames: places, and whether for lack of better ones."""
        found: list[tuple[list[int], bool]] = []
        for name, n_frames in scenes:
            index, blind = uniform(n_frames, self.n), False
            if self.method != "uniform" and self.n < n_frames:
                chosen = self._choose(name, n_frames, self.n)
                blind = not len(chosen)
                index = index if blind else filled(chosen, n_frames, self.n)
            found.append((index.tolist(), blind))
        return found


def sample_frames(
    store: Store,
    *,
    n: int,
    method: str = "uniform",
    questions: Path | None = None,
    executor: Executor = HERE,
    force: bool = False,
) -> SamplingReport:
    """Add the frame set `<method>-<n>` to a store; other sets stay. Scenes without frames get no row.

    Parameters
    ----------
    store : Store
    n : int
        Frames per scene; a scene with fewer keeps all of its own.
    method : str
        A name in `METHODS`.
    questions : Path, optional
        Table `questions`; needed by `query`, and by no other method.
    executor : Executor
        Where the work is done, which changes nothing in the set.
    force : bool
        Make a set again that exists.

    Raises
    ------
    QAEngineError
        Unknown method, n below 1, no frames in the store, questions missing or too much, or the set exists and `force`
        is false.
    """
    started = time.perf_counter()
    if method not in METHODS:
        raise unknown_name("frame sampling method", method, METHODS, "See 'qa-engine sample-frames --help'.")
    if n < 1:
        raise QAEngineError(f"--frames {n}: a frame set has at least 1 frame.")
    if (questions is not None) != (method == "query"):
        problem = "needs --questions QUESTIONS" if questions is None else "takes no --questions"
        raise QAEngineError(f"--method {method} {problem}; query is the method that looks at questions.")
    frame_set_id = f"{method}-{n}"
    if frame_set_id in store.frame_set_ids() and not force:
        raise QAEngineError(f"{store.path}: frame set '{frame_set_id}' exists; pass --force to make it again.")
    frames_of_scene = store.frame_ids()
    if not frames_of_scene:
        raise QAEngineError(f"{store.path}: no scene has frames, so there is nothing to sample.")
    sizes = [(name, len(ids)) for name, ids in frames_of_scene.items()]
    batches = [sizes[i : i + SCENES_PER_BATCH] for i in range(0, len(sizes), SCENES_PER_BATCH)]
    with executor.crew(_FrameChooser, store, method, n, questions) as crew:
        chosen = list(chain.from_iterable(crew.map("choose", batches)))
    rows: list[dict[str, object]] = []
    for (name, ids), (places, _) in zip(frames_of_scene.items(), chosen, strict=True):
        kept = [ids[i] for i in places]
        rows.append(
            {"scene_name": name, "frame_set_id": frame_set_id, "method": method, "n": len(kept), "frame_ids": kept}
        )
    others = store.frame_sets.filter(pl.col("frame_set_id") != frame_set_id)
    table = pl.concat([others, pl.DataFrame(rows, schema=dict(FRAME_SETS))]).sort("frame_set_id", "scene_name")
    config = {"frame_set_ids": table["frame_set_id"].unique().sort().to_list()}
    metadata = table_metadata("frame_sets", producer="qa-engine sample-frames", config=config, seed=0)
    write_table(table, store.path / "frame_sets.parquet", FRAME_SETS, metadata, rows_per_group=ROWS_PER_GROUP)
    return SamplingReport(
        frame_set_id=frame_set_id,
        n_scenes=len(rows),
        n_short=sum(len(ids) < n for ids in frames_of_scene.values()),
        n_without_frames=len(store.scene_names()) - len(rows),
        n_blind=sum(blind for _, blind in chosen),
        seconds=time.perf_counter() - started,
    )


def coverage(points: Sequence[NDArray[np.floating]], n: int) -> NDArray[np.intp]:
    """Choose n frames that together see as many voxels as greedy choice can.

    Parameters
    ----------
    points : sequence of (k_i, 3) float, metres
        What each frame sees.
    n : int
        Frames wanted.

    Returns
    -------
    (min(n, n_frames),) intp
        Ascending. Where no frame adds anything any more, the frames furthest in time from those chosen follow.

    References
    ----------
    Greedy choice reaches at least 1 - 1/e of the best coverage (Nemhauser, Wolsey and Fisher, 1978); as a frame
    sampler: Spatial-MLLM, arXiv 2505.23747, there with depth from a network instead of the scene's own.

    Examples
    --------
    >>> corner, wall = np.zeros((1, 3)), np.linspace([1.0, 0, 0], [1, 2, 3], 9)
    >>> coverage([corner, corner, wall], 2).tolist()
    [0, 2]
    """
    return filled(most_covering(voxel_bits(points), n), len(points), n)


def _coverage(store: Store) -> Choose:
    """Make the method that covers most voxels with the surfaces of the scene."""

    def choose(name: str, n_frames: int, n: int) -> NDArray[np.intp]:
        index = uniform(n_frames, max(n, CANDIDATES))
        frames = store.frames(name)
        candidates = [frames[i] for i in index]
        if all(camera_of(frame) is None for frame in candidates):
            return np.zeros(0, dtype=np.intp)
        scene = store.load_scene(name)
        return index[most_covering(voxel_bits([surface_points(scene, frame) for frame in candidates]), n)]

    return choose


def _query(store: Store, questions: Path) -> Choose:
    """Make the method that shows the operands of the questions of each scene, weighted by how many ask about them."""
    asked = read_table(questions, "questions", QUESTIONS, columns=["scene_name", "operands"])
    operands = (
        asked.explode("operands")
        .with_columns(instance_id=pl.col("operands").struct.field("instance_ids"))
        .explode("instance_id")
        .drop_nulls("instance_id")
        .group_by("scene_name", "instance_id")
        .agg(weight=pl.len())
    )
    seen = read_observations(store.path).join(operands, on=["scene_name", "instance_id"])
    by_scene = {str(key[0]): part for key, part in seen.group_by("scene_name")}
    frame_ids = store.frame_ids()

    def choose(name: str, n_frames: int, n: int) -> NDArray[np.intp]:
        if name not in by_scene:
            return np.zeros(0, dtype=np.intp)
        part = by_scene[name]
        place = {frame_id: i for i, frame_id in enumerate(frame_ids[name])}
        objects, column = np.unique(part["instance_id"].to_numpy(), return_inverse=True)
        view, weight = np.zeros((n_frames, len(objects))), np.zeros(len(objects))
        row = [place[frame_id] for frame_id in part["frame_id"]]
        view[row, column] = part["visible_fraction"].fill_null(1.0).to_numpy()
        weight[column] = part["weight"].to_numpy()
        return best_views(view, weight, n)

    return choose
