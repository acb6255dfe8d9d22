"""Training sees the pixels that the clean pass and the evaluator see, whatever the kind of file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from qa_trainer.data.collator import ROW, sft_collator
from qa_trainer.data.images import CachedImageProcessor, read_image
from transformers import AutoProcessor


def write_image(kind, folder):
    """Write a picture as a file of a kind; the upper half is transparent where the kind has transparency."""
    pixels = np.kron(np.random.default_rng(3).integers(0, 256, (4, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    picture = Image.fromarray(pixels)
    path = folder / ("picture.jpg" if kind == "CMYK" else "picture.png")
    if kind in ("RGBA", "LA"):
        picture = picture.convert(kind)
        alpha = Image.new("L", picture.size, 255)
        alpha.paste(0, (0, 0, picture.width, picture.height // 2))
        picture.putalpha(alpha)
    elif kind == "I;16":
        picture = Image.fromarray((np.arange(32 * 64).reshape(32, 64) * 30).astype(np.uint16))
    elif kind != "transparent palette":
        picture = picture.convert(kind)
    if kind == "transparent palette":
        picture.quantize(16).save(path, transparency=3)
    else:
        picture.save(path)
    return path


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "LA", "L", "P", "transparent palette", "CMYK", "I;16"])
@pytest.mark.parametrize("family", ["tiny_model", "llava_model"])
def test_training_sees_the_pixels_of_the_clean_pass(kind, family, request, tmp_path):
    processor = AutoProcessor.from_pretrained(request.getfixturevalue(family))
    path = write_image(kind, tmp_path)
    collator = sft_collator(processor, image_cache_bytes=2**20)
    assert isinstance(collator.processor.image_processor, CachedImageProcessor) == (family == "tiny_model")
    question = [{"type": "image"}, {"type": "text", "text": "How many?"}]
    example = {
        "images": [str(path)],
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": [{"type": "text", "text": "4"}]}],
        ROW: 0,
    }
    trained = collator([example])["pixel_values"]
    seen = processor.image_processor([read_image(str(path))], return_tensors="pt")["pixel_values"]
    assert trained.equal(seen)
