"""Completions of reinforcement learning with the log-probabilities of the pass that trains on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from qa_contract.tokens import counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

ROLLOUT: dict[str, Any] = {
    "row": pl.Int64,
    "step": pl.Int32,
    "completion": pl.String,
    "token_ids": pl.List(pl.Int32),
    "token_logprobs": pl.List(pl.Float32),
    "token_mask": pl.List(pl.Boolean),
    "token_entropy": pl.List(pl.Float32),
}
"""Columns of `RolloutRecorder.drain`."""


class RolloutRecorder:
    """Keeps the completions that were trained on since the last checkpoint.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Turns tokens into text, and says which of them count.
    ends : set of int
        Tokens that end a turn.

    Notes
    -----
    The log-probabilities are those of the sampled distribution: at the temperature of the run.
    """

    def __init__(self, tokenizer: Any, ends: set[int]) -> None:
        self._tokenizer = tokenizer
        self._ends = ends
        self._found: list[dict[str, Any]] = []
        self._equal = 0

    def count_equal(self, groups: int) -> None:
        """Add groups whose completions all got the same reward."""
        self._equal += groups

    def take_equal(self) -> int:
        """Give the number of such groups since the last call."""
        equal, self._equal = self._equal, 0
        return equal

    def record(
        self,
        rows: Sequence[int],
        step: int,
        ids: torch.Tensor,
        mask: torch.Tensor,
        logprobs: torch.Tensor,
        entropy: torch.Tensor,
    ) -> None:
        """Take the completions of a forward pass, (b, t) each; the mask is false after the end of one."""
        columns = (value.detach().cpu() for value in (ids, mask.bool(), logprobs.float(), entropy.float()))
        for row, own, kept, likely, spread in zip(rows, *columns, strict=True):
            tokens = own[kept].numpy()
            self._found.append(
                {
                    "row": row,
                    "step": step,
                    "completion": self._tokenizer.decode(
                        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
                    ),
                    "token_ids": tokens.tolist(),
                    "token_logprobs": likely[kept].tolist(),
                    "token_mask": counts(tokens, self._tokenizer, self._ends).tolist(),
                    "token_entropy": spread[kept].tolist(),
                }
            )

    def drain(self) -> pl.DataFrame:
        """Give what was recorded since the last call, in columns of `ROLLOUT`."""
        frame = pl.DataFrame(self._found, schema=ROLLOUT)
        self._found = []
        return frame
