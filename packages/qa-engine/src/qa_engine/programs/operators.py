"""The operators of the language: facts of a scene, by instance id and category name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from qa_engine.facts.scene import Facts
from qa_engine.geometry import HALVES, QUADRANTS, THIRDS, Sectors, box_footprint, turn_deg
from qa_engine.geometry.boxes import level_sides
from qa_engine.geometry.directions import CLOCK, COMPASS, FRONT_BACK
from qa_engine.geometry.routes import TURNS, route_turns_deg
from qa_engine.programs.language import ProgramCode, ProgramError
from qa_engine.scenes.structure import is_structure


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes
    ----------
    parameters : tuple of (name, type)
        Types: `instance` (an instance id; the function gets the object's row), `frame` (its place), `category` (a
        category name; gets its code), `instances`, `frames`, `categories` (a list; gets rows, places, codes), `numbers`
        (a list of numbers of one unit; gets floats), `number`, `plain` (a number without unit), `list`, `bools`,
        `texts`, `text`, `value`.
        The function gets a `list`, a `value` and a `number` as `Value`, the others as plain data.
    result : str
        `number`, `text`, `category`, `bool`, `instance`, `frame`, `instances`, `frames`, `categories`, or `value` where
        the function returns a `Value`.
    unit : str
        Of a number; `same` for that of the numbers given.
    doc : str
        One sentence.
    function : callable
        From `Facts` and the converted arguments to plain data.
    steps : int
        What a call counts of the budget of steps: more than 1 where it searches.
    """

    parameters: tuple[tuple[str, str], ...]
    result: str
    unit: str
    doc: str
    function: Callable[..., Any]
    steps: int = 1

    def signature(self, name: str) -> str:
        """Show the operator as a call.

        Examples
        --------
        >>> SCENE_OPERATORS["distance_m"].signature("distance_m")
        'distance_m(a: instance, b: instance) -> number, m'
        """
        inside = ", ".join(f"{parameter}: {kind}" for parameter, kind in self.parameters)
        return f"{name}({inside}) -> {self.result}" + (f", {self.unit}" if self.unit else "")


def _count(facts: Facts, category: int) -> int:
    return int(facts.counts[category])


def _count_seen(facts: Facts, category: int, frame_set_id: str) -> int:
    found = facts.evidence(frame_set_id)
    if found is None:
        raise ProgramError(
            ProgramCode.NO_VALUE, f"nothing tells what the frames of {frame_set_id!r} show of the scene."
        )
    return int(np.count_nonzero(found.seen[facts.members[category]]))


def _objects(facts: Facts) -> list[int]:
    return facts.scene.instance_id[~is_structure(facts.scene.category)].tolist()


def _categories(facts: Facts) -> list[str]:
    things = (facts.boxes > 0) & ~is_structure(facts.categories)
    return [facts.categories[code] for code in np.flatnonzero(things)]


def _instances(facts: Facts, category: int) -> list[int]:
    return facts.scene.instance_id[facts.members[category]].tolist()


def _category(facts: Facts, row: int) -> str:
    return facts.categories[facts.code[row]]


def _longest_side_cm(facts: Facts, row: int) -> float:
    return float(facts.longest_side_m[row] * 100)


def _shortest_side_cm(facts: Facts, row: int) -> float:
    return float(facts.scene.size[row].min() * 100)


def _width_cm(facts: Facts, row: int) -> float:
    return float(level_sides(facts.scene.size[[row]], facts.scene.rotation[[row]])[0, 0] * 100)


def _breadth_cm(facts: Facts, row: int) -> float:
    return float(level_sides(facts.scene.size[[row]], facts.scene.rotation[[row]])[0, 1] * 100)


def _volume_l(facts: Facts, row: int) -> float:
    return _volume_m3(facts, row) * 1000


def _volume_m3(facts: Facts, row: int) -> float:
    x, y, z = facts.scene.size[row].tolist()
    return x * y * z


def _heights(facts: Facts) -> np.ndarray:
    """Lowest and highest z of each box, (n, 2) metres."""
    z = facts.corners[..., 2]
    return np.stack([z.min(axis=1, initial=np.inf), z.max(axis=1, initial=-np.inf)], axis=1)


def _bottom_m(facts: Facts, row: int) -> float:
    return float(facts.remember("programs/heights", _heights)[row, 0])


def _top_m(facts: Facts, row: int) -> float:
    return float(facts.remember("programs/heights", _heights)[row, 1])


def _height_cm(facts: Facts, row: int) -> float:
    low, high = facts.remember("programs/heights", _heights)[row]
    return float(high - low) * 100


def _footprints(facts: Facts) -> list[shapely.Polygon]:
    """Outline of each box on the floor plan."""
    scene = facts.scene
    return [shapely.Polygon(outline) for outline in box_footprint(scene.center, scene.size, scene.rotation)]


