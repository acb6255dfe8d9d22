"""Batches of rooms in which many questions share the frames of one room.

A row is the frames once and then question after question; a question sees the frames and itself, at the positions
that it would have if it stood alone. One pass through the frames serves them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_trainer.tiny.dense import DenseTargets, dense_targets
from qa_trainer.tiny.reports import Quiz, draw
from qa_trainer.tiny.rooms import Rooms
from qa_trainer.tiny.steps import PLACES, StepTargets, step_targets
from qa_trainer.tiny.views import Sight, sight

if TYPE_CHECKING:
    import torch
    from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

IGNORED = -100
SLOT = 128
"""Tokens of a slot: more than the longest question has with its answer."""


@dataclass(frozen=True)
class Packed:
    """One batch.

    Attributes
    ----------
    input_ids, labels : (b, t) int64
        Labels are on answers, `IGNORED` elsewhere.
    question : (b, t) int64
        0 for the frames, then the number of the question; what follows the last one has a number of its own.
    position_ids : (3, b, t) int64
    pixel_values : (patches, channels) float32
    image_grid_thw : (b * f, 3) int64
    dense : DenseTargets
    steps : StepTargets
    kinds : tuple of tuple of str
        Of the questions of each row, in order.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    question: torch.Tensor
    position_ids: torch.Tensor
    pixel_values: torch.Tensor
    image_grid_thw: torch.Tensor
    dense: DenseTargets
    steps: StepTargets
    kinds: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Placed:
    """A question in its place.

    Attributes
    ----------
    kind : str
    asked, answered : list of int
        Tokens.
    at : int
        Place of the first one after the frames.
    steps : (PLACES + CONCLUSIONS,) float32
        Targets of the last token of the question.
    """

    kind: str
    asked: list[int]
    answered: list[int]
    at: int
    steps: np.ndarray


class Packer:
    """Turns rooms into batches.

    Parameters
    ----------
    rooms : Rooms
    processor : Qwen3VLProcessor
    model : Qwen3VLForConditionalGeneration
        Gives the rotary positions of the frames.
    slots : int
        Slots for questions in a row.
    """

    def __init__(
        self,
        rooms: Rooms,
        processor: Qwen3VLProcessor,
        model: Qwen3VLForConditionalGeneration,
        *,
        slots: int,
    ) -> None:
        self.rooms = rooms
        self.processor = processor
        self.slots = slots
        self.rope_index: Any = model.model.get_rope_index
        self.image_token = model.config.image_token_id
        image = processor.image_processor
        height, width = rooms.frames.shape[2:4]
        self.grid = (height // image.patch_size, width // image.patch_size)
        self.openings: dict[int, tuple[list[int], torch.Tensor]] = {}

    def opening(self, count: int) -> tuple[list[int], torch.Tensor]:
        """Tokens before a question that is about `count` frames, and their positions with those that follow."""
        import torch

        if count not in self.openings:
            pads = "<|image_pad|>" * (self.grid[0] * self.grid[1] // self.processor.image_processor.merge_size**2)
            text = f"<|im_start|>user\n{f'<|vision_start|>{pads}<|vision_end|>' * count}"
            ids = self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
            row = torch.tensor([ids + [0] * SLOT])
            kinds = (row == self.image_token).int()
            kinds[:, len(ids) :] = 0
            grids = torch.tensor([[1, *self.grid]] * count)
            self.openings[count] = ids, self.rope_index(row, kinds, grids)[0][:, 0]
        return self.openings[count]

    def __call__(self, indices: np.ndarray, frames: np.ndarray, rng: np.random.Generator) -> Packed:
        """Build a batch.

        Parameters
        ----------
        indices : (b,) int64
            Rooms.
        frames : (f,) int64
            Which of their frames, in order; half of the rooms get them in the opposite order, and half are mirrored.
        rng : numpy.random.Generator
        """
        import torch

        mirrored, reverse = rng.random((2, len(indices))) < 0.5
        orders = np.where(reverse[:, None], frames[::-1], frames)
        sights = [
            sight(self.rooms.facts[index], order, mirrored=bool(flip))
            for index, order, flip in zip(indices, orders, mirrored, strict=True)
        ]
        start, positions = self.opening(len(frames))
        length = len(start) + self.slots * SLOT
        ids = torch.full((len(indices), length), self.processor.tokenizer.pad_token_id)
        labels = torch.full((len(indices), length), IGNORED)
        question = torch.zeros((len(indices), length), dtype=torch.long)
        position = torch.zeros((3, len(indices), length), dtype=torch.long)
        position[:, :, : len(start)] = positions[:, None, : len(start)]
        kinds = []
        rows: list[int] = []
        tokens: list[int] = []
        steps: list[np.ndarray] = []
        for row, shown in enumerate(sights):
            ids[row, : len(start)] = torch.tensor(start)
            question[row, len(start) :] = -1
            taken = self.questions(shown, rng)
            kinds.append(tuple(item.kind for item in taken))
            for number, item in enumerate(taken, start=1):
                begin = len(start) + item.at
                end = begin + len(item.asked) + len(item.answered)
                ids[row, begin:end] = torch.tensor(item.asked + item.answered)
                labels[row, begin + len(item.asked) : end] = torch.tensor(item.answered)
                question[row, begin:end] = number
                rows.append(row)
                tokens.append(begin + len(item.asked) - 1)
                steps.append(item.steps)
                position[:, row, begin:end] = positions[:, len(start) : len(start) + end - begin]
        targets = torch.from_numpy(np.stack(steps))
        pictures = self.rooms.frames[indices[:, None], orders]
        pictures[mirrored] = pictures[mirrored, :, :, ::-1]
        return Packed(
            input_ids=ids,
            labels=labels,
            question=question,
            position_ids=position,
            pixel_values=self.pixels(pictures),
            image_grid_thw=torch.tensor([[1, *self.grid]] * (len(indices) * len(frames))),
            dense=dense_targets(self.rooms, indices, orders, mirrored, self.grid[0]),
            steps=StepTargets(
                row=torch.tensor(rows),
                token=torch.tensor(tokens),
                places=targets[:, :PLACES],
                conclusions=targets[:, PLACES:],
            ),
            kinds=tuple(kinds),
        )

    def questions(self, shown: Sight, rng: np.random.Generator) -> list[Placed]:
        """Draw questions and lay each into the first slot that has room for it."""
        quiz = Quiz(shown, self.rooms.vocabulary)
        drawn = [draw(quiz, rng) for _ in range(self.slots * SLOT // 16)]
        tokenizer = self.processor.tokenizer
        texts = [f"{item.question}<|im_end|>\n<|im_start|>assistant\n" for item in drawn]
        asked = tokenizer(texts, add_special_tokens=False)["input_ids"]
        answered = tokenizer([f"{item.answer}<|im_end|>\n" for item in drawn], add_special_tokens=False)["input_ids"]
        used = np.zeros(self.slots, int)
        placed = []
        for item, question, answer in zip(drawn, asked, answered, strict=True):
            free = np.flatnonzero(used + len(question) + len(answer) <= SLOT)
            if len(free):
                at = int(free[0] * SLOT + used[free[0]])
                placed.append(Placed(item.kind, question, answer, at, step_targets(quiz, item)))
                used[free[0]] += len(question) + len(answer)
        return placed

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
