"""What questions can be about: objects of a scene, of an image, or around one of them, and draws of sets of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, permutations
from math import comb, perm

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Rows
from qa_engine.facts.batch import Batch, ranges
from qa_engine.tasks.base import Draw

MAX_PER_GROUP = 60
"""Sets tried per group of a pool, a scene or an image: all of them where there are fewer, otherwise a draw."""

MAX_PER_SCENE = 400
"""Sets tried per scene: 100 objects have 160,000 triples, and no scene is asked so often about one thing."""


@dataclass(frozen=True)
class Pool:
    """Groups of objects that one question can be about, g of them, by scene.

    Attributes
    ----------
    scene : (g,) int64
    context : (g, c) int64
        Roles that the objects of a group share, such as the image that shows them.
    members : list of int64 array
        Codes of the objects.
    """

    scene: Rows
    context: Rows
    members: list[Rows]


Make = Callable[[Batch], Pool]


def of_scene(batch: Batch) -> Pool:
    """Pool the objects of each scene that "the" can refer to."""
    starts = batch.unique_start
    members = [batch.unique[starts[k] : starts[k + 1]] for k in range(len(batch))]
    return Pool(np.arange(len(batch)), np.zeros((len(batch), 0), dtype=np.int64), members)


def around(batch: Batch) -> Pool:
    """Pool for each object those of its scene beside it; the context is the object."""
    scenes, anchors, members = [], [], []
    for k, own in enumerate(of_scene(batch).members):
        for place, code in enumerate(own.tolist()):
            scenes.append(k)
            anchors.append(code)
            members.append(np.delete(own, place))
    return Pool(np.array(scenes, dtype=np.int64), np.array(anchors, dtype=np.int64).reshape(-1, 1), members)


def of_image(batch: Batch) -> Pool:
    """Pool the objects that an image shows clearly and that can be referred to there; the context is the image."""
    frames = batch.frames
    members = [_in_image(batch, frame) for frame in range(len(frames))]
    return Pool(frames.scene, np.arange(len(frames)).reshape(-1, 1), members)


def around_in_image(batch: Batch) -> Pool:
    """Pool for each object of an image those beside it; the context is the image and the object."""
    pool = of_image(batch)
    parts = [
        (scene, frame, code, np.delete(own, place))
        for scene, (frame,), own in zip(pool.scene.tolist(), pool.context.tolist(), pool.members, strict=True)
        for place, code in enumerate(own.tolist())
    ]
    context = np.array([part[1:3] for part in parts], dtype=np.int64).reshape(-1, 2)
    return Pool(np.array([part[0] for part in parts], dtype=np.int64), context, [part[3] for part in parts])


def of_video_frame(batch: Batch) -> Pool:
    """Pool the objects that a frame of the video shows and that "the" can refer to in the scene; none without a set."""
    frames, found = batch.frames, of_scene(batch).members
    shown = range(len(frames)) if batch.frame_set_id is not None else range(0)
    members = []
    for frame in shown:
        codes = found[int(frames.scene[frame])]
        rows = batch.first_row[codes]
        members.append(codes[frames.clear[frames.views(np.full(len(rows), frame), rows)]])
    return Pool(frames.scene[: len(members)], np.arange(len(members)).reshape(-1, 1), members)


def _in_image(batch: Batch, frame: int) -> Rows:
    """Codes of the objects that can be referred to in an image."""
    scene = int(batch.frames.scene[frame])
    rows = np.arange(batch.row_start[scene], batch.row_start[scene + 1])
    views = batch.frames.views(np.full(len(rows), frame), rows)
    if batch.reference in ("name", "description"):
        good = batch.frames.named[views]
    else:
        good = batch.frames.clear[views] & ~batch.structure[rows]
    return len(batch.categories) + rows[good]


def drawn_sets(
    batch: Batch, pool: Pool, rng: Draw, k: int, *, ordered: bool = False, limit: int = MAX_PER_GROUP
) -> tuple[Rows, Rows]:
    """Draw sets of `k` objects from each group.

    Parameters
    ----------
    batch : Batch
    pool : Pool
    rng : callable
    k : int
    ordered : bool
        Sets that differ in order are different.
    limit : int
        Sets of a group; those of a scene are at most `MAX_PER_SCENE`.

    Returns
    -------
    (n,) int64, (n, c + k) int64
        Scene, and context and objects.
    """
    rows, groups = [np.zeros((0, k), dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    generators: dict[int, np.random.Generator] = {}
    for group, (scene, members) in enumerate(zip(pool.scene.tolist(), pool.members, strict=True)):
        if len(members) < k:
            continue
        places = _sets(len(members), k, ordered, limit, lambda scene=scene: _generator(generators, rng, scene))
        rows.append(members[places])
        groups.append(np.full(len(places), group))
    group, chosen = np.concatenate(groups), np.concatenate(rows)
    scene = pool.scene[group]
    kept = _thinned(scene, len(batch), lambda k: _generator(generators, rng, k))
    return scene[kept], np.concatenate([pool.context[group], chosen], axis=1)[kept]


def frame_pairs(batch: Batch, rng: Draw, *, limit: int = MAX_PER_SCENE) -> tuple[Rows, Rows]:
    """Draw ordered pairs of frames of each scene.

    Returns
    -------
    (n,) int64, (n, 2) int64
    """
    frames = batch.frames
    members = [np.arange(frames.start[k], frames.start[k + 1]) for k in range(len(batch))]
    pool = Pool(np.arange(len(batch)), np.zeros((len(batch), 0), dtype=np.int64), members)
    return drawn_sets(batch, pool, rng, 2, ordered=True, limit=limit)


def _generator(known: dict[int, np.random.Generator], rng: Draw, scene: int) -> np.random.Generator:
    """Make the generator of a scene when it is first drawn from."""
    if scene not in known:
        known[scene] = rng(scene)
    return known[scene]


def _sets(n: int, k: int, ordered: bool, limit: int, rng: Callable[[], np.random.Generator]) -> Rows:
    """Choose sets of `k` out of `n`."""
    if (perm if ordered else comb)(n, k) <= limit:
        every = permutations(range(n), k) if ordered else combinations(range(n), k)
        return np.array(list(every), dtype=np.int64).reshape(-1, k)
    keys = rng().random((limit, n))
    chosen = np.argsort(keys, axis=1)[:, :k]
    return np.unique(chosen if ordered else np.sort(chosen, axis=1), axis=0)


def _thinned(scene: Rows, n_scenes: int, rng: Callable[[int], np.random.Generator]) -> Rows:
    """Keep at most `MAX_PER_SCENE` rows of each scene, drawn."""
    counts = np.bincount(scene, minlength=n_scenes)
    if counts.max(initial=0) <= MAX_PER_SCENE:
        return np.arange(len(scene))
    starts = np.cumsum(counts) - counts
    kept: list[NDArray[np.int64]] = []
    for k, (start, n) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        own = np.arange(n) if n <= MAX_PER_SCENE else np.sort(rng(k).permutation(n)[:MAX_PER_SCENE])
        kept.append(start + own)
    return np.concatenate(kept)


def singles(pool: Pool) -> tuple[Rows, Rows]:
    """List every object of every group: scene (n,), context and object (n, c + 1)."""
    sizes = np.array([len(members) for members in pool.members], dtype=np.int64)
    group, _ = ranges(np.zeros(len(sizes), dtype=np.int64), sizes)
    codes = np.concatenate([np.zeros(0, dtype=np.int64), *pool.members])
    return pool.scene[group], np.column_stack([pool.context[group], codes])
