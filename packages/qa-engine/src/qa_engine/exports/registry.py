"""The formats, by name."""

from __future__ import annotations

from qa_engine.exports.embedded import ROWS_PER_FILE, join_hf, write_hf, write_openai
from qa_engine.exports.lines import join_lines, join_list, lines_of, llava, trl
from qa_engine.exports.lmms_eval import join_lmms_eval, lmms_eval
from qa_engine.exports.parts import Format

FORMATS: dict[str, Format] = {
    "trl": Format(lines_of(trl), join_lines),
    "llava": Format(lines_of(llava), join_list),
    "qwen": Format(lines_of(llava), join_lines),
    "openai": Format(write_openai, join_lines, embeds=True),
    "hf": Format(write_hf, join_hf, ROWS_PER_FILE, embeds=True),
    "lmms-eval": Format(lines_of(lmms_eval), join_lmms_eval),
}
"""Name on the command line to how a format is written."""

CALLING = frozenset({"trl", "openai"})
"""Formats that have a place for tool calls."""
