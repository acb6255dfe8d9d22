"""Facts of one scene, computed once for all its objects: what questions select from and programs compute with."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array, Rows
from qa_engine.facts.distances import PairDistances
from qa_engine.geometry import bearing_deg, box_corners
from qa_engine.geometry.boxes import SUPPORT_GAP_M
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.worlds import possible_worlds

if TYPE_CHECKING:
    from qa_engine.views.evidence import Evidence
    from qa_engine.views.recording import Recording
    from qa_engine.views.sightings import Sightings


class Facts:
    """Numbers about the objects of a scene; each is computed when first asked for and kept.

    Objects are addressed by row (0 to n - 1, the scene's order), categories by code (their place in `categories`).

    Parameters
    ----------
    scene : Scene
    profile : str
        A name in `PROFILES`: what the distance between two objects means.
    sightings : callable, optional
        From the name of the scene to what its frames show when, or None.
    evidence : callable, optional
        From the scene and the name of a frame set to what those frames show well enough, or None.
    recording : callable, optional
        From the scene to its frames with their cameras and views, or None.

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

    Examples
    --------
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair", "table"]), size=np.ones((2, 3)),
    ...               center=np.array([[0, 0, 0.5], [3, 0, 0.5]]), rotation=np.array([np.eye(3)] * 2))
    >>> facts = Facts(scene)
    >>> float(facts.distance(np.array([0]), np.array([1]))[0])
    2.0
    """

    def __init__(
        self,
        scene: Scene,
        profile: str = "exact",
        sightings: Callable[[str], Sightings | None] | None = None,
        evidence: Callable[[Scene, str], Evidence | None] | None = None,
        recording: Callable[[Scene], Recording | None] | None = None,
    ) -> None:
        self.scene = scene
        self._find_recording = recording
        self._find_sightings = sightings
        self._find_evidence = evidence
        self.profile = profile
        names = scene.category.tolist()
        self.categories = tuple(sorted({*names, *scene.category_counts}))
        place = {name: i for i, name in enumerate(self.categories)}
        self.code = np.array([place[name] for name in names], dtype=np.int64)
        self.boxes = np.bincount(self.code, minlength=len(place))
        self.counts = np.array([scene.category_counts.get(name, 0) for name in self.categories], dtype=np.int64)
        self._memory: dict[str, Any] = {}
        self._shared: tuple[Callable[[Rows, Rows], Array], int] | None = None

    def worlds(self) -> list[Facts]:
        """Give the facts of the scene as it may truly be, within the errors stated of it; none where none is."""
        looks = self._find_sightings, self._find_evidence, self._find_recording
        return [Facts(scene, self.profile, *looks) for scene in possible_worlds(self.scene)]

    def remember(self, key: str, make: Callable[[Facts], Any]) -> Any:
        """Return what `make` made of these facts the first time `key` was asked for."""
        if key not in self._memory:
            self._memory[key] = make(self)
        return self._memory[key]

    @cached_property
    def sightings(self) -> Sightings | None:
        """What the frames show when; None where nobody looked."""
        return self._find_sightings(self.scene.scene_name) if self._find_sightings else None

    def evidence(self, frame_set_id: str) -> Evidence | None:
        """Get what the frames of a set show well enough to be recognised; None where they cannot tell."""
        find = self._find_evidence
        return self.remember(f"evidence {frame_set_id}", lambda _: find(self.scene, frame_set_id) if find else None)

    @cached_property
    def recording(self) -> Recording | None:
        """The frames with their cameras and what each shows; None where nobody observed them."""
        return self._find_recording(self.scene) if self._find_recording else None

    def supports(self, gap_m: float = SUPPORT_GAP_M) -> NDArray[np.bool_]:
        """Tell what stands on what, (n, n): row j on row i, with up to `gap_m` between them."""
        return self.remember(f"supports {gap_m}", lambda _: self._supports(gap_m))

    def _supports(self, gap_m: float) -> NDArray[np.bool_]:
        from qa_engine.geometry import box_supports

        # Only what ends about where the other begins can carry it: few pairs, so that outlines are cut for those alone.
        z = self.corners[..., 2]
        bottom, top = z.min(axis=1, initial=np.inf), z.max(axis=1, initial=-np.inf)
        below, above = np.nonzero(np.abs(bottom[None] - top[:, None]) <= gap_m)
        below, above = below[below != above], above[below != above]
        scene, found = self.scene, np.zeros((len(self.scene),) * 2, dtype=bool)
        columns = (scene.center, scene.size, scene.rotation)
        found[below, above] = box_supports(
            *(part[below] for part in columns), *(part[above] for part in columns), gap_m=gap_m
        )
        return found

    @cached_property
    def members(self) -> list[Rows]:
        """Object rows of each category, (c,) arrays."""
        order = np.argsort(self.code, kind="stable")
        return np.split(order, np.cumsum(self.boxes)[:-1]) if self.categories else []

    @cached_property
    def row_of_instance(self) -> dict[int, int]:
        """Object row of each instance id."""
        return {int(instance): row for row, instance in enumerate(self.scene.instance_id)}

    @cached_property
    def code_of_category(self) -> dict[str, int]:
        """Code of each category name."""
        return {name: code for code, name in enumerate(self.categories)}

    @cached_property
    def longest_side_m(self) -> Array:
        """Longest extent of each box, (n,) metres."""
        return self.scene.size.max(axis=1, initial=0.0)

    @cached_property
    def corners(self) -> Array:
        """Corners of the boxes, (n, 8, 3) metres, world frame."""
        return box_corners(self.scene.center, self.scene.size, self.scene.rotation)

    @cached_property
    def bearing(self) -> Array:
        """Bearing from the centre of row i to that of row j, (n, n) degrees."""
        return bearing_deg(self.scene.center[:, None], self.scene.center[None])

    def share_distances(self, pairs: Callable[[Rows, Rows], Array], start: int) -> None:
        """Use distances that are kept for several scenes; the rows of this one begin there at `start`."""
        self._shared = pairs, start

    def distance(self, first: Rows, second: Rows) -> Array:
        """Distance between object rows `first` and `second` (k,), in metres, as the profile defines it."""
        if self._shared is None:
            self._shared = PairDistances(self.scene.boxes, np.array([len(self.scene)]), self.profile), 0
        pairs, start = self._shared
        return pairs(np.asarray(first) + start, np.asarray(second) + start)
