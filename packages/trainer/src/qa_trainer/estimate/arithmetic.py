"""Arithmetic of a training step and of answering, counted from the sizes of a model.

A forward pass takes two operations per weight and token. A backward pass takes two more for the gradient of the weights
where they are trained, and two for the gradient of what went in where something before them is trained. Embeddings and
the head, which sees answers only, are not counted; recomputation is not work of the model.
"""

from __future__ import annotations

from qa_trainer.estimate.shape import ModelShape, Tower

_BEFORE = {"language": ("vision", "connector", "geometry", "audio"), "connector": ("vision", "geometry"), "vision": ()}
"""Parts that feed a part."""


def training_flops(shape: ModelShape, *, tokens: int, patches: int, frames: int, adapters: bool) -> float:
    """Count the arithmetic of one question, forward and backward.

    Parameters
    ----------
    shape : ModelShape
    tokens : int
        Of the question, frames included.
    patches, frames : int
        Of the question.
    adapters : bool
        The weights themselves are not trained, only adapters beside them.

    Notes
    -----
    Parts that are frozen are those of `shape`.
    """
    total = 0.0
    trained = {name for name in shape.parts if name not in shape.frozen}
    for name, part in shape.parts.items():
        passes = 1
        if name in trained or any(before in trained for before in _BEFORE.get(name, ())):
            passes += 1
        if name in trained and not adapters:
            passes += 1
        work = 2 * part.multiplied * _seen(name, tokens, patches) + _attention(shape, name, tokens, patches, frames)
        total += passes * work
    return total


def answering_flops(shape: ModelShape, *, tokens: int, patches: int, frames: int, new_tokens: int) -> float:
    """Count the arithmetic of answering one question with so many tokens."""
    total = 0.0
    for name, part in shape.parts.items():
        seen = _seen(name, tokens + (new_tokens if name == "language" else 0), patches)
        total += 2 * part.multiplied * seen + _attention(shape, name, tokens, patches, frames)
    return total


def _seen(part: str, tokens: int, patches: int) -> int:
    """Give the tokens or patches that a part works on."""
    return patches if part in ("vision", "geometry") else tokens


def _attention(shape: ModelShape, part: str, tokens: int, patches: int, frames: int) -> float:
    """Count the products of queries, keys and values in a forward pass."""
    if part == "language":
        return 2.0 * shape.text.layers * shape.text.queries * tokens**2  # half of the square is looked at
    per_frame = patches / max(frames, 1)
    if part == "vision":
        return 4.0 * shape.vision.full_attention * shape.vision.queries * patches * per_frame
    if part == "geometry" and shape.geometry is not None:
        tower: Tower = shape.geometry
        single = tower.layers - tower.full_attention
        return 4.0 * tower.queries * patches * (tower.full_attention * patches + single * per_frame)
    return 0.0
