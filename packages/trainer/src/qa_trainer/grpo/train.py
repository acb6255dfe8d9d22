"""Reinforcement learning on TRL's GRPOTrainer, rewarded by the evaluator's own scoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from safetensors import SafetensorError
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from qa_trainer.data.images import read_image
from qa_trainer.data.questions import Samples
from qa_trainer.errors import QATrainerError, unknown_name
from qa_trainer.grpo.settings import GRPOSettings
from qa_trainer.models.loading import freeze_parts, load_model, use_matmul_patches
from qa_trainer.models.lora import adapter_config, save_merged
from qa_trainer.rewards import REWARDS
from qa_trainer.rewards.cognitive_map import REQUEST
from qa_trainer.runs.folder import RunFolder, step_of
from qa_trainer.runs.reporter import Reporter

_COLUMNS = ("question_id", "question_type", "ground_truth", "options", "pair_id", "cells")
"""Columns that reward functions get."""


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
    """

    checkpoint: Path
    rewards: list[dict[str, float]]
    resumed_at: int | None
    device: str


class StepLog(TrainerCallback):
    """Reports the figures of the steps, stops at a loss that is not finite, and seals checkpoints."""

    def __init__(self, folder: RunFolder, question_ids: Callable[[int], list[str]], reporter: Reporter) -> None:
        self._folder = folder
        self._question_ids = question_ids
        self._reporter = reporter

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Say where the run starts."""
        self._reporter("train", state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Look at the figures of the step that has ended."""
        figures = logs or {}
        if "reward" not in figures:
            return
        if not torch.isfinite(torch.tensor([figures["loss"], figures.get("grad_norm", 0.0)])).all():
            shown = ", ".join(self._question_ids(state.global_step)[:8])
            raise QATrainerError(
                f"Step {state.global_step}: the loss or its gradient is not finite. Questions: {shown}. "
                "Lower the learning rate, or look at these questions; the last whole checkpoint is kept."
            )
        note = f"reward {figures['reward']:.3f}, {figures['completions/mean_length']:.1f} tokens"
        self._reporter("train", state.global_step, state.max_steps, note)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Declare the checkpoint whole that the trainer has just written."""
        self._folder.seal(Path(args.output_dir) / f"checkpoint-{state.global_step}", state.global_step)


class _Trainer(GRPOTrainer):
    """GRPOTrainer that says clearly when a checkpoint cannot be written."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise QATrainerError(
                f"{Path(str(self.args.output_dir)).parent}: training stopped, a checkpoint could not be written "
                f"({error}). The last whole one is kept: repair the cause and start the same command again."
            ) from error

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Write no model card: checkpoints are internal."""


def check_rewards(names: tuple[str, ...]) -> None:
    """Refuse unknown rewards.

    Raises
    ------
    QATrainerError
    """
    for name in names:
        if name not in REWARDS:
            raise unknown_name("reward", name, REWARDS)


def train(
    samples: Samples,
    extra: pl.DataFrame,
    model_folder: Path,
    settings: GRPOSettings,
    folder: RunFolder,
    *,
    reporter: Reporter,
) -> GRPOResult:
    """Train from the last checkpoint of `folder`, or from the beginning, up to the last step.

    Parameters
    ----------
    samples : Samples
        Questions in the order of training; they repeat when there are too few.
    extra : polars.DataFrame
        Columns `pair_id` and `cells`, row by row.
    model_folder : Path
    settings : GRPOSettings
    folder : RunFolder
        Gets the checkpoints.
    reporter : Reporter
        Takes progress.

    Raises
    ------
    QATrainerError
        The model cannot be trained, the loss is not finite, or a checkpoint cannot be written.

    Notes
    -----
    A checkpoint holds weights, optimizer, scheduler and random numbers. The reference model of `beta` is loaded from
    `model_folder` in every process, never from a checkpoint.
    """
    use_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    # With adapters these random numbers are their first values.
    torch.manual_seed(settings.seed)
    model, processor = load_model(model_folder)
    freeze_parts(model, settings.freeze)
    if use_cpu:
        use_matmul_patches(model)

    def question_ids(step: int) -> list[str]:
        rows = range((step - 1) * settings.batch_size, step * settings.batch_size)
        return samples.rows["question_id"][[row % len(samples) for row in rows]].to_list()

    adapts = settings.lora_rank is not None
    trainer = _Trainer(
        model=model,
        reward_funcs=[REWARDS[name] for name in settings.rewards],  # pyright: ignore[reportArgumentType]
        args=arguments(settings, folder.checkpoints, use_cpu=use_cpu),
        train_dataset=_dataset(samples, extra, settings),
        processing_class=processor,
        peft_config=adapter_config(model, settings) if adapts else None,
        callbacks=[StepLog(folder, question_ids, reporter)],
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = folder.last_checkpoint()
    if checkpoint is not None:
        reporter.say(f"going on from step {step_of(checkpoint)} of {settings.steps}")
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    final = folder.last_checkpoint()
    if final is None or step_of(final) != settings.steps:
        raise QATrainerError(f"{folder.path}: training ended at step {trainer.state.global_step} of {settings.steps}.")
    if adapts:
        save_merged(trainer.model, processor, final)
    rewards = [_figures(entry) for entry in trainer.state.log_history if "reward" in entry]
    resumed_at = None if checkpoint is None else step_of(checkpoint)
    return GRPOResult(final, rewards, resumed_at, str(trainer.args.device))


def _figures(entry: dict[str, Any]) -> dict[str, float]:
    """Keep what does not depend on the machine's speed."""
    return {name: value for name, value in entry.items() if isinstance(value, int | float) and "time" not in name}


def arguments(settings: GRPOSettings, checkpoints: Path, *, use_cpu: bool) -> GRPOConfig:
    """Write our settings in TRL's terms."""
    server: dict[str, Any] = {}
    if settings.vllm_server_url is not None:
        server = {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": settings.vllm_server_url}
    return GRPOConfig(
        output_dir=str(checkpoints),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.micro_batch,
        gradient_accumulation_steps=settings.batch_size * settings.group_size // settings.micro_batch,
        num_generations=settings.group_size,
        max_completion_length=settings.max_completion_length,
        temperature=settings.temperature,
        beta=settings.beta,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        max_grad_norm=settings.max_grad_norm,
        reward_weights=None if settings.reward_weights is None else list(settings.reward_weights),
        seed=settings.seed,
        shuffle_dataset=False,
        use_cpu=use_cpu,
        bf16=settings.dtype == "bfloat16",
        activation_checkpointing=settings.activation_checkpointing,
        dataloader_pin_memory=not use_cpu,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=settings.save_steps,
        report_to="none",
        disable_tqdm=True,
        **server,
    )


def _dataset(samples: Samples, extra: pl.DataFrame, settings: GRPOSettings) -> Dataset:
    """Make TRL's rows: prompt, images, and what the rewards need."""
    columns = pl.concat([samples.rows, extra], how="horizontal").select(_COLUMNS)
    request = REQUEST if "cognitive_map" in settings.rewards else None

    def load(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        rows = [item % len(samples) for item in batch["item"]]
        examples = samples.examples(rows)
        if request is not None:
            for prompt in examples["prompt"]:
                prompt[0]["content"][-1]["text"] += "\n" + request
        images = [[read_image(path) for path in paths] for paths in examples["images"]]
        return {"prompt": examples["prompt"], "images": images, **columns[rows].to_dict(as_series=False)}

    return Dataset.from_dict({"item": range(settings.steps * settings.batch_size)}).with_transform(load)
