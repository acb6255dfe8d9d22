"""One sample as the model gets it, for a look before a run."""

from __future__ import annotations

import re
from typing import Any

from qa_trainer.data.feed import Feed
from qa_trainer.data.inputs import prompt_inputs
from qa_trainer.data.template import check_answers_follow
from qa_trainer.data.videos import of_images


def preview(feed: Feed, processor: Any, *, request: str | None = None, with_answer: bool = False) -> dict[str, Any]:
    """Format the first sample; a `request` is added to its prompt.

    Returns
    -------
    dict
        `text` (runs of one image token shortened), `completion`, `images`, `image_grid` (patches in time, height and
        width per image or video, where the processor has one), `tokens`.

    Raises
    ------
    QATrainerError
        The answer is trained on, too (`with_answer`), and the chat template does not put it where a model answers.
    """
    if with_answer:
        check_answers_follow(processor)
    example = feed.examples([feed.first])
    if request is not None:
        example["prompt"][0][0]["content"][-1]["text"] += "\n" + request
    inputs = prompt_inputs(processor, example["prompt"], example["images"])
    decoded = processor.tokenizer.decode(inputs["input_ids"][0])
    grid = inputs.get("image_grid_thw", inputs.get("video_grid_thw"))
    return {
        "text": re.sub(r"(<[^<>]*>)\1+", lambda run: f"{run[1]} x {len(run[0]) // len(run[1])} ", decoded),
        "completion": example["completion"][0][0]["content"][0]["text"],
        "images": [
            source if isinstance(source, str) else "inside the file" for source in of_images(example["images"][0])
        ],
        "image_grid": None if grid is None else grid.tolist(),
        "tokens": int(inputs["input_ids"].shape[1]),
    }
