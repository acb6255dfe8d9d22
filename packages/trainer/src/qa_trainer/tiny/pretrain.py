"""Pre-train the tiny model on reports about rooms."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_trainer.tiny.fast_vision import fast_vision
from qa_trainer.tiny.model import build_model, build_processor
from qa_trainer.tiny.reports import report
from qa_trainer.tiny.rooms import Rooms

if TYPE_CHECKING:
    import torch
    from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

IGNORED = -100


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of `pretrain`; the learning rate rises linearly over `warmup` steps and falls as a cosine to 2%."""

    steps: int = 10_000
    batch_size: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 200
    max_grad_norm: float = 1.0
    seed: int = 0


class ReportBatches:
    """Turns rooms into model inputs: requests, answers and pixels.

    Parameters
    ----------
    rooms : Rooms
    processor : Qwen3VLProcessor
    model : Qwen3VLForConditionalGeneration
        Gives the rotary positions of the fixed beginning of a row.
    """

    def __init__(self, rooms: Rooms, processor: Qwen3VLProcessor, model: Qwen3VLForConditionalGeneration) -> None:
        import torch

        self.rooms = rooms
        self.processor = processor
        tokenizer = processor.tokenizer
        count, height, width = rooms.frames.shape[1:4]
        image = processor.image_processor
        self.grid = (height // image.patch_size, width // image.patch_size)
        pads = "<|image_pad|>" * (self.grid[0] * self.grid[1] // image.merge_size**2)
        self.opening = f"<|im_start|>user\n{f'<|vision_start|>{pads}<|vision_end|>' * count}"
        opening = tokenizer(self.opening, add_special_tokens=False)["input_ids"]
        row = torch.tensor([opening + [0] * 2048])
        kinds = (row == model.config.image_token_id).int()
        kinds[:, len(opening) :] = 0
        grids = torch.tensor([[1, *self.grid]] * count)
        rope_index: Any = model.model.get_rope_index
        self.positions = rope_index(row, kinds, grids)[0][:, 0]  # (3, long)

    def __call__(self, indices: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """Build a batch with labels on the answers; half of the rooms are mirrored."""
        import torch

        tokenizer = self.processor.tokenizer
        mirrored = rng.random(len(indices)) < 0.5
        rows, starts = [], []
        for index, flip in zip(indices, mirrored, strict=True):
            request, answer = report(self.rooms.facts[index], self.rooms.vocabulary, rng, mirrored=bool(flip))
            rows.append((f"{self.opening}{request}<|im_end|>\n<|im_start|>assistant\n", f"{answer}<|im_end|>\n"))
        asked = tokenizer([row[0] for row in rows], add_special_tokens=False)["input_ids"]
        answered = tokenizer([row[1] for row in rows], add_special_tokens=False)["input_ids"]
        starts = [len(ids) for ids in asked]
        length = max(len(a) + len(b) for a, b in zip(asked, answered, strict=True))
        ids = torch.full((len(rows), length), tokenizer.pad_token_id)
        labels = torch.full((len(rows), length), IGNORED)
        mask = torch.zeros((len(rows), length), dtype=torch.long)
        for row, (a, b, start) in enumerate(zip(asked, answered, starts, strict=True)):
            ids[row, : start + len(b)] = torch.tensor(a + b)
            labels[row, start : start + len(b)] = torch.tensor(b)
            mask[row, : start + len(b)] = 1
        frames = self.rooms.frames[indices]
        frames[mirrored] = frames[mirrored, :, :, ::-1]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": self.positions[:, None, :length].expand(3, len(rows), length),
            "labels": labels,
            "pixel_values": self.pixels(frames),
            "image_grid_thw": torch.tensor([[1, *self.grid]] * (frames.shape[0] * frames.shape[1])),
        }

    def pixels(self, frames: np.ndarray) -> torch.Tensor:
        """Patches as Qwen3-VL's image processor lays them out, (b, f, H, W, 3) uint8 -> (patches, channels) float32."""
        import torch

        image = self.processor.image_processor
        patch, merge, (rows, columns) = image.patch_size, image.merge_size, self.grid
        flat = torch.from_numpy(np.ascontiguousarray(frames)).flatten(0, 1).permute(0, 3, 1, 2)
        cut = flat.reshape(len(flat), 3, rows // merge, merge, patch, columns // merge, merge, patch)
        cut = cut.permute(0, 2, 5, 3, 6, 1, 4, 7)[:, :, :, :, :, :, None]
        cut = cut.expand(*cut.shape[:6], image.temporal_patch_size, patch, patch)
        return cut.reshape(len(flat) * rows * columns, -1).float().mul_(2 / 255).sub_(1)


def pretrain(
    rooms: Rooms,
    settings: PretrainSettings,
    *,
    checkpoint: Path,
    progress: Callable[[int, float, float], None],
    every: int = 250,
) -> tuple[Qwen3VLForConditionalGeneration, Qwen3VLProcessor]:
    """Train from random weights; a run that was stopped goes on from `checkpoint`.

    Parameters
    ----------
    rooms : Rooms
    settings : PretrainSettings
    checkpoint : Path
        File for weights and optimizer, replaced every `every` steps.
    progress : callable
        Called with the step, the mean loss since the last call, and the seconds per step.

    Notes
    -----
    The rooms of a batch and their texts depend on (seed, step) alone, so a resumed run sees what an undisturbed one
    would have seen.
    """
    import torch

    processor = build_processor()
    model = build_model(processor, seed=settings.seed)
    batches = ReportBatches(rooms, processor, model)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings))
    first = 0
    if checkpoint.exists():
        state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        if state["settings"] == asdict(settings):
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            schedule.load_state_dict(state["schedule"])
            first = state["step"]
    model.train()
    loss_sum, since = 0.0, time.monotonic()
    with fast_vision(model):
        for step in range(first, settings.steps):
            rng = np.random.default_rng([settings.seed, 1, step])
            indices = rng.choice(len(rooms.facts), settings.batch_size, replace=len(rooms.facts) < settings.batch_size)
            loss = model(**batches(indices, rng), use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            loss_sum += loss.item()
            if (step + 1) % every == 0 or step + 1 == settings.steps:
                _save(checkpoint, model, optimizer, schedule, step + 1, settings)
                count = (step % every) + 1
                progress(step + 1, loss_sum / count, (time.monotonic() - since) / count)
                loss_sum, since = 0.0, time.monotonic()
    model.eval()
    return model, processor


def _rate(step: int, settings: PretrainSettings) -> float:
    """Share of the learning rate at a step."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return 0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, done))) / 2


def _save(path: Path, model: Any, optimizer: Any, schedule: Any, step: int, settings: PretrainSettings) -> None:
    """Write the checkpoint; the old one stays until the new one is whole."""
    import torch

    temporary = path.with_suffix(".partial")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    torch.save({**state, "step": step, "settings": asdict(settings)}, temporary)
    temporary.replace(path)
