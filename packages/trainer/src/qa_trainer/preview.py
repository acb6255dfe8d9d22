"""One sample as the model gets it, for a look before a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from qa_trainer.data import Samples
from qa_trainer.loading import load_processor


def preview(samples: Samples, model_folder: Path) -> dict[str, Any]:
    """Format the first sample.

    Returns
    -------
    dict
        `text` (runs of one image token shortened), `completion`, `images`, `image_grid` (patches in time, height and
        width per image, where the processor has one), `tokens`.
    """
    from PIL import Image

    processor: Any = load_processor(model_folder)
    example = samples.examples([0])
    text = processor.apply_chat_template(example["prompt"][0], tokenize=False, add_generation_prompt=True)
    images = [Image.open(path).convert("RGB") for path in example["images"][0]]
    inputs = processor(text=[text], images=[images] if images else None, return_tensors="pt")
    decoded = processor.tokenizer.decode(inputs["input_ids"][0])
    grid = inputs.get("image_grid_thw")
    return {
        "text": re.sub(r"(<[^<>]*>)\1+", lambda run: f"{run[1]} x {len(run[0]) // len(run[1])} ", decoded),
        "completion": samples.rows["ground_truth"][0],
        "images": example["images"][0],
        "image_grid": None if grid is None else grid.tolist(),
        "tokens": int(inputs["input_ids"].shape[1]),
    }
