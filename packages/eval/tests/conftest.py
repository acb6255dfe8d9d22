"""A tiny random model, a small store with frames, and questions about it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import settings
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import FRAME_SETS, FRAMES, QUESTIONS

# The browser that the page kit is tested with; a package that is tested alone does without it.
sys.path.append(str(Path(__file__).parents[2] / "contract/tests/pages"))
try:
    from page_browser import browser, open_page  # noqa: F401
except ImportError:

    @pytest.fixture
    def open_page():
        """Skip where the workspace is not around."""
        pytest.skip("the browser of the page kit's tests is not here")


# Tests run side by side: more threads than cores make tiny models ten times as slow.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A busy machine is no failure of a property.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% elif c['type'] == 'video' %}"
    "<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with `vsi_bench/` and `real/`, or a skip."""
    folder = os.environ.get("SPATIAL_QA_DATA")
    if not folder:
        pytest.skip("SPATIAL_QA_DATA is unset")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def golden(data_dir) -> list[dict]:
    """Rows of the scorer's golden file."""
    with (data_dir / "vsi_bench/scorer_golden.jsonl").open() as stream:
        return [json.loads(line) for line in stream]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """Folder of a random Qwen3-VL with a byte-level tokenizer; its greedy answers vary with text and frames."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer = byte_tokenizer()
    size = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    image, video = (
        kind(size=size, patch_size=16, merge_size=2) for kind in (Qwen2VLImageProcessor, Qwen3VLVideoProcessor)
    )
    processor = Qwen3VLProcessor(image, tokenizer, video, chat_template=TEMPLATE)
    config = Qwen3VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": 16,
            "out_hidden_size": 48,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
            "initializer_range": 0.4,
        },
        text_config=text_config(tokenizer) | {"head_dim": 24},
        **token_ids(tokenizer),
    )
    torch.manual_seed(0)
    model = Qwen3VLForConditionalGeneration(config)
    # Published checkpoints ship sampling settings; a greedy run must not be moved by them.
    model.generation_config.do_sample = True
    model.generation_config.temperature = 0.7
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def byte_tokenizer():
    """Build a tokenizer of bytes, with the special tokens of Qwen-VL."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=list(SPECIAL), initial_alphabet=alphabet)
    backend.train_from_iterator(["These are frames of a video. How many chairs are in this room?"], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=SPECIAL[2], pad_token=SPECIAL[0])
    tokenizer.add_special_tokens({"additional_special_tokens": [SPECIAL[1], *SPECIAL[3:]]})
    return tokenizer


def text_config(tokenizer) -> dict:
    """Sizes of a language model of a few thousand weights."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 4, 4]},
        "initializer_range": 0.4,
    }


def token_ids(tokenizer) -> dict[str, int]:
    """Ids of the special tokens, as the configurations of Qwen-VL name them."""
    names = {
        "image": "<|image_pad|>",
        "video": "<|video_pad|>",
        "vision_start": "<|vision_start|>",
        "vision_end": "<|vision_end|>",
        "eos": "<|im_end|>",
        "pad": "<|endoftext|>",
    }
    return {f"{name}_token_id": tokenizer.convert_tokens_to_ids(text) for name, text in names.items()}


@pytest.fixture(scope="session")
def tiny_qwen25(tmp_path_factory) -> Path:
    """Folder of a random Qwen2.5-VL."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = byte_tokenizer()
    size = {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}
    image, video = (
        kind(size=size, patch_size=14, merge_size=2) for kind in (Qwen2VLImageProcessor, Qwen2VLVideoProcessor)
    )
    config = Qwen2_5_VLConfig(
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": 14,
            "out_hidden_size": 48,
            "fullatt_block_indexes": [1],
            "window_size": 56,
        },
        text_config=text_config(tokenizer),
        **token_ids(tokenizer),
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("qwen25")
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(folder)
    Qwen2_5_VLProcessor(image, tokenizer, video, chat_template=TEMPLATE).save_pretrained(folder)
    return folder


@pytest.fixture
def store(tmp_path) -> Path:
    """Two scenes with three frames each, sets of two frames, of different image sizes."""
    from PIL import Image

    folder = tmp_path / "store"
    rng = np.random.default_rng(5)
    frames, sets = [], []
    for scene, shape in (("s1", (48, 64, 3)), ("s2", (64, 64, 3))):
        for i in range(3):
            path = f"images/{scene}/{i}.png"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(folder / path)
            frame = {"scene_name": scene, "frame_id": str(i), "image_path": path, "width": 64, "height": 64}
            frames.append(frame | {"time_s": 10 + i / 2})
        sets.append(
            {"scene_name": scene, "frame_set_id": "uniform-2", "method": "uniform", "n": 2, "frame_ids": ["0", "2"]}
        )
    save(frames, folder, "frames", FRAMES)
    save(sets, folder, "frame_sets", FRAME_SETS)
    return folder


@pytest.fixture
def questions(tmp_path) -> Path:
    """Eleven questions of three types over two scenes; the last has no frames."""
    rows = [
        question(f"n{i}", f"s{1 + i % 2}", "object_counting", f"How many {c}(s) are in this room?", truth)
        for i, (c, truth) in enumerate([("chair", "2"), ("table", "3"), ("tv", "2"), ("big wooden wardrobe", "4")])
    ]
    rows += [
        question(
            f"d{i}", f"s{1 + i % 2}", "object_rel_direction_easy", "Left or right?", letter, ["A. left", "B. right"]
        )
        for i, letter in enumerate("ABAAB")
    ]
    rows.append(question("z0", "s1", "object_size_estimation", "How long is the bed?", "200"))
    rows.append(question("z1", "s1", "object_size_estimation", "How long is it?", "150"))
    return save(rows, tmp_path / "questions", "questions", QUESTIONS)


def question(question_id: str, scene: str, kind: str, text: str, truth: str, options: list[str] | None = None) -> dict:
    """One questions row."""
    return {
        "question_id": question_id,
        "scene_name": scene,
        "question_type": kind,
        "question": text,
        "options": options,
        "ground_truth": truth,
        "frame_set_id": "uniform-2",
        "prompt_id": "vsi-bench",
        "signature": question_id,
    }


def save(rows: list[dict], folder: Path, table: str, schema) -> Path:
    """Write rows as a table; columns that they lack are null."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=dict(schema))
    write_table(frame, folder / f"{table}.parquet", schema, table_metadata(table, "test", {}, 0))
    return folder
