"""A tiny random model, a small store with frames, questions about it, and a way to run commands."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import TABLES

os.environ["HF_HUB_OFFLINE"] = "1"
# One thread: sums in a fixed order, in this process and in those that it starts.
os.environ["OMP_NUM_THREADS"] = "1"


def pytest_configure(config) -> None:
    """Know the marker when the package is tested alone."""
    config.addinivalue_line("markers", "slow: takes more than ten seconds of two cores")


def write(rows: Sequence[Mapping[str, object]], folder: Path, table: str) -> Path:
    """Write a table; columns that the rows lack are null."""
    schema = TABLES[table]
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    path = folder / f"{table}.parquet"
    return write_table(frame, path, schema, table_metadata(table, "test", {}, 0))


def question(index: int, **changes: object) -> dict[str, object]:
    """Give a question of the small store; scenes, types and lengths vary with the index."""
    row: dict[str, object] = {
        "question_id": f"q{index:03d}",
        "scene_name": f"room_{index % 3}",
        "frame_set_id": "uniform-2",
        "prompt_id": "vsi-bench",
        "signature": f"signature {index}",
        "round": 3,
    }
    if index % 2:
        options = ["A. sofa", "B. chair", "C. lamp", "D. bed"]
        row |= {"question_type": "object_rel_distance", "question": "Which is closest to the tv?", "options": options}
        row |= {"ground_truth": "ABCD"[index // 2 % 4]}
    else:
        row |= {"question_type": "object_abs_distance", "question": f"How far is the {'wide ' * (index % 5)}bed?"}
        row |= {"ground_truth": f"{index % 13}.{index % 7}"}
    return row | changes


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    """A store of three scenes with two frames each; the frames of the last scene are wider."""
    folder = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(0)
    frames, sets = [], []
    for scene in range(3):
        name, width = f"room_{scene}", 64 if scene == 2 else 32
        (folder / "images" / name).mkdir(parents=True)
        for index in range(2):
            path = f"images/{name}/{index}.png"
            pixels = np.kron(rng.integers(0, 256, (4, width // 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / path)
            frame = {"scene_name": name, "frame_id": f"f{index}", "image_path": path, "width": width, "height": 32}
            frames.append(frame)
        # The second frame first: the order of the set counts, not that of the table.
        sets.append({"scene_name": name, "frame_set_id": "uniform-2", "n": 2, "frame_ids": ["f1", "f0"]})
    write(frames, folder, "frames")
    write(sets, folder, "frame_sets")
    return folder


@pytest.fixture(scope="session")
def questions(tmp_path_factory) -> Path:
    """160 questions."""
    return write([question(i) for i in range(160)], tmp_path_factory.mktemp("questions"), "questions")


def save_model(folder: Path, **text_options: object) -> Path:
    """Save a model of the tiny recipe with two layers and random weights."""
    import torch
    from qa_trainer.tiny.model import build_model, build_processor
    from transformers import Qwen3VLForConditionalGeneration

    torch.set_num_threads(1)
    processor = build_processor()
    config = build_model(processor, seed=0).config
    config.text_config.num_hidden_layers = config.vision_config.depth = 2
    for name, value in text_options.items():
        setattr(config.text_config, name, value)
    torch.manual_seed(0)
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_qwen2_5(folder: Path) -> Path:
    """Save a tiny Qwen2.5-VL with random weights: patches of 14 pixels, window attention in the first layer."""
    import torch
    from qa_trainer.tiny.model import build_processor
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    torch.set_num_threads(1)
    plain = build_processor()
    tokens = plain.tokenizer.convert_tokens_to_ids
    pixels = {"shortest_edge": 28 * 28, "longest_edge": 112 * 112}
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(size=pixels, patch_size=14),
        plain.tokenizer,
        Qwen2VLVideoProcessor(size=pixels, patch_size=14),
        chat_template=plain.chat_template,
    )
    text = {"vocab_size": len(plain.tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.08}
    text |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 64}
    vision |= {"fullatt_block_indexes": [1], "window_size": 56, "patch_size": 14}
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=tokens("<|image_pad|>"),
        video_token_id=tokens("<|video_pad|>"),
        vision_start_token_id=tokens("<|vision_start|>"),
        vision_end_token_id=tokens("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = plain.tokenizer.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def qwen2_5_model(tmp_path_factory) -> Path:
    """Folder of a tiny Qwen2.5-VL."""
    return save_qwen2_5(tmp_path_factory.mktemp("qwen2_5"))


def save_llava(folder: Path) -> Path:
    """Save a tiny LLaVA with random weights: no grid of patches in its inputs, one token per patch."""
    import torch
    from qa_trainer.tiny.model import build_processor
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = build_processor().tokenizer
    template = build_processor().chat_template.replace("<|vision_start|><|image_pad|><|vision_end|>", "<|image_pad|>")
    size = {"height": 28, "width": 28}
    processor = LlavaProcessor(
        CLIPImageProcessor(size=size, crop_size=size),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<|image_pad|>",
        chat_template=template,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4
    )
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>")
    )
    torch.manual_seed(0)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def llava_model(tmp_path_factory) -> Path:
    """Folder of a tiny LLaVA."""
    return save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """Folder of a tiny model without dropout."""
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def dropout_model(tmp_path_factory) -> Path:
    """Folder of a tiny model whose forward pass draws random numbers."""
    return save_model(tmp_path_factory.mktemp("dropout"), attention_dropout=0.2)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def libraries() -> Iterator[None]:
    """Import the libraries of the trainers, and take their objects out of the collector's sight.

    accelerate collects garbage in every run, which without this takes half of a small run's time.
    """
    import qa_trainer.grpo.train
    import qa_trainer.sft.train  # noqa: F401

    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def command(monkeypatch, capfd) -> Callable[..., Ended]:
    """Run `qa-trainer` in this process."""
    from qa_trainer.cli import main

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["qa-trainer", *map(str, arguments)])
        capfd.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture
def sft(libraries, command, questions, store, tiny_model) -> Callable[..., Ended]:
    """Run `qa-trainer sft` on the small store with the tiny model, unless the options say otherwise."""

    def run(out: Path, *words: str, questions: Path = questions, **options: object) -> Ended:
        chosen = {"store": store, "model": tiny_model, "device": "cpu", "batch_size": 4, "learning_rate": 1e-3}
        return command("sft", questions, "--out", out, *words, *flags(chosen | options))

    return run


def flags(options: Mapping[str, object]) -> list[str]:
    """Turn keyword arguments into options; True is a bare flag."""
    found: list[str] = []
    for name, value in options.items():
        found += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
    return found


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The builders of this file: `question`, `write`, `save_model`, `flags`."""
    return SimpleNamespace(question=question, write=write, save_model=save_model, flags=flags)


@pytest.fixture
def start(monkeypatch) -> Callable[..., BaseProcess]:
    """Start `qa-trainer` in a process of its own.

    The processes are forked from a server that has imported the libraries and done nothing else, so that they start
    at once.
    """
    from qa_trainer.cli import main

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["qa_trainer.sft.train"])

    def run(*arguments: object) -> BaseProcess:
        monkeypatch.setattr(sys, "argv", ["qa-trainer", *map(str, arguments)])
        process = context.Process(target=main)
        process.start()
        return process

    return run
