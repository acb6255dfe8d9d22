"""Token log-probabilities of the answers, read from the training forward pass."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from qa_contract.tokens import counts

if TYPE_CHECKING:
    import torch
    from torch.utils.hooks import RemovableHandle

RECORD: dict[str, Any] = {
    "row": pl.Int64,
    "step": pl.Int32,
    "token_ids": pl.List(pl.Int32),
    "token_logprobs": pl.List(pl.Float32),
    "token_mask": pl.List(pl.Boolean),
    "token_is_top1": pl.List(pl.Boolean),
    "token_entropy": pl.List(pl.Float32),
}
"""Columns of `ConfidenceRecorder.frame`."""


@dataclass(frozen=True)
class _Forward:
    """The answers of one forward pass; token arrays are flat, `lengths` cuts them into rows."""

    rows: np.ndarray  # (b,) int64
    step: int
    lengths: np.ndarray  # (b,) int64
    ids: np.ndarray  # (t,) int64
    logprobs: np.ndarray  # (t,) float32
    is_top1: np.ndarray  # (t,) bool
    entropy: np.ndarray  # (t,) float32


class ConfidenceRecorder:
    """Reads the output of TRL's fused language-model head: no second forward pass, no logits.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Decides which tokens count: special tokens, the end of the turn and white space do not.

    Attributes
    ----------
    seconds : float
        Time spent recording so far.

    Notes
    -----
    The log-probabilities are those before the optimizer step that the forward pass belongs to. A model with active
    dropout is measured with its dropout.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._forwards: list[_Forward] = []
        self._pending: list[tuple[Any, ...]] = []
        self._expected: tuple[torch.Tensor, int] | None = None
        self._handle: RemovableHandle | None = None
        self.seconds = 0.0

    def attach(self, model: torch.nn.Module) -> None:
        """Listen to the forward passes of `model`."""
        self._handle = model.register_forward_hook(self._on_forward, with_kwargs=True)

    def detach(self) -> None:
        """Stop listening."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def expect(self, rows: torch.Tensor, step: int) -> None:
        """Announce which rows the next forward pass holds, and its optimizer step (from 1)."""
        self._expected = (rows, step)

    def _on_forward(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if self._expected is None:
            return
        # Only references: reading the values here would make a GPU's host wait in the middle of the forward pass.
        heard = (output.label_mask, kwargs["shift_labels"], output.log_probs, output.is_top1, output.entropy)
        self._pending.append((*self._expected, *(value.detach() for value in heard)))
        self._expected = None

    def settle(self) -> None:
        """Bring what was heard to the CPU; called when the loss of the pass has been computed."""
        started = time.perf_counter()
        for rows, step, *heard in self._pending:
            mask, ids, logprobs, is_top1, entropy = (value.cpu().numpy() for value in heard)
            self._forwards.append(
                _Forward(
                    rows.cpu().numpy(),
                    step,
                    mask.sum(axis=1),
                    ids[mask],
                    logprobs[mask].astype(np.float32),
                    is_top1[mask].astype(bool),
                    entropy[mask].astype(np.float32),
                )
            )
        self._pending.clear()
        self.seconds += time.perf_counter() - started

    def _of_step(self, step: int) -> list[_Forward]:
        self.settle()
        return [forward for forward in self._forwards if forward.step == step]

    def totals(self, step: int) -> tuple[float, int, int]:
        """Sum of the answer tokens' log-probabilities of a step, their number (end tokens included), and the rows."""
        forwards = self._of_step(step)
        logprob = sum(float(f.logprobs.sum(dtype=np.float64)) for f in forwards)
        return logprob, sum(len(f.logprobs) for f in forwards), sum(len(f.rows) for f in forwards)

    def rows_of(self, step: int) -> np.ndarray:
        """Rows of a step."""
        return np.concatenate([f.rows for f in self._of_step(step)])

    def not_finite(self, step: int) -> np.ndarray:
        """Rows of a step with a log-probability that is NaN or infinite."""
        found = [
            f.rows[np.unique(np.repeat(np.arange(len(f.rows)), f.lengths)[~np.isfinite(f.logprobs)])]
            for f in self._of_step(step)
        ]
        return np.concatenate(found)

    def drain(self) -> pl.DataFrame:
        """Give everything recorded since the last call, in order, and forget it.

        Returns
        -------
        polars.DataFrame
            Columns of `RECORD`, one row per question and forward pass.
        """
        frame = self.frame()
        self._forwards.clear()
        return frame

    def frame(self) -> pl.DataFrame:
        """Give everything recorded since the last `drain`, in order.

        Returns
        -------
        polars.DataFrame
            Columns of `RECORD`, one row per question and forward pass.
        """
        self.settle()
        if not self._forwards:
            return pl.DataFrame(schema=RECORD)

        def flat(name: str) -> np.ndarray:
            return np.concatenate([getattr(forward, name) for forward in self._forwards])

        ids = flat("ids")
        steps = np.repeat([f.step for f in self._forwards], [len(f.rows) for f in self._forwards])
        order = np.arange(len(steps))
        tokens = pl.DataFrame(
            {
                "order": np.repeat(order, flat("lengths")),
                "token_ids": ids,
                "token_logprobs": flat("logprobs"),
                "token_mask": counts(ids, self._tokenizer),
                "token_is_top1": flat("is_top1"),
                "token_entropy": flat("entropy"),
            }
        )
        of_rows = pl.DataFrame({"order": order, "row": flat("rows"), "step": steps})
        frame = of_rows.join(tokens.group_by("order").agg(pl.all()), on="order", how="left", maintain_order="left")
        return frame.select(pl.col(name).cast(dtype) for name, dtype in RECORD.items())
