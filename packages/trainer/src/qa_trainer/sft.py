"""Supervised fine-tuning on TRL's SFTTrainer, with the confidence of every answer from the same forward pass."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from safetensors import SafetensorError
from transformers import PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from qa_trainer.callbacks.checkpoint import SealCheckpoint
from qa_trainer.callbacks.confidence_recorder import ConfidenceRecorder
from qa_trainer.callbacks.progress import Progress
from qa_trainer.collator import ROW, sft_collator
from qa_trainer.config import SFTSettings
from qa_trainer.data import Samples
from qa_trainer.errors import QATrainerError
from qa_trainer.label_window import LabelWindow
from qa_trainer.loading import freeze_parts, load_model, use_matmul_patches
from qa_trainer.lora import add_adapter, save_merged
from qa_trainer.run_folder import PREDICTIONS, RunFolder, step_of
from qa_trainer.tableio import read_table
from qa_trainer.tables import PREDICTIONS as SCHEMA
from qa_trainer.tables import with_every_column


@dataclass(frozen=True)
class SFTRun:
    """What a training run works on.

    Attributes
    ----------
    samples : Samples
    model : Path
        Folder of the model at the start.
    start_step : int
        Optimizer steps that the model and the state have behind them.
    state : Path or None
        Folder with the state to continue from.
    adapter : Path or None
        Folder of the adapter that belongs to the state, for a run with adapters.
    run_id, model_id : str
        Written into the predictions.
    metadata : dict
        Of the table `predictions`.
    """

    samples: Samples
    model: Path
    start_step: int
    state: Path | None
    adapter: Path | None
    run_id: str
    model_id: str
    metadata: dict[str, str]


@dataclass(frozen=True)
class SFTResult:
    """What a training run did in this process.

    Attributes
    ----------
    checkpoint : Path
        Checkpoint of the last step, with model, state and predictions.
    global_step : int
        Optimizer steps of this run and the earlier ones that it continues.
    resumed_at : int or None
        Step of the checkpoint from which a killed run went on.
    device : str
    recorder_s : float
        Seconds spent on recording confidence.
    """

    checkpoint: Path
    global_step: int
    resumed_at: int | None
    device: str
    recorder_s: float


class RecordingSFTTrainer(SFTTrainer):
    """SFTTrainer that tells the recorder which rows a forward pass holds, and stops at the first NaN."""

    def __init__(
        self, *args: Any, recorder: ConfidenceRecorder, question_ids: Callable[[Any], list[str]], **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.recorder = recorder
        self.question_ids = question_ids
        self.window = LabelWindow()
        # The Qwen-VL models decline the number of tokens of the whole batch, but the loss is TRL's, which takes it.
        # Without it every micro-batch would weigh the same, whatever the number of its answer tokens.
        self.model_accepts_loss_kwargs = True

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Compute TRL's loss while the recorder listens."""
        step = self.state.global_step + 1
        rows = inputs.pop(ROW)
        self.recorder.expect(rows, step)
        self._check_lengths(rows, inputs["attention_mask"].sum(dim=1))
        inputs["shift_labels"] = self.window.shift(inputs.pop("labels"))
        loss = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if not torch.isfinite(loss).all():
            raise _diverged(step, "loss", self.question_ids(self.recorder.not_finite(step)))
        return loss

    def _check_lengths(self, rows: torch.Tensor, lengths: torch.Tensor) -> None:
        """Stop at a sample with more tokens than the model has positions; cutting it would cut its frames or answer."""
        config: Any = self.accelerator.unwrap_model(self.model).config
        limit = getattr(config.get_text_config(), "max_position_embeddings", None)
        if limit is not None and int(lengths.max()) > limit:
            longest = self.question_ids(rows[lengths > limit])
            raise QATrainerError(
                f"{_shown(longest)}: up to {int(lengths.max())} tokens with frames and answer, the model has {limit} "
                "positions. Show fewer or smaller frames, or leave these questions out."
            )

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Stop before the optimizer spreads a NaN into the weights."""
        norm = super()._get_grad_norm(model, grad_norm)
        if not torch.isfinite(torch.as_tensor(norm)):
            step = self.state.global_step + 1
            raise _diverged(step, "gradient norm", self.question_ids(self.recorder.rows_of(step)))
        return norm

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load nothing: the weights were read with from_pretrained, and a state folder holds none."""
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Say clearly that a checkpoint could not be written; the libraries have no common error for a full disk."""
        try:
            super()._save_checkpoint(model, trial)
        except (RuntimeError, SafetensorError) as error:
            raise _stopped(Path(str(self.args.output_dir)).parent, error) from error

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no model card: checkpoints are internal."""


