"""Tell whether the objects of a scene have the sizes that such objects have, and in which unit they would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qa_engine.errors import IngestReason
from qa_engine.geometry import Boxes
from qa_engine.ingestion.findings import MIN_OBJECTS, Doubt, Finding, finding
from qa_engine.ingestion.plausible import FACTORS, judge, scale_likelihood
from qa_engine.ingestion.typical import ODD_LARGE, ODD_SPREADS, Prior

UNITS = {
    "millimetres (--set units=mm)": 1000.0,
    "centimetres (--set units=cm)": 100.0,
    "inches (--set units=in)": 39.37,
    "feet (--set units=ft)": 3.281,
    "kilometres": 0.001,
    "metres read as feet": 0.3048,
    "metres read as inches": 0.0254,
}
"""What lengths would be, and the factor by which objects are too large then."""
UNIT_RATIO = 1.35
"""A unit is named where the sizes fit it this well."""
HALF = {0.5: "half lengths (--set sizes=half)", 2.0: "double lengths"}

USUAL_RATIO = 1.5
"""The objects of a scene together are at most this much larger or smaller than usual, of all scenes measured."""
NAMED = 3.0
"""A scale is named where its log-likelihood is this much higher than that of 1 ..."""
REFUSED = 6.0
"""... and refused from here on, if several objects say so, or if it is far off."""
FAR = 8.0
"""A few objects tell as well, where each is this much smaller or larger than an odd one of its category."""


def check_scale(boxes: Boxes, prior: Prior) -> tuple[list[Finding], float, list[Doubt]]:
    """Estimate the scale of a scene by its objects.

    Returns
    -------
    findings : list of Finding
    factor : float
        By which lengths would have to be divided; 1 where nothing was found.
    untold : list of Doubt
        Scales that the objects do not exclude.
    """
    fit = scale_likelihood(boxes, prior)
    best = int(fit.argmax())
    factor, margin = float(FACTORS[best]), float(fit[best] - fit[len(FACTORS) // 2])
    ratio = max(factor, 1 / factor)
    if ratio < USUAL_RATIO or margin < NAMED:
        found = {f: fit[len(FACTORS) // 2] - np.interp(np.log(f), np.log(FACTORS), fit) for f in HALF}
        return [], 1.0, [Doubt(f"all is {f:g} times as large", f"units={1 / f:g}") for f in found if found[f] < NAMED]
    low, high = FACTORS[fit > fit[best] - 2][[0, -1]]
    problem = f"{len(prior)} objects of known categories are {factor:.2g} times as large as usual"
    problem += f" ({low:.2g} to {high:.2g})" if low < high else ""
    name = next((name for name, unit in UNITS.items() if 1 / UNIT_RATIO < factor / unit < UNIT_RATIO), None)
    about = next((half for half in HALF if 1 / UNIT_RATIO < factor / half < UNIT_RATIO), None)
    if about is not None and _same_places(boxes, prior, about):
        return [_named(f"{problem}, as if sizes were {HALF[about]}", margin, boxes, prior)], 1.0, []
    problem += f", as if lengths were {name}, not metres" if name else f" (if all is: --set units={1 / factor:.2g})"
    return [_named(problem, margin, boxes, prior)], factor, []


def _named(problem: str, margin: float, boxes: Boxes, prior: Prior) -> Finding:
    longest = np.abs(np.log(boxes.size[prior.rows].max(axis=1) / prior.sides[:, 0]))
    far = bool((longest > np.log(FAR) + ODD_LARGE + ODD_SPREADS * prior.spread).all())
    severe = margin > REFUSED and (len(prior) >= MIN_OBJECTS or far)
    return finding("objects.size", problem, IngestReason.WRONG_UNITS, severe=severe, doubts="scale")


def _same_places(boxes: Boxes, prior: Prior, factor: float) -> bool:
    """Tell whether sizes alone are off, by whether furniture stands level if they are mended where it is."""
    sizes = judge(replace(boxes, size=boxes.size / factor), prior)
    whole = judge(Boxes(boxes.center / factor, boxes.size / factor, boxes.rotation), prior)
    return sizes.level + sizes.ceiling > whole.level + whole.ceiling
