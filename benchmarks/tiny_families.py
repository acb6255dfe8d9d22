"""Small checkpoints of real families of vision-language models: each one's structure, with width and depth cut.

What is kept is what breaks trainers: the classes and the names of the weights, how a picture becomes tokens (patches of
one grid, tiles, pooling), the special tokens, the form of the chat template, tied or untied heads. Weights are random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
TEXT |= {"num_attention_heads": 4, "num_key_value_heads": 2}
SIGLIP = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VOCABULARY = 1024
"""Rows of the embedding; the tokenizer has fewer words."""
WORDS = (
    "How many chairs are in this room? Please answer the question using a single word or phrase.",
    "These are frames of a video. Options: A. sofa B. bed C. lamp D. table Answer with the option's letter",
    "0 1 2 3 4 5 6 7 8 9 . , meters centimeters left right front back closest distance",
)
QWEN_TOKENS = ("<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")

Parts = tuple[Any, Any, Any, str]
"""Configuration, class of the model, processor, and the tokens that end a turn, separated by spaces."""


def save_family(name: str, folder: Path) -> Path:
    """Save the small checkpoint of a family with its processor."""
    import torch
    from transformers import GenerationConfig

    torch.manual_seed(0)
    config, kind, processor, ends = FAMILIES[name]()
    number = processor.tokenizer.convert_tokens_to_ids
    model = kind(config)
    ids = [number(end) for end in ends.split()]
    model.generation_config = GenerationConfig(eos_token_id=ids, pad_token_id=processor.tokenizer.pad_token_id)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def make_tokenizer(special: Sequence[str], *, end: str, pad: str, begin: str | None = None, **named: str) -> Any:
    """Train a byte-level tokenizer; `named` are tokens that the processor looks up by name."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    every = list(dict.fromkeys([pad, end, *([begin] if begin else []), *special, *named.values()]))
    backend = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=every, initial_alphabet=alphabet, show_progress=False, min_frequency=1
    )
    backend.train_from_iterator(WORDS, trainer)
    extra = named or [token for token in every if token not in (end, pad, begin)]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=end,
        pad_token=pad,
        bos_token=begin,
        extra_special_tokens=extra,
        padding_side="left",
    )


def template(turn: str, close: str, image: str, answer: str, *, before: str = "") -> str:
    """Write a chat template: `turn` opens a message, `close` ends it, `answer` opens the model's."""
    return (
        before + "{% for message in messages %}" + turn
        + "{% if message['content'] is string %}{{ message['content'] }}"
        "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}" + image
        + "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
        "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}" + close
        + "{% endfor %}{% if add_generation_prompt %}" + answer + "{% endif %}"
    )  # fmt: skip


def chatml(image: str, *, before: str = "") -> str:
    """Write the template of ChatML, as Qwen, InternVL, LLaVA-OneVision and MiniCPM-V use it."""
    role = "<|im_start|>{{ message['role'] }}\n"
    return template(role, "<|im_end|>\n", image, "<|im_start|>assistant\n", before=before)


def default_rope(**more: Any) -> dict[str, Any]:
    """Give the rotary embedding's parameters."""
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, **more}}


def ending(tokenizer: Any) -> dict[str, int]:
    """Give the ids of the tokenizer's end and padding."""
    return {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}


def qwen3_vl(*, tied: bool, layers: int = 3) -> Parts:
    """Qwen3-VL: patches of 16 pixels, features of several vision layers go into the language model."""
    from transformers import Qwen2VLImageProcessor, Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
    from transformers import Qwen3VLVideoProcessor as Videos

    tokenizer = make_tokenizer(QWEN_TOKENS, end="<|im_end|>", pad="<|endoftext|>")
    text = TEXT | default_rope(mrope_section=[4, 2, 2], mrope_interleaved=True) | ending(tokenizer)
    vision = {"depth": layers, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "patch_size": 16}
    vision |= {"out_hidden_size": 64, "num_position_embeddings": 2304, "deepstack_visual_indexes": [0, 1, 2]}
    config = Qwen3VLConfig(
        text_config=text | {"vocab_size": VOCABULARY, "head_dim": 16, "tie_word_embeddings": tied},
        vision_config=vision,
        tie_word_embeddings=tied,
        **_qwen_ids(tokenizer),
    )
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "patch_size": 16}
    images = Qwen2VLImageProcessor(size={"shortest_edge": 65536, "longest_edge": 16777216}, **half)
    videos = Videos(size={"shortest_edge": 4096, "longest_edge": 25165824}, **half)
    chat = chatml("<|vision_start|><|image_pad|><|vision_end|>")
    return config, Qwen3VLForConditionalGeneration, Qwen3VLProcessor(images, tokenizer, videos, chat), "<|im_end|>"


