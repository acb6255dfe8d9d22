"""The formats, by name."""

from __future__ import annotations

from qa_engine.exports.embedded import ROWS_PER_FILE, join_hf, write_hf, write_openai
from qa_engine.exports.lines import join_lines, join_list, lines_of, llava, plain, trl
from qa_engine.exports.lmms_eval import join_lmms_eval
from qa_engine.exports.parts import Format
from qa_engine.exports.reasoning_gym import join_reasoning_gym
from qa_engine.exports.verifiers import join_verifiers
from qa_engine.exports.verl import join_verl, write_verl

FORMATS: dict[str, Format] = {
    "trl": Format(lines_of(trl), join_lines),
    "llava": Format(lines_of(llava), join_list),
    "qwen": Format(lines_of(llava), join_lines),
    "openai": Format(write_openai, join_lines, embeds=True),
    "hf": Format(write_hf, join_hf, ROWS_PER_FILE, embeds=True),
    "lmms-eval": Format(lines_of(plain), join_lmms_eval),
    "verifiers": Format(lines_of(plain), join_verifiers, rewards=True),
    "reasoning-gym": Format(lines_of(plain), join_reasoning_gym, rewards=True),
    "verl": Format(write_verl, join_verl, embeds=True, rewards=True),
}
"""Name on the command line to how a format is written."""

CALLING = frozenset({"trl", "openai"})
"""Formats that have a place for tool calls."""

SCORING = frozenset({"lmms-eval", *(name for name, made in FORMATS.items() if made.rewards)})
"""Formats that score what a model answers; they have no place for the steps before an answer."""
