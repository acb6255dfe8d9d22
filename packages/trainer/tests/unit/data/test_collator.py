"""Training sees the pixels that the clean pass and the evaluator see, whatever the kind of file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from qa_trainer.data.collator import ROW, sft_collator
from qa_trainer.data.images import CachedImageProcessor, read_image
from qa_trainer.errors import QATrainerError
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


OPENS = "<|im_start|>assistant\n<think>\n{% endif %}"
TURN = "<|im_start|>{{ message['role'] }}\n"


@pytest.mark.parametrize(
    ("turn", "generation", "refused"),
    [
        # The prompt opens a thought, and answers have none; or they have an empty one.
        (TURN, OPENS, True),
        (TURN + "{% if message['role'] == 'assistant' %}<think>\n\n</think>\n\n{% endif %}", OPENS, True),
        # The thought is closed in the prompt already.
        (
            TURN + "{% if message['role'] == 'assistant' %}<think>\n\n</think>\n\n{% endif %}",
            "<|im_start|>assistant\n<think>\n\n</think>\n\n{% endif %}",
            False,
        ),
        (TURN, "<|im_start|>assistant\n{% endif %}", False),
    ],
)
def test_a_template_that_opens_a_thought_is_refused(tiny_model, turn, generation, refused):
    processor = AutoProcessor.from_pretrained(tiny_model)
    template = processor.chat_template.replace("<|im_start|>assistant\n{% endif %}", generation)
    processor.chat_template = template.replace(TURN, turn)
    if refused:
        with pytest.raises(QATrainerError, match=r"generation prompt with '.*<think>"):
            sft_collator(processor, image_cache_bytes=0)
    else:
        sft_collator(processor, image_cache_bytes=0)
