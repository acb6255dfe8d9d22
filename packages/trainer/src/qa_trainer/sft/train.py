"""Supervised fine-tuning on TRL's SFTTrainer, with the confidence of every answer from the same forward pass."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl.trainer.sft_config import SFTConfig

from qa_trainer.callbacks.checkpoint import SealCheckpoint
from qa_trainer.callbacks.confidence_recorder import ConfidenceRecorder
from qa_trainer.callbacks.progress import ReportProgress
from qa_trainer.callbacks.step_metrics import StepMetrics
from qa_trainer.data.collator import ROW, sft_collator
from qa_trainer.data.features import GivenFeatures, check_given
from qa_trainer.data.feed import Feed
from qa_trainer.errors import QATrainerError
from qa_trainer.models.faster_vision import quicken_vision
from qa_trainer.models.loading import attention_of, freeze_parts, hold_frozen_in_half, load_model
from qa_trainer.models.lora import add_adapter, save_merged
from qa_trainer.models.shared_frames import SharedFrames, can_share, has_geometry
from qa_trainer.runs.folder import RunFolder, step_of
from qa_trainer.runs.memory import raise_if_out_of_memory
from qa_trainer.runs.predictions import trained_rows
from qa_trainer.runs.processes import Team, is_sharded
from qa_trainer.runs.reporter import Reporter
from qa_trainer.runs.state import schedule_steps
from qa_trainer.settings.sft import SFTSettings
from qa_trainer.sft.trainer import RecordingSFTTrainer, stopped


@dataclass(frozen=True)
class SFTRun:
    """What a training run works on.

    Attributes
    ----------
    feed : Feed
        The rows, in their order.
    model : Path
        Folder of the model at the start.
    start_step, last_step : int
        Optimizer steps that the model and the state have behind them, and at the end of this run.
    state : Path or None
        Folder with the state to continue from.
    adapter : Path or None
        Folder of the adapter that belongs to the state, for a run with adapters.
    run_id : str
        Written into the tables.
    metadata : dict of str to dict
        Of the tables `predictions` and `metrics`.
    features : GivenFeatures, optional
        What the geometry encoder has made of the frames.
    """

    feed: Feed
    model: Path
    start_step: int
    last_step: int
    state: Path | None
    adapter: Path | None
    run_id: str
    metadata: dict[str, dict[str, str]]
    features: GivenFeatures | None = None


@dataclass(frozen=True)
class SFTResult:
    """What a training run did in this process.

    Attributes
    ----------
    checkpoint : Path
        Checkpoint of the last step, with model, state, predictions and metrics.
    resumed_at : int or None
        Step of the checkpoint from which a killed run went on.
    device : str
    attention : str
        Kernels that it ran with.
    """

    checkpoint: Path
    resumed_at: int | None
    device: str
    attention: str


def train(run: SFTRun, settings: SFTSettings, folder: RunFolder, *, team: Team, reporter: Reporter) -> SFTResult:
    """Train from the last checkpoint of `folder`, or from the beginning, up to the last step.

    Parameters
    ----------
    run : SFTRun
    settings : SFTSettings
    folder : RunFolder
        Gets the checkpoints.
    team : Team
        The processes that train together; each calls this function.
    reporter : Reporter
        Takes progress.

    Raises
    ------
    QATrainerError
        The model cannot be loaded or trained, the loss is not finite, or a checkpoint cannot be written.
    """
    checkpoint = team.share(folder.last_checkpoint())
    use_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    if use_cpu if settings.deterministic is None else settings.deterministic:
        make_deterministic(use_cpu=use_cpu)
    arguments = _arguments(settings, folder, run, team, use_cpu=use_cpu)
    adapts = settings.lora_rank is not None
    model, processor = load_model(
        run.model if adapts else checkpoint or run.model, attention=settings.attention, shown=settings
    )
    if run.features is not None:
        check_given(run.features, model, run.model, frozen=settings.freeze)
    freeze_parts(model, settings.freeze)
    if settings.dtype == "bfloat16" and not is_sharded():
        if adapts:
            model.requires_grad_(False)
        hold_frozen_in_half(model)
    still = quicken_vision(model) and not has_geometry(model)
    backbone = model.base_model
    trained = add_adapter(model, settings, checkpoint or run.adapter) if adapts else model
    # A process that has met all frames of a step would not take part in exchanging the weights of a cut tower.
    limit = 0 if is_sharded() else settings.feature_cache_mb * 2**20
    shared = SharedFrames(model, limit_bytes=limit) if can_share(model) else None
    recorder = ConfidenceRecorder(processor.tokenizer)
    metrics = StepMetrics(recorder, team=team, run_id=run.run_id, round_number=settings.round)

    def predictions(recorded: pl.DataFrame) -> pl.DataFrame:
        return trained_rows(recorded, run.feed, run_id=run.run_id, round_number=settings.round, processor=processor)

    cache_bytes = settings.image_cache_mb * 2**20 // max(1, settings.loaders(gpu=not use_cpu))
    collator = sft_collator(processor, image_cache_bytes=cache_bytes, later=True, features=run.features)

    def answer_tokens(step: int) -> int:
        items = range((step - 1) * settings.batch_size, step * settings.batch_size)
        examples = run.feed.examples(list(items))
        return collator.answer_tokens(examples["prompt"], examples["completion"])

    trainer = RecordingSFTTrainer(
        model=trained,
        args=arguments,
        data_collator=collator,
        train_dataset=_dataset(run.feed, run.last_step * settings.batch_size),
        processing_class=processor,
        recorder=recorder,
        metrics=metrics,
        names=lambda rows: run.feed.names([int(row) for row in rows]),
        schedule_steps=schedule_steps(settings, run.last_step),
        answer_tokens=answer_tokens,
        raw=getattr(collator.processor.image_processor, "raw", None),
        still=still,
        shared=shared,
        settings=settings,
        callbacks=[
            SealCheckpoint(
                folder,
                resumed=checkpoint,
                recorder=recorder,
                metrics=metrics,
                team=team,
                predictions=predictions,
                metadata=run.metadata,
            ),
            metrics,
            ReportProgress(metrics, reporter),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    _check_sharding(trainer, settings, run.feed)
    if is_sharded() and not trainer.is_fsdp_enabled and not trainer.is_deepspeed_enabled:
        reporter.say("accelerate cuts models over GPUs only: every process holds the whole model")
    recorder.attach(trained)
    trainer.window.attach(backbone)
    resume_from = checkpoint or run.state
    resumed_at = None if checkpoint is None else step_of(checkpoint)
    if resumed_at is not None:
        reporter.say(f"going on from step {resumed_at} of {run.last_step}")
    try:
        trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
    except OSError as error:
        raise stopped(folder.path, error) from error
    except (MemoryError, RuntimeError) as error:
        raise_if_out_of_memory(error, folder.path)
        raise
    finally:
        trainer.window.detach()
        recorder.detach()
    final = team.share(folder.last_checkpoint())
    if final is None or trainer.state.global_step != run.last_step:
        raise QATrainerError(f"{folder.path}: training ended at step {trainer.state.global_step} of {run.last_step}.")
    if adapts and team.is_main:
        save_merged(trained, processor, final)
    return SFTResult(final, resumed_at, str(trainer.args.device), attention_of(model))


def make_deterministic(*, use_cpu: bool) -> None:
    """Prefer deterministic kernels; where a GPU has none for an operation, the others run."""
    if not use_cpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling new tensors with NaN is for finding bugs and doubles the time of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")


def _arguments(settings: SFTSettings, folder: RunFolder, run: SFTRun, team: Team, *, use_cpu: bool) -> SFTConfig:
    """Write our settings in TRL's terms."""
    micro_batch = settings.micro_batch_size or max(1, settings.batch_size // team.count)
    together = micro_batch * team.count
    if settings.batch_size % together:
        raise QATrainerError(
            f"batch_size {settings.batch_size} is not a multiple of {together}, {team.count} processes with "
            f"{micro_batch} questions each. Choose another --batch-size or --micro-batch-size."
        )
    if settings.report_to:
        # Beside the checkpoints, of which the older ones are deleted.
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(folder.path / "logs"))
    return SFTConfig(
        output_dir=str(folder.checkpoints),
        run_name=folder.path.name,
        max_steps=run.last_step,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=settings.batch_size // together,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler_type,
        warmup_steps=settings.warmup(schedule_steps(settings, run.last_step)),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        train_sampling_strategy="sequential",
        max_length=None,
        completion_only_loss=True,
        remove_unused_columns=False,
        use_cpu=use_cpu,
        bf16=settings.dtype == "bfloat16",
        activation_checkpointing=bool(settings.activation_checkpointing),
        # Written into the saved configuration, where generation looks it up; TRL trains without a cache.
        use_cache=True,
        save_strategy="steps",
        save_steps=settings.save_steps,
        logging_strategy="steps" if settings.report_to else "no",
        logging_steps=1,
        logging_nan_inf_filter=False,
        dataloader_pin_memory=not use_cpu,
        dataloader_num_workers=settings.loaders(gpu=not use_cpu),
        # Forked ones would inherit polars' locks.
        dataloader_multiprocessing_context="forkserver" if settings.loaders(gpu=not use_cpu) else None,
        report_to=list(settings.report_to) or "none",
        disable_tqdm=True,
        log_level="error",
    )


