"""Batches for the vision-language trainers."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ProcessorMixin
from trl.data_utils import apply_chat_template
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from qa_trainer.data.features import GivenFeatures
from qa_trainer.data.images import CachedImageProcessor, open_image, read_image, with_cache
from qa_trainer.data.template import check_answers_follow
from qa_trainer.data.videos import Video, WithVideos

ROW = "row"
"""Key of the row numbers in an example and in a batch."""
FRAMES = "frames"
"""Key of the names of a batch's images, in their order; equal names are equal images."""


@dataclass
class SFTCollator(DataCollatorForVisionLanguageModeling):
    """TRL's collator for prompt and completion; it opens the frames and lets the row numbers through.

    Attributes
    ----------
    features : GivenFeatures, optional
        What a geometry encoder has made of the frames; read here, beside the frames.
    """

    features: GivenFeatures | None = None

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Tokenize and pad the examples.

        Parameters
        ----------
        examples : list of dict
            `images` (paths, the bytes of a file, or a video), `prompt`, `completion` and `row`.

        Returns
        -------
        dict of str to Tensor
            The model's inputs, `labels` (-100 outside the completion), `row` (b,) int64 and, where a processor makes
            patches of every image alone, `frames`.
        """
        given = None if self.features is None else self.features.tokens([example["images"] for example in examples])
        decodes_itself = isinstance(self.processor.image_processor, CachedImageProcessor)
        with contextlib.ExitStack() as opened:
            videos = [source for example in examples for source in example["images"] if isinstance(source, Video)]
            for example in examples:
                example["images"] = [
                    opened.enter_context(open_image(source)) if decodes_itself else read_image(source)
                    for source in example["images"]
                    if not isinstance(source, Video)
                ]
            names = [image.filename for example in examples for image in example["images"] if decodes_itself]
            processor: Any = self.processor
            # TRL knows no videos; its collator gets a processor that shows them.
            shown: Any = WithVideos(processor, videos) if videos else processor
            self.processor = shown
            try:
                batch = super().torch_call(examples)
            finally:
                self.processor = processor
        if decodes_itself:
            batch[FRAMES] = names
        if given:
            batch["geometry_tokens"] = given
        batch[ROW] = torch.tensor([example[ROW] for example in examples])
        return batch

    def answer_tokens(self, prompts: Sequence[Any], completions: Sequence[Any]) -> int:
        """Count the tokens that the loss of these answers is about, as `torch_call` makes them."""
        texts = [
            apply_chat_template({"prompt": prompt, "completion": completion}, self.processor)["completion"]
            for prompt, completion in zip(prompts, completions, strict=True)
        ]
        # The tokenizer alone: no image stands in an answer.
        return sum(map(len, self.processor.tokenizer(texts, add_special_tokens=False)["input_ids"]))


def sft_collator(
    processor: ProcessorMixin, *, image_cache_bytes: int, later: bool = False, features: GivenFeatures | None = None
) -> SFTCollator:
    """Make the collator: loss on the completion only, no truncation, frames processed once per run.

    With `later`, frames of Qwen-VL are bytes, for `RawPatches` to make into values. With `features`, batches hold them.

    Raises
    ------
    QATrainerError
        The chat template puts something between the place where a model begins to answer and the answer.
    """
    check_answers_follow(processor)
    cached = with_cache(processor, limit_bytes=image_cache_bytes, later=later)
    # Truncation would cut image tokens.
    return SFTCollator(processor=cached, max_length=None, completion_only_loss=True, features=features)
