"""Attention over rows in which many questions share the frames of one room.

A row is the frames' tokens and then slots of equal length, each of which holds whole questions. The frames attend to
themselves, a question to the frames and to itself; nothing is computed for the rest, which is most of the square.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qa_trainer.tiny.fast_vision import attention

if TYPE_CHECKING:
    import torch
    from transformers import Qwen3VLForConditionalGeneration

NAME = "qa_trainer_packed"


@contextmanager
def packed_attention(model: Qwen3VLForConditionalGeneration, question: torch.Tensor, slot: int) -> Iterator[None]:
    """Within the block, the language model of `model` attends within questions.

    Parameters
    ----------
    model : Qwen3VLForConditionalGeneration
    question : (b, t) int64
        0 for the frames, which come first and are as many in every row; then the number of the question, or another
        number where there is none.
    slot : int
        Tokens of a slot; no question lies across two of them.
    """
    import torch
    from transformers import AttentionInterface

    rows, length = question.shape
    start = int((question[0] == 0).sum())
    asked = question[:, start:].reshape(-1, slot)
    own = (asked[:, :, None] == asked[:, None, :]) & torch.ones(slot, slot, dtype=torch.bool).tril()
    seen = torch.cat([torch.ones(len(asked), slot, start, dtype=torch.bool), own], -1)[:, None]
    before = torch.ones(start, start, dtype=torch.bool).tril()
    slots = (length - start) // slot

    def attend(
        module: Any, query: Any, key: Any, value: Any, _mask: Any, scaling: float, **_: Any
    ) -> tuple[torch.Tensor, None]:
        groups = query.shape[1] // key.shape[1]
        query, key = query.to(value.dtype), key.to(value.dtype)
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        frames = attention(query[:, :, :start], key[:, :, :start], value[:, :, :start], scaling, before)

        def cut(tensor: torch.Tensor, *, shared: bool) -> torch.Tensor:
            heads, width = tensor.shape[1], tensor.shape[3]
            own = tensor[:, :, start:].reshape(rows, heads, slots, slot, width).transpose(1, 2)
            if shared:
                first = tensor[:, None, :, :start].expand(rows, slots, heads, start, width)
                own = torch.cat([first, own], 3)
            return own.flatten(0, 1)

        asked = attention(cut(query, shared=False), cut(key, shared=True), cut(value, shared=True), scaling, seen)
        asked = asked.reshape(rows, slots, -1, slot, query.shape[3]).transpose(1, 2).flatten(2, 3)
        return torch.cat([frames, asked], 2).transpose(1, 2).contiguous(), None

    AttentionInterface.register(NAME, attend)
    config: Any = model.config.text_config
    usual = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = usual