def _footprint_m2(facts: Facts, row: int) -> float:
    return float(facts.remember("programs/footprints", _footprints)[row].area)


def _covered_m2(facts: Facts, rows: list[int]) -> float:
    footprints = facts.remember("programs/footprints", _footprints)
    return float(shapely.union_all([footprints[row] for row in rows]).area) if rows else 0.0


def _room_area_m2(facts: Facts) -> float:
    if facts.scene.room_size_m2 is None:
        raise ProgramError(ProgramCode.NO_VALUE, "the scene has no room size.")
    return facts.scene.room_size_m2


def _distances(facts: Facts, row: int) -> np.ndarray:
    """Distance of one object to all, (n,) metres: at once, since programs ask in loops."""
    n = len(facts.scene)
    return facts.remember(f"programs/distance/{row}", lambda part: part.distance(np.full(n, row), np.arange(n)))


def _distance_m(facts: Facts, a: int, b: int) -> float:
    if facts.profile == "exact":
        return float(_distances(facts, min(a, b))[max(a, b)])
    return float(facts.distance(np.array([a]), np.array([b]))[0])


def _center_distance_m(facts: Facts, a: int, b: int) -> float:
    center = facts.scene.center
    return float(np.sqrt(((center[a] - center[b]) ** 2).sum()))


def _nearest_distance_m(facts: Facts, row: int, category: int) -> float:
    members = facts.members[category]
    if len(members) == 0:
        name = facts.categories[category]
        raise ProgramError(ProgramCode.NO_VALUE, f"the scene counts {name!r} but has no box of it.")
    return float(facts.distance(np.full(len(members), row), members).min())


def _nearest_category(facts: Facts, row: int, categories: list[int]) -> str:
    if not categories:
        raise ProgramError(ProgramCode.NO_VALUE, "nearest_category needs at least one category.")
    distances = [_nearest_distance_m(facts, row, category) for category in categories]
    return facts.categories[categories[int(np.argmin(distances))]]


def _nearest(facts: Facts, row: int, among: list[int]) -> int:
    if not among:
        raise ProgramError(ProgramCode.NO_VALUE, "nearest needs at least one instance.")
    distance = facts.distance(np.full(len(among), row), np.array(among))
    return int(facts.scene.instance_id[among[int(np.argmin(distance))]])


def _bearing_deg(facts: Facts, a: int, b: int) -> float:
    if a == b:
        raise ProgramError(ProgramCode.WRONG_ARGUMENTS, "a bearing needs two different instances.")
    return float(np.mod(facts.bearing[a, b], 360.0))


def _turn_deg(facts: Facts, standing: int, facing: int, target: int) -> float:
    if len({standing, facing, target}) != 3:
        raise ProgramError(ProgramCode.WRONG_ARGUMENTS, "a direction needs three different instances.")
    return float(turn_deg(facts.bearing[standing, facing], facts.bearing[standing, target]))


def _sector(sectors: Sectors) -> Callable[[Facts, int, int, int], str]:
    def name(facts: Facts, standing: int, facing: int, target: int) -> str:
        return sectors.names[int(sectors.index(_turn_deg(facts, standing, facing, target)))]

    return name


def _appearance_order(facts: Facts, categories: list[int], min_px: float) -> str:
    if facts.sightings is None:
        raise ProgramError(ProgramCode.NO_VALUE, "the scene has no observations of timed frames.")
    first, n = facts.sightings.first_frame(facts.scene.instance_id, min_px), len(facts.sightings.frame_time_s)
    frames = [first[facts.members[category]].min(initial=n) for category in categories]
    if max(frames, default=0) >= n:
        name = facts.categories[categories[int(np.argmax(frames))]]
        raise ProgramError(ProgramCode.NO_VALUE, f"no frame shows {name!r} by {min_px} pixels.")
    return ", ".join(facts.categories[categories[i]] for i in np.argsort(frames, kind="stable"))


def _route_turns(facts: Facts, begin: int, facing: int, stops: list[int]) -> str:
    if begin == facing or not stops or any(a == b for a, b in zip([begin, *stops], stops, strict=False)):
        raise ProgramError(ProgramCode.WRONG_ARGUMENTS, "a route leads from one instance to another.")
    turns = route_turns_deg(facts.scene.center[[begin, facing, *stops]])[int(facing == stops[0]) :]
    names = [TURNS.names[i] for i in TURNS.index(turns)]
    if "forward" in names:
        raise ProgramError(ProgramCode.NO_VALUE, "the route goes straight on; it has no turn there.")
    return ", ".join(f"Turn {name.capitalize()}" for name in names)


_ONE = (("a", "instance"),)
_TWO = (("a", "instance"), ("b", "instance"))
_THREE = (("standing", "instance"), ("facing", "instance"), ("target", "instance"))

