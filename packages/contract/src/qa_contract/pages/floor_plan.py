"""A room drawn from above or from the side: outline, boxes, cameras, marks, labels that keep apart, a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from qa_contract.pages.drawing import FONT_PX, Drawing
from qa_contract.pages.labels import Placed, Wanted, place_labels, text_width
from qa_contract.pages.palette import TONES
from qa_contract.pages.plan_marks import Mark, flat
from qa_contract.pages.text import plural, short

Array = NDArray[np.float64]

PLAN_WIDTH = 460.0
MAX_HEIGHT = 460.0
MARGIN_PX, FOOT_PX = 16.0, 30.0
SHELL_SHARE = 0.4
"""A box that covers more than this of the rectangle around the room is drawn as an outline, unless the question is
about it: a floor would hide the rest."""
CLOUD_PX, MAX_CLOUD_CELLS = 3.0, 20_000
MIN_SPAN_M = 1.0
WEDGE_SHARE = 0.1
"""Length of a camera's wedge, of the longer side of the room."""
_SIGNS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_FLOOR = (np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))


@dataclass(frozen=True)
class PlanObject:
    """An object with its oriented box.

    Attributes
    ----------
    instance_id : int
    category : str
    center, size : (3,) array
        Metres, world frame, Z up.
    rotation : (3, 3) or (9,) array
        Rows are the axes of the box in the world.
    tone : str
        Of the palette; `muted` for those that only stand around.
    label : str, optional
        In place of the category; empty for none.
    asked : bool
        The question is about it: drawn on top, with a label in any case.
    note : str
        A further hover text.
    """

    instance_id: int
    category: str
    center: ArrayLike
    size: ArrayLike
    rotation: ArrayLike
    tone: str = "muted"
    label: str | None = None
    asked: bool = False
    note: str = ""

    @property
    def tip(self) -> str:
        """Category, instance and size."""
        size = " × ".join(f"{v:.2f}" for v in np.asarray(self.size, dtype=np.float64).tolist())
        return f"{self.category} #{self.instance_id}, {size} m" + (f"\n{self.note}" if self.note else "")


@dataclass(frozen=True)
class PlanCamera:
    """A camera.

    Attributes
    ----------
    world_from_camera : (4, 4) or (16,) array
        OpenCV axes.
    label : str
        Such as the number of the frame.
    fov_deg : float
        Horizontal angle of view.
    tip : str
    """

    world_from_camera: ArrayLike
    label: str = ""
    fov_deg: float = 60.0
    tip: str = ""


@dataclass(frozen=True)
class Room:
    """What is drawn.

    Attributes
    ----------
    objects : sequence of PlanObject
        What is not finite is left out.
    floor : (n, 2) array, optional
        Outline of the room, metres; the hull of all boxes, dashed, where not given.
    cameras : sequence of PlanCamera
    marks : sequence of Mark
        See `qa_contract.pages.plan_marks`.
    cloud : (n, 3) array, optional
        Points, metres.
    """

    objects: Sequence[PlanObject] = ()
    floor: ArrayLike | None = None
    cameras: Sequence[PlanCamera] = ()
    marks: Sequence[Mark] = ()
    cloud: ArrayLike | None = None

    def above(self, *, title: str, width: float = PLAN_WIDTH, labels: str = "all") -> Drawing:
        """Draw it from above: x to the right, y up.

        Parameters
        ----------
        title : str
            For readers who do not see it.
        width : float
            Of the sheet; letters keep their size.
        labels : str
            `all`, those that are `asked`, or `none`.

        Examples
        --------
        >>> table = PlanObject(3, "<table>", [1, 1, 0.4], [2, 1, 0.8], [1, 0, 0, 0, 1, 0, 0, 0, 1])
        >>> svg = Room([table]).above(title="plan").svg()
        >>> "&lt;table&gt; #3, 2.00 × 1.00 × 0.80 m" in svg
        True
        """
        return _Picture(self, _FLOOR, title=title, width=width, labels=labels, above=True).drawing

    def side(self, along: ArrayLike, *, title: str, width: float = PLAN_WIDTH, labels: str = "asked") -> Drawing:
        """Draw it from the side: the direction `along`, (2,) or (3,) on the floor, to the right, z up."""
        way = flat(along)
        length = float(np.hypot(way[0], way[1]))
        across = np.array([way[0], way[1], 0.0]) / length if length > 1e-9 else _FLOOR[0]
        axes = (across, np.array([0.0, 0.0, 1.0]))
        return _Picture(self, axes, title=title, width=width, labels=labels, above=False).drawing