def train(run: SFTRun, settings: SFTSettings, folder: RunFolder, *, report: Callable[[str], None]) -> SFTResult:
    """Train from the last checkpoint of `folder`, or from the beginning, up to the last step.

    Parameters
    ----------
    run : SFTRun
    settings : SFTSettings
    folder : RunFolder
        Gets the checkpoints.
    report : callable
        Takes a line of progress.

    Raises
    ------
    QATrainerError
        The model cannot be loaded or trained, the loss is not finite, or a checkpoint cannot be written.
    """
    last_step = run.start_step + settings.steps
    checkpoint = folder.last_checkpoint()
    use_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    make_deterministic(use_cpu=use_cpu)
    adapts = settings.lora_rank is not None
    model, processor = load_model(run.model if adapts else checkpoint or run.model)
    freeze_parts(model, settings.freeze)
    if use_cpu:
        use_matmul_patches(model)
    backbone = model.base_model
    trained = add_adapter(model, settings, checkpoint or run.adapter) if adapts else model
    recorder = ConfidenceRecorder(processor.tokenizer)
    earlier = read_table(checkpoint / PREDICTIONS, "predictions", SCHEMA) if checkpoint else pl.DataFrame(schema=SCHEMA)

    def predictions() -> pl.DataFrame:
        return pl.concat([earlier, _predictions(recorder.frame(), run, settings)])

    def question_ids(rows: Any) -> list[str]:
        return run.samples.rows["question_id"][[int(row) % len(run.samples) for row in rows]].to_list()

    trainer = RecordingSFTTrainer(
        model=trained,
        args=_arguments(settings, folder, last_step, use_cpu=use_cpu),
        data_collator=sft_collator(processor, image_cache_bytes=settings.image_cache_mb * 2**20),
        train_dataset=_dataset(run, settings, last_step),
        processing_class=processor,
        recorder=recorder,
        question_ids=question_ids,
        callbacks=[
            SealCheckpoint(folder, predictions=predictions, metadata=run.metadata),
            Progress(recorder, batch_size=settings.batch_size, report=report),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    recorder.attach(trained)
    trainer.window.attach(backbone)
    resume_from = checkpoint or run.state
    resumed_at = None if checkpoint is None else step_of(checkpoint)
    if resumed_at is not None:
        report(f"going on from step {resumed_at} of {last_step}")
    try:
        trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
    except OSError as error:
        raise _stopped(folder.path, error) from error
    finally:
        trainer.window.detach()
        recorder.detach()
    final = folder.last_checkpoint()
    if final is None or trainer.state.global_step != last_step:
        raise QATrainerError(f"{folder.path}: training ended at step {trainer.state.global_step} of {last_step}.")
    if adapts:
        save_merged(trained, processor, final)
    return SFTResult(final, last_step, resumed_at, str(trainer.args.device), recorder.seconds)


def make_deterministic(*, use_cpu: bool) -> None:
    """Prefer deterministic kernels; where a GPU has none for an operation, the others run."""
    if not use_cpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling new tensors with NaN is for finding bugs and doubles the time of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")


def _arguments(settings: SFTSettings, folder: RunFolder, last_step: int, *, use_cpu: bool) -> SFTConfig:
    """Write our settings in TRL's terms."""
    return SFTConfig(
        output_dir=str(folder.checkpoints),
        max_steps=last_step,
        per_device_train_batch_size=settings.micro_batch,
        gradient_accumulation_steps=settings.batch_size // settings.micro_batch,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        train_sampling_strategy="sequential",
        max_length=None,
        completion_only_loss=True,
        remove_unused_columns=False,
        use_cpu=use_cpu,
        bf16=settings.dtype == "bfloat16",
        activation_checkpointing=settings.activation_checkpointing,
        # Written into the saved configuration, where generation looks it up; TRL trains without a cache.
        use_cache=True,
        save_strategy="steps",
        save_steps=settings.save_steps,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        dataloader_pin_memory=not use_cpu,
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )


def _dataset(run: SFTRun, settings: SFTSettings, last_step: int) -> Dataset:
    """Make a dataset whose item i is what global step i // batch_size + 1 trains on.

    The items of the earlier steps are never loaded: the trainer skips them by number, as in any resumed run.
    """
    first = run.start_step * settings.batch_size

    def load(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        rows = [item - first for item in batch["item"]]
        return {ROW: rows, **run.samples.examples(rows)}

    return Dataset.from_dict({"item": range(last_step * settings.batch_size)}).with_transform(load)


def _predictions(recorded: pl.DataFrame, run: SFTRun, settings: SFTSettings) -> pl.DataFrame:
    """Join what was recorded with the questions, as table `predictions`."""
    rows = run.samples.rows.with_row_index("row").cast({"row": pl.Int64})
    round_number = pl.col("round").fill_null(0) if settings.round is None else pl.lit(settings.round)
    joined = recorded.with_columns(pl.col("row") % len(run.samples)).join(rows, on="row", maintain_order="left")
    table = joined.with_columns(
        run_id=pl.lit(run.run_id),
        model_id=pl.lit(run.model_id),
        runner=pl.lit("trainer"),
        phase=pl.lit("train"),
        completion=pl.col("ground_truth"),
        round=round_number,
    )
    return with_every_column(table, SCHEMA)


def _stopped(out: Path, error: Exception) -> QATrainerError:
    """Build the error for a file that could not be read or written."""
    return QATrainerError(
        f"{out}: training stopped, a file could not be read or written ({error}). "
        "The last whole checkpoint is kept: repair the cause and start the same command again."
    )


def _diverged(step: int, what: str, question_ids: list[str]) -> QATrainerError:
    """Build the error for a NaN."""
    return QATrainerError(
        f"Step {step}: the {what} is not finite. {_shown(question_ids)}. "
        "Lower the learning rate or look at these questions; the last whole checkpoint is kept."
    )


def _shown(question_ids: list[str]) -> str:
    """Name the first questions of a list."""
    more = f" and {len(question_ids) - 8} more" if len(question_ids) > 8 else ""
    return f"Questions: {', '.join(question_ids[:8])}{more}"