def qwen2_5_vl(*, tied: bool) -> Parts:
    """Qwen2.5-VL: patches of 14 pixels, window attention; its template adds a system message."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
    from transformers import Qwen2VLImageProcessor as Images
    from transformers import Qwen2VLVideoProcessor as Videos

    tokenizer = make_tokenizer(QWEN_TOKENS, end="<|im_end|>", pad="<|endoftext|>")
    text = TEXT | default_rope(mrope_section=[2, 3, 3]) | ending(tokenizer) | {"bos_token_id": None}
    vision = {"depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 4, "patch_size": 14}
    vision |= {"out_hidden_size": 64, "window_size": 112, "fullatt_block_indexes": [1]}
    config = Qwen2_5_VLConfig(
        text_config=text | {"vocab_size": VOCABULARY, "tie_word_embeddings": tied},
        vision_config=vision,
        tie_word_embeddings=tied,
        **_qwen_ids(tokenizer),
    )
    size = {"shortest_edge": 3136, "longest_edge": 12845056}
    system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    chat = chatml(
        "<|vision_start|><|image_pad|><|vision_end|>",
        before="{% if messages[0]['role'] != 'system' %}" + system + "{% endif %}",
    )
    processor = Qwen2_5_VLProcessor(
        Images(size=size, patch_size=14), tokenizer, Videos(size=size, patch_size=14), chat_template=chat
    )
    return config, Qwen2_5_VLForConditionalGeneration, processor, "<|im_end|>"


def internvl(*, text_type: str) -> Parts:
    """InternVL3 (Qwen2.5 text) and 3.5 (Qwen3 text): tiles of a picture, pixels shuffled into channels."""
    from transformers import GotOcr2ImageProcessor, InternVLConfig, InternVLForConditionalGeneration, InternVLProcessor
    from transformers import InternVLVideoProcessor as Videos

    named = {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
    named["video_token"] = "<video>"
    tokenizer = make_tokenizer(["<|im_start|>"], end="<|im_end|>", pad="<|endoftext|>", **named)
    text = TEXT | default_rope() | ending(tokenizer) | {"model_type": text_type, "vocab_size": VOCABULARY}
    if text_type == "qwen3":
        text["head_dim"] = 16
    config = InternVLConfig(
        text_config=text | {"tie_word_embeddings": False},
        vision_config=SIGLIP | {"image_size": [112, 112], "patch_size": [14, 14], "norm_type": "layer_norm"},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=16,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    size = {"height": 112, "width": 112}
    images = GotOcr2ImageProcessor(size=size, crop_to_patches=True, min_patches=1, max_patches=12)
    processor = InternVLProcessor(
        images, tokenizer, Videos(size=size), image_seq_length=16, chat_template=chatml("<IMG_CONTEXT>\n")
    )
    return config, InternVLForConditionalGeneration, processor, "<|im_end|>"


def llava_onevision() -> Parts:
    """LLaVA-OneVision: a picture at several resolutions, with a learned token at the end of a row."""
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration, LlavaOnevisionProcessor
    from transformers import LlavaOnevisionImageProcessor as Images
    from transformers import LlavaOnevisionVideoProcessor as Videos

    tokenizer = make_tokenizer(["<|im_start|>", "<image>", "<video>"], end="<|im_end|>", pad="<|endoftext|>")
    number = tokenizer.convert_tokens_to_ids
    sizes = [[56 * rows, 56 * columns] for rows in range(1, 4) for columns in range(1, 4)]
    text = TEXT | default_rope() | ending(tokenizer) | {"model_type": "qwen2", "vocab_size": VOCABULARY}
    vision = {"model_type": "siglip_vision_model", "image_size": 56, "patch_size": 14, "vision_use_head": False}
    chosen = {"vision_feature_select_strategy": "full"}
    config = LlavaOnevisionConfig(
        text_config=text | {"tie_word_embeddings": True},
        vision_config=SIGLIP | vision,
        image_token_index=number("<image>"),
        video_token_index=number("<video>"),
        image_grid_pinpoints=sizes,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
        **chosen,
    )
    size = {"height": 56, "width": 56}
    processor = LlavaOnevisionProcessor(
        Images(size=size, image_grid_pinpoints=sizes),
        tokenizer,
        Videos(size=size),
        num_image_tokens=16,
        chat_template=chatml("<image>\n"),
        **chosen,
    )
    return config, LlavaOnevisionForConditionalGeneration, processor, "<|im_end|>"


def idefics(*, small: bool) -> Parts:
    """Idefics3 and SmolVLM2: a picture is split into tiles and a small copy of the whole."""
    import transformers

    prefix = "SmolVLM" if small else "Idefics3"
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    named = {"fake_image_token": "<fake_token_around_image>", "image_token": "<image>"}
    named |= {"global_image_token": "<global-img>"}
    special = ["<end_of_utterance>", *tiles]
    if not small:
        special, named = [*special, *named.values()], {}
    tokenizer = make_tokenizer(special, end="<end_of_utterance>", pad="<|im_end|>", begin="<|im_start|>", **named)
    text = TEXT | {"model_type": "llama", "vocab_size": VOCABULARY, "pad_token_id": tokenizer.pad_token_id}
    scale = 4 if small else 2
    config = getattr(transformers, f"{prefix}Config")(
        text_config=text,
        vision_config=SIGLIP | {"image_size": 64, "patch_size": 8},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=scale,
        tie_word_embeddings=False,
    )
    size = {"size": {"longest_edge": 256}, "max_image_size": {"longest_edge": 64}}
    images = getattr(transformers, f"{prefix}ImageProcessor")(do_image_splitting=True, **size)
    parts = [images, tokenizer]
    if small:
        parts.append(transformers.SmolVLMVideoProcessor(**(size | {"size": {"longest_edge": 64}})))
    turn = "{{ message['role'] | capitalize }}:{% if message['content'][0]['type'] != 'image' %} {% endif %}"
    chat = template(turn, "<end_of_utterance>\n", "<image>", "Assistant:", before="<|im_start|>")
    processor = getattr(transformers, f"{prefix}Processor")(
        *parts, image_seq_len=(64 // 8 // scale) ** 2, chat_template=chat
    )
    return config, getattr(transformers, f"{prefix}ForConditionalGeneration"), processor, "<end_of_utterance>"


def _gemma_chat(start: str, end: str, image: str) -> str:
    turn = start + "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    return template(turn, end + "\n", image, start + "model\n", before="{{ bos_token }}")


def gemma3() -> Parts:
    """Gemma 3: a fixed number of tokens per picture, sliding attention, and a token more than the text model knows."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3ImageProcessor, Gemma3Processor

    named = {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    tokenizer = make_tokenizer(["<start_of_turn>", "<end_of_turn>"], end="<eos>", pad="<pad>", begin="<bos>", **named)
    number = tokenizer.convert_tokens_to_ids
    layers = ["sliding_attention", "sliding_attention", "full_attention"]
    text = TEXT | {"head_dim": 16, "num_hidden_layers": 3, "layer_types": layers, "sliding_window": 32}
    config = Gemma3Config(
        text_config=text | {"vocab_size": VOCABULARY, "query_pre_attn_scalar": 16} | ending(tokenizer),
        vision_config=SIGLIP | {"model_type": "siglip_vision_model", "image_size": 112, "patch_size": 14},
        mm_tokens_per_image=16,
        boi_token_index=number("<start_of_image>"),
        eoi_token_index=number("<end_of_image>"),
        image_token_index=number("<image_soft_token>"),
        eos_token_id=[number("<eos>"), number("<end_of_turn>")],
    )
    images = Gemma3ImageProcessor(size={"height": 112, "width": 112}, image_seq_length=16)
    chat = _gemma_chat("<start_of_turn>", "<end_of_turn>", "<start_of_image>")
    processor = Gemma3Processor(images, tokenizer, image_seq_length=16, chat_template=chat)
    return config, Gemma3ForConditionalGeneration, processor, "<eos> <end_of_turn>"


def gemma4() -> Parts:
    """Gemma 4: pooled patches with positions of their own, and embeddings for every layer."""
    from transformers import Gemma4AudioFeatureExtractor as Sounds
    from transformers import Gemma4Config, Gemma4ForConditionalGeneration, Gemma4ImageProcessor, Gemma4Processor
    from transformers import Gemma4VideoProcessor as Videos

    named = {"boi_token": "<|image>", "eoi_token": "<image|>", "image_token": "<|image|>", "video_token": "<|video|>"}
    named |= {"boa_token": "<|audio>", "eoa_token": "<audio|>", "audio_token": "<|audio|>"}
    tokenizer = make_tokenizer(["<|turn>", "<turn|>"], end="<eos>", pad="<pad>", begin="<bos>", **named)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    text = TEXT | {"head_dim": 16, "num_hidden_layers": 4, "sliding_window": 64, "hidden_size_per_layer_input": 8}
    text |= {"layer_types": ["sliding_attention", "full_attention"] * 2, "vocab_size": VOCABULARY}
    vision = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "pooling_kernel_size": 3}
    config = Gemma4Config(
        text_config=text | {"vocab_size_per_layer_input": VOCABULARY} | ending(tokenizer),
        vision_config=SIGLIP | vision | {"patch_size": 16},
        audio_config=None,
        eoa_token_index=ids.pop("eoa_token"),
        **{f"{name}_id": number for name, number in ids.items()},
    )
    chat = _gemma_chat("<|turn>", "<turn|>", "<|image|>")
    processor = Gemma4Processor(
        Sounds(), Gemma4ImageProcessor(max_soft_tokens=70), tokenizer, Videos(), chat_template=chat, image_seq_length=70
    )
    return config, Gemma4ForConditionalGeneration, processor, "<eos> <turn|>"