def outlines(objects: Sequence[PlanObject], axes: tuple[Array, Array] = _FLOOR) -> NDArray[np.object_]:
    """Outline boxes as they are seen along a direction.

    Parameters
    ----------
    objects : sequence of PlanObject
    axes : pair of (3,) float64
        Directions of the sheet in the world, to the right and up; the floor's where not given.

    Returns
    -------
    (n,) array of shapely geometries
        Convex hulls of the corners, metres; a polygon unless the box is flat that way.

    Examples
    --------
    >>> table = PlanObject(0, "table", [1, 2, 0.5], [2, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 1])
    >>> outlines([table])[0].bounds
    (0.0, 1.5, 2.0, 2.5)
    """
    if not objects:
        return np.empty(0, dtype=object)
    center, size = (np.array([getattr(o, name) for o in objects], dtype=np.float64) for name in ("center", "size"))
    rotation = np.array([np.asarray(o.rotation, dtype=np.float64).reshape(3, 3) for o in objects])
    corners = center[:, None] + (_SIGNS * size[:, None]) @ rotation
    seen = corners @ np.stack(axes, axis=1)
    points = np.asarray(shapely.points(seen), dtype=object)
    return np.asarray(shapely.convex_hull(shapely.multipoints(points)), dtype=object)


class _Picture:
    """One view of a room on a sheet."""

    def __init__(
        self, room: Room, axes: tuple[Array, Array], *, title: str, width: float, labels: str, above: bool
    ) -> None:
        self._axes = axes
        objects = [o for o in room.objects if _is_finite(o)]
        shapes = outlines(objects, axes)
        floor = None if room.floor is None else np.asarray(room.floor, dtype=np.float64).reshape(-1, 2)
        floor = floor if above and floor is not None and len(floor) > 2 and np.isfinite(floor).all() else None
        cameras = [(c, pose) for c in room.cameras if np.isfinite(pose := _pose(c)).all()]
        self._fit(shapes, floor, [self._seen(pose[:3, 3]) for _, pose in cameras], room.marks, width, above=above)
        self.drawing = Drawing(self._width, self._height + FOOT_PX, title=title, css="plan")
        self._ground(shapes, floor, above=above)
        if above and room.cloud is not None:
            self._dots(np.asarray(room.cloud, dtype=np.float64).reshape(-1, 3))
        wanted = self._boxes(objects, shapes, labels)
        for camera, pose in cameras:
            wanted += self._camera(camera, pose)
        strokes: list[Array] = []
        for mark in room.marks:
            more, lines = mark.draw(self.drawing, self._place3, above=above)
            wanted += more
            strokes += lines
        bounds = (2.0, 2.0, self._width - 2, self._height - 2)
        placed = place_labels(wanted, bounds, lines=np.array(strokes) if strokes else None)
        self._labels(placed)
        self._foot(above=above)
        left_out = sum(place is None for place in placed)
        self.drawing.desc = plural(len(objects), "object") + "."
        if left_out:
            self.drawing.desc += f" {plural(left_out, 'label')} left out for want of room."

    def _seen(self, points: ArrayLike) -> Array:
        """Place points (..., 3) on the plane that is drawn, in metres."""
        return np.asarray(points, dtype=np.float64) @ np.stack(self._axes, axis=1)

    def _place(self, points: Array) -> Array:
        """Place points (..., 2) of that plane on the sheet."""
        return (np.asarray(points) - self._low) * [self._scale, -self._scale] + self._origin

    def _place3(self, points: ArrayLike) -> Array:
        return self._place(self._seen(points))

    def _fit(
        self,
        shapes: NDArray[np.object_],
        floor: Array | None,
        eyes: Sequence[Array],
        marks: Sequence[Mark],
        width: float,
        *,
        above: bool,
    ) -> None:
        """Choose the scale so that all fits on the sheet."""
        points = [shapely.get_coordinates(shapes), *(eye[None] for eye in eyes)]
        points += [self._seen(p) for mark in marks for p in mark.points()]
        points += [floor] if floor is not None else []
        every = np.concatenate([p.reshape(-1, 2) for p in points])
        every = every[np.isfinite(every).all(axis=1)]
        every = every if len(every) else np.zeros((1, 2))
        low, high = every.min(axis=0), every.max(axis=0)
        middle, span = (low + high) / 2, np.maximum(high - low, MIN_SPAN_M)
        tallest = MAX_HEIGHT * width / PLAN_WIDTH * (1.0 if above else 0.5)
        self._scale = float(min((width - 2 * MARGIN_PX) / span[0], (tallest - 2 * MARGIN_PX) / span[1]))
        self._span, self._covered = float(span.max()), float(span.prod())
        self._width, self._height = width, float(span[1] * self._scale + 2 * MARGIN_PX)
        self._low = middle
        self._origin = np.array([width / 2, self._height / 2])

    def _ground(self, shapes: NDArray[np.object_], floor: Array | None, *, above: bool) -> None:
        """Draw the outline of the room, or the line of the floor."""
        if not above:
            # The lowest box stands on the floor; the origin of a scan may lie anywhere.
            lowest = shapely.get_coordinates(shapes)[:, 1].min(initial=np.inf)
            y = self._place(np.array([0.0, lowest if np.isfinite(lowest) else 0.0]))[1]
            self.drawing.line([(MARGIN_PX / 2, y), (self._width - MARGIN_PX / 2, y)], "muted", width=1.5)
        elif floor is not None:
            self.drawing.polygon(self._place(floor), "panel", "muted", width=1.5)
        elif len(shapes):
            hull = shapely.convex_hull(shapely.union_all(shapes))
            if hull.geom_type == "Polygon":
                corners = self._place(shapely.get_coordinates(hull))
                self.drawing.polygon(corners, "panel", "muted", width=1.2, dash="dashed")

    def _dots(self, cloud: Array) -> None:
        """Draw the cells of the sheet that hold points of the cloud."""
        places = self._place3(cloud[np.isfinite(cloud).all(axis=1)])
        places = places[((places >= 0) & (places <= [self._width - CLOUD_PX, self._height - CLOUD_PX])).all(axis=1)]
        cells = np.unique(np.floor(places / CLOUD_PX).astype(np.int64), axis=0)
        cells = cells[:: max(1, -(-len(cells) // MAX_CLOUD_CELLS))]
        if len(cells):
            self.drawing.squares(cells * CLOUD_PX, CLOUD_PX, "muted", opacity=0.35)

    def _boxes(self, objects: Sequence[PlanObject], shapes: NDArray[np.object_], labels: str) -> list[Wanted]:
        """Draw boxes, large ones first and those asked about last; give the labels they want."""
        wanted, area = [], shapely.area(shapes)
        for i in sorted(range(len(objects)), key=lambda i: (objects[i].asked, -area[i], objects[i].instance_id)):
            one, corners = objects[i], self._place(shapely.get_coordinates(shapes[i]))
            style = {"tip": one.tip, "instance": one.instance_id}
            if shapes[i].geom_type != "Polygon":
                self.drawing.line(corners, one.tone, width=3.0, **style)
            elif area[i] > SHELL_SHARE * self._covered and not one.asked:
                self.drawing.polygon(corners, "", one.tone, width=1.2, dash="dotted", css="shell", **style)
            else:
                opacity, line = (0.34, 2.2) if one.asked else (0.12 if one.tone == "muted" else 0.24, 1.3)
                self.drawing.polygon(corners, one.tone, one.tone, opacity=opacity, width=line, **style)
            text = one.category if one.label is None else one.label
            if text and (labels == "all" or (labels == "asked" and one.asked)):
                low, high = corners.min(axis=0), corners.max(axis=0)
                (x, y), reach = (low + high) / 2, (high - low) / 2
                size = FONT_PX if one.asked else FONT_PX - 1
                wanted.append(Wanted(text, x, y, reach[0], reach[1], size=size, must=one.asked))
        return wanted

    def _camera(self, camera: PlanCamera, pose: Array) -> list[Wanted]:
        """Draw a camera with its view; give the label it wants."""
        eye, ahead = self._place3(pose[:3, 3]), self._seen(pose[:3, 2])
        length = float(np.hypot(*ahead))
        if length > 0.2:  # others look nearly along the direction of this view
            reach = max(WEDGE_SHARE * self._span, 0.3) * self._scale
            middle = np.arctan2(-ahead[1], ahead[0])
            half = np.radians(camera.fov_deg) / 2
            angles = np.linspace(middle - half, middle + half, 9)
            rim = eye + reach * np.column_stack([np.cos(angles), np.sin(angles)])
            self.drawing.polygon(np.vstack([eye, rim]), "accent", "accent", opacity=0.14, width=0.8, css="view")
        self.drawing.circle(eye, 3.5, "accent", tip=camera.tip or f"camera {camera.label}".strip(), css="camera")
        return [Wanted(camera.label, eye[0], eye[1], 5, 5, size=FONT_PX - 1, must=True)] if camera.label else []

    def _labels(self, placed: Sequence[Placed | None]) -> None:
        """Write labels over all else, their leader lines below them."""
        found = [place for place in placed if place is not None]
        for place in found:
            if place.leader is not None:
                self.drawing.line(place.leader, "soft", width=0.9, css="leader")
                self.drawing.circle(place.leader[0], 1.6, "soft")
        for place in found:
            spot = (place.x, place.base_line)
            self.drawing.text(spot, place.text, size=place.size, align="middle", halo=True, css="label")

    def _foot(self, *, above: bool) -> None:
        """Draw a scale of round length and the directions of the axes, below the room."""
        y = self._height + FOOT_PX - 12
        metres = max(
            (m for m in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if m * self._scale < self._width / 4), default=0.1
        )
        x, end = MARGIN_PX, MARGIN_PX + metres * self._scale
        for path in ([(x, y), (end, y)], [(x, y - 4), (x, y + 4)], [(end, y - 4), (end, y + 4)]):
            self.drawing.line(path, "ink", width=1.5)
        self.drawing.text((end + 6, y + 4), f"{short(metres)} m", "soft")
        right = "x" if above or self._axes[0][0] > 0.999 else ""
        corner = np.array([self._width - MARGIN_PX - 26 - text_width(right, FONT_PX), y + 4])
        for way, side in (
            (np.array([20.0, 0.0]), np.array([0.0, 3.0])),
            (np.array([0.0, -18.0]), np.array([3.0, 0.0])),
        ):
            end, back = corner + way, corner + way * 0.75
            self.drawing.line(np.stack([corner, back]), "soft", width=1.3)
            self.drawing.polygon(np.stack([end, back + side, back - side]), "soft")
        self.drawing.text(corner + np.array([24.0, 4.0]), right, "soft")
        self.drawing.text(corner + np.array([-10.0, -12.0]), "y" if above else "z", "soft")


def with_operands(
    objects: Sequence[PlanObject], tones: Sequence[str], ids: Sequence[Sequence[int]]
) -> list[PlanObject]:
    """Colour the objects that a question is about.

    Parameters
    ----------
    objects : sequence of PlanObject
    tones : sequence of str
        One per operand.
    ids : sequence of sequences of int
        Objects of each operand.
    """
    tone_of = {number: tone for tone, numbers in zip(tones, ids, strict=False) for number in numbers}
    return [
        replace(one, tone=tone_of[one.instance_id], asked=True) if one.instance_id in tone_of else one
        for one in objects
    ]


def _pose(camera: PlanCamera) -> Array:
    return np.asarray(camera.world_from_camera, dtype=np.float64).reshape(4, 4)


def _is_finite(one: PlanObject) -> bool:
    if one.tone not in TONES:
        raise ValueError(f"{one.tone!r} is no tone of the palette: {', '.join(TONES)}.")
    return all(np.isfinite(np.asarray(v, dtype=np.float64)).all() for v in (one.center, one.size, one.rotation))
