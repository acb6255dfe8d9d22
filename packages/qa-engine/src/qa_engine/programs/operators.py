"""The operators of the language: facts of a scene, by instance id and category name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qa_engine.facts import Facts
from qa_engine.geometry import HALVES, QUADRANTS, THIRDS, Sectors, turn_deg
from qa_engine.programs.language import ProgramCode, ProgramError


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes
    ----------
    parameters : tuple of (name, type)
        Types: `instance` (an instance id; the function gets the object's row), `category` (a category name; gets its
        code), `categories` (a list of names; gets codes), `numbers` (a list of numbers of one unit), `list`.
    result : str
        `number`, `text` or `instances`.
    unit : str
        Of a number; `same` for that of the numbers given.
    doc : str
        One sentence.
    function : callable
        From `Facts` and the converted arguments to plain data.
    """

    parameters: tuple[tuple[str, str], ...]
    result: str
    unit: str
    doc: str
    function: Callable[..., Any]

    def signature(self, name: str) -> str:
        """Show the operator as a call.

        Examples
        --------
        >>> OPERATORS["distance_m"].signature("distance_m")
        'distance_m(a: instance, b: instance) -> number, m'
        """
        inside = ", ".join(f"{parameter}: {kind}" for parameter, kind in self.parameters)
        return f"{name}({inside}) -> {self.result}" + (f", {self.unit}" if self.unit else "")


def _count(facts: Facts, category: int) -> int:
    return int(facts.counts[category])


def _instances(facts: Facts, category: int) -> list[int]:
    return facts.scene.instance_id[facts.members[category]].tolist()


def _category(facts: Facts, row: int) -> str:
    return facts.categories[facts.code[row]]


def _longest_side_cm(facts: Facts, row: int) -> float:
    return float(facts.longest_side_m[row] * 100)


def _volume_m3(facts: Facts, row: int) -> float:
    x, y, z = facts.scene.size[row].tolist()
    return x * y * z


def _room_area_m2(facts: Facts) -> float:
    if facts.scene.room_size_m2 is None:
        raise ProgramError(ProgramCode.NO_VALUE, "the scene has no room size.")
    return facts.scene.room_size_m2


def _distance_m(facts: Facts, a: int, b: int) -> float:
    return float(facts.distance(np.array([a]), np.array([b]))[0])


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


def _turn_deg(facts: Facts, standing: int, facing: int, target: int) -> float:
    if len({standing, facing, target}) != 3:
        raise ProgramError(ProgramCode.WRONG_ARGUMENTS, "a direction needs three different instances.")
    return float(turn_deg(facts.bearing[standing, facing], facts.bearing[standing, target]))


def _sector(sectors: Sectors) -> Callable[[Facts, int, int, int], str]:
    def name(facts: Facts, standing: int, facing: int, target: int) -> str:
        return sectors.names[int(sectors.index(_turn_deg(facts, standing, facing, target)))]

    return name


def _extreme(pick: Callable[[list[float]], float]) -> Callable[[Facts, list[float]], float]:
    def function(facts: Facts, values: list[float]) -> float:
        if not values:
            raise ProgramError(ProgramCode.NO_VALUE, "the list is empty.")
        return pick(values)

    return function


_THREE = (("standing", "instance"), ("facing", "instance"), ("target", "instance"))

OPERATORS: dict[str, Operator] = {
    "count": Operator((("category", "category"),), "number", "", "Objects of a category in the scene.", _count),
    "instances": Operator((("category", "category"),), "instances", "", "Instance ids of a category.", _instances),
    "category": Operator((("a", "instance"),), "text", "", "Category of an instance.", _category),
    "longest_side_cm": Operator(
        (("a", "instance"),), "number", "cm", "Longest of length, width and height of the box.", _longest_side_cm
    ),
    "volume_m3": Operator((("a", "instance"),), "number", "m3", "Volume of the box.", _volume_m3),
    "room_area_m2": Operator((), "number", "m2", "Floor area of the room.", _room_area_m2),
    "distance_m": Operator(
        (("a", "instance"), ("b", "instance")), "number", "m", "Distance between the closest points.", _distance_m
    ),
    "nearest_distance_m": Operator(
        (("a", "instance"), ("category", "category")),
        "number",
        "m",
        "Distance from an instance to the closest object of a category.",
        _nearest_distance_m,
    ),
    "nearest_category": Operator(
        (("a", "instance"), ("among", "categories")),
        "text",
        "",
        "The category, among those listed, whose closest object is the closest to an instance.",
        _nearest_category,
    ),
    "turn_deg": Operator(
        _THREE,
        "number",
        "deg",
        "Counter-clockwise turn from facing one instance to facing the target, standing at another; 0 to 360.",
        _turn_deg,
    ),
    "direction_side": Operator(_THREE, "text", "", "left or right.", _sector(HALVES)),
    "direction_side_or_back": Operator(
        _THREE, "text", "", "left, right, or back (a turn of at least 135 degrees).", _sector(THIRDS)
    ),
    "direction_quadrant": Operator(
        _THREE, "text", "", "front-left, front-right, back-left or back-right.", _sector(QUADRANTS)
    ),
    "length": Operator((("items", "list"),), "number", "", "Number of items of a list.", lambda facts, items: items),
    "min": Operator((("values", "numbers"),), "number", "same", "Smallest of a list of numbers.", _extreme(min)),
    "max": Operator((("values", "numbers"),), "number", "same", "Largest of a list of numbers.", _extreme(max)),
}
"""Operator name to operator: the only names in a program."""
