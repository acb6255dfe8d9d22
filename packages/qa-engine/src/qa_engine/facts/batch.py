"""Facts of several scenes as one set of columns, so that a question type is worked out for all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array, Rows
from qa_engine.checks.noise import CENTER_NOISE_M, SIZE_NOISE
from qa_engine.facts.distances import PairDistances
from qa_engine.facts.frames import Frames
from qa_engine.facts.references import REFERENCES, Mark, coordinate_text, mark_of, mark_text
from qa_engine.facts.scene import Facts
from qa_engine.geometry import Boxes, box_corners
from qa_engine.geometry.boxes import level_sides
from qa_engine.geometry.moves import linear_and_scale
from qa_engine.scenes.structure import is_structure

if TYPE_CHECKING:
    from qa_engine.views.evidence import Evidence


SCENES_PER_BATCH = 128
"""Scenes that are worked on together: enough to spread the cost of starting vectorised work, few enough for memory."""


def ranges(starts: Rows, counts: Rows) -> tuple[Rows, Rows]:
    """Put several ranges of numbers one after the other.

    Parameters
    ----------
    starts, counts : (k,) int64
        First number and length of each range.

    Returns
    -------
    (sum of counts,) int64, (sum of counts,) int64
        The range that each number belongs to, and the number.

    Examples
    --------
    >>> [column.tolist() for column in ranges(np.array([5, 0]), np.array([2, 3]))]
    [[0, 0, 1, 1, 1], [5, 6, 0, 1, 2]]
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts - starts, counts)