def glm4v() -> Parts:
    """GLM-4.1V: no token closes a message, the next role does."""
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration, Glm4vImageProcessor, Glm4vProcessor
    from transformers import Glm4vVideoProcessor as Videos

    media = [f"<|{kind}|>" for kind in ("image", "video")]
    media += [f"<|{edge}_of_{kind}|>" for edge in ("begin", "end") for kind in ("image", "video")]
    roles = ["<|user|>", "<|assistant|>", "<|system|>"]
    tokenizer = make_tokenizer(["[gMASK]", "<sop>", *roles, *media], end="<|endoftext|>", pad="<|pad|>")
    number = tokenizer.convert_tokens_to_ids
    text = TEXT | default_rope(mrope_section=[1, 1, 2], partial_rotary_factor=0.5) | ending(tokenizer)
    vision = {"depth": 2, "hidden_size": 64, "num_heads": 4, "image_size": 336, "patch_size": 14}
    config = Glm4vConfig(
        text_config=text | {"vocab_size": VOCABULARY},
        vision_config=vision | {"out_hidden_size": 64, "intermediate_size": 96},
        image_token_id=number("<|image|>"),
        video_token_id=number("<|video|>"),
        image_start_token_id=number("<|begin_of_image|>"),
        image_end_token_id=number("<|end_of_image|>"),
        video_start_token_id=number("<|begin_of_video|>"),
        video_end_token_id=number("<|end_of_video|>"),
    )
    images = Glm4vImageProcessor(size={"shortest_edge": 12544, "longest_edge": 200704})
    shown = "<|begin_of_image|><|image|><|end_of_image|>"
    chat = template("<|{{ message['role'] }}|>\n", "", shown, "<|assistant|>\n", before="[gMASK]<sop>")
    processor = Glm4vProcessor(images, tokenizer, Videos(), chat_template=chat)
    return config, Glm4vForConditionalGeneration, processor, "<|endoftext|> <|user|>"


