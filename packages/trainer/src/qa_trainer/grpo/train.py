"""Reinforcement learning on TRL's GRPOTrainer, rewarded by the evaluator's own scoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl.trainer.grpo_config import GRPOConfig

from qa_trainer.callbacks.checkpoint import SealCheckpoint
from qa_trainer.callbacks.rollouts import RolloutRecorder
from qa_trainer.data.features import GivenFeatures, check_given
from qa_trainer.data.images import with_cache
from qa_trainer.data.questions import Samples
from qa_trainer.errors import QATrainerError, unknown_name
from qa_trainer.grpo.step_log import StepLog
from qa_trainer.grpo.trainer import ROW, FramesGRPOTrainer
from qa_trainer.models.faster_vision import quicken_vision
from qa_trainer.models.loading import attention_of, end_tokens, freeze_parts, hold_frozen_in_half, load_model
from qa_trainer.models.lora import adapter_config, add_adapter, save_merged
from qa_trainer.rewards import REWARDS
from qa_trainer.rewards.cognitive_map import REQUEST
from qa_trainer.runs.folder import RunFolder, step_of
from qa_trainer.runs.memory import raise_if_out_of_memory
from qa_trainer.runs.predictions import rollout_rows
from qa_trainer.runs.processes import Team
from qa_trainer.runs.reporter import Reporter
from qa_trainer.runs.state import schedule_steps
from qa_trainer.settings.grpo import GRPOSettings

_COLUMNS = ("question_id", "question_type", "ground_truth", "options", "pair_id", "cells", "reasons")
"""Columns that reward functions get."""


@dataclass(frozen=True)
class GRPORun:
    """What a run works on.

    Attributes
    ----------
    samples : Samples
        Questions in the order of training; they repeat when there are too few.
    extra : polars.DataFrame
        Columns `pair_id`, `cells` and `reasons`, row by row.
    model : Path
        Folder of the model at the start.
    start_step, last_step : int
        Optimizer steps that the model and the state have behind them, and at the end of this run.
    state, adapter : Path or None
        Folders with the state to continue from, and with the adapter that belongs to it.
    run_id : str
        Written into the tables.
    metadata : dict of str to dict
        Of the tables `predictions` and `metrics`.
    features : GivenFeatures, optional
        What the geometry encoder has made of the frames.
    """

    samples: Samples
    extra: pl.DataFrame
    model: Path
    start_step: int
    last_step: int
    state: Path | None
    adapter: Path | None
    run_id: str
    metadata: dict[str, dict[str, str]]
    features: GivenFeatures | None = None


@dataclass(frozen=True)
class GRPOResult:
    """What a run did.

    Attributes
    ----------
    checkpoint : Path
        Checkpoint of the last step.
    rewards : list of dict
        Per step, those before a resume included: TRL's figures, `reward` and `rewards/NAME/mean` among them.
    resumed_at : int or None
        Step of the checkpoint from which a killed run went on.
    device : str
    attention : str
        Kernels that it ran with.
    """

    checkpoint: Path
    rewards: list[dict[str, float]]
    resumed_at: int | None
    device: str
    attention: str


def check_rewards(names: tuple[str, ...]) -> None:
    """Refuse unknown rewards.

    Raises
    ------
    QATrainerError
    """
    for name in names:
        if name not in REWARDS:
            raise unknown_name("reward", name, REWARDS)


def train(run: GRPORun, settings: GRPOSettings, folder: RunFolder, *, team: Team, reporter: Reporter) -> GRPOResult:
    """Train from the last checkpoint of `folder`, or from the beginning, up to the last step.

    Parameters
    ----------
    run : GRPORun
    settings : GRPOSettings
    folder : RunFolder
        Gets the checkpoints.
    team : Team
        The processes that train together; each calls this function.
    reporter : Reporter
        Takes progress.

    Raises
    ------
    QATrainerError
        The model cannot be trained, the loss is not finite, or a checkpoint cannot be written.

    Notes
    -----
    A checkpoint holds weights, optimizer, scheduler and random numbers. The reference model of `beta` is loaded from
    `run.model` in every process, never from a checkpoint.
    """
    use_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    # With adapters these random numbers are their first values.
    torch.manual_seed(settings.seed)
    model, processor = load_model(run.model, attention=settings.attention, shown=settings)
    if run.features is not None:
        check_given(run.features, model, run.model, frozen=settings.freeze)
    freeze_parts(model, settings.freeze)
    adapts = settings.lora_rank is not None
    if settings.dtype == "bfloat16":
        if adapts:
            model.requires_grad_(False)
        hold_frozen_in_half(model)
    quicken_vision(model)
    samples = run.samples

    def row_of(item: int) -> int:
        return (max(item, run.start_step * settings.batch_size) - run.start_step * settings.batch_size) % len(samples)

    def question_ids(step: int) -> list[str]:
        items = range((step - 1) * settings.batch_size, step * settings.batch_size)
        return samples.rows["question_id"][[row_of(item) for item in items]].to_list()

    continued = adapts and run.adapter is not None
    checkpoint = team.share(folder.last_checkpoint())
    recorder = RolloutRecorder(processor.tokenizer, end_tokens(model, processor.tokenizer))
    log = StepLog(settings, recorder, question_ids, reporter, team=team, run_id=run.run_id)

    def predictions(recorded: pl.DataFrame) -> pl.DataFrame:
        return rollout_rows(recorded, samples, settings, run_id=run.run_id, processor=processor)

    trainer = FramesGRPOTrainer(
        model=add_adapter(model, settings, run.adapter) if continued else model,
        reward_funcs=[REWARDS[name] for name in settings.rewards],  # pyright: ignore[reportArgumentType]
        args=arguments(settings, folder.checkpoints, run.last_step, processes=team.count, use_cpu=use_cpu),
        train_dataset=_dataset(run, settings, row_of),
        processing_class=processor,
        peft_config=adapter_config(model, settings) if adapts and not continued else None,
        shows=with_cache(processor, limit_bytes=settings.image_cache_mb * 2**20, later=True),
        sources=lambda rows: samples.examples(list(rows))["images"],
        features=run.features,
        recorder=recorder,
        settings=settings,
        schedule_steps=schedule_steps(settings, run.last_step),
        state_only=run.state,
        callbacks=[
            log,
            SealCheckpoint(
                folder,
                resumed=checkpoint,
                recorder=recorder,
                metrics=log,
                team=team,
                predictions=predictions,
                metadata=run.metadata,
            ),
        ],
    )
    # TRL names them by their functions.
    trainer.reward_func_names = list(settings.rewards)
    trainer.remove_callback(PrinterCallback)
    if checkpoint is not None:
        reporter.say(f"going on from step {step_of(checkpoint)} of {run.last_step}")
    resume_from = checkpoint or run.state
    try:
        trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
    except (MemoryError, RuntimeError) as error:
        raise_if_out_of_memory(error, folder.path)
        raise
    final = team.share(folder.last_checkpoint())
    if final is None or step_of(final) != run.last_step:
        raise QATrainerError(f"{folder.path}: training ended at step {trainer.state.global_step} of {run.last_step}.")
    if adapts and team.is_main:
        save_merged(trainer.model, processor, final)
    rewards = [_figures(entry) for entry in trainer.state.log_history if "reward" in entry]
    resumed_at = None if checkpoint is None else step_of(checkpoint)
    return GRPOResult(final, rewards, resumed_at, str(trainer.args.device), attention_of(model))


def _figures(entry: dict[str, Any]) -> dict[str, float]:
    """Keep what does not depend on the machine's speed."""
    return {name: value for name, value in entry.items() if isinstance(value, int | float) and "time" not in name}


