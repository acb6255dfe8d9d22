"""Pre-train the tiny model on questions and dense targets about rooms."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qa_contract.files import atomic_path

from qa_trainer.tiny.dense import build_heads, dense_losses
from qa_trainer.tiny.fast_vision import fast_vision
from qa_trainer.tiny.model import build_model, build_processor
from qa_trainer.tiny.packed_attention import packed_attention
from qa_trainer.tiny.packing import IGNORED, SLOT, Packed, Packer
from qa_trainer.tiny.rooms import Rooms
from qa_trainer.tiny.steps import build_step_heads, step_losses

if TYPE_CHECKING:
    import torch

TOKEN_LAYER = 3
"""So many layers of the language model lie below the heads on its visual tokens."""
STEP_LAYER = 5
"""And so many below the head that finds the places of the objects that a question names."""
CONCLUSION_LAYER = 6
"""And so many below the head of what follows from the places: the layers above find the letter that stands for it."""


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of `pretrain`.

    The learning rate rises over `warmup` steps, stays, and falls linearly to zero over the last `decay` of `steps`.
    Only those two may differ between a run and its continuation: the constant part has a checkpoint of its own, from
    which it can be ended early or led on.
    """

    steps: int = 10_000
    decay: int = 1_000
    batch_size: int = 16
    slots: int = 5
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 100
    max_grad_norm: float = 1.0
    dense: float = 1.0
    seed: int = 0


