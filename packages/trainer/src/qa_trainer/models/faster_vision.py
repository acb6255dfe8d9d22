"""The arithmetic of Qwen-VL's vision towers with less work: equal results, weights and their names stay.

transformers embeds patches by a 3D convolution, whose input is exactly one kernel; it takes a still image twice, once
for each of the two frames of a patch; and it attends image by image in a Python loop.
"""

from __future__ import annotations

import sys
from types import MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def quicken_vision(model: Any) -> bool:
    """Let the vision tower of `model`, where it is one of Qwen-VL's, do the same with less work.

    Returns
    -------
    bool
        Patches of still images may come with the pixels of one frame only, (n, 3 * p * p).
    """
    embeds = False
    for module in model.modules():
        family, _, part = type(module).__name__.partition("Vision")
        if not family.startswith("Qwen"):
            continue
        if part == "PatchEmbed":
            module.forward = MethodType(_embed, module)
            embeds = True
        elif part == "Attention":
            module.forward = MethodType(_attend, module)
    return embeds


def _embed(self: Any, hidden_states: torch.Tensor) -> torch.Tensor:
    """Patch embedding (n, channels) as a matrix product; of a still image both frames' weights see the same pixels."""
    from torch.nn import functional

    weight = self.proj.weight
    still = hidden_states.shape[-1] < weight[0].numel()
    flat = weight.sum(dim=2) if still else weight
    return functional.linear(hidden_states.to(weight.dtype), flat.flatten(1), self.proj.bias)


def _attend(
    self: Any,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **options: Any,
) -> torch.Tensor:
    """Attention within each image or window, those of one size together; hidden_states (patches, width)."""
    family: Any = sys.modules[type(self).__module__]
    if family.is_flash_attention_requested(self.config):
        return type(self).forward(self, hidden_states, cu_seqlens, position_embeddings, **options)
    patches = hidden_states.shape[0]
    query, key, value = self.qkv(hidden_states).reshape(patches, 3, self.num_heads, -1).unbind(1)
    query, key = family.apply_rotary_pos_emb_vision(query, key, *position_embeddings)
    attend = family.ALL_ATTENTION_FUNCTIONS.get_interface(
        self.config._attn_implementation, family.eager_attention_forward
    )

    def together(*parts: torch.Tensor) -> torch.Tensor:
        """Attend in parts (images, length, heads, width)."""
        dropout = self.attention_dropout if self.training else 0.0
        heads = (part.transpose(1, 2) for part in parts)
        return attend(self, *heads, attention_mask=None, scaling=self.scaling, dropout=dropout, is_causal=False)[0]

    attended = by_length(together, (cu_seqlens[1:] - cu_seqlens[:-1]).tolist(), query, key, value)
    return self.proj(attended.reshape(patches, -1))


def by_length(function: Any, lengths: list[int], *values: torch.Tensor) -> torch.Tensor:
    """Apply a function to the stacked parts of each length, and put the results in the order of the parts.

    Parameters
    ----------
    function : callable
        Takes as many tensors (parts, length, ...) as there are values, and gives one.
    lengths : list of int
        Of the parts that follow one another along the first axis of every value.

    Examples
    --------
    >>> import torch
    >>> by_length(lambda x: x.cumsum(1), [2, 1, 2], torch.ones(5)).tolist()
    [1.0, 2.0, 1.0, 1.0, 2.0]
    """
    import torch

    if len(set(lengths)) == 1:
        return function(*(value.unflatten(0, (len(lengths), lengths[0])) for value in values)).flatten(0, 1)
    parts = [value.split(lengths) for value in values]
    found: list[Any] = [None] * len(lengths)
    for length in set(lengths):
        places = [place for place, other in enumerate(lengths) if other == length]
        made = function(*(torch.stack([one[place] for place in places]) for one in parts))
        for place, part in zip(places, made, strict=True):
            found[place] = part
    return torch.cat(found)