def check_reporters(names: tuple[str, ...]) -> None:
    """Refuse a name that transformers does not know, or whose library is not installed.

    Raises
    ------
    QATrainerError
    """
    from transformers.integrations.integration_utils import get_reporting_integration_callbacks

    try:
        for callback in get_reporting_integration_callbacks(list(names)):
            callback()
    except (ValueError, RuntimeError, ImportError) as error:
        raise QATrainerError(f"--report-to {' '.join(names)}: {error}") from error


def _check_sharding(trainer: RecordingSFTTrainer, settings: SFTSettings, feed: Feed) -> None:
    """Refuse what a model cut over several processes cannot do.

    Raises
    ------
    QATrainerError
    """
    plugin = trainer.accelerator.state.fsdp_plugin if trainer.is_fsdp_enabled else None
    if plugin is not None and "FULL" not in str(plugin.state_dict_type):
        raise QATrainerError(
            "FSDP saves shards only (fsdp_state_dict_type), from which no later stage can load the model. "
            "Set fsdp_state_dict_type: FULL_STATE_DICT, as configs/accelerate_fsdp2.yaml does."
        )
    if plugin is None and not trainer.is_deepspeed_enabled:
        return
    if settings.lora_rank is not None:
        raise QATrainerError("--lora-rank with FSDP or ZeRO-3 is not supported; adapters fit DDP.")
    if not feed.always_images:
        raise QATrainerError(
            "Under FSDP or ZeRO-3 every row needs an image: a process whose rows have none would not take part in "
            "exchanging the weights of the vision tower, and the others would wait for ever. Use DDP, or leave the "
            "rows without images out."
        )


@dataclass(frozen=True)
class _Load:
    """Reads items of a feed; a class, so that loader processes can be given one."""

    feed: Feed

    def __call__(self, batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        # TRL looks at item 0 to see what the rows are like.
        items = [max(item, self.feed.first) for item in batch["item"]]
        return {ROW: items, **self.feed.examples(items)}


def _dataset(feed: Feed, count: int) -> Dataset:
    """Make a dataset whose item i is what global step i // batch_size + 1 trains on.

    The items of the earlier steps are never loaded: the trainer skips them by number, as in any resumed run.
    """
    return Dataset.from_dict({"item": range(count)}).with_transform(_Load(feed))
