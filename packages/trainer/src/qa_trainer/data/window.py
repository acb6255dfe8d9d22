"""Which questions a model has room for: tokens are counted before anything is trained or answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.clips import Clip, clip_of

from qa_trainer.data.conversations import Conversations
from qa_trainer.data.inputs import blank_image, prompt_inputs
from qa_trainer.data.questions import Samples
from qa_trainer.data.videos import Video
from qa_trainer.errors import QATrainerError

S = TypeVar("S", bound=Samples | Conversations)
Size = tuple[int, int]
_TIME_BYTES = 16
"""Of a time and the marks around it, at most: `<12345.6 seconds>`."""


def within_window(source: S, processor: Any, limit: int | None, *, room: int | None = None, request: str = "") -> S:
    """Turn rows with more tokens than a model has positions into rejects; nothing is ever cut.

    Parameters
    ----------
    source : Samples or Conversations
    processor : ProcessorMixin
    limit : int or None
        Positions; without a limit every row is kept.
    room : int, optional
        Tokens to keep free for an answer that is still to be made; by default a row's own answer counts.
    request : str
        Text that every prompt gets in addition.

    Raises
    ------
    QATrainerError
        No row is left.
    """
    if limit is None:
        return source
    sizes = source.rows["frame_sizes"].to_list()
    clips = source.clips() if isinstance(source, Samples) else [None] * len(sizes)
    frames = _frame_tokens(sizes, [clip and _even(clip) for clip in clips], processor)
    # No token is less than a byte, so that most rows need not be tokenized.
    most = frames + source.text_bytes() + _opening_bytes(processor) + len(request.encode()) + (room or 0)
    # The times of a video are written between its frames: a few tokens more or less.
    most += np.array([_TIME_BYTES * len(clip.numbers) if clip else 0 for clip in clips])
    suspects = np.flatnonzero(most > limit)
    if not len(suspects):
        return source
    exact = _frame_tokens([sizes[row] for row in suspects], [clips[row] for row in suspects], processor)
    counts = exact + _text_tokens(source.examples(suspects.tolist()), processor, room, request)
    over = counts > limit
    if not over.any():
        return source
    bad = suspects[over]
    details = [f"{count} tokens with frames and answer, the model has {limit} positions" for count in counts[over]]
    keep = np.ones(len(source), dtype=bool)
    keep[bad] = False
    refused = source.refuse(source.rows[bad], "too_long", details)
    kept = replace(source, rows=source.rows.filter(pl.Series(keep)), rejects=pl.concat([source.rejects, refused]))
    if not len(kept):
        raise QATrainerError(
            f"Every one of {len(bad)} questions is too long ({source.names([0])[0]}: {details[0]}). "
            "Show fewer or smaller frames, or take a model with a larger window."
        )
    return kept


def _text_tokens(examples: dict[str, list[Any]], processor: Any, room: int | None, request: str) -> NDArray[np.int64]:
    """Count the tokens of rows, with the marks of their images but not what the frames become."""
    texts: list[str] = []
    for prompt, completion in zip(examples["prompt"], examples["completion"], strict=True):
        if room is None:
            texts.append(processor.apply_chat_template([*prompt, *completion], tokenize=False))
        else:
            texts.append(processor.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True))
    ids = processor.tokenizer([text + request for text in texts], add_special_tokens=False)["input_ids"]
    return np.array([len(row) for row in ids], dtype=np.int64) + (room or 0)


def _opening_bytes(processor: Any) -> int:
    """Count the bytes that a chat template writes around a question and its answer."""
    content = [{"type": "text", "text": ""}]
    turns = [{"role": role, "content": content} for role in ("user", "assistant")]
    return len(processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True).encode())


def _even(clip: Clip) -> Clip:
    """Take a clip of as many frames for all that differ in their times only."""
    found = clip_of([float(second) for second in range(len(clip.numbers))])
    assert found is not None
    return found


def _frame_tokens(
    sizes: Sequence[Sequence[Sequence[int]]], clips: Sequence[Clip | None], processor: Any
) -> NDArray[np.int64]:
    """Count what the images of rows, or their videos, add to the tokens of their text.

    A model may treat one image otherwise than several, but among several each adds the same wherever it stands.
    """

    @cache
    def added(size: Size, together: int) -> int:
        content = [{"type": "image"}] * together + [{"type": "text", "text": "?"}]
        prompt = [{"role": "user", "content": content}]
        shown = prompt_inputs(processor, [prompt], [[blank_image(size)] * together])["input_ids"].shape[1]
        text = processor.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        return (shown - len(processor.tokenizer(text, add_special_tokens=False)["input_ids"])) // together

    @cache
    def of(images: tuple[Size, ...]) -> int:
        return sum(added(size, min(len(images), 2)) for size in images)

    @cache
    def of_video(images: tuple[Size, ...], clip: Clip) -> int:
        prompt = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "?"}]}]
        shown = [Video(tuple(blank_image(size) for size in images), clip)]
        text = processor.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        own = len(processor.tokenizer(text, add_special_tokens=False)["input_ids"])
        return prompt_inputs(processor, [prompt], [shown])["input_ids"].shape[1] - own

    keys = [tuple((w, h) for w, h in images) for images in sizes]
    found = [of_video(key, clip) if clip else of(key) for key, clip in zip(keys, clips, strict=True)]
    return np.array(found, dtype=np.int64)
