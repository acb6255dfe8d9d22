"""A vision-language model of the Qwen3-VL architecture, small enough for two processor cores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_trainer.tiny.corpus import corpus

if TYPE_CHECKING:
    from transformers import Qwen3VLForConditionalGeneration, Qwen3VLProcessor

VOCABULARY = 1024
FRAME_PX = 128
"""Frames larger than this square are scaled down by the processor."""
PATCH_PX = 8
"""With a merge of 2 x 2 patches a token covers 16 x 16 pixels: one object or few."""
INITIALIZER_RANGE = 0.07
"""At this width the usual 0.02 leaves the model at the most frequent answer."""
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_processor() -> Qwen3VLProcessor:
    """Train the byte-level tokenizer on `corpus` and join it with Qwen3-VL's image and video processors.

    Digits stay single tokens, so that a number is read and written digit by digit.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(corpus(), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=[t for t in SPECIAL_TOKENS if t not in ("<|im_end|>", "<|endoftext|>")],
        padding_side="left",
    )
    pixels: dict[str, Any] = {"shortest_edge": 32 * 32, "longest_edge": FRAME_PX * FRAME_PX}
    half = [0.5, 0.5, 0.5]
    image = Qwen2VLImageProcessor(size=pixels, patch_size=PATCH_PX, merge_size=2, image_mean=half, image_std=half)
    video = Qwen3VLVideoProcessor(size=pixels, patch_size=PATCH_PX, merge_size=2, image_mean=half, image_std=half)
    return Qwen3VLProcessor(image, tokenizer, video, chat_template=CHAT_TEMPLATE)


def build_model(processor: Qwen3VLProcessor, *, seed: int) -> Qwen3VLForConditionalGeneration:
    """Make the model with random weights, float32.

    Parameters
    ----------
    processor : Qwen3VLProcessor
        From `build_processor`; its token ids enter the configuration.
    seed : int
        Seed of the weights.
    """
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tokenizer = processor.tokenizer

    def token(text: str) -> int:
        return tokenizer.convert_tokens_to_ids(text)

    width = 192
    ends: dict[str, Any] = {"eos_token_id": token("<|im_end|>"), "pad_token_id": token("<|endoftext|>")}
    config = Qwen3VLConfig(
        vision_config={
            "depth": 5,
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_heads": 4,
            "patch_size": PATCH_PX,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": width,
            "num_position_embeddings": (FRAME_PX // PATCH_PX) ** 2,
            "deepstack_visual_indexes": [1],
            "initializer_range": INITIALIZER_RANGE,
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": width,
            "intermediate_size": 512,
            "num_hidden_layers": 8,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 48,
            "max_position_embeddings": 16384,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [12, 6, 6],
                "mrope_interleaved": True,
            },
            "initializer_range": INITIALIZER_RANGE,
            "tie_word_embeddings": True,
            **ends,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
        **ends,
    )
    torch.manual_seed(seed)
    return Qwen3VLForConditionalGeneration(config)


def build_tiny(out: Path, *, seed: int = 0) -> Path:
    """Write a tiny model with random weights, its tokenizer and its processor to the folder `out`."""
    processor = build_processor()
    model = build_model(processor, seed=seed)
    model.generation_config.do_sample = False
    model.save_pretrained(out)
    processor.save_pretrained(out)
    return out
