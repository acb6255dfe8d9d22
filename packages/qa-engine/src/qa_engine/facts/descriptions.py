"""Descriptions that tell an object from the others of its category: computed, proved unique, each with its lead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qa_engine.arrays import Array, Rows
from qa_engine.checks.ambiguity import MIN_OPTION_GAP_M, MIN_PICTURE_GAP
from qa_engine.checks.noise import SIZE_NOISE, distance_noise_m
from qa_engine.facts.scene import Facts
from qa_engine.geometry.boxes import SUPPORT_GAP_M
from qa_engine.scenes.structure import is_structure
from qa_engine.views.evidence import MIN_IMAGE_SHARE

MIN_SIZE_LEAD_M = 0.1
"""Difference in height or length from which on "the tallest" is told by eye, beside the noise of extents."""

ORDINALS = ("first", "second", "third", "fourth")
"""Places that a description counts to."""


@dataclass(frozen=True)
class Description:
    """What a question calls one object.

    Attributes
    ----------
    row : int
    text : str
        Follows "the".
    proof : str
        Program that gives the instance: the description, computed.
    lead : float
        How far the next object of the category is from fitting, over what is needed; above 1.
    """

    row: int
    text: str
    proof: str
    lead: float


def describe(facts: Facts, frame_set_id: str | None = None) -> list[Description]:
    """Describe the objects that their category does not tell apart, each by the shortest description that holds.

    Parameters
    ----------
    facts : Facts
    frame_set_id : str, optional
        Frames that a description may count in.

    Returns
    -------
    list of Description
        By row; objects that no description tells apart are missing.

    Notes
    -----
    Objects of a category of which the source publishes another number than it has boxes are left out: one of them is
    somewhere, but not known. Of descriptions with equally many words, the one with the largest lead is taken.

    Examples
    --------
    >>> from qa_engine.scenes.scene import Scene
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair", "chair", "window"]),
    ...               size=np.array([[0.5, 0.5, 1], [0.5, 0.5, 1], [1, 0.1, 1]]),
    ...               center=np.array([[0, 0, 0.5], [3, 0, 0.5], [4, 0, 1.5]]), rotation=np.array([np.eye(3)] * 3))
    >>> [(found.row, found.text) for found in describe(Facts(scene))]
    [(0, 'chair farthest from the window'), (1, 'chair closest to the window')]
    """
    best: dict[int, Description] = {}
    for found in _all(facts, frame_set_id):
        known = best.get(found.row)
        if found.lead > 1 and (known is None or _rank(found) < _rank(known)):
            best[found.row] = found
    return [best[row] for row in sorted(best)]


def _rank(found: Description) -> tuple[int, float, str]:
    return len(found.text.split()), -found.lead, found.text


def _all(facts: Facts, frame_set_id: str | None) -> Iterator[Description]:
    """Find every description of every object, good or not."""
    structure = is_structure(facts.categories)
    complete = (facts.boxes == facts.counts) & ~structure
    anchors = np.flatnonzero(complete & (facts.boxes == 1))
    for code in np.flatnonzero(complete & (facts.boxes > 1)).tolist():
        members = facts.members[code]
        yield from _by_size(facts, code, members)
        for anchor in anchors.tolist():
            yield from _by_anchor(facts, code, members, anchor)
        if frame_set_id is not None:
            yield from _in_frames(facts, code, members, frame_set_id)


def _by_size(facts: Facts, code: int, members: Rows) -> Iterator[Description]:
    name = facts.categories[code]
    z = facts.corners[members, :, 2]
    volume, longest = facts.scene.size[members].prod(axis=1), facts.scene.size[members].max(axis=1)
    height = z.max(axis=1) - z.min(axis=1)
    # An extent that is off by a share e makes a volume off by (1 + e)^3, and two lengths by twice e.
    for word, other, operator, values, power in (
        ("largest", "smallest", "volume_m3", volume, 3),
        ("tallest", "shortest", "height_cm", height, 1),
        ("longest", "", "longest_side_cm", longest, 1),
    ):
        order = np.argsort(values)
        ratio = ((1 + SIZE_NOISE) / (1 - SIZE_NOISE)) ** power
        gap = MIN_SIZE_LEAD_M if power == 1 else 0.0
        for text, first, second, pick in (
            (word, order[-1], order[-2], "argmax"),
            (other, order[0], order[1], "argmin"),
        ):
            small, large = sorted((float(values[first]), float(values[second])))
            if text:
                lead = large / max(small * ratio, small + gap, 1e-9)
                proof = f"{pick}({_listed(name)}, [{operator}(x) for x in {_listed(name)}])"
                yield Description(int(members[first]), f"{text} {name}", proof, lead)


def _by_anchor(facts: Facts, code: int, members: Rows, anchor: int) -> Iterator[Description]:
    name, to, row = facts.categories[code], facts.categories[anchor], int(facts.members[anchor][0])
    identity = int(facts.scene.instance_id[row])
    standing, nearly = facts.supports()[row, members], facts.supports(2 * SUPPORT_GAP_M)[row, members]
    if standing.sum() == nearly.sum() == 1:
        proof = f"item([x for x in {_listed(name)} if supports({identity}, x)], 0)"
        yield Description(int(members[np.argmax(standing)]), f"{name} on the {to}", proof, np.inf)
    distance = facts.distance(np.full(len(members), row), members)
    order = np.argsort(distance)
    half = np.sqrt((facts.scene.size**2).sum(axis=1)) / 2
    for text, first, second, pick in (
        ("closest to", order[0], order[1], "argmin"),
        ("farthest from", order[-1], order[-2], "argmax"),
    ):
        both = half[members[[first, second]]]
        noise = float(np.hypot(*distance_noise_m(np.repeat(half[row], 2), both)))
        lead = abs(float(distance[first] - distance[second])) / max(MIN_OPTION_GAP_M, noise)
        proof = f"{pick}({_listed(name)}, [distance_m(x, {identity}) for x in {_listed(name)}])"
        yield Description(int(members[first]), f"{name} {text} the {to}", proof, lead)


def _in_frames(facts: Facts, code: int, members: Rows, frame_set_id: str) -> Iterator[Description]:
    """Count from the left in frames in which all that is seen of the category is clearly seen and stands apart."""
    recording, shown = facts.recording, facts.evidence(frame_set_id)
    if recording is None or shown is None:
        return
    name = facts.categories[code]
    for number, frame_id in enumerate(shown.frame_ids, start=1):
        place = recording.place_of.get(frame_id)
        if place is None:
            continue
        visible = members[recording.pixels[place, members] > 0]
        width = float(recording.size[place, 0])
        enough = MIN_IMAGE_SHARE * recording.size[place].prod()
        if not 2 <= len(visible) <= len(ORDINALS) or (recording.pixels[place, visible] < enough).any():
            continue
        middle = _middle(recording.box_2d[place, visible])
        order = np.argsort(middle)
        lead = float(np.diff(middle[order]).min()) / (MIN_PICTURE_GAP * width)
        ids = facts.scene.instance_id[visible[order]].tolist()
        keys = ", ".join(f"image_x({i}, {place})" for i in ids)
        for k, row in enumerate(visible[order].tolist()):
            last = k == len(ids) - 1
            at = "leftmost" if k == 0 else "rightmost" if last else ORDINALS[k]
            text = f"{at} {name}" if k == 0 or last else f"{at} {name} from the left"
            proof = f"item(sort_by([{', '.join(map(str, ids))}], [{keys}]), {k})"
            yield Description(row, f"{text} in frame {number}", proof, lead)


def _middle(box: Array) -> Array:
    """Column of the middle of boxes (k, 4), pixels."""
    return (box[:, 0] + box[:, 2]) / 2


def _listed(name: str) -> str:
    """Write the objects of a category as a program."""
    return f"instances({json.dumps(name, ensure_ascii=False)})"
