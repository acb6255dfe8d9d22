"""Outlines over an image, with labels that keep apart; shown by the same objects as a plan beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from qa_contract.pages.drawing import Drawing
from qa_contract.pages.labels import Wanted, place_labels

Array = NDArray[np.float64]

SHOWN_PX = 340.0
"""Width at which a frame is usually shown; letters are sized for it."""
LABEL_PX = 11.0


@dataclass(frozen=True)
class Outline:
    """One object in an image.

    Attributes
    ----------
    lines : sequence of (k, 2) array
        Open lines, pixels of the image: the edges of a box, or its closed contour.
    instance_id : int, optional
    category : str
    tone : str
    label : str, optional
        In place of the category; empty for none.
    asked : bool
        The question is about it: drawn on top, with a label in any case.
    note : str
        A further hover text.
    """

    lines: Sequence[ArrayLike]
    instance_id: int | None = None
    category: str = ""
    tone: str = "s0"
    label: str | None = None
    asked: bool = False
    note: str = ""


def rectangle(box: ArrayLike) -> list[Array]:
    """Lines of a rectangle (left, top, right, bottom), pixels.

    Examples
    --------
    >>> rectangle([0, 0, 4, 2])[0].tolist()
    [[0.0, 0.0], [4.0, 0.0], [4.0, 2.0], [0.0, 2.0], [0.0, 0.0]]
    """
    left, top, right, bottom = np.asarray(box, dtype=np.float64).tolist()
    return [np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])]


def overlay(
    outlines: Sequence[Outline], width: int, height: int, *, shown_px: float = SHOWN_PX, labels: str = "all"
) -> Markup:
    """Draw outlines as an `svg` element to lie over an image of `width` times `height` pixels.

    Parameters
    ----------
    outlines : sequence of Outline
        Later ones on top.
    width, height : int
        Of the image.
    shown_px : float
        Width at which the image is shown.
    labels : str
        `all`, those that are `asked`, or `none`. A label that finds no free place beside its object is left out.

    Examples
    --------
    >>> "chair" in overlay([Outline(rectangle([10, 10, 60, 60]), 3, "chair")], 640, 480)
    True
    """
    size = LABEL_PX * width / shown_px
    sheet = Drawing(width, height, css="overlay")
    wanted: list[Wanted] = []
    for one in sorted(outlines, key=lambda one: one.asked):
        lines = [
            line for part in one.lines if np.isfinite(line := np.asarray(part, dtype=np.float64)).all() and len(line)
        ]
        if not lines:
            continue
        name = one.category or one.label or "object"
        tip = f"{name} #{one.instance_id}" if one.instance_id is not None else name
        tip += f"\n{one.note}" if one.note else ""
        for i, line in enumerate(lines):
            style = {"tip": "" if i else tip, "instance": one.instance_id}
            sheet.line(line, one.tone, width=2.6 if one.asked else 1.6, css="edge", **style)
        text = one.category if one.label is None else one.label
        if text and (labels == "all" or (labels == "asked" and one.asked)):
            points = np.clip(np.concatenate(lines), 0, [width, height])
            (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
            # At the upper edge, where it hides the least of what it names.
            down = min(0.8 * size, (bottom - top) / 2)
            place = ((left + right) / 2, top + down, (right - left) / 2, down)
            wanted.append(Wanted(text, *place, size=size, must=one.asked))
    for place in place_labels(wanted, (0, 0, width, height), leaders=False):
        if place is not None:
            spot = (place.x, place.base_line)
            sheet.text(spot, place.text, size=place.size, align="middle", halo=True, css="label")
    return sheet.svg()
