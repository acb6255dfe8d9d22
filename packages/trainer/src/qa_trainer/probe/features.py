"""Frozen features of frames: visual tokens as the language model gets them, and what it has made of them at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qa_trainer.errors import QATrainerError
from qa_trainer.probe.store import ProbedScene

RAW_PX = 4
"""Raw pixels of a token's square are taken at so many samples a side."""


def features(
    model: Any,
    processor: Any,
    scenes: Sequence[ProbedScene],
    *,
    batch_size: int,
    progress: Callable[[int, int], None],
) -> dict[str, np.ndarray]:
    """Features of the frames, each on a square grid of tokens.

    Parameters
    ----------
    model, processor
        A vision-language model of transformers.
    scenes : sequence of ProbedScene
        All with the same number of frames.
    batch_size : int
        Scenes per forward pass.
    progress : callable
        Called with the scenes done and all of them after every pass.

    Returns
    -------
    dict of str to (n, f, g, g, d) float32
        `eye`: output of the vision tower's connector, all levels that enter the language model; `language`: last
        hidden states at the visual tokens, the frames in order; `pixels`: colours under each token, with its place.

    Raises
    ------
    QATrainerError
        The model gives no image features, or not as many for each frame.
    """
    import torch
    from PIL import Image

    if not hasattr(model, "get_image_features"):
        raise QATrainerError(f"{type(model).__name__} has no get_image_features; its vision features cannot be read.")
    parts: dict[str, list[np.ndarray]] = {"eye": [], "language": [], "pixels": []}
    for start in range(0, len(scenes), batch_size):
        batch = scenes[start : start + batch_size]
        images = [[Image.open(path).convert("RGB") for path in scene.images] for scene in batch]
        content = [{"type": "image"}] * len(images[0])
        text = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
        inputs = processor(text=[text] * len(batch), images=images, padding=True, return_tensors="pt")
        seen: dict[str, Any] = {
            k: v for k, v in inputs.items() if k in ("pixel_values", "image_grid_thw", "image_sizes")
        }
        with torch.inference_mode():
            found: Any = model.get_image_features(**seen)
            hidden = model(**inputs, output_hidden_states=True, use_cache=False).hidden_states[-1]
        levels = [found.pooler_output, *(getattr(found, "deepstack_features", None) or [])]
        eye = np.concatenate([_joined(level) for level in levels], -1)
        at = inputs["input_ids"] == model.config.image_token_id
        language = hidden[at].float().numpy()
        frames = len(batch) * len(images[0])
        side = round((len(language) / frames) ** 0.5)
        if side * side * frames != len(language) or len(eye) != len(language):
            raise QATrainerError(
                f"the model gives {len(eye)} visual tokens for {frames} frames; "
                "a probe needs square frames of one size."
            )
        for name, values in (("eye", eye), ("language", language)):
            parts[name].append(values.reshape(len(batch), len(images[0]), side, side, -1))
        raw = [np.asarray(image.resize((side * RAW_PX,) * 2)) for row in images for image in row]
        parts["pixels"].append(_pixels(np.stack(raw), side).reshape(len(batch), len(images[0]), side, side, -1))
        progress(start + len(batch), len(scenes))
    return {name: np.concatenate(values).astype(np.float32) for name, values in parts.items()}


def _joined(level: Any) -> np.ndarray:
    """Tokens of all frames below each other."""
    import torch

    return (torch.cat(list(level)) if isinstance(level, (list, tuple)) else level.flatten(0, -2)).float().numpy()


def _pixels(raw: np.ndarray, side: int) -> np.ndarray:
    """Frames (k, side * RAW_PX, side * RAW_PX, 3) to (k, side, side, d): colours, and the token's place."""
    cut = raw.reshape(len(raw), side, RAW_PX, side, RAW_PX, 3).swapaxes(2, 3).reshape(len(raw), side, side, -1) / 255
    y, x = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side), indexing="ij")
    place = np.broadcast_to(np.stack([x, y, x * x, y * y, x * y], -1), (len(raw), side, side, 5))
    return np.concatenate([cut, place], -1)