def minicpm_v() -> Parts:
    """MiniCPM-V 4.6: slices of a picture of many sizes, packed into one long row of patches."""
    from transformers import MiniCPMV4_6Config, MiniCPMV4_6ForConditionalGeneration, MiniCPMV4_6Processor
    from transformers import MiniCPMV4_6ImageProcessor as Images
    from transformers import MiniCPMV4_6VideoProcessor as Videos

    named = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    for kind in ("image", "slice", "image_id"):
        named |= {f"{kind}_start_token": f"<{kind}>", f"{kind}_end_token": f"</{kind}>"}
    tokenizer = make_tokenizer(["<|im_start|>"], end="<|im_end|>", pad="<|endoftext|>", **named)
    number = tokenizer.convert_tokens_to_ids
    text = TEXT | default_rope() | ending(tokenizer) | {"model_type": "qwen3", "vocab_size": VOCABULARY}
    vision = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4}
    config = MiniCPMV4_6Config(
        text_config=text | {"head_dim": 16},
        vision_config=vision | {"image_size": 980, "patch_size": 14, "insert_layer_id": 1},
        insert_layer_id=1,
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
    )
    processor = MiniCPMV4_6Processor(
        image_processor=Images(),
        video_processor=Videos(),
        tokenizer=tokenizer,
        chat_template=chatml("<|image_pad|>"),
    )
    return config, MiniCPMV4_6ForConditionalGeneration, processor, "<|im_end|>"