class Batch:
    """Columns over the objects and categories of several scenes; each is computed when first asked for and kept.

    A scene has some twenty objects: the work of NumPy on arrays that short is all start-up. With the objects of
    `SCENES_PER_BATCH` scenes in one column, that cost is paid once for all of them, and a question type is a few
    vectorised selections. Columns are lazy because question types ask for different ones, and kept because several ask
    for the same.

    Objects are addressed by row (n over all scenes), categories by code (c over all scenes): two scenes with a chair
    have two codes for it. Rows and codes of a scene stand together, in the scene's own order.

    Parameters
    ----------
    facts : sequence of Facts
        The scenes, all with the same profile; from then on they share the distances of this batch.
    frame_set_id : str, optional
        Frames that a model sees: what they show is the evidence that questions need. Not looked at where not given.
    reference : str
        A name in `REFERENCES`: what questions call an object. By `name` only those are asked about that are the only
        ones of their category.
    pairs : callable, optional
        Distances between rows that are known from elsewhere.

    Attributes
    ----------
    facts : tuple of Facts
    frame_set_id : str or None
    profile : str
    row_start, code_start : (s + 1,) int64
        First row and first code of each scene, and the number of all.
    scene_of_row : (n,) int64
    scene_of_code : (c + n,) int64
        Of categories and of the codes of objects.
    center, size : (n, 3) float64, metres, world frame of each scene
    rotation : (n, 3, 3) float64, rows = box axes
    face_error_m : (n,) float64, metres
        How far a face of each box may be off; NaN for the noise that answers allow for.
    instance_id : (n,) int64
    code : (n,) int64
        Category of each object.
    categories : list of str
        Name of each code.
    boxes, counts : (c,) int64
        Boxes per category, and objects as the source publishes them; 0 for walls, floors and ceilings, which no
        question is about.
    unique : (u,) int64
        Codes of what "the" can refer to, by scene: categories with one object and one box, and where objects are
        referred to otherwise, objects. The code of an object is the number of categories plus its row.
    object_text : list of str
        What "the" is followed by in a question about each object, (n,); empty where nothing tells it from others.

    Examples
    --------
    >>> from qa_engine.scenes.scene import Scene
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair", "table"]), size=np.ones((2, 3)),
    ...               center=np.array([[0, 0, 0.5], [3, 0, 0.5]]), rotation=np.array([np.eye(3)] * 2))
    >>> batch = Batch([Facts(scene), Facts(scene)])
    >>> batch.code.tolist(), batch.distance(np.array([0, 2]), np.array([1, 3])).tolist()
    ([0, 1, 2, 3], [2.0, 2.0])
    """

    def __init__(
        self,
        facts: Sequence[Facts],
        frame_set_id: str | None = None,
        reference: str = "name",
        pairs: Callable[[Rows, Rows], Array] | None = None,
    ) -> None:
        self.facts = tuple(facts)
        self.frame_set_id = frame_set_id
        self.reference = reference
        self.profile = facts[0].profile if facts else "exact"
        scenes = [part.scene for part in facts]
        self.row_start = _starts([len(scene) for scene in scenes])
        self.code_start = _starts([len(part.categories) for part in facts])
        self.scene_of_row = np.repeat(np.arange(len(facts)), np.diff(self.row_start))
        categories = np.repeat(np.arange(len(facts)), np.diff(self.code_start))
        self.scene_of_code = np.concatenate([categories, self.scene_of_row])
        self.center = _joined([scene.center for scene in scenes], (0, 3))
        self.size = _joined([scene.size for scene in scenes], (0, 3))
        self.rotation = _joined([scene.rotation for scene in scenes], (0, 3, 3))
        unsaid = [np.full(len(scene), np.nan) for scene in scenes]
        errors = [
            n if scene.face_error_m is None else scene.face_error_m for scene, n in zip(scenes, unsaid, strict=True)
        ]
        self.face_error_m = _joined(errors, (0,))
        self.instance_id = _joined([scene.instance_id for scene in scenes], (0,), np.int64)
        self.code = _joined([part.code for part in facts], (0,), np.int64) + self.code_start[self.scene_of_row]
        self.categories = [name for part in facts for name in part.categories]
        self.boxes = _joined([part.boxes for part in facts], (0,), np.int64)
        counts = _joined([part.counts for part in facts], (0,), np.int64)
        self.counts = np.where(is_structure(self.categories), 0, counts)
        boxes = Boxes(self.center, self.size, self.rotation)
        self._pairs = PairDistances(boxes, np.diff(self.row_start), self.profile)
        self._distance = self._pairs if pairs is None else pairs
        for part, start in zip(facts, self.row_start.tolist(), strict=False):
            part.share_distances(self._distance, start)
        self._memory: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self.facts)

    def remember(self, key: str, make: Callable[[Batch], Any]) -> Any:
        """Return what `make` made of this batch the first time `key` was asked for."""
        if key not in self._memory:
            self._memory[key] = make(self)
        return self._memory[key]

    @cached_property
    def in_doubt(self) -> NDArray[np.bool_]:
        """(s,) bool: scenes whose vertical, floor or scale may be off."""
        errors = [
            (part.scene.gravity_error_deg, part.scene.floor_error_m, part.scene.scale_error) for part in self.facts
        ]
        return np.array([any(own) for own in errors], dtype=bool)

    @cached_property
    def worlds(self) -> list[Batch]:
        """Batches of the scenes as they may truly be; a scene of which no error is stated is the same in all.

        A world is the same one turned and scaled, so its distances are those of this batch times a scale.
        """
        others = [part.worlds() if doubt else [] for part, doubt in zip(self.facts, self.in_doubt, strict=True)]
        worlds = []
        for k in range(max(map(len, others), default=0)):
            facts = [own[k] if k < len(own) else part for part, own in zip(self.facts, others, strict=True)]
            worlds.append(Batch(facts, self.frame_set_id, self.reference, self._scaled(facts)))
        return worlds

    def _scaled(self, facts: Sequence[Facts]) -> Callable[[Rows, Rows], Array]:
        worlds = [part.scene.world_from_store for part in facts]
        scales = np.array([1.0 if world is None else linear_and_scale(world)[1] for world in worlds])
        return lambda first, second: self.distance(first, second) * scales[self.scene_of_row[first]]

    @cached_property
    def object_text(self) -> list[str]:
        """What "the" is followed by in a question about each object, (n,); empty where nothing tells it from others."""
        refer = REFERENCES[self.reference]
        texts = [""] * len(self.code)
        for part, start in zip(self.facts, self.row_start.tolist(), strict=False):
            for row, text in refer(part, self.frame_set_id).items():
                texts[start + row] = text
        return texts

    @cached_property
    def unique(self) -> Rows:
        """Codes of what "the" can refer to, (u,), by scene."""
        named = np.flatnonzero((self.counts == 1) & (self.boxes == 1))
        if self.reference == "name":
            return named
        told = np.array([text != "" for text in self.object_text], dtype=bool)
        # A description adds to the names; a mark stands instead of them.
        if self.reference == "description":
            told[self.first_row[named]] = False
            codes = np.concatenate([named, len(self.categories) + np.flatnonzero(told)])
        else:
            codes = len(self.categories) + np.flatnonzero(told)
        return codes[np.argsort(self.scene_of_code[codes], kind="stable")]

    def text_of(self, code: int) -> str:
        """Say what "the" is followed by in a question about a category or an object."""
        n = len(self.categories)
        return self.categories[code] if code < n else self.object_text[code - n]

    def category_of(self, codes: Rows) -> Rows:
        """Category of each code, which may be that of an object."""
        objects = codes >= len(self.categories)
        return np.where(objects, np.append(self.code, 0)[np.where(objects, codes - len(self.categories), -1)], codes)

    @cached_property
    def scene_name(self) -> list[str]:
        """Name of each scene, (s,)."""
        return [part.scene.scene_name for part in self.facts]

    @cached_property
    def room_size_m2(self) -> Array:
        """Floor area of each scene, (s,) square metres; NaN where it has none."""
        sizes = [part.scene.room_size_m2 for part in self.facts]
        return np.array([np.nan if size is None else size for size in sizes], dtype=np.float64)

    @cached_property
    def frames(self) -> Frames:
        """The frames that a model may be shown, with their cameras and views."""
        return Frames(self.facts, self.frame_set_id)

    def image_text(self, row: int, frame: int) -> str:
        """Say what a question about one image calls an object, by mark or coordinate."""
        if self.reference == "mark":
            return mark_text(row - int(self.row_start[self.scene_of_row[row]]))
        view = self.frames.views(np.array([frame]), np.array([row]))[0]
        return coordinate_text(self.frames.box_2d[view], self.frames.size[frame])

    def mark(self, row: int, place: int) -> Mark:
        """Make the mark of an object in a frame, by its place in the recording; -1 for the one that shows it best."""
        k = int(self.scene_of_row[row])
        part, own = self.facts[k], row - int(self.row_start[k])
        if place < 0:
            shown = self.evidence[k]
            assert shown is not None
            assert part.recording is not None
            place = part.recording.place_of[shown.frame_ids[int(shown.best[own])]]
        return mark_of(part, own, place)

    @cached_property
    def evidence(self) -> list[Evidence | None]:
        """What the frame set shows of each scene, (s,); None where it cannot tell."""
        wanted = self.frame_set_id
        return [None if wanted is None else part.evidence(wanted) for part in self.facts]

    @cached_property
    def judged(self) -> NDArray[np.bool_]:
        """(s,) bool: scenes of which the frame set tells what it shows."""
        return np.array([found is not None for found in self.evidence], dtype=bool)

    @cached_property
    def best_place(self) -> Rows:
        """Place in the frame set of the frame that shows each object best, (n,); -1 where none shows enough."""
        return self._of_evidence("best")

    @cached_property
    def first_place(self) -> Rows:
        """Place in the frame set of the first frame that shows enough of each object, (n,); -1 where none does."""
        return self._of_evidence("first")

    def _of_evidence(self, name: str) -> Rows:
        sizes = np.diff(self.row_start).tolist()
        parts = [
            np.full(n, -1, dtype=np.int64) if found is None else getattr(found, name)
            for found, n in zip(self.evidence, sizes, strict=True)
        ]
        return _joined(parts, (0,), np.int64)

    @cached_property
    def recognised(self) -> Rows:
        """Objects of each category that the frame set shows well enough, (c,)."""
        return np.bincount(self.code[self.best_place >= 0], minlength=len(self.categories))

    @cached_property
    def by_code(self) -> Rows:
        """Rows sorted by category, (n,): the members of code k are `by_code[member_start[k]:member_start[k + 1]]`."""
        return np.argsort(self.code, kind="stable")

    @cached_property
    def member_start(self) -> Rows:
        """Where the members of each category begin in `by_code`, (c + 1,)."""
        return _starts(self.boxes)

    @cached_property
    def first_row(self) -> Rows:
        """Row of the first box of each category, -1 where it has none, and of the codes of objects, (c + n,)."""
        first = np.append(self.by_code, -1)[self.member_start[:-1]]
        return np.concatenate([np.where(self.boxes > 0, first, -1), np.arange(len(self.code))])

    @cached_property
    def first_instance(self) -> Rows:
        """Instance id of the first box of each category, -1 where it has none, and of objects, (c + n,)."""
        return np.append(self.instance_id, -1)[self.first_row]

    @cached_property
    def unique_rows(self) -> Rows:
        """Row of each category in `unique`, (u,)."""
        return self.first_row[self.unique]

    @cached_property
    def unique_scene(self) -> Rows:
        """Scene of each category in `unique`, (u,)."""
        return self.scene_of_code[self.unique]

    @cached_property
    def unique_start(self) -> Rows:
        """Where the categories of each scene begin in `unique`, (s + 1,)."""
        return _starts(np.bincount(self.unique_scene, minlength=len(self)))

    @cached_property
    def structure(self) -> NDArray[np.bool_]:
        """(n,) bool: walls, floors and ceilings, which no question is about."""
        return np.asarray(is_structure(self.categories))[self.code]

    @cached_property
    def longest_side_m(self) -> Array:
        """Longest extent of each box, (n,) metres."""
        return self.size.max(axis=1, initial=0.0)

    @cached_property
    def top_m(self) -> Array:
        """Height of the highest point of each box, (n,) metres."""
        return self.corners[..., 2].max(axis=1, initial=-np.inf)

    @cached_property
    def height_m(self) -> Array:
        """Vertical extent of each box, (n,) metres."""
        return self.top_m - self.corners[..., 2].min(axis=1, initial=np.inf)

    @cached_property
    def level_sides_m(self) -> Array:
        """Longer and shorter of the sides of each box that are not upright, (n, 2) metres."""
        return level_sides(self.size, self.rotation)

    @cached_property
    def half_diagonal_m(self) -> Array:
        """Half the space diagonal of each box, (n,) metres."""
        return np.sqrt((self.size**2).sum(axis=1)) / 2

    @cached_property
    def doubt(self) -> Array:
        """Error of boxes over the usual noise, at least 1, (c + n,): the worst of a category, each object's."""
        longest = self.size.max(axis=1, initial=0)
        face = self.face_error_m / (CENTER_NOISE_M + SIZE_NOISE * longest / 2)
        extent = 2 * self.face_error_m / (SIZE_NOISE * longest)
        own = np.maximum(np.nan_to_num(np.maximum(face, extent), nan=1.0), 1.0)
        worst = np.ones(len(self.categories))
        np.maximum.at(worst, self.code, own)
        return np.concatenate([worst, own])

    @cached_property
    def largest_half_diagonal_m(self) -> Array:
        """Largest `half_diagonal_m` of each category, 0 where it has no box, and that of objects, (c + n,) metres."""
        largest = np.zeros(len(self.categories))
        np.maximum.at(largest, self.code, self.half_diagonal_m)
        return np.concatenate([largest, self.half_diagonal_m])

    @cached_property
    def corners(self) -> Array:
        """Corners of the boxes, (n, 8, 3) metres, world frame of each scene."""
        return box_corners(self.center, self.size, self.rotation)

    def distance(self, first: Rows, second: Rows) -> Array:
        """Distance between rows of one scene, `first` and `second` (k,), in metres, as the profile defines it."""
        return self._distance(first, second)

    def put_distances(self, first: Rows, second: Rows, distance: Array) -> None:
        """Set distances that were measured otherwise, (k,) metres."""
        self._pairs.put(first, second, distance)

    def prefetch_distances(self) -> None:
        """Compute the distances that questions usually ask for, all scenes at once: that is what vectors are good for.

        Only profile `exact`; the others compute pair by pair anyway. Pairs without an object that "the" refers to wait
        until somebody asks.
        """
        if self.profile != "exact":
            return
        rows = np.arange(len(self.code))
        owner, other = ranges(rows + 1, self.row_start[1:][self.scene_of_row] - rows - 1)
        named = np.zeros(len(rows), dtype=bool)
        named[self.unique_rows] = True
        wanted = named[owner] | named[other]
        self._pairs.compute(owner[wanted], other[wanted])

    def nearest_distance(self, rows: Rows, codes: Rows) -> Array:
        """Distance from objects to the nearest object of categories of their scene, pair by pair.

        Parameters
        ----------
        rows, codes : (k,) int64
            Each category has a box.

        Returns
        -------
        (k,) float64, metres
        """
        if len(codes) == 0:
            return np.zeros(0)
        sizes = self.boxes[codes]
        owner, place = ranges(self.member_start[codes], sizes)
        distance = self.distance(rows[owner], self.by_code[place])
        return np.minimum.reduceat(distance, np.cumsum(sizes) - sizes)


def _starts(sizes: Sequence[int] | Rows) -> Rows:
    """Where parts of the given sizes begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(np.asarray(sizes, dtype=np.int64))])


def _joined(parts: Sequence[NDArray[Any]], empty: tuple[int, ...], dtype: Any = np.float64) -> NDArray[Any]:
    """Concatenate arrays of which there may be none."""
    return np.concatenate(parts) if parts else np.zeros(empty, dtype=dtype)