def arguments(
    settings: GRPOSettings, checkpoints: Path, last_step: int, *, processes: int = 1, use_cpu: bool
) -> GRPOConfig:
    """Write our settings in TRL's terms.

    Raises
    ------
    QATrainerError
        The completions of a step cannot be shared out evenly.
    """
    completions = settings.batch_size * settings.group_size // processes
    micro_batch = settings.micro_batch_size or completions
    if completions % micro_batch:
        raise QATrainerError(
            f"{completions} completions of a process are not a multiple of micro_batch_size {micro_batch}. "
            "Choose another --micro-batch-size."
        )
    server: dict[str, Any] = {}
    if settings.vllm_server_url is not None:
        server = {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": settings.vllm_server_url}
    return GRPOConfig(
        output_dir=str(checkpoints),
        max_steps=last_step,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=completions // micro_batch,
        num_generations=settings.group_size,
        max_completion_length=settings.max_completion_length,
        temperature=settings.temperature,
        beta=settings.beta,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler_type,
        warmup_steps=settings.warmup(schedule_steps(settings, last_step)),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        reward_weights=None if settings.reward_weights is None else list(settings.reward_weights),
        seed=settings.seed,
        shuffle_dataset=False,
        use_cpu=use_cpu,
        bf16=settings.dtype == "bfloat16",
        activation_checkpointing=bool(settings.activation_checkpointing),
        dataloader_pin_memory=not use_cpu,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=settings.save_steps,
        report_to="none",
        disable_tqdm=True,
        **server,
    )


def _dataset(run: GRPORun, settings: GRPOSettings, row_of: Callable[[int], int]) -> Dataset:
    """Make TRL's rows: prompt, number of the question, what the rewards need; a step takes the next batch_size."""
    samples = run.samples
    columns = pl.concat([samples.rows, run.extra], how="horizontal").select(_COLUMNS)
    request = REQUEST if "cognitive_map" in settings.rewards else None

    def load(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        rows = [row_of(item) for item in batch["item"]]
        prompts = samples.examples(rows)["prompt"]
        if request is not None:
            for prompt in prompts:
                prompt[0]["content"][-1]["text"] += "\n" + request
        return {"prompt": prompts, ROW: rows, **columns[rows].to_dict(as_series=False)}

    return Dataset.from_dict({"item": range(run.last_step * settings.batch_size)}).with_transform(load)
