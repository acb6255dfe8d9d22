"""Targets for every visual token, and the heads that meet them during pre-training and are thrown away afterwards.

Answers teach through one word at a time; these say of each patch what stands there, where, and how large it is. The
heads sit at two depths: on the vision tower's patches, which see one frame (places in that frame's camera), and on the
language model's visual tokens in its middle, which see the frames before (places as the first camera sees them, and
which objects have not been shown before: what counting has to find).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qa_trainer.tiny.rooms import SAMPLES, RoomFacts, Rooms
from qa_trainer.tiny.views import first_camera_plan

if TYPE_CHECKING:
    import torch
    from torch import nn

FACTS = 8
"""Numbers about the object of a token: three of its place, three of its size, two of its direction."""


@dataclass(frozen=True)
class DenseTargets:
    """Targets of the patches p and the merged tokens m of a batch, in the order of the vision tower.

    Attributes
    ----------
    patch_category : (b * f * p, k + 1) float32
        Share of each category, the last for none.
    patch_object : (b * f * p,) bool
        An object stands at the patch's reference sample.
    patch_facts : (b * f * p, FACTS) float32
    token_category, token_object, token_facts :
        The same of merged tokens.
    token_new : (b * f * m, k) float32
        Objects of each category whose middle lies here and which no earlier frame shows.
    """

    patch_category: torch.Tensor
    patch_object: torch.Tensor
    patch_facts: torch.Tensor
    token_category: torch.Tensor
    token_object: torch.Tensor
    token_facts: torch.Tensor
    token_new: torch.Tensor


def dense_targets(
    rooms: Rooms, indices: np.ndarray, orders: np.ndarray, mirrored: np.ndarray, patches: int
) -> DenseTargets:
    """Build the targets of a batch.

    Parameters
    ----------
    rooms : Rooms
    indices : (b,) int64
    orders : (b, f) int64
        Frames of each room, in order.
    mirrored : (b,) bool
    patches : int
        Patches along a side of a frame; the merged tokens are half as many.
    """
    import torch

    categories = len(rooms.vocabulary)
    tokens = patches // 2
    count = orders.shape[1]
    most = max(len(rooms.facts[index].category) for index in indices)
    category = np.full((len(indices), most + 1), categories)
    own = np.zeros((len(indices), count, most + 1, FACTS), np.float32)
    first = np.zeros_like(own)
    new = np.zeros((len(indices), count, tokens * tokens, categories), np.float32)
    for row, (index, order, flip) in enumerate(zip(indices, orders, mirrored, strict=True)):
        facts = rooms.facts[index]
        objects = len(facts.category)
        category[row, :objects] = facts.category
        known = np.zeros(objects, bool)
        for place, frame in enumerate(order):
            own[row, place, :objects] = object_facts(facts, int(frame), mirrored=bool(flip))
            first[row, place] = own[row, 0]
            fresh = np.flatnonzero(facts.seen[frame] & ~known)
            known[fresh] = True
            middle = facts.middle[frame, fresh]
            x = 1 - middle[:, 0] if flip else middle[:, 0]
            cell = np.clip(np.stack([middle[:, 1], x], -1) * tokens, 0, tokens - 1).astype(int)
            at = cell[:, 0] * tokens + cell[:, 1]
            np.add.at(new[row, place], (at, facts.category[fresh]), 1)
    seen = rooms.instance[indices[:, None], orders].astype(np.int64)
    seen[mirrored] = seen[mirrored, :, :, ::-1]
    seen[seen < 0] = most
    batch = np.arange(len(indices))[:, None, None, None]
    named = category[batch, seen]  # (b, f, S, S)
    one_hot = np.eye(categories + 1, dtype=np.float32)[named]
    out: dict[str, np.ndarray] = {}
    for name, side, numbers in (("patch", patches, own), ("token", tokens, first)):
        step = SAMPLES // side
        shares = one_hot.reshape(len(indices), count, side, step, side, step, -1).mean((3, 5))
        cells = seen.reshape(len(indices), count, side, step, side, step).swapaxes(3, 4)
        cells = cells.reshape(len(indices), count, side, side, step * step)
        chosen = _commonest(cells, most)
        here = numbers[batch, np.arange(count)[None, :, None, None], chosen]
        out[f"{name}_category"], out[f"{name}_object"], out[f"{name}_facts"] = shares, chosen < most, here
    order = _merge_order(patches)
    shape = (len(indices) * count, patches * patches)

    def patched(value: np.ndarray) -> torch.Tensor:
        flat = value.reshape(*shape, *value.shape[4:])[:, order]
        return torch.from_numpy(np.ascontiguousarray(flat.reshape(-1, *value.shape[4:])))

    def merged(value: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(value.reshape(-1, *value.shape[4:])))

    return DenseTargets(
        patch_category=patched(out["patch_category"]),
        patch_object=patched(out["patch_object"]),
        patch_facts=patched(out["patch_facts"]),
        token_category=merged(out["token_category"]),
        token_object=merged(out["token_object"]),
        token_facts=merged(out["token_facts"]),
        token_new=torch.from_numpy(new.reshape(-1, categories)),
    )


def object_facts(facts: RoomFacts, frame: int, *, mirrored: bool) -> np.ndarray:
    """Numbers (n, FACTS) about the objects as one camera sees them.

    Metres right and ahead on the floor plan and height of the centre, each over 2 m; logarithms of length, width and
    height; cosine and sine of twice the yaw, because a box turned by half a turn is the same.
    """
    place, turn = first_camera_plan(facts, frame, mirrored=mirrored)
    yaw = facts.yaw - turn
    twice = -2 * yaw if mirrored else 2 * yaw
    return np.concatenate(
        [place / 2, facts.center[:, 2:] / 2, np.log(facts.size), np.cos(twice)[:, None], np.sin(twice)[:, None]], axis=1
    ).astype(np.float32)


def _commonest(cells: np.ndarray, most: int) -> np.ndarray:
    """Object (... ) that most of the samples (..., s) show; an object wins over none if a quarter shows it."""
    votes = (cells[..., None] == np.arange(most + 1)).sum(-2)
    votes[..., most] = np.where(votes[..., :most].max(-1) * 4 >= cells.shape[-1], 0, votes[..., most])
    return votes.argmax(-1)


def _merge_order(patches: int) -> np.ndarray:
    """Row-major number of the patch at each place of the vision tower, which keeps those of a merged token together."""
    grid = np.arange(patches * patches).reshape(patches // 2, 2, patches // 2, 2)
    return grid.transpose(0, 2, 1, 3).ravel()


def build_heads(vision_width: int, text_width: int, categories: int) -> nn.ModuleDict:
    """Linear heads on patches and on visual tokens."""
    from torch import nn

    return nn.ModuleDict(
        {
            "patch": nn.Sequential(nn.LayerNorm(vision_width), nn.Linear(vision_width, categories + 1 + FACTS)),
            "token": nn.Sequential(nn.LayerNorm(text_width), nn.Linear(text_width, 2 * categories + 1 + FACTS)),
        }
    )


def dense_losses(
    heads: nn.ModuleDict, patches: torch.Tensor, tokens: torch.Tensor, targets: DenseTargets
) -> dict[str, torch.Tensor]:
    """Losses of the heads by name.

    Parameters
    ----------
    heads : ModuleDict
        From `build_heads`.
    patches : (b * f * p, vision_width)
        Output of the vision tower before the merger.
    tokens : (b * f * m, text_width)
        Hidden states of the language model.
    targets : DenseTargets
    """
    from torch.nn import functional

    kinds = targets.patch_category.shape[1]
    patch = heads["patch"](patches.float()).float()
    token = heads["token"](tokens.float()).float()

    def facts(found: torch.Tensor, wanted: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        return functional.smooth_l1_loss(found[where], wanted[where], beta=0.2)

    new = functional.binary_cross_entropy_with_logits(
        token[:, kinds + FACTS :], targets.token_new.clamp(max=1.0), reduction="none"
    )
    return {
        "patch_category": functional.cross_entropy(patch[:, :kinds], targets.patch_category),
        "patch_facts": facts(patch[:, kinds:], targets.patch_facts, targets.patch_object),
        "token_category": functional.cross_entropy(token[:, :kinds], targets.token_category),
        "token_facts": facts(token[:, kinds : kinds + FACTS], targets.token_facts, targets.token_object),
        "token_new": new.sum(1).mean(),
    }
