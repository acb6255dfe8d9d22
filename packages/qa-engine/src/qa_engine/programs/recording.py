"""The operators of the language that look at the frames of the recording."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qa_engine.facts.scene import Facts
from qa_engine.programs.language import ProgramCode, ProgramError
from qa_engine.programs.operators import Operator
from qa_engine.views.thresholds import FIRST_SEEN_PX


class Shown(NamedTuple):
    """What the recording shows: times of its frames (f,) seconds, ascending, and pixels (f, n) of each object."""

    time_s: NDArray[np.float64]
    pixels: NDArray[np.int64]


def shown(facts: Facts) -> Shown:
    """Return what the frames of a scene show.

    Raises
    ------
    ProgramError
        Nobody observed the scene, or its frames have no times.
    """
    if facts.recording is not None and not np.isnan(facts.recording.time_s).any():
        return Shown(facts.recording.time_s, facts.recording.pixels)
    if facts.sightings is None:
        raise ProgramError(ProgramCode.NO_VALUE, "the scene has no observations of timed frames.")
    return facts.remember("programs/shown", _shown)


def _shown(facts: Facts) -> Shown:
    seen = facts.sightings
    assert seen is not None
    times = seen.frame_time_s
    pixels = np.zeros((len(times), len(facts.scene)), dtype=np.int64)
    order = np.argsort(facts.scene.instance_id)
    ids = facts.scene.instance_id[order]
    place = np.minimum(np.searchsorted(ids, seen.instance_id), max(len(ids) - 1, 0))
    known = ids[place] == seen.instance_id if len(ids) else np.zeros(len(seen.instance_id), dtype=bool)
    np.maximum.at(pixels, (seen.frame[known], order[place[known]]), seen.visible_px[known])
    return Shown(times, pixels)


def _frames(facts: Facts) -> list[int]:
    return list(range(len(shown(facts).time_s)))


def _frame_time_s(facts: Facts, frame: int) -> float:
    return float(shown(facts).time_s[frame])


def _visible_px(facts: Facts, row: int, frame: int) -> int:
    return int(shown(facts).pixels[frame, row])


def _visible(facts: Facts, row: int, frame: int) -> bool:
    return _visible_px(facts, row, frame) >= FIRST_SEEN_PX


def _seen_in(facts: Facts, frame: int) -> list[int]:
    return facts.scene.instance_id[shown(facts).pixels[frame] >= FIRST_SEEN_PX].tolist()


def _count_visible(facts: Facts, category: int, frame: int) -> int:
    return int(np.count_nonzero(shown(facts).pixels[frame, facts.members[category]] >= FIRST_SEEN_PX))


def _frames_with(facts: Facts, row: int) -> list[int]:
    return np.flatnonzero(shown(facts).pixels[:, row] >= FIRST_SEEN_PX).tolist()


def _first_frame(facts: Facts, row: int) -> int:
    frames = _frames_with(facts, row)
    if not frames:
        name = facts.categories[facts.code[row]]
        raise ProgramError(ProgramCode.NO_VALUE, f"no frame shows this {name} by {FIRST_SEEN_PX} pixels.")
    return frames[0]


def _by_first_frame(facts: Facts, rows: list[int]) -> list[int]:
    return [int(facts.scene.instance_id[row]) for row in sorted(rows, key=lambda row: _first_frame(facts, row))]


_ONE = (("a", "instance"),)
_AT = (("frame", "frame"),)

FRAME_OPERATORS: dict[str, Operator] = {
    "frames": Operator((), "frames", "", "All frames of the recording, in order of time.", _frames),
    "frame_time_s": Operator(_AT, "number", "s", "Time of a frame in the recording.", _frame_time_s),
    "visible_px": Operator((*_ONE, *_AT), "number", "", "Pixels of an instance in a frame.", _visible_px),
    "visible": Operator(
        (*_ONE, *_AT), "bool", "", f"True if a frame shows at least {FIRST_SEEN_PX} pixels of an instance.", _visible
    ),
    "seen_in": Operator(_AT, "instances", "", "Instances that are visible in a frame.", _seen_in),
    "count_visible": Operator(
        (("category", "category"), *_AT),
        "number",
        "",
        "Objects of a category that are visible in a frame.",
        _count_visible,
    ),
    "frames_with": Operator(
        _ONE, "frames", "", "Frames in which an instance is visible, in order of time.", _frames_with
    ),
    "first_frame": Operator(_ONE, "frame", "", "The first frame in which an instance is visible.", _first_frame),
    "by_first_frame": Operator(
        (("among", "instances"),),
        "instances",
        "",
        "Instances in the order in which they are first visible.",
        _by_first_frame,
    ),
}
"""Operators on the recording; frames are addressed by their place in it."""
