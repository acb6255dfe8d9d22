"""Notations in which guided decoding reads a grammar: GBNF of llama.cpp, and Lark."""

from __future__ import annotations

import json
from collections.abc import Callable

from qa_engine.programs.grammar import Characters, Grammar, Item, OneOf, Ref


def to_gbnf(grammar: Grammar) -> str:
    r"""Write a grammar for llama.cpp and what reads its notation, with `root` as the start.

    Examples
    --------
    >>> print(to_gbnf(Grammar("start", {"start": [("a", Ref("N"))]}, {"N": Characters("0-9", 1)})), end="")
    root ::= "a" N
    N ::= [0-9]+
    """

    def name(rule: str) -> str:
        return "root" if rule == grammar.start else rule.replace("_", "-")

    lines = [f"{name(rule)} ::= {_alternatives(parts, name)}" for rule, parts in grammar.rules.items()]
    lines += [f"{name(rule)} ::= {_gbnf_characters(one)}" for rule, one in grammar.terminals.items()]
    return "\n".join(lines) + "\n"


def to_lark(grammar: Grammar) -> str:
    r"""Write a grammar for Lark and what reads its notation.

    Examples
    --------
    >>> print(to_lark(Grammar("start", {"start": [("a", Ref("N"))]}, {"N": Characters("0-9", 1)})), end="")
    start: "a" N
    N: /[0-9]+/
    """
    lines = [f"{rule}: {_alternatives(parts, str)}" for rule, parts in grammar.rules.items()]
    lines += [f"{rule}: /{_regex(one)}/" for rule, one in grammar.terminals.items()]
    return "\n".join(lines) + "\n"


def _alternatives(parts: list[tuple[Item, ...]], name: Callable[[str], str]) -> str:
    return " | ".join(" ".join(_item(item, name) for item in part) for part in parts)


def _item(item: Item, name: Callable[[str], str]) -> str:
    if isinstance(item, str):
        return json.dumps(item, ensure_ascii=False)
    if isinstance(item, Ref):
        return name(item.name)
    if isinstance(item, OneOf):
        texts = [json.dumps(text, ensure_ascii=False) for text in item.texts]
        return f"({' | '.join(texts)})" if len(texts) > 1 else texts[0]
    inside = " ".join(_item(one, name) for one in item.items)
    if item.high is None:
        return f"({inside})" + ("+" if item.low else "*")
    # Spelled out, as the notations write numbered repeats differently.
    optional = ""
    for _ in range(item.high - item.low):
        optional = f"({inside}{' ' if optional else ''}{optional})?"
    return " ".join([*[f"({inside})"] * item.low, *([optional] if optional else [])])


def _repeat(one: Characters) -> str:
    if one.high is None:
        return "*" if one.low == 0 else "+"
    return f"{{{one.low},{one.high}}}"


def _regex(one: Characters) -> str:
    head = f"[{one.head}]" if one.head else ""
    return f"{one.around}{head}[{one.chars}]{_repeat(one)}{one.around}"


def _gbnf_characters(one: Characters) -> str:
    around = f"{json.dumps(one.around)} " if one.around else ""
    head = f"[{one.head}] " if one.head else ""
    return f"{around}{head}[{one.chars}]{_repeat(one)}" + (f" {json.dumps(one.around)}" if one.around else "")
