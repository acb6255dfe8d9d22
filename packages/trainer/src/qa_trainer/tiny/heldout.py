"""Held-out figures of a pre-trained tiny model: its own answers to questions about rooms that it has not seen."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_trainer.tiny.reports import KINDS, Asked, Quiz
from qa_trainer.tiny.rooms import Rooms
from qa_trainer.tiny.views import sight

if TYPE_CHECKING:
    from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

MAX_NEW_TOKENS = 14


def every_heldout_figure(
    model: Qwen3VLForConditionalGeneration, processor: Qwen3VLProcessor, rooms: Rooms
) -> dict[str, dict[str, float]]:
    """Figures with the first and last frame of each room and with all of them, asked in both forms."""
    total = rooms.frames.shape[1]
    return {
        f"{len(frames)} frames, {'sentences' if sentence else 'short'}": heldout_figures(
            model, processor, rooms, frames, sentence=sentence
        )
        for frames in (np.array([0, total - 1]), np.arange(total))
        for sentence in (False, True)
    }


def heldout_figures(
    model: Qwen3VLForConditionalGeneration,
    processor: Qwen3VLProcessor,
    rooms: Rooms,
    frames: np.ndarray,
    *,
    sentence: bool,
    per_kind: int = 2,
    batch_size: int = 64,
    seed: int = 0,
) -> dict[str, float]:
    """Ask every room `per_kind` questions of each kind and compare the greedy answers with the truth.

    Parameters
    ----------
    model, processor
    rooms : Rooms
    frames : (f,) int64
        Frames that are shown.
    sentence : bool
        Ask in sentences, not in short form.

    Returns
    -------
    dict of str to float
        Per kind of question the share of right answers (`count`, `count_several` of two and more, `nearest`, `side`,
        `turn`, `quadrant`, `letter`), the median error in metres (`place_m`), the mean error in metres (`distance_m`),
        or the median relative error (`room`, `size`), and beside each the same figure of the best constant answer
        (`..._constant`).
    """
    asked: list[tuple[int, Asked]] = []
    for index, facts in enumerate(rooms.facts):
        rng = np.random.default_rng([seed, 7, index])
        quiz = Quiz(sight(facts, frames, mirrored=False), rooms.vocabulary)
        for kind in KINDS:
            for _ in range(1 if kind == "room" else per_kind):
                item = quiz.ask(kind, rng, sentence=sentence)
                if item is not None:
                    asked.append((index, item))
    asked.sort(key=lambda pair: len(pair[1].question))
    answers = _answers(model, processor, rooms, frames, asked, batch_size)
    by_kind: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for (_, item), answer in zip(asked, answers, strict=True):
        by_kind[item.kind].append((item.answer, answer))
    several = [pair for pair in by_kind["count"] if int(pair[0]) > 1]
    figures: dict[str, float] = {"rooms": len(rooms.facts)}
    for kind, pairs in {**by_kind, "count_several": several}.items():
        if pairs:
            figures |= _figures(kind, pairs)
    return figures


def _figures(kind: str, pairs: list[tuple[str, str]]) -> dict[str, float]:
    """Figure of one kind from (truth, answer)."""
    truth, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    if kind in ("room", "size", "place", "distance"):
        wanted = np.array([_numbers(text, kind) for text in truth])
        found = np.array([_numbers(text, kind) for text in answers])
        found[np.isnan(found)] = 0.0
        middle = np.median(wanted, axis=0, keepdims=True)

        def error(values: np.ndarray) -> float:
            if kind == "place":
                return float(np.median(np.linalg.norm(values - wanted, axis=1)))
            if kind == "distance":
                return float(np.mean(np.abs(values - wanted)))
            return float(np.median(np.abs(values - wanted) / wanted))

        name = {"place": "place_m", "distance": "distance_m"}.get(kind, kind)
        return {name: error(found), f"{name}_constant": error(middle)}
    right = np.array(truth) == np.array(answers)
    shares = np.unique(truth, return_counts=True)[1] / len(truth)
    return {kind: float(right.mean()), f"{kind}_constant": float(shares.max()), f"{kind}_n": len(truth)}


def _numbers(text: str, kind: str) -> list[float]:
    """Numbers of an answer, NaN where it is not of the form."""
    count = 2 if kind == "place" else 1
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    return values if len(values) == count else [float("nan")] * count


def _answers(
    model: Any,
    processor: Any,
    rooms: Rooms,
    frames: np.ndarray,
    asked: list[tuple[int, Asked]],
    batch_size: int,
) -> list[str]:
    """Greedy answers, in order."""
    import torch
    from PIL import Image

    answers: list[str] = []
    for start in range(0, len(asked), batch_size):
        part = asked[start : start + batch_size]
        pictures = [[Image.fromarray(rooms.frames[index, frame]) for frame in frames] for index, _ in part]
        texts = [
            processor.apply_chat_template(
                [
                    {
                        "role": "user",
                        "content": [*[{"type": "image"}] * len(frames), {"type": "text", "text": item.question}],
                    }
                ],
                add_generation_prompt=True,
                tokenize=False,
            )
            for _, item in part
        ]
        inputs = processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        answers += processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in answers]