def kimi() -> Parts:
    """Kimi-K2.5: a mixture of experts with latent attention behind a vision tower of any resolution."""
    from transformers import Kimi_K25Config, Kimi_K25ForConditionalGeneration, Kimi_K25ImageProcessor
    from transformers import Kimi_K25Processor as Processor
    from transformers import Kimi_K25VideoProcessor as Videos

    special = ["<|im_user|>", "<|im_assistant|>", "<|im_system|>", "<|im_middle|>"]
    special += [f"<|media_{part}|>" for part in ("start", "content", "pad", "end")]
    tokenizer = make_tokenizer([*special, "<|kimi_k25_video_placeholder|>"], end="<|im_end|>", pad="[PAD]")
    number = tokenizer.convert_tokens_to_ids
    text = TEXT | {"num_key_value_heads": 4, "moe_intermediate_size": 32, "n_shared_experts": 1, "n_routed_experts": 8}
    text |= {"kv_lora_rank": 16, "q_lora_rank": 24, "qk_rope_head_dim": 8, "v_head_dim": 16, "qk_nope_head_dim": 16}
    text |= {"n_group": 1, "topk_group": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1}
    vision = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Kimi_K25Config(
        text_config=text | {"model_type": "deepseek_v3", "vocab_size": VOCABULARY} | ending(tokenizer),
        vision_config=vision | {"patch_size": 14},
        projection_hidden_size=64,
        image_token_id=number("<|media_pad|>"),
        video_token_id=number("<|kimi_k25_video_placeholder|>"),
        vision_start_token_id=number("<|media_start|>"),
        vision_end_token_id=number("<|media_end|>"),
        tie_word_embeddings=False,
    )
    shown = "<|media_start|>image<|media_content|><|media_pad|><|media_end|>\n"
    turn = "<|im_{{ message['role'] }}|>{{ message['role'] }}<|im_middle|>"
    chat = template(turn, "<|im_end|>", shown, "<|im_assistant|>assistant<|im_middle|>")
    processor = Processor(Kimi_K25ImageProcessor(), tokenizer, Videos(), chat_template=chat)
    return config, Kimi_K25ForConditionalGeneration, processor, "<|im_end|>"


def _qwen_ids(tokenizer: Any) -> dict[str, int]:
    names = ("vision_start", "vision_end", "image_pad", "video_pad")
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in names}
    return {f"{name.replace('pad', 'token')}_id" if "pad" in name else f"{name}_token_id": n for name, n in ids.items()}


FAMILIES: dict[str, Callable[[], Parts]] = {
    "Qwen2.5-VL-3B": lambda: qwen2_5_vl(tied=True),
    "Qwen2.5-VL-7B": lambda: qwen2_5_vl(tied=False),
    "Qwen3-VL-2B": lambda: qwen3_vl(tied=True),
    "Qwen3-VL-4B": lambda: qwen3_vl(tied=True, layers=4),
    "Qwen3-VL-8B": lambda: qwen3_vl(tied=False),
    "InternVL3": lambda: internvl(text_type="qwen2"),
    "InternVL3.5": lambda: internvl(text_type="qwen3"),
    "LLaVA-OneVision": llava_onevision,
    "SmolVLM2": lambda: idefics(small=True),
    "Idefics3": lambda: idefics(small=False),
    "Gemma 3": gemma3,
    "Gemma 4": gemma4,
    "GLM-4.1V": glm4v,
    "MiniCPM-V 4.6": minicpm_v,
    "Kimi-K2.5": kimi,
}
"""Name of a family to what builds its small checkpoint."""
