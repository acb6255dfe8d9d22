"""Targets for the last token of every question: the steps between what is seen and what is answered.

One word is a poor teacher of "left or right": the answer is a product of two differences of three places. So heads that
are thrown away afterwards read in the middle where the named objects are, and a layer later what follows from that: how
far the first is from the others, and in which direction the third lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qa_trainer.tiny.reports import SIDES, Asked, Quiz, bearing_deg

if TYPE_CHECKING:
    import torch
    from torch import nn

NAMED = 5
"""A question names so many objects at most."""
PLACES = 2 * NAMED
CONCLUSIONS = NAMED - 1 + 2
"""Distances from the first object to the others, cosine and sine of the bearing."""
UNIT_M = 2.0
"""Metres that are one in a target."""


@dataclass(frozen=True)
class StepTargets:
    """Targets of the questions q of a batch.

    Attributes
    ----------
    row, token : (q,) int64
        Where the last token of each question stands in the batch.
    places : (q, PLACES) float32
        Metres right and ahead of the first camera over `UNIT_M`, NaN where the question names fewer objects.
    conclusions : (q, CONCLUSIONS) float32
        NaN where they do not bear on the question.
    """

    row: torch.Tensor
    token: torch.Tensor
    places: torch.Tensor
    conclusions: torch.Tensor


def step_targets(quiz: Quiz, item: Asked) -> np.ndarray:
    """Targets (PLACES + CONCLUSIONS,) float32 of one question, NaN where there are none.

    Parameters
    ----------
    quiz : Quiz
        That the question is from.
    item : Asked
    """
    out = np.full(PLACES + CONCLUSIONS, np.nan, np.float32)
    rows = np.array(item.rows, int)
    out[: 2 * len(rows)] = quiz.sight.place[rows].ravel() / UNIT_M
    if item.kind in ("distance", "nearest"):
        out[PLACES : PLACES + len(rows) - 1] = quiz.distance[rows[0], rows[1:]] / UNIT_M
    if item.kind in SIDES:
        bearing = np.deg2rad(bearing_deg(quiz.sight.place, *item.rows))
        out[-2:] = np.cos(bearing), np.sin(bearing)
    return out


def build_step_heads(text_width: int) -> nn.ModuleDict:
    """Linear heads on the last tokens of questions."""
    from torch import nn

    return nn.ModuleDict(
        {
            "places": nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, PLACES)),
            "conclusions": nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, CONCLUSIONS)),
        }
    )


def step_losses(
    heads: nn.ModuleDict, middle: torch.Tensor, later: torch.Tensor, targets: StepTargets
) -> dict[str, torch.Tensor]:
    """Losses of the heads by name.

    Parameters
    ----------
    heads : ModuleDict
        With those of `build_step_heads`.
    middle, later : (b, t, text_width)
        Hidden states that tell the places, and the conclusions.
    targets : StepTargets
    """
    from torch.nn import functional

    out = {}
    for name, hidden, wanted in (
        ("places", middle, targets.places),
        ("conclusions", later, targets.conclusions),
    ):
        found = heads[name](hidden[targets.row, targets.token].float()).float()
        known = ~wanted.isnan()
        # Where no question of a batch has such a target the mean would be NaN.
        out[name] = functional.smooth_l1_loss(found[known], wanted[known], beta=0.2) if known.any() else 0 * found.sum()
    return out