SCENE_OPERATORS: dict[str, Operator] = {
    "count": Operator((("category", "category"),), "number", "", "Objects of a category in the scene.", _count),
    "count_seen": Operator(
        (("category", "category"), ("frame_set", "text")),
        "number",
        "",
        "Objects of a category that the frames of a frame set show well enough to be recognised.",
        _count_seen,
    ),
    "objects": Operator((), "instances", "", "All instances with a box, without walls, floors and ceilings.", _objects),
    "instances": Operator((("category", "category"),), "instances", "", "Instances of a category.", _instances),
    "categories": Operator((), "categories", "", "All categories of these, by name.", _categories),
    "category": Operator(_ONE, "category", "", "Category of an instance.", _category),
    "longest_side_cm": Operator(
        _ONE, "number", "cm", "Longest of length, width and height of the box.", _longest_side_cm
    ),
    "shortest_side_cm": Operator(
        _ONE, "number", "cm", "Shortest of length, width and height of the box.", _shortest_side_cm
    ),
    "height_cm": Operator(_ONE, "number", "cm", "Vertical extent of the box.", _height_cm),
    "width_cm": Operator(_ONE, "number", "cm", "Longer of the sides of the box that are not upright.", _width_cm),
    "breadth_cm": Operator(_ONE, "number", "cm", "Shorter of the sides of the box that are not upright.", _breadth_cm),
    "bottom_m": Operator(_ONE, "number", "m", "Height of the lowest point above the scene's zero.", _bottom_m),
    "top_m": Operator(_ONE, "number", "m", "Height of the highest point above the scene's zero.", _top_m),
    "volume_m3": Operator(_ONE, "number", "m3", "Volume of the box.", _volume_m3),
    "volume_l": Operator(_ONE, "number", "l", "Volume of the box in litres.", _volume_l),
    "footprint_m2": Operator(_ONE, "number", "m2", "Area of the box's outline on the floor plan.", _footprint_m2),
    "covered_m2": Operator(
        (("among", "instances"),), "number", "m2", "Floor area under instances, overlaps counted once.", _covered_m2
    ),
    "room_area_m2": Operator((), "number", "m2", "Floor area of the room.", _room_area_m2),
    "distance_m": Operator(_TWO, "number", "m", "Distance between the closest points.", _distance_m),
    "center_distance_m": Operator(_TWO, "number", "m", "Distance between the centres of boxes.", _center_distance_m),
    "nearest_distance_m": Operator(
        (("a", "instance"), ("category", "category")),
        "number",
        "m",
        "Distance from an instance to the closest object of a category.",
        _nearest_distance_m,
    ),
    "nearest_category": Operator(
        (("a", "instance"), ("among", "categories")),
        "category",
        "",
        "The category, among those listed, whose closest object is the closest to an instance.",
        _nearest_category,
    ),
    "nearest": Operator(
        (("a", "instance"), ("among", "instances")), "instance", "", "The closest of some instances.", _nearest
    ),
    "bearing_deg": Operator(
        _TWO,
        "number",
        "deg",
        "Direction from a to b on the floor plan, counter-clockwise from x; 0 to 360.",
        _bearing_deg,
    ),
    "turn_deg": Operator(
        _THREE,
        "number",
        "deg",
        "Counter-clockwise turn from facing one instance to facing the target, standing at another; 0 to 360.",
        _turn_deg,
    ),
    "appearance_order": Operator(
        (("among", "categories"), ("min_px", "plain")),
        "text",
        "",
        "The categories by the time of the first frame that shows at least so many pixels of one of them.",
        _appearance_order,
    ),
    "route_turns": Operator(
        (("begin", "instance"), ("facing", "instance"), ("stops", "instances")),
        "text",
        "",
        "Turn Left, Turn Right or Turn Back before each leg of a walk over the stops; no turn towards a first "
        "stop that is faced.",
        _route_turns,
    ),
    "direction_side": Operator(_THREE, "text", "", "left or right.", _sector(HALVES)),
    "direction_side_or_back": Operator(
        _THREE, "text", "", "left, right, or back (a turn of at least 135 degrees).", _sector(THIRDS)
    ),
    "direction_quadrant": Operator(
        _THREE, "text", "", "front-left, front-right, back-left or back-right.", _sector(QUADRANTS)
    ),
    "direction_front_or_back": Operator(_THREE, "text", "", "front or back.", _sector(FRONT_BACK)),
    "direction_clock": Operator(
        _THREE, "text", "", "Hour of a clock on whose face one looks at 12, such as 3 o'clock.", _sector(CLOCK)
    ),
    "direction_compass": Operator(
        _THREE, "text", "", "One of eight points of the compass, if what is faced lies to the north.", _sector(COMPASS)
    ),
}
"""Operators that read the scene."""
