"""Facts of one scene, computed once for all its objects: what questions select from and programs compute with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.geometry import bearing_deg, box_corners, box_distance
from qa_engine.profiles import get_profile
from qa_engine.scene import Scene

if TYPE_CHECKING:
    from qa_engine.sightings import Sightings

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


def prefetch_distances(facts: Sequence[Facts]) -> None:
    """Compute the box distances that questions about several scenes need at once, which is what vectors are good for.

    Only profile `exact`; the others compute pair by pair anyway. Pairs without an object that "the" refers to wait
    until somebody asks.
    """
    if not facts or facts[0].profile != "exact":
        return
    pairs = []
    for part in facts:
        i, j = np.triu_indices(len(part.scene), k=1)
        named = np.zeros(len(part.scene), dtype=bool)
        named[part.unique_rows] = True
        wanted = named[i] | named[j]
        pairs.append((i[wanted], j[wanted]))
    arrays = [
        np.concatenate([getattr(part.scene, name)[rows[side]] for part, rows in zip(facts, pairs, strict=True)])
        for side in (0, 1)
        for name in ("center", "size", "rotation")
    ]
    distance = box_distance(*arrays)
    start = 0
    for part, (i, j) in zip(facts, pairs, strict=True):
        part.put_distances(i, j, distance[start : start + len(i)])
        start += len(i)


class Facts:
    """Numbers about the objects of a scene; each is computed when first asked for and kept.

    Objects are addressed by row (0 to n - 1, the scene's order), categories by code (their place in `categories`).

    Parameters
    ----------
    scene : Scene
    profile : str
        A name in `PROFILES`: what the distance between two objects means.
    sightings : callable, optional
        From the name of the scene to what its frames show, or None.

    Attributes
    ----------
    categories : tuple of str
        All categories of the boxes and of the published counts, sorted.
    code : (n,) int64
        Category of each object.
    boxes : (c,) int64
        Boxes per category.
    counts : (c,) int64
        Objects per category as the scene's source publishes them; may differ from `boxes`.
    members : list of (k,) int64
        Object rows of each category.
    unique : (u,) int64
        Codes of the categories with one object and one box: those that "the chair" can refer to.

    Examples
    --------
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair", "table"]), size=np.ones((2, 3)),
    ...               center=np.array([[0, 0, 0.5], [3, 0, 0.5]]), rotation=np.array([np.eye(3)] * 2))
    >>> facts = Facts(scene)
    >>> float(facts.distance(np.array([0]), np.array([1]))[0])
    2.0
    """

    def __init__(
        self, scene: Scene, profile: str = "exact", sightings: Callable[[str], Sightings | None] | None = None
    ) -> None:
        self.scene = scene
        self._find_sightings = sightings
        self.profile = profile
        self._pair_distance = get_profile(profile)
        names = scene.category.tolist()
        self.categories = tuple(sorted({*names, *scene.category_counts}))
        place = {name: i for i, name in enumerate(self.categories)}
        self.code = np.array([place[name] for name in names], dtype=np.int64)
        self.boxes = np.bincount(self.code, minlength=len(place))
        self.counts = np.array([scene.category_counts.get(name, 0) for name in self.categories], dtype=np.int64)
        order = np.argsort(self.code, kind="stable")
        self.members: list[Rows] = np.split(order, np.cumsum(self.boxes)[:-1]) if place else []
        self.unique: Rows = np.flatnonzero((self.counts == 1) & (self.boxes == 1))

        self._memory: dict[str, Any] = {}

    def remember(self, key: str, make: Callable[[Facts], Any]) -> Any:
        """Return what `make` made of these facts the first time `key` was asked for."""
        if key not in self._memory:
            self._memory[key] = make(self)
        return self._memory[key]

    @cached_property
    def sightings(self) -> Sightings | None:
        """What the frames show; None where nobody looked."""
        return self._find_sightings(self.scene.scene_name) if self._find_sightings else None

    @cached_property
    def row_of_instance(self) -> dict[int, int]:
        """Object row of each instance id."""
        return {int(instance): row for row, instance in enumerate(self.scene.instance_id)}

    @cached_property
    def code_of_category(self) -> dict[str, int]:
        """Code of each category name."""
        return {name: code for code, name in enumerate(self.categories)}

    @cached_property
    def first_row(self) -> Rows:
        """Object row of the first box of each category, (c,); -1 where it has none."""
        return np.array([rows[0] if len(rows) else -1 for rows in self.members], dtype=np.int64)

    @cached_property
    def instance_of_category(self) -> Rows:
        """Instance id of the first box of each category, (c,); -1 where it has none."""
        return np.append(self.scene.instance_id, -1)[self.first_row]

    @cached_property
    def unique_rows(self) -> Rows:
        """Object row of each category in `unique`, (u,)."""
        return self.first_row[self.unique]

    @cached_property
    def longest_side_m(self) -> Array:
        """Longest extent of each box, (n,) metres."""
        return self.scene.size.max(axis=1, initial=0.0)

    @cached_property
    def half_diagonal_m(self) -> Array:
        """Half the space diagonal of each box, (n,) metres."""
        return np.sqrt((self.scene.size**2).sum(axis=1)) / 2

    @cached_property
    def largest_half_diagonal_m(self) -> Array:
        """Largest `half_diagonal_m` of each category, (c,) metres; 0 where it has no box."""
        largest = np.zeros(len(self.categories))
        np.maximum.at(largest, self.code, self.half_diagonal_m)
        return largest

    @cached_property
    def corners(self) -> Array:
        """Corners of the boxes, (n, 8, 3) metres, world frame."""
        return box_corners(self.scene.center, self.scene.size, self.scene.rotation)

    @cached_property
    def bearing(self) -> Array:
        """Bearing from the centre of row i to that of row j, (n, n) degrees."""
        return bearing_deg(self.scene.center[:, None], self.scene.center[None])

    @cached_property
    def _distance(self) -> Array:
        matrix = np.full((len(self.scene), len(self.scene)), np.nan)
        np.fill_diagonal(matrix, 0.0)
        return matrix

    def put_distances(self, first: Rows, second: Rows, distance: Array) -> None:
        """Store distances that were computed elsewhere as the profile defines them."""
        self._distance[first, second] = self._distance[second, first] = distance

    def distance(self, first: Rows, second: Rows) -> Array:
        """Distance between object rows `first` and `second` (n,), in metres, as the profile defines it.

        Pairs are computed once, lower row first, so that the order of the operands changes nothing.
        """
        low, high = np.minimum(first, second), np.maximum(first, second)
        missing = np.isnan(self._distance[low, high])
        if missing.any():
            size = len(self.scene)
            pairs = np.unique(low[missing] * size + high[missing])
            i, j = pairs // size, pairs % size
            self.put_distances(i, j, self._pair_distance(self.scene, i, j))
        return self._distance[low, high]

    def nearest_distance(self, rows: Rows, codes: Rows) -> Array:
        """Distance from object `rows` (n,) to the nearest object of categories `codes` (n,), each with a box, metres.

        Computes only these pairs, where `category_distance` computes all.
        """
        sizes = self.boxes[codes]
        starts = np.cumsum(sizes) - sizes
        members = np.concatenate([self.members[code] for code in codes.tolist()] or [np.zeros(0, dtype=np.int64)])
        distance = self.distance(np.repeat(rows, sizes), members)
        return np.minimum.reduceat(distance, starts) if len(codes) else np.zeros(0)

    def category_distance(self, rows: Rows) -> Array:
        """Distance from objects to the nearest object of each category.

        Returns
        -------
        (len(rows), c) float64, metres
            Infinite where the category has no box; 0 for the object's own category.
        """
        n = len(self.scene)
        result = np.full((len(rows), len(self.categories)), np.inf)
        if len(rows) == 0 or n == 0:
            return result
        first, second = np.repeat(rows, n), np.tile(np.arange(n), len(rows))
        distance = self.distance(first, second).reshape(len(rows), n)
        order = np.argsort(self.code, kind="stable")
        present = np.flatnonzero(self.boxes)
        starts = np.concatenate([[0], np.cumsum(self.boxes[present])[:-1]])
        result[:, present] = np.minimum.reduceat(distance[:, order], starts, axis=1)
        return result
