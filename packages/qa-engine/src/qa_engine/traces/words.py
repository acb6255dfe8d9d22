"""What objects, frames and values are called in a trace: what the question calls them, where it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qa_engine.facts.references import REFERENCES
from qa_engine.facts.scene import Facts
from qa_engine.programs.values import TEXTS, Value

DECIMALS = {"m": 2, "cm": 0, "m2": 1, "m3": 2, "l": 0, "deg": 0, "s": 1}
"""Of a number in a sentence, by its unit: finer than what a question tells apart."""

SPELLED = {"m": "m", "cm": "cm", "m2": "square meters", "m3": "cubic meters", "l": "liters", "deg": "degrees", "s": "s"}


class Words:
    """Names for one question.

    Parameters
    ----------
    question : mapping
        Row of `questions`, with `frame_ids`: the frames that are shown, in order.
    facts : Facts
    """

    def __init__(self, question: Mapping[str, Any], facts: Facts) -> None:
        self.facts = facts
        self.said = "\n".join([question["question"], *(question["options"] or ())])
        about = [part["category"] for part in question["operands"] or () for _ in part["instance_ids"]]
        self.alone = {name for name in about if about.count(name) == 1 and name in self.said}
        self.frame_ids: Sequence[str] = question.get("frame_ids") or ()
        self.frame_set_id: str | None = question["frame_set_id"]

    def object(self, instance: int) -> str:
        """Name an object as the question does; one that it does not name, by its category and a number."""
        row = self.facts.row_of_instance[instance]
        named = (self._references(name).get(row) for name in REFERENCES)
        told = max((text for text in named if text and text in self.said), key=len, default=None)
        if told is not None:
            return f"the {told}"
        name = self.facts.categories[self.facts.code[row]]
        members = self.facts.members[self.facts.code[row]].tolist()
        plain = len(members) == 1 or name in self.alone
        return f"the {name}" if plain else f"{name} {members.index(row) + 1} of {len(members)}"

    def _references(self, name: str) -> dict[int, str]:
        key = f"traces/{name}/{self.frame_set_id}"
        return self.facts.remember(key, lambda facts: REFERENCES[name](facts, self.frame_set_id))

    def frame(self, place: int) -> str:
        """Name a frame, given by its place in the recording, as questions do."""
        assert self.facts.recording is not None
        frame_id = self.facts.recording.frame_ids[place]
        if frame_id not in self.frame_ids:
            return f"frame {frame_id} of the recording"
        number = self.frame_ids.index(frame_id)
        if len(self.frame_ids) <= 2:
            return "the image" if len(self.frame_ids) == 1 else ("the first image", "the second image")[number]
        return f"frame {number + 1}"

    def value(self, value: Value, kind: str = "") -> str:
        """Write a value; `kind` is that of the parameter it was given for, since numbers may stand for other things."""
        if value.kind == "list":
            single = {"instances": "instance", "frames": "frame"}.get(kind, "")
            return listed([self.value(item, single) for item in value.data])
        if kind == "instance" or value.kind == "instance":
            return self.object(value.data)
        if kind == "frame" or value.kind == "frame":
            return self.frame(value.data)
        if value.kind == "bool":
            return "yes" if value.data else "no"
        return value.data if value.kind in TEXTS else amount(value.data, value.unit)


def amount(number: float, unit: str) -> str:
    """Write a number with its unit.

    Examples
    --------
    >>> amount(1.234, "m"), amount(88.6, "deg"), amount(3, ""), amount(0.25, "")
    ('1.23 m', '89 degrees', '3', '0.25')
    """
    if not unit:
        return f"{number:.4g}" if isinstance(number, float) else str(number)
    return f"{number:.{DECIMALS[unit]}f} {SPELLED[unit]}"


def listed(items: Sequence[str]) -> str:
    """Join items to a list in words.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"]), listed([])
    ('a', 'a, b and c', 'none')
    """
    if len(items) < 2:
        return items[0] if items else "none"
    return f"{', '.join(items[:-1])} and {items[-1]}"


def turned(degrees: float) -> str:
    """Write a counter-clockwise turn the way that a person makes it.

    Examples
    --------
    >>> turned(30.2), turned(300.0), turned(-60.0)
    ('30 degrees to the left', '60 degrees to the right', '60 degrees to the right')
    """
    left = degrees % 360
    return f"{left:.0f} degrees to the left" if left <= 180 else f"{360 - left:.0f} degrees to the right"
