"""Reinforcement learning on TRL's GRPOTrainer, rewarded by the evaluator's own scoring."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from PIL import Image
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from qa_trainer.config import GRPOSettings
from qa_trainer.data import Samples
from qa_trainer.errors import QATrainerError, unknown_name
from qa_trainer.loading import freeze_parts, load_model, use_matmul_patches
from qa_trainer.rewards import REWARDS
from qa_trainer.rewards.cognitive_map import REQUEST

_COLUMNS = ("question_id", "question_type", "ground_truth", "options", "pair_id", "cells")
"""Columns that reward functions get."""


@dataclass(frozen=True)
class GRPOResult:
    """What a run did.

    Attributes
    ----------
    rewards : list of dict
        Per step: TRL's figures, `reward` and `rewards/NAME/mean` among them.
    seconds : float
    """

    rewards: list[dict[str, float]]
    seconds: float


class StepLog(TrainerCallback):
    """Keeps the figures of every step, and stops at a loss that is not finite."""

    def __init__(self, question_ids: Callable[[int], list[str]], report: Callable[[str], None]) -> None:
        self.steps: list[dict[str, float]] = []
        self._question_ids = question_ids
        self._report = report
        self._started = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Take the figures of the step that has ended."""
        figures = {name: value for name, value in (logs or {}).items() if isinstance(value, int | float)}
        if "reward" not in figures:
            return
        if not torch.isfinite(torch.tensor([figures["loss"], figures.get("grad_norm", 0.0)])).all():
            shown = ", ".join(self._question_ids(state.global_step)[:8])
            raise QATrainerError(
                f"Step {state.global_step}: the loss or its gradient is not finite. Questions: {shown}. "
                "Lower the learning rate, or look at these questions."
            )
        self.steps.append({"step": state.global_step, **figures})
        if state.global_step % max(1, state.max_steps // 20) == 0:
            left = (time.monotonic() - self._started) / len(self.steps) * (state.max_steps - state.global_step)
            self._report(
                f"step {state.global_step}/{state.max_steps}  reward {figures['reward']:.3f}  "
                f"{figures['completions/mean_length']:.1f} tokens  {left:.0f} s left"
            )


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
    samples: Samples, extra: pl.DataFrame, model_folder: Path, settings: GRPOSettings, out: Path,
    *, report: Callable[[str], None],
) -> GRPOResult:  # fmt: skip
    """Train and save the model to `out`.

    Parameters
    ----------
    samples : Samples
        Questions in the order of training; they repeat when there are too few.
    extra : polars.DataFrame
        Columns `pair_id` and `cells`, row by row.
    model_folder : Path
    settings : GRPOSettings
    out : Path
        Folder for the model and its processor.
    report : callable
        Takes a line of progress.

    Raises
    ------
    QATrainerError
        The model cannot be trained, or the loss is not finite.
    """
    started = time.perf_counter()
    use_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    model, processor = load_model(model_folder)
    freeze_parts(model, settings.freeze)
    if use_cpu:
        use_matmul_patches(model)

    def question_ids(step: int) -> list[str]:
        rows = range((step - 1) * settings.batch_size, step * settings.batch_size)
        return samples.rows["question_id"][[row % len(samples) for row in rows]].to_list()

    log = StepLog(question_ids, report)
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=[REWARDS[name] for name in settings.rewards],  # pyright: ignore[reportArgumentType]
        args=_arguments(settings, out, use_cpu=use_cpu),
        train_dataset=_dataset(samples, extra, settings),
        processing_class=processor,
        callbacks=[log],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return GRPOResult(log.steps, round(time.perf_counter() - started, 3))


def _arguments(settings: GRPOSettings, out: Path, *, use_cpu: bool) -> GRPOConfig:
    """Write our settings in TRL's terms."""
    server: dict[str, Any] = {}
    if settings.vllm_server is not None:
        server = {"use_vllm": True, "vllm_mode": "server", "vllm_server_base_url": settings.vllm_server}
    return GRPOConfig(
        output_dir=str(out),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size * settings.group_size,
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
        save_strategy="no",
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
        images = [[_opened(path) for path in paths] for paths in examples["images"]]
        return {"prompt": examples["prompt"], "images": images, **columns[rows].to_dict(as_series=False)}

    return Dataset.from_dict({"item": range(settings.steps * settings.batch_size)}).with_transform(load)


def _opened(path: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")
