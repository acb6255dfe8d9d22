"""Tell which axis of a scene points up and how the axes of its boxes were written, by what each reading makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.geometry import Boxes, box_corners
from qa_engine.ingestion.findings import MIN_OBJECTS, Doubt, Finding, finding
from qa_engine.ingestion.plausible import Terms, judge
from qa_engine.ingestion.readings import AXES, MIN_TILT_DEG, Reading, directions, turns
from qa_engine.ingestion.typical import Prior

NAMED = 5.0
"""Another reading is named where its log-likelihood is this much higher ..."""
REFUSED = 9.0
"""... and the scene refused where it is this much higher. Of the correct scenes of VSI-Bench's development subset none
comes near the first (`benchmarks/scan_faults.py`)."""
UNSURE = 12.0
"""Freely tilted boxes look upright by chance when they are read wrongly: what `NAMED` is for their axes."""
MOSTLY_UPRIGHT = 0.75
"""Share of upright boxes below which boxes are freely tilted: the smallest boxes around points, as of ScanNet."""
SMALL_TILT_DEG = 2.0
MOST_BY_OTHERS = 6.0
"""Cameras and points alone name what is up, and never refuse a scene: people hold cameras as they like."""
AS_IT_IS = np.eye(3)
MIN_LEVELLED = 5
"""Boxes that a tilt of some degrees is found by."""
MOVED_M = 0.02
"""A reading that moves no corner further leaves the answers as they are."""


@dataclass(frozen=True)
class Comparison:
    """What the readings of a scene say.

    Attributes
    ----------
    findings : list of Finding
        None, or the best other reading.
    untold : list of Doubt
        Readings that the boxes neither speak for nor against.
    """

    findings: list[Finding]
    untold: list[Doubt]


def compare_axes(
    boxes: Boxes,
    prior: Prior,
    *,
    source: NDArray[np.float64] = AS_IT_IS,
    other: Callable[[Boxes, Terms, Array | None], float] | None = None,
) -> Comparison:
    """Compare the boxes as given with all other readings.

    Parameters
    ----------
    boxes : Boxes
        (n, ...), metres
    prior : Prior
        What is usual for these objects.
    source : (3, 3) float64
        How the source was turned to what is given here.
    other : callable, optional
        Log-likelihood of a reading by what else is known, cameras and points: of its boxes, their terms, and how it
        turns the world, None if it does not.
    """
    if not len(boxes.size):
        return Comparison([], [])
    given = _levelled(boxes, prior)
    cases: list[_Case] = []
    for reading in (*turns(source), *AXES, *directions(boxes.rotation, source)):
        changed = reading.apply(boxes)
        terms = judge(changed, prior)
        if terms.total > given.total - 4 * UNSURE:
            terms = _levelled(changed, prior, terms)
        by_others = 0.0
        if other is not None and reading.turn is None:
            by_others = other(changed, terms, None) - other(boxes, given, None)
        elif other is not None:
            gain = other(changed, terms, reading.turn) - other(boxes, given, AS_IT_IS)
            by_others = float(np.clip(gain, -MOST_BY_OTHERS, MOST_BY_OTHERS))
        cases.append(_Case(reading, terms, terms.total - given.total, by_others, _doubt(reading, terms, given)))
    best = max(cases, key=lambda case: case.margin - case.doubt)
    if best.margin - best.doubt > NAMED:
        reading = best.reading
        problem = f"{reading.name}, it seems (--set {reading.switch}): {_words(given, best)}"
        told = reading.turn is None or best.by_boxes - best.doubt > NAMED
        severe = best.margin - best.doubt > REFUSED and len(boxes.size) >= MIN_OBJECTS and told
        doubts = "" if reading.turn is None else "gravity"
        return Comparison([finding(reading.field, problem, reading.reason, severe=severe, doubts=doubts)], [])
    untold = [case.reading for case in cases if case.margin > -NAMED and _moves(case.reading, boxes)]
    return Comparison([], list(dict.fromkeys(Doubt(reading.name, reading.switch) for reading in untold)))


@dataclass(frozen=True)
class _Case:
    """A reading against the boxes as given: log-likelihood ratios by boxes and by others, and what is taken off."""

    reading: Reading
    terms: Terms
    by_boxes: float
    by_others: float
    doubt: float

    @property
    def margin(self) -> float:
        return self.by_boxes + self.by_others


def _doubt(reading: Reading, terms: Terms, given: Terms) -> float:
    """Take off what freely tilted boxes, if the reading makes them such, may seem to say."""
    if terms.upright >= MOSTLY_UPRIGHT:
        return 0.0
    return min(UNSURE - NAMED, np.inf if reading in AXES else max(terms.axes - given.axes, 0.0))


def _levelled(boxes: Boxes, prior: Prior, given: Terms | None = None) -> Terms:
    """Score boxes, with the tilt of some degrees taken out that scans have."""
    scores = [judge(boxes, prior) if given is None else given]
    if len(boxes.size) >= MIN_LEVELLED:
        readings = directions(boxes.rotation, AS_IT_IS, SMALL_TILT_DEG, MIN_TILT_DEG)[:2]
        scores += [judge(reading.apply(boxes), prior) for reading in readings]
    return max(scores, key=lambda terms: terms.total)


def _moves(reading: Reading, boxes: Boxes) -> bool:
    """Tell whether a reading changes the boxes, or the axes only by name."""
    changed = reading.apply(boxes)
    if reading.turn is not None:
        return True
    given, other = (box_corners(found.center, found.size, found.rotation) for found in (boxes, changed))
    apart = np.linalg.norm(given[:, :, None] - other[:, None], axis=3)
    return bool(apart.min(axis=2).max() > MOVED_M)


def _words(given: Terms, case: _Case) -> str:
    """Say what speaks for another reading, the strongest first."""
    terms = case.terms
    said = {
        terms.level - given.level: (
            f"what stands on the floor is {terms.off_floor_m:.2f} m off it then, {given.off_floor_m:.2f} m as given"
        ),
        terms.heights - given.heights: (
            f"objects differ by {terms.height_error:.0%} from usual heights then, by {given.height_error:.0%} as given"
        ),
        terms.axes - given.axes: f"{terms.upright:.0%} of the boxes are upright then, {given.upright:.0%} as given",
        case.by_others: "cameras, points and walls fit it better",
        terms.ceiling - given.ceiling: (
            f"things reach over {terms.reach_m:.1f} m then, over {given.reach_m:.1f} m as given"
        ),
    }
    return "; ".join(said[gain] for gain in sorted(said, reverse=True) if gain > 1) or "all evidence together"
