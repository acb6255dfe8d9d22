"""Traces as tool calls in OpenAI's format: what the program asks of the scene, and what it works out from that."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from qa_contract.prompts import reasoned

from qa_engine.facts.scene import Facts
from qa_engine.programs import OPERATORS, Operator
from qa_engine.programs.lists import LIST_OPERATORS
from qa_engine.programs.values import Value
from qa_engine.traces.sentences import sentences, told
from qa_engine.traces.steps import run, trace_of
from qa_engine.traces.words import Words, listed

_TYPES: dict[str, dict[str, Any]] = {
    "instance": {"type": "integer", "description": "Id of an object."},
    "frame": {"type": "integer", "description": "Place of a frame in the recording, from 0."},
    "category": {"type": "string", "description": "Category of objects."},
    "text": {"type": "string"},
    "plain": {"type": "number"},
    "instances": {"type": "array", "items": {"type": "integer"}, "description": "Ids of objects."},
    "categories": {"type": "array", "items": {"type": "string"}, "description": "Categories of objects."},
}
"""Kind of a parameter to its JSON schema."""

DIGITS = 4
"""Decimals of the numbers that tools give."""


def _tool(name: str, operator: Operator) -> dict[str, Any]:
    """Describe an operator as a tool."""
    parameters = {parameter: _TYPES[kind] for parameter, kind in operator.parameters}
    unit = f" In {operator.unit}." if operator.unit else ""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": f"{operator.doc}{unit}",
            "parameters": {"type": "object", "properties": parameters, "required": list(parameters)},
        },
    }


TOOLS: dict[str, dict[str, Any]] = {
    name: _tool(name, operator) for name, operator in OPERATORS.items() if name not in LIST_OPERATORS
}
"""Operators that ask something of a scene, as tools; what is worked out from their values is said in words."""


def tool_turns(question: Mapping[str, Any], facts: Facts) -> list[dict[str, Any]]:
    """Answer with the program's questions to the scene as tool calls, each with what it gave.

    The ids of objects come from `instances`, which is called for the categories of those that the program names; the
    first message, of the system, says which places in the recording the frames have that are shown.

    Raises
    ------
    TraceError
        The program does not give the question's answer.
    """
    trace = trace_of(question, facts)
    words = Words(question, facts)
    turns: list[dict[str, Any]] = []
    for category in _categories(question["program"], facts):
        found = run(f"instances({json.dumps(category, ensure_ascii=False)})", facts).result.value
        turns += _call(len(turns) // 2, "instances", {"category": category}, found, "")
    said: list[str] = []
    for step in trace.steps:
        if step.name not in TOOLS:
            said += sentences(step, words)
            continue
        names = [parameter for parameter, _ in OPERATORS[step.name].parameters]
        given = {name: _plain(value) for name, value in zip(names, step.given, strict=True)}
        called = _call(len(turns) // 2, step.name, given, _plain(step.value), step.value.unit)
        turns += [called[0] | {"content": "\n".join(said)}, called[1]]
        said = []
    said.append(told(question, trace, facts)[-1])
    last = {"role": "assistant", "content": reasoned("\n".join(said), question["ground_truth"])}
    return [{"role": "system", "content": _numbers(words)}, *turns, last]


def _numbers(words: Words) -> str:
    """Say what tools call objects and the frames that are shown."""
    places = {} if words.facts.recording is None else words.facts.recording.place_of
    shown = [str(places[frame_id]) for frame_id in words.frame_ids if frame_id in places]
    text = "Tools call objects by their ids, which 'instances' gives, and frames by their places in the recording."
    return f"{text} The frames shown are {listed(shown)}." if shown else text


def _categories(program: str, facts: Facts) -> list[str]:
    """Categories of the objects that a program names by their ids, in the order in which it does."""
    found: dict[str, None] = {}
    for node in ast.walk(ast.parse(program, mode="eval")):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        for argument, (_, kind) in zip(node.args, OPERATORS[node.func.id].parameters, strict=True):
            constants = argument.elts if isinstance(argument, ast.List) else [argument]
            for constant in constants if kind in ("instance", "instances") else []:
                if isinstance(constant, ast.Constant):
                    row = facts.row_of_instance[int(str(constant.value))]
                    found[facts.categories[facts.code[row]]] = None
    return list(found)


def _call(number: int, name: str, given: dict[str, Any], value: Any, unit: str) -> list[dict[str, Any]]:
    """Make the message with a call, and that with what it gave."""
    identity = f"call_{number}"
    function = {"name": name, "arguments": json.dumps(given, ensure_ascii=False)}
    content = {"value": value} | ({"unit": unit} if unit else {})
    return [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": identity, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": identity, "content": json.dumps(content, ensure_ascii=False)},
    ]


def _plain(value: Value) -> Any:
    """Give a value as JSON has it, numbers with `DIGITS` decimals."""
    if value.kind == "list":
        return [_plain(item) for item in value.data]
    return round(value.data, DIGITS) if isinstance(value.data, float) else value.data


def replay_calls(turns: Sequence[Mapping[str, Any]], facts: Facts) -> list[str]:
    """Make every tool call of a trace again, as a program, and name those that give something else.

    Parameters
    ----------
    turns : sequence of mapping
        From `tool_turns`, or read back from an export.
    facts : Facts
        Of the scene, with the profile of the question.

    Returns
    -------
    list of str
        Empty where everything agrees.
    """
    said = {turn["tool_call_id"]: json.loads(turn["content"]) for turn in turns if turn["role"] == "tool"}
    different = []
    for turn in turns:
        for call in turn.get("tool_calls") or ():
            function = call["function"]
            given = json.loads(function["arguments"]).values()
            program = f"{function['name']}({', '.join(json.dumps(value, ensure_ascii=False) for value in given)})"
            result = run(program, facts).result
            found = round(result.value, DIGITS) if isinstance(result.value, float) else result.value
            if said[call["id"]] != {"value": found} | ({"unit": result.unit} if result.unit else {}):
                different.append(f"{program} gives {found!r}, the trace says {said[call['id']]}")
    return different
