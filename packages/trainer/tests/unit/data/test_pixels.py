"""Patches that are normalised on the device are those of the processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from qa_trainer.data.pixels import RawPatches
from transformers import Qwen2VLImageProcessor


@pytest.mark.parametrize("patch_size", [14, 16])
def test_bytes_become_the_processors_values_to_the_last_bit(patch_size):
    processor = Qwen2VLImageProcessor(patch_size=patch_size, size={"shortest_edge": 56**2, "longest_edge": 200**2})
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in ((90, 131), (400, 300))]
    raw = RawPatches.of(processor)
    assert raw is not None
    patches = processor(images, return_tensors="pt", **raw.options)
    expected = processor(images, return_tensors="pt")
    assert patches["pixel_values"].dtype == torch.uint8
    assert 8 * patches["pixel_values"].nbytes == expected["pixel_values"].nbytes
    assert patches["image_grid_thw"].equal(expected["image_grid_thw"])
    assert raw.restore(patches["pixel_values"]).equal(expected["pixel_values"])


def test_a_processor_that_does_something_else_is_left_alone():
    assert RawPatches.of(Qwen2VLImageProcessor(do_normalize=False)) is None
    assert RawPatches.of(object()) is None
