"""Small models of the Qwen3-VL architecture for rooms, and the pre-trained ones that ship with the package."""

from __future__ import annotations

from pathlib import Path

_BASES = Path(__file__).parent / "bases"

SHIPPED: dict[str, Path] = {
    "tiny": _BASES / "tiny",
    "small": _BASES / "small",
}
"""Name to the folder of weights, tokenizer, processor and card: `tiny` has 1.2 million parameters and is for tests,
`small` has 5.0 million and sees well enough to learn where things are."""
