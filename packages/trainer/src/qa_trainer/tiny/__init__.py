"""The tiny model: a Qwen3-VL-architecture model for tests and demonstrations, and its shipped pre-trained base."""

from __future__ import annotations

from pathlib import Path


def base_path() -> Path:
    """Folder of the tiny base that ships with the package: weights, tokenizer, processor and model card."""
    return Path(__file__).parent / "base"