class Student:
    """Model, heads and optimizers of a pre-training.

    Parameters
    ----------
    settings : PretrainSettings
    categories : int
    """

    def __init__(self, settings: PretrainSettings, categories: int) -> None:
        import torch

        self.settings = settings
        self.processor = build_processor()
        self.model = build_model(self.processor, seed=settings.seed)
        config: Any = self.model.config
        width = config.text_config.hidden_size
        dense = build_heads(config.vision_config.hidden_size, width, categories)
        self.heads = torch.nn.ModuleDict(dict([*dense.items(), *build_step_heads(width).items()]))
        matrices, others = [], list(self.heads.parameters())
        for name, weight in self.model.named_parameters():
            inside = weight.ndim == 2 and ("layers." in name or "blocks." in name or "merger" in name)
            (matrices if inside else others).append(weight)
        rate, decay = settings.learning_rate, settings.weight_decay
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=decay),
        ]
        self.weights = [*matrices, *others]

    def losses(self, batch: Packed) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Losses by name, and (answer tokens,) bool: which of them the model ranks first."""
        from torch.nn import functional

        inner: Any = self.model.model
        visual = inner.visual(batch.pixel_values, grid_thw=batch.image_grid_thw)
        embeds = inner.language_model.embed_tokens(batch.input_ids)
        pads = batch.input_ids == self.model.config.image_token_id
        embeds = embeds.masked_scatter(pads[..., None], visual.pooler_output.to(embeds.dtype))
        kept: list[torch.Tensor] = []
        hooks = [
            inner.language_model.layers[layer - 1].register_forward_hook(
                lambda _module, _args, output: kept.append(output)
            )
            for layer in (TOKEN_LAYER, STEP_LAYER, CONCLUSION_LAYER)
        ]
        with packed_attention(self.model, batch.question, SLOT):
            hidden = inner.language_model(
                inputs_embeds=embeds,
                position_ids=batch.position_ids,
                visual_pos_masks=pads,
                deepstack_visual_embeds=visual.deepstack_features,
                use_cache=False,
            ).last_hidden_state
        for hook in hooks:
            hook.remove()
        wanted = batch.labels[:, 1:]
        answers = wanted != IGNORED
        logits = self.model.lm_head(hidden[:, :-1][answers]).float()
        out = {"answer": functional.cross_entropy(logits, wanted[answers])}
        if self.settings.dense:
            out |= dense_losses(self.heads, visual.last_hidden_state, kept[0][pads], batch.dense)
            out |= step_losses(self.heads, kept[1], kept[2], batch.steps)
        return out, logits.argmax(-1) == wanted[answers]

    def state(self) -> dict[str, Any]:
        """Everything that a continuation needs."""
        return {
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def pretrain(
    rooms: Rooms,
    settings: PretrainSettings,
    *,
    out: Path,
    progress: Callable[[int, dict[str, float], float], None],
    check: Callable[[int, Student], None] | None = None,
    every: int = 100,
    check_every: int = 1000,
) -> Student:
    """Train from random weights; a run that was stopped goes on from the checkpoints in `out`.

    Parameters
    ----------
    rooms : Rooms
    settings : PretrainSettings
    out : Path
        Folder of `constant.pt` and, once the learning rate falls, `falling.pt`.
    progress : callable
        Called every `every` steps, after the checkpoint, with the step, mean losses and the seconds per step.
    check : callable, optional
        Called every `check_every` steps with the step and the student.

    Notes
    -----
    The rooms of a batch and their questions depend on (seed, step) alone, so a resumed run sees what an undisturbed one
    would have seen.
    """
    import torch

    student = Student(settings, len(rooms.vocabulary))
    packer = Packer(rooms, student.processor, student.model, slots=settings.slots)
    first = _resume(student, out)
    total = rooms.frames.shape[1]
    choices = {False: np.array([0, total - 1]), True: np.arange(total)}
    student.model.train()
    sums: dict[str, float] = defaultdict(float)
    since, count = time.monotonic(), 0
    with fast_vision(student.model):
        for step in range(first, settings.steps):
            rng = np.random.default_rng([settings.seed, 1, step])
            indices = rng.choice(len(rooms.facts), settings.batch_size, replace=len(rooms.facts) < settings.batch_size)
            batch = packer(indices, choices[step % 3 == 2], rng)
            with torch.autocast("cpu", torch.bfloat16):
                losses, right = student.losses(batch)
            loss = losses["answer"] + settings.dense * sum(v for k, v in losses.items() if k != "answer")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.weights, settings.max_grad_norm)
            for optimizer in student.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = settings.learning_rate * rate(step, settings)
                optimizer.step()
                optimizer.zero_grad()
            for name, value in losses.items():
                sums[name] += value.item()
            sums["right"] += right.float().mean().item()
            count += 1
            if (step + 1) % every == 0 or step + 1 == settings.steps:
                _save(student, out, step + 1)
                progress(step + 1, {k: v / count for k, v in sums.items()}, (time.monotonic() - since) / count)
                sums.clear()
                if check and ((step + 1) % check_every == 0 or step + 1 == settings.steps):
                    student.model.eval()
                    check(step + 1, student)
                    student.model.train()
                since, count = time.monotonic(), 0
    student.model.eval()
    return student


def rate(step: int, settings: PretrainSettings) -> float:
    """Share of the learning rate at a step.

    Examples
    --------
    >>> [rate(step, PretrainSettings(steps=10, decay=4, warmup=2)) for step in (0, 1, 5, 7, 9)]
    [0.5, 1.0, 1.0, 0.75, 0.25]
    """
    return min(1.0, (step + 1) / settings.warmup, (settings.steps - step) / max(1, settings.decay))


def _save(student: Student, out: Path, step: int) -> None:
    """Write the checkpoint of the part of the schedule that the step is in."""
    import torch

    settings = student.settings
    falling = step > settings.steps - settings.decay
    with atomic_path(out / ("falling.pt" if falling else "constant.pt")) as temporary:
        torch.save({**student.state(), "step": step, "settings": asdict(settings)}, temporary)


def _resume(student: Student, out: Path) -> int:
    """Load the latest fitting checkpoint; its step, or 0."""
    import torch

    settings = asdict(student.settings)
    for name, free in (("falling.pt", set()), ("constant.pt", {"steps", "decay"})):
        if not (out / name).exists():
            continue
        state: dict[str, Any] = torch.load(out / name, weights_only=True)
        fits = all(state["settings"][key] == value for key, value in settings.items() if key not in free)
        if fits and (not free or state["step"] <= settings["steps"] - settings["decay"]):
            student.load(state)
            return state["step"]
    return 0
