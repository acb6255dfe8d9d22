"""How questions refer to an object: by its name, a description, a drawn mark, or a coordinate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from qa_engine.arrays import Array
from qa_engine.facts.descriptions import describe
from qa_engine.facts.scene import Facts
from qa_engine.scenes.structure import is_structure

MARK_COLOURS = ("red", "blue", "green", "yellow", "magenta", "cyan", "orange", "white")
"""Colours of marks, by number: told apart on photographs, and named in the text."""

SCALE = 1000
"""Coordinates are written as if the image were so wide and so high, as Qwen-VL and others write them."""


def by_name(facts: Facts, frame_set_id: str | None) -> dict[int, str]:
    """Name the objects that are the only ones of their category, row to text."""
    single = np.flatnonzero((facts.boxes == 1) & (facts.counts == 1) & ~is_structure(facts.categories))
    return {int(facts.members[code][0]): facts.categories[code] for code in single.tolist()}


def by_description(facts: Facts, frame_set_id: str | None) -> dict[int, str]:
    """Name the objects that names tell apart, and describe those of the others that a description does."""
    return by_name(facts, frame_set_id) | {found.row: found.text for found in describe(facts, frame_set_id)}


def by_mark(facts: Facts, frame_set_id: str | None) -> dict[int, str]:
    """Refer to every object that the frames show by a numbered box in the frame that shows it best."""
    return {row: f"{mark_text(row)} in frame {number}" for row, number, _ in _best_frames(facts, frame_set_id)}


def by_coordinate(facts: Facts, frame_set_id: str | None) -> dict[int, str]:
    """Refer to every object that the frames show by the middle of its box in the frame that shows it best."""
    found = {}
    for row, number, place in _best_frames(facts, frame_set_id):
        assert facts.recording is not None
        box, size = facts.recording.box_2d[place, row], facts.recording.size[place]
        if _middle_is_its_own(facts, row, place):
            found[row] = f"{coordinate_text(box, size)} of frame {number}"
    return found


def mark_text(row: int) -> str:
    """Name the mark of an object; its number is unique in the scene, and its colour follows from it.

    Examples
    --------
    >>> mark_text(1)
    'object in the blue box with number 2'
    """
    return f"object in the {MARK_COLOURS[row % len(MARK_COLOURS)]} box with number {row + 1}"


def coordinate_text(box: Array, size: Array) -> str:
    """Write the middle of an image box, in thousandths of the image's width and height.

    Examples
    --------
    >>> coordinate_text(np.array([10.0, 20, 30, 60]), np.array([100, 100]))
    'object at point (200, 400)'
    """
    x, y = middle_in_thousandths(box, size)
    return f"object at point ({x}, {y})"


def middle_in_thousandths(box: Array, size: Array) -> tuple[int, int]:
    """Middle of an image box, in thousandths of the image."""
    x, y = np.rint((box[:2] + box[2:]) / 2 / size * SCALE).astype(int).tolist()
    return x, y


def _best_frames(facts: Facts, frame_set_id: str | None) -> Iterator[tuple[int, int, int]]:
    """List the objects that a frame set shows: row, number of the best frame in the set, its place in the recording."""
    shown = None if frame_set_id is None else facts.evidence(frame_set_id)
    if shown is None or facts.recording is None:
        return
    structure = is_structure(facts.categories)[facts.code]
    for row in np.flatnonzero(shown.seen & ~structure).tolist():
        number = int(shown.best[row])
        place = facts.recording.place_of.get(shown.frame_ids[number])
        if place is not None:
            yield row, number + 1, place


def _middle_is_its_own(facts: Facts, row: int, place: int) -> bool:
    """Tell whether the middle of an object's image box lies in the image box of no smaller object.

    Boxes say no more than that; of two objects whose boxes share the point, the smaller one stands before the larger.
    """
    assert facts.recording is not None
    boxes = facts.recording.box_2d[place]
    own = boxes[row]
    x, y = (own[:2] + own[2:]) / 2
    with np.errstate(invalid="ignore"):
        over = (boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    over[row] = False
    return not bool((over & (area <= area[row])).any())


@dataclass(frozen=True)
class Mark:
    """What is drawn on a frame so that a question can name it.

    Attributes
    ----------
    frame_id : str
    instance_id : int
    shape : str
        `box` or `point`.
    colour, label : str
    box_2d : tuple of four float, pixels
    """

    frame_id: str
    instance_id: int
    shape: str
    colour: str
    label: str
    box_2d: tuple[float, float, float, float]


def mark_of(facts: Facts, row: int, place: int) -> Mark:
    """Make the mark of an object in a frame, by its place in the recording."""
    assert facts.recording is not None
    x, y, right, bottom = facts.recording.box_2d[place, row].tolist()
    colour = MARK_COLOURS[row % len(MARK_COLOURS)]
    identity = int(facts.scene.instance_id[row])
    return Mark(facts.recording.frame_ids[place], identity, "box", colour, str(row + 1), (x, y, right, bottom))


REFERENCES: dict[str, Callable[[Facts, str | None], dict[int, str]]] = {
    "name": by_name,
    "description": by_description,
    "mark": by_mark,
    "coordinate": by_coordinate,
}
"""How objects are referred to: from the facts of a scene and a frame set to what each object is called, by row."""
