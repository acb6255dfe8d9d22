"""How an answer comes about, step by step, from the program as it ran: in sentences, as tool calls, on a map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qa_engine.facts.scene import Facts
from qa_engine.traces.maps import map_turns
from qa_engine.traces.sentences import text_turns
from qa_engine.traces.steps import Trace, TraceError, trace_of
from qa_engine.traces.tools import TOOLS, replay_calls, tool_turns

__all__ = ["TOOLS", "TRACES", "Trace", "TraceError", "replay_calls", "trace_of"]

TRACES: dict[str, Callable[[Mapping[str, Any], Facts], list[dict[str, Any]]]] = {
    "text": text_turns,
    "tools": tool_turns,
    "map": map_turns,
}
"""Name on the command line to the function that makes the messages that answer a question, given as a row of
`questions` with `frame_ids`, and the facts of its scene. It raises `TraceError`."""
