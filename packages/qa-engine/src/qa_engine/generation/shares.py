"""Shares of collections: how many of the questions are about which scenes of a store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.generation.samplers.quota import allot, share_out
from qa_engine.scenes.store import Store
from qa_engine.seeding import scene_rng

Shares = tuple[tuple[str, float], ...]
"""Collections with their shares, all above 0; none: scenes are asked alike, whatever they belong to."""


def read_shares(text: str | None) -> Shares:
    """Read shares of collections, written as `NAME=SHARE,...`.

    Raises
    ------
    QAEngineError
        Something else is written, a name comes twice, or the shares do not add up to 1.

    Examples
    --------
    >>> read_shares("rooms=0.75, flat=0.25"), read_shares(None)
    ((('rooms', 0.75), ('flat', 0.25)), ())
    """
    if text is None:
        return ()
    try:
        found = [(name.strip(), float(share)) for name, share in (part.split("=") for part in text.split(","))]
    except ValueError:
        found = []
    if not found or len(dict(found)) < len(found) or not all(0 < share <= 1 for _, share in found):
        raise QAEngineError(f"--collections '{text}': write NAME=SHARE,NAME=SHARE, each name once, shares above 0.")
    if not math.isclose(sum(share for _, share in found), 1, abs_tol=1e-6):
        raise QAEngineError(
            f"--collections '{text}': the shares add up to {sum(share for _, share in found):g}, not to 1."
        )
    return tuple(found)


@dataclass(frozen=True)
class Group:
    """Scenes that share a part of the questions.

    Attributes
    ----------
    name : str
        Of the collection; empty for all scenes of a store without shares.
    share : float
    scenes : list of str
    """

    name: str
    share: float
    scenes: list[str]


def groups_of(store: Store, split: str | None, shares: Shares) -> list[Group]:
    """List the scenes of each collection; one group of all where there are no shares.

    Raises
    ------
    QAEngineError
        There is no scene, or no collection of that name.
    """
    names = store.scene_names(split)
    where = f"in split {split!r}" if split else "in the store"
    if not names:
        raise QAEngineError(f"{store.path}: no scenes {where}, so there is nothing to ask about.")
    if not shares:
        return [Group("", 1.0, names)]
    known = sorted({name for name in store.collections.values() if name})
    found = []
    for name, share in shares:
        if name not in known:
            raise unknown_name("collection", name, known, "It is what 'ingest --collection' called its scenes.")
        scenes = [scene for scene in names if store.collections[scene] == name]
        if not scenes:
            raise QAEngineError(f"{store.path}: collection '{name}' has no scenes {where}, so it cannot have a share.")
        found.append(Group(name, share, scenes))
    return found


def counts_of(groups: Sequence[Group], count: int) -> list[int]:
    """Split a number of questions by share: rounded down, what is left goes to the largest remainders.

    Examples
    --------
    >>> counts_of([Group("a", 0.5, []), Group("b", 0.25, []), Group("c", 0.25, [])], 11)
    [5, 3, 3]
    """
    shares = np.array([group.share for group in groups], dtype=np.float64)
    return share_out(np.full(len(groups), count), shares, count).tolist()


def share_quotas(
    groups: Sequence[Group],
    names: Sequence[str],
    available: Rows,
    weights: Array,
    types: Rows,
    count: int,
    *,
    seed: int,
    round: int,
) -> Rows:
    """Share questions out over groups, and within a group as `allot` does; no group fills up what another lacks.

    Parameters
    ----------
    groups : sequence of Group
    names : sequence of str
        Of the scenes, all of which are in a group.
    available : (s, k) int64
        Candidates per scene and cell.
    weights, types : (k,)
        Of the cells, as `allot` takes them.
    count : int
        Questions in all.
    seed, round : int

    Returns
    -------
    (s, k) int64

    Raises
    ------
    QAEngineError
        A collection that has a share holds no candidate (any more).
    """
    quotas = np.zeros_like(available)
    place = {name: k for k, name in enumerate(names)}
    for group, wanted in zip(groups, counts_of(groups, count), strict=True):
        rows = np.array(sorted(place[name] for name in group.scenes), dtype=np.int64)
        if group.name and wanted and not available[rows].any():
            raise QAEngineError(
                f"Collection '{group.name}' has run dry: its {len(rows)} scenes hold no question that was not asked "
                f"before, and its share is {group.share:g}. Lower the share, ask for fewer rounds, or add scenes."
            )
        rng = scene_rng(seed, "", f"generate/plan{group.name and '/'}{group.name}", round)
        quotas[rows] = allot(available[rows], weights, types, wanted, rng)
    return quotas
