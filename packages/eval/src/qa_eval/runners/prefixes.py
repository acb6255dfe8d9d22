"""Frames that questions share are read once: what the model computed for them starts the prompt of each question."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qa_eval.runners.vision import Seen, joined

if TYPE_CHECKING:
    import torch

FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
"""Model types whose `rope_deltas` says where the text goes on after frames; others are asked the plain way."""


@dataclass(frozen=True)
class Prompt:
    """One question as tokens.

    Attributes
    ----------
    ids : list of int
    types : list of int
        What each token stands for: 0 = text.
    frames : hashable
        What the question shows, by file; equal for questions that share it.
    seen : sequence of Seen
        The frames as the processor made them.
    """

    ids: list[int]
    types: list[int]
    frames: Hashable
    seen: Sequence[Seen]

    @property
    def n_shared(self) -> int:
        """Tokens up to the last one that stands for a part of a frame."""
        return len(self.types) - next(i for i, kind in enumerate(reversed(self.types)) if kind)


@dataclass(frozen=True)
class Prefix:
    """A prompt up to its last frame, as the model remembers it.

    Attributes
    ----------
    ids : list of int, length n
    layers : list of (keys, values)
        Each (heads, n, width), one pair per layer of the language model.
    offset : (1,) Tensor
        Position of the text that follows, minus n: a frame takes fewer positions than tokens.
    """

    ids: list[int]
    layers: list[tuple[torch.Tensor, torch.Tensor]]
    offset: torch.Tensor


class Prefixes:
    """Prefixes of prompts; the last one is kept, so that a scene whose questions fill several batches is read once.

    Parameters
    ----------
    model : PreTrainedModel
        One that `can_share` accepts.
    pad_id : int
    """

    def __init__(self, model: Any, pad_id: int) -> None:
        self.model = model
        self.pad_id = pad_id
        self.kept: dict[Hashable, Prefix] = {}

    def inputs(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """Build the arguments with which `generate` goes on behind the frames of each prompt.

        Frames come first, padded on the left to one length, then the texts, padded on the left again: the positions of
        the tokens, and with them the answers, are those of the prompts alone.

        What the first and the last prompt show may go on in other batches, so it is read alone: its last digits do not
        depend on the batch, and a run that goes on after a stop gives the same bytes.
        """
        import torch
        from transformers import DynamicCache

        first = {prompt.frames: prompt for prompt in reversed(prompts)}
        known = {frames: prefix for frames, prefix in self.kept.items() if frames in first}
        ends = {prompts[0].frames, prompts[-1].frames}
        for frames in first:
            if frames in ends and frames not in known:
                known |= self._read([first[frames]])
        known |= self._read([prompt for frames, prompt in first.items() if frames not in ends])
        self.kept = {prompts[-1].frames: known[prompts[-1].frames]}
        used, place = list(known.values()), {frames: i for i, frames in enumerate(known)}
        row = torch.tensor([place[prompt.frames] for prompt in prompts], device=self.model.device)
        longest = max(len(prefix.ids) for prefix in used)
        cache = DynamicCache()
        for i in range(len(used[0].layers)):
            keys, values = zip(*(prefix.layers[i] for prefix in used), strict=True)
            cache.update(_stacked(keys, longest)[row], _stacked(values, longest)[row], i)
        self.model.base_model.rope_deltas = torch.stack([prefix.offset for prefix in used])[row]
        head, head_mask = self._padded([prefix.ids for prefix in used])
        text, text_mask = self._padded([prompt.ids[prompt.n_shared :] for prompt in prompts])
        return {
            "input_ids": torch.cat([head[row], text], dim=1),
            "attention_mask": torch.cat([head_mask[row], text_mask], dim=1),
            "past_key_values": cache,
        }

    def _read(self, prompts: Sequence[Prompt]) -> dict[Hashable, Prefix]:
        """Run the model over the beginnings of prompts."""
        if not prompts:
            return {}
        ids = [prompt.ids[: prompt.n_shared] for prompt in prompts]
        padded, mask = self._padded(ids)
        types, _ = self._padded([prompt.types[: prompt.n_shared] for prompt in prompts], 0)
        features = joined([one for prompt in prompts for one in prompt.seen])
        features = {name: tensor.to(self.model.device) for name, tensor in features.items()}
        base = self.model.base_model
        found = base(input_ids=padded, attention_mask=mask, mm_token_type_ids=types, use_cache=True, **features)
        layers = found.past_key_values.layers
        pairs = [
            [(layer.keys[i, :, -len(own) :], layer.values[i, :, -len(own) :]) for layer in layers]
            for i, own in enumerate(ids)
        ]
        rows = zip(prompts, ids, pairs, base.rope_deltas, strict=True)
        return {prompt.frames: Prefix(own, pair, offset) for prompt, own, pair, offset in rows}

    def _padded(self, rows: Sequence[Sequence[int]], fill: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Pad rows on the left to one length; also the mask of what is no padding."""
        import torch

        fill, longest = self.pad_id if fill is None else fill, max(len(row) for row in rows)
        gaps = [longest - len(row) for row in rows]
        ids = [[fill] * gap + list(row) for gap, row in zip(gaps, rows, strict=True)]
        mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
        return torch.tensor(ids, device=self.model.device), torch.tensor(mask, device=self.model.device)


def can_share(model: Any) -> bool:
    """Tell whether a model takes frames first and text later with equal results.

    It is one of `FAMILIES`, and keeps all keys and values: no sliding window. Models that bring code of their own are
    asked the plain way.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    is_known = model.config.model_type in FAMILIES and type(model).__module__.startswith("transformers.")
    return is_known and all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)


def _stacked(tensors: Sequence[torch.Tensor], length: int) -> torch.Tensor:
    """Stack (heads, n, width), with zeros before each along n."""
    import torch
    from torch.nn import functional

    return torch.stack([functional.pad(tensor, (0, 0, length - tensor.shape[1], 0)) for tensor in tensors])
