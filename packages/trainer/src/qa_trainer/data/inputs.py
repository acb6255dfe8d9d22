"""A model's inputs for prompts that it is to write on from, as the trainers, the clean pass and previews show them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from PIL import Image
from qa_contract.clips import clip_of

from qa_trainer.data.images import CachedImageProcessor, open_image, read_image
from qa_trainer.data.videos import Source, Video, video_inputs


def prompt_inputs(processor: Any, prompts: Sequence[Any], sources: Sequence[Sequence[Source]]) -> Any:
    """Tokenize prompts and process their frames; texts are padded on the left.

    Parameters
    ----------
    processor : ProcessorMixin
    prompts : sequence of list of message
    sources : sequence of sequence of (str, bytes or Video)
        Images of every prompt: paths, or the bytes of files; or its video. A prompt may have none.

    Returns
    -------
    BatchFeature
        What the model takes, as tensors.
    """
    texts = [processor.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True) for prompt in prompts]
    decodes_itself = isinstance(processor.image_processor, CachedImageProcessor)
    videos = [one for of_prompt in sources for one in of_prompt if isinstance(one, Video)]
    with contextlib.ExitStack() as opened:
        images = [
            [
                opened.enter_context(open_image(one)) if decodes_itself else read_image(one)
                for one in of_prompt
                if not isinstance(one, Video)
            ]
            for of_prompt in sources
        ]
        return processor(
            text=texts,
            # A batch without any image has to say so; a prompt without one among others has an empty list.
            images=images if any(images) else None,
            **video_inputs(videos),
            padding=True,
            padding_side="left",
            return_tensors="pt",
            # The template writes them.
            add_special_tokens=False,
        )


@lru_cache(maxsize=64)
def seen_video_pixels(processor: Any, frames: int, width: int, height: int) -> int:
    """Width times height of a frame after a video processor has resized a video of so many frames.

    The frames' own size is given where the processor does not say.
    """
    clip = clip_of([float(second) for second in range(max(frames, 2))])
    assert clip is not None
    shown = [Video((blank_image((width, height)),) * len(clip.numbers), clip)]
    found = processor.video_processor(**video_inputs(shown), return_tensors="pt")
    patch = getattr(processor.video_processor, "patch_size", None)
    if "video_grid_thw" not in found or not isinstance(patch, int):
        return width * height
    _, rows, columns = (int(n) for n in found["video_grid_thw"][0])
    return rows * columns * patch**2


@lru_cache(maxsize=64)
def blank_image(size: tuple[int, int]) -> bytes:
    """Give the file of a black image of (width, height) pixels, of which a processor makes as many tokens as of any."""
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG", compress_level=1)
    return file.getvalue()
