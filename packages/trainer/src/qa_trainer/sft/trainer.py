"""TRL's SFTTrainer with a recorder that listens, and with errors that name the samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch.distributed.tensor import DTensor
from trl.trainer.sft_trainer import SFTTrainer

from qa_trainer.callbacks.confidence_recorder import ConfidenceRecorder
from qa_trainer.callbacks.step_metrics import StepMetrics
from qa_trainer.data.collator import FRAMES, ROW
from qa_trainer.data.pixels import RawPatches
from qa_trainer.errors import QATrainerError
from qa_trainer.models.shared_frames import SharedFrames
from qa_trainer.runs.optimizer import separate_parts
from qa_trainer.settings.sft import SFTSettings
from qa_trainer.sft.label_window import LabelWindow


class RecordingSFTTrainer(SFTTrainer):
    """SFTTrainer that tells the recorder which rows a forward pass holds, and stops at the first NaN.

    Parameters
    ----------
    recorder : ConfidenceRecorder
    metrics : StepMetrics
    names : callable
        Names rows for a message.
    schedule_steps : int
        Steps over which the learning rate is scheduled, whatever the last step of this run.
    answer_tokens : callable
        Counts the answer tokens of a step (from 1), over all processes.
    raw : RawPatches, optional
        Makes a model's input of the bytes of patches, where the collator gives those.
    still : bool
        The model takes the pixels of one frame for a patch of a still image.
    shared : SharedFrames, optional
        Is told which images a forward pass shows.
    settings : SFTSettings
        Learning rates and weight decay of single parts.
    """

    def __init__(
        self,
        *args: Any,
        recorder: ConfidenceRecorder,
        metrics: StepMetrics,
        names: Callable[[Any], list[str]],
        schedule_steps: int,
        answer_tokens: Callable[[int], int],
        raw: RawPatches | None,
        still: bool,
        shared: SharedFrames | None,
        settings: SFTSettings,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.recorder = recorder
        self.metrics = metrics
        self.names = names
        self.schedule_steps = schedule_steps
        self.answer_tokens = answer_tokens
        self.window = LabelWindow()
        self.raw = raw
        self.still = still
        self.shared = shared
        self._settings = settings
        self._passed = 0.0
        # The Qwen-VL models decline the number of tokens of the whole batch, but the loss is TRL's, which takes it.
        # Without it every micro-batch would weigh the same, whatever the number of its answer tokens.
        self.model_accepts_loss_kwargs = True

    def create_optimizer(self, model: Any = None) -> Any:
        """Give parts learning rates and weight decay of their own."""
        optimizer = super().create_optimizer(model)
        separate_parts(optimizer, self.model if model is None else model, self._settings)
        return optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Schedule over all rounds; the trainer itself knows this run's last step only."""
        return super().create_scheduler(self.schedule_steps, optimizer)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """Hand over micro-batches as they are asked for.

        transformers makes all of a step before the first forward pass, because the loss divides by the answer tokens of
        the whole step; those are known from the answers alone, and the pixels of 64 questions need not be held.
        """
        waiting = _Waiting(epoch_iterator, num_batches, self.metrics)
        return waiting, torch.tensor(self.answer_tokens(self.state.global_step + 1), device=device)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Compute TRL's loss while the recorder listens."""
        step = self.state.global_step + 1
        rows = inputs.pop(ROW)
        started = time.perf_counter()
        names = inputs.pop(FRAMES, ())
        if self.shared is not None:
            self.shared.expect(names)
        if self.raw is not None and "pixel_values" in inputs:
            inputs["pixel_values"] = self.raw.restore(inputs["pixel_values"], still=self.still)
        self.recorder.expect(rows, step)
        self.metrics.on_forward(inputs["attention_mask"].sum(dim=1))
        inputs["shift_labels"] = self.window.shift(inputs.pop("labels"))
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        self.metrics.spend("forward", time.perf_counter() - started)
        waiting = time.perf_counter()
        self.recorder.settle()
        finite = bool(torch.isfinite(loss).all())
        if loss.is_cuda:
            self.metrics.spend("wait", time.perf_counter() - waiting)
        if not finite:
            raise _diverged(step, "loss", self.names(self.recorder.not_finite(step)))
        self._passed = time.perf_counter()
        return loss

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Run a micro-batch forward and backward, and note how long the second took."""
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.metrics.spend("backward", time.perf_counter() - self._passed)
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Stop before the optimizer spreads a NaN into the weights."""
        norm = super()._get_grad_norm(model, grad_norm)
        if norm is not None and not torch.isfinite(torch.as_tensor(norm)):
            step = self.state.global_step + 1
            raise _diverged(step, "gradient norm", self.names(self.recorder.rows_of(step)))
        self.metrics.on_grad_norm(norm)
        return norm

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load nothing: the weights were read with from_pretrained, and a state folder holds none."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the weights; those cut by FSDP2 are put together here, as accelerate leaves tied ones cut."""
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
            return
        model: Any = self.model
        tied = getattr(model, "all_tied_weights_keys", None) or {}
        whole: dict[str, torch.Tensor] = {}
        for name, value in model.state_dict().items():
            if name in tied:
                continue
            # Every process takes part; one keeps the result.
            full = value.full_tensor() if isinstance(value, DTensor) else value
            if self.args.should_save:
                whole[name] = full.cpu()
        self._save(output_dir, state_dict=whole)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Say clearly that a checkpoint could not be written; the libraries have no common error for a full disk."""
        try:
            super()._save_checkpoint(model, trial)
        except (RuntimeError, SafetensorError) as error:
            raise stopped(Path(str(self.args.output_dir)).parent, error) from error

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no model card: checkpoints are internal."""


class _Waiting:
    """Micro-batches of a step, each made when it is asked for and not kept.

    The first is made at once: an iterator that begins draws random numbers, and has to draw them before a resumed run
    sets the generators to where they were.
    """

    def __init__(self, batches: Iterator[Any], count: int, metrics: StepMetrics) -> None:
        self._batches = batches
        self._count = count
        self._metrics = metrics
        self._first = self._next()

    def _next(self) -> Any:
        started = time.perf_counter()
        batch = next(self._batches)
        self._metrics.spend("data", time.perf_counter() - started)
        return batch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        first, self._first = self._first, None
        yield first
        del first
        for _ in range(self._count - 1):
            yield self._next()


def stopped(out: Path, error: Exception) -> QATrainerError:
    """Build the error for a file that could not be read or written."""
    return QATrainerError(
        f"{out}: training stopped, a file could not be read or written ({error}). "
        "The last whole checkpoint is kept: repair the cause and start the same command again."
    )


def _diverged(step: int, what: str, names: list[str]) -> QATrainerError:
    """Build the error for a NaN."""
    return QATrainerError(
        f"Step {step}: the {what} is not finite. {_shown(names)}. "
        "Lower the learning rate or look at these questions; the last whole checkpoint is kept."
    )


def _shown(names: list[str]) -> str:
    """Name the first questions of a list."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"Questions: {', '.join(names[:8])}{more}"
