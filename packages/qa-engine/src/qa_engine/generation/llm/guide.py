"""What a server is told to hold a reply to: a JSON schema, or a grammar down to the program's operators and ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qa_engine.facts.scene import Facts
from qa_engine.generation.llm.prompt import things
from qa_engine.generation.llm.reply import ANSWER_TYPES, LONGEST_OPTION, LONGEST_QUESTION, MOST_OPTIONS
from qa_engine.programs.cameras import CAMERA_OPERATORS
from qa_engine.programs.floor import FLOOR_OPERATORS
from qa_engine.programs.grammar import NUMBERS, Characters, Grammar, Item, Many, OneOf, Ref, Words, program_grammar
from qa_engine.programs.interpreter import OPERATORS
from qa_engine.programs.language import DEFAULT_BUDGET
from qa_engine.programs.notations import to_gbnf, to_lark
from qa_engine.programs.recording import FRAME_OPERATORS
from qa_engine.programs.structures import STRUCTURE_OPERATORS
from qa_engine.programs.values import TEXTS
from qa_engine.tasks import DEFAULT, TASKS

_RESULTS = {"choice": TEXTS, "integer": ("number",), "number": NUMBERS}
"""Answer type of a question to the nonterminals of what its program gives."""


def words_of(facts: Facts) -> Words:
    """Collect what a model may name in a scene: the objects it is told of, and operators that have a value there."""
    rows = things(facts)
    left_out = {name for name, operator in OPERATORS.items() if ("frame_set", "text") in operator.parameters}
    left_out |= {*STRUCTURE_OPERATORS}  # their values are no option and no number
    if facts.sightings is None:
        left_out |= {*FRAME_OPERATORS, *CAMERA_OPERATORS, "appearance_order"}
    if facts.scene.floor_polygon is None:
        left_out |= {*FLOOR_OPERATORS}
    if facts.scene.room_size_m2 is None:
        left_out |= {"room_area_m2"}
    return Words(
        tuple(row[0] for row in rows),
        tuple(sorted({row[1] for row in rows})),
        tuple(name for name in OPERATORS if name not in left_out),
    )


def reply_grammar(words: Words | None, count: int) -> Grammar:
    """Write the grammar of a reply with up to `count` questions, as JSON on one line.

    The program's kind follows from the answer type, and the answer type from the question type.

    Examples
    --------
    >>> grammar = reply_grammar(Words(instances=(3, 7)), 2)
    >>> grammar.rules["start"]
    [('[', Ref(name='object'), Many(items=(', ', Ref(name='object')), low=0, high=1), ']')]
    """
    grammar = program_grammar(words, results=[*NUMBERS, *TEXTS], quotes="'", terse=True)
    rules = grammar.rules
    rules["start"] = [("[", Ref("object"), Many((", ", Ref("object")), 0, count - 1), "]")]
    rules["object"] = [(Ref(f"{answer_type}_object"),) for answer_type in ANSWER_TYPES]
    for answer_type in ANSWER_TYPES:
        options: tuple[Item, ...] = ("null",)
        if answer_type == "choice":
            options = ("[", Ref("OPTION"), Many((", ", Ref("OPTION")), 1, MOST_OPTIONS - 1), "]")
        rules[f"{answer_type}_object"] = [
            (
                *('{"question": ', Ref("QUESTION"), ', "question_type": "', OneOf(_types(answer_type))),
                *('", "options": ', *options, f', "answer_type": "{answer_type}", "program": "'),
                *(Ref(f"{answer_type}_program"), '", "operands": [', Many((Ref("operands"),), 0, 1), "]}"),
            )
        ]
        rules[f"{answer_type}_program"] = [(Ref(f"{name}_expr"),) for name in _RESULTS[answer_type]]
    rules["operands"] = [(Ref("instance_id"), Many((", ", Ref("instance_id"))))]
    letters = '^"\\\\\\x00-\\x1F\\x7F'
    grammar.terminals["QUESTION"] = Characters(letters, 8, LONGEST_QUESTION, around='"')
    grammar.terminals["OPTION"] = Characters(letters, 1, LONGEST_OPTION, around='"')
    return grammar


def _types(answer_type: str) -> tuple[str, ...]:
    """Question types with that kind of answer, those of the prompt, and `open`."""
    return (*(name for name in DEFAULT if TASKS[name].answer_type == answer_type), "open")


def reply_schema(count: int) -> dict[str, Any]:
    """Write the JSON schema of a reply with up to `count` questions.

    Examples
    --------
    >>> reply_schema(2)["maxItems"]
    2
    """
    option = {"type": "string", "minLength": 1, "maxLength": LONGEST_OPTION}
    options = {"type": "array", "items": option, "minItems": 2, "maxItems": MOST_OPTIONS}
    properties: dict[str, Any] = {
        "question": {"type": "string", "maxLength": LONGEST_QUESTION},
        "question_type": {"enum": [*DEFAULT, "open"]},
        "options": {"anyOf": [options, {"type": "null"}]},
        "answer_type": {"enum": list(ANSWER_TYPES)},
        "program": {"type": "string", "maxLength": DEFAULT_BUDGET.text},
        "operands": {"type": "array", "items": {"type": "integer"}},
    }
    item = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "array", "items": item, "minItems": 1, "maxItems": count}


def _schema(facts: Facts, count: int) -> dict[str, Any]:
    schema = {"name": "questions", "strict": True, "schema": reply_schema(count)}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _gbnf(facts: Facts, count: int) -> dict[str, Any]:
    return {"grammar": to_gbnf(reply_grammar(words_of(facts), count))}


def _lark(facts: Facts, count: int) -> dict[str, Any]:
    grammar = to_lark(reply_grammar(words_of(facts), count))
    return {"structured_outputs": {"grammar": grammar}, "guided_grammar": grammar}


_FIELDS: dict[str, Callable[[Facts, int], dict[str, Any]]] = {
    "none": lambda facts, count: {},
    "json-schema": _schema,
    "gbnf": _gbnf,
    "lark": _lark,
}


def guide_fields(guide: str, facts: Facts, count: int) -> dict[str, Any]:
    """Give the fields of a request that hold its reply to up to `count` questions about a scene; see `GUIDES`."""
    return _FIELDS[guide](facts, count)
