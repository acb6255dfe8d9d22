"""Held-out figures of a pre-trained tiny model: what it answers when asked for one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_trainer.tiny.rooms import Rooms

if TYPE_CHECKING:
    from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor


def heldout_figures(
    model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor, rooms: Rooms, *, batch_size: int = 64
) -> dict[str, float | None]:
    """Ask for the room and every category of each room, one at a time, greedily, and compare.

    Returns
    -------
    dict of str to float or None
        `n_rooms`; `count_exact` over categories with two or more objects, `present_exact` (is the category there?)
        over all; median relative error of `room_m2` and of `longest_side` of single objects; median error of their
        `position_m`; each beside the same figure of the best constant answer (`..._constant`); None
        where no room has such a thing, or no answer is of the form.
    """
    asked, truth = [], []
    for index, facts in enumerate(rooms.facts):
        asked.append((index, "room"))
        truth.append(("room", facts.area_m2))
        for name in rooms.vocabulary:
            rows = [i for i, category in enumerate(facts.categories) if category == name]
            asked.append((index, name))
            if len(rows) == 1:
                truth.append(("one", (facts.longest_cm[rows[0]], *facts.position_m[rows[0]])))
            else:
                truth.append(("count", len(rows)))
    answers = _ask(model, processor, rooms, asked, batch_size)

    def numbers(text: str) -> list[float]:
        try:
            return [float(part) for part in text.split(",")]
        except ValueError:
            return []

    parsed = [numbers(text) for text in answers]
    found = [bool(p) for p in parsed]
    there = [kind != "count" or value > 0 for kind, value in truth]
    kinds = np.array([kind for kind, _ in truth])
    several = [i for i in np.flatnonzero(kinds == "count") if truth[i][1] >= 2]
    counts = np.array([truth[i][1] for i in several])
    single = [i for i in np.flatnonzero(kinds == "one") if len(parsed[i]) == 4]
    sizes = np.array([truth[i][1][0] for i in single], dtype=float)
    places = np.array([truth[i][1][1:] for i in single], dtype=float).reshape(-1, 2)
    answered = np.array([parsed[i][1:] for i in single]).reshape(-1, 3)
    area = np.array([truth[i][1] for i in np.flatnonzero(kinds == "room")])
    areas = np.array([(parsed[i] or [0.0])[0] for i in np.flatnonzero(kinds == "room")])
    objects = np.flatnonzero(kinds != "room")
    present = np.array([there[i] for i in objects])
    return {
        "n_rooms": len(rooms.facts),
        "present_exact": _figure(np.mean, np.array([found[i] for i in objects]) == present),
        "present_exact_constant": float(max(present.mean(), 1 - present.mean())),
        "count_exact": _figure(np.mean, np.array([parsed[i] == [truth[i][1]] for i in several])),
        "count_exact_constant": _figure(lambda n: np.bincount(n).max() / len(n), counts),
        "room_m2": _figure(np.median, np.abs(areas - area) / area),
        "room_m2_constant": _figure(np.median, np.abs(np.median(area) - area) / area),
        "longest_side": _figure(np.median, np.abs(answered[:, 0] - sizes) / sizes),
        "longest_side_constant": _figure(lambda v: np.median(np.abs(np.median(v) - v) / v), sizes),
        "position_m": _figure(np.median, np.linalg.norm(answered[:, 1:] - places, axis=1)),
        "position_m_constant": _figure(lambda v: np.median(np.linalg.norm(np.median(v, axis=0) - v, axis=1)), places),
    }


def _figure(statistic: Callable[[np.ndarray], np.floating], values: np.ndarray) -> float | None:
    """Take a statistic, or None where there is nothing to take it of."""
    return float(statistic(values)) if len(values) else None


def _ask(
    model: Any,
    processor: Any,
    rooms: Rooms,
    asked: list[tuple[int, str]],
    batch_size: int,
) -> list[str]:
    """Answers to "Values NAME" about room `index`, in order."""
    import torch
    from PIL import Image

    answers: list[str] = []
    for start in range(0, len(asked), batch_size):
        part = asked[start : start + batch_size]
        pictures = [[Image.fromarray(frame) for frame in rooms.frames[index]] for index, _ in part]
        texts = [
            processor.apply_chat_template(
                [
                    {
                        "role": "user",
                        "content": [*[{"type": "image"}] * len(shown), {"type": "text", "text": f"Values {name}"}],
                    }
                ],
                add_generation_prompt=True,
                tokenize=False,
            )
            for (_, name), shown in zip(part, pictures, strict=True)
        ]
        inputs = processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=20, do_sample=False)
        answers += processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in answers]
