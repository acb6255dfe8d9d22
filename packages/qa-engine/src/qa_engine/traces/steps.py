"""The steps of a program, recorded while it runs."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qa_engine.errors import QAEngineError
from qa_engine.facts.scene import Facts
from qa_engine.programs import ProgramError, ProgramResult, run_program
from qa_engine.programs.values import Value
from qa_engine.tasks import answer_texts
from qa_engine.tasks.base import LETTERS

SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}


class TraceError(QAEngineError):
    """A question has no trace: its program does not run, or does not give its answer."""


@dataclass(frozen=True)
class Step:
    """One thing that a program did.

    Attributes
    ----------
    name : str
        Operator, or a sign in `SIGNS`.
    given : tuple of Value
    value : Value
    """

    name: str
    given: tuple[Value, ...]
    value: Value


@dataclass(frozen=True)
class Trace:
    """What a program did, in order; what it does twice is told once.

    Attributes
    ----------
    steps : tuple of Step
    result : ProgramResult
    """

    steps: tuple[Step, ...]
    result: ProgramResult


def run(program: str, facts: Facts) -> Trace:
    """Run a program and keep its steps.

    Raises
    ------
    TraceError
        It has no value.

    Examples
    --------
    >>> import numpy as np
    >>> from qa_engine.scenes.scene import Scene
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair", "table"]), size=np.ones((2, 3)),
    ...               center=np.array([[0, 0, 0.5], [3, 0, 0.5]]), rotation=np.array([np.eye(3)] * 2))
    >>> [(step.name, step.value.data) for step in run("distance_m(0, 1) / 2", Facts(scene)).steps]
    [('distance_m', 2.0), ('/', 1.0)]
    """
    steps: dict[Step, None] = {}

    def watch(node: ast.expr, given: Sequence[Value], value: Value) -> None:
        steps.setdefault(Step(_name(node), tuple(given), value))

    try:
        result = run_program(program, facts, watch=watch)
    except ProgramError as error:
        raise TraceError(f"{error.code}: {error}") from None
    return Trace(tuple(steps), result)


def trace_of(question: Mapping[str, Any], facts: Facts) -> Trace:
    """Run the program of a question and check that it gives the answer.

    Parameters
    ----------
    question : mapping
        Row of the table `questions`.
    facts : Facts
        Of its scene.

    Raises
    ------
    TraceError
        The program has no value, or another than the question's answer.
    """
    trace = run(question["program"], facts)
    truth = question["ground_truth"]
    if question["options"]:
        found = _letter(question["options"], str(trace.result.value))
    elif trace.result.kind == "number":
        found = answer_texts([trace.result.value], question["answer_type"])[0]
    else:
        found = str(trace.result.value)
    if found != truth:
        raise TraceError(f"the program gives {found!r}, the question says {truth!r}")
    return trace


def _letter(options: Sequence[str], text: str) -> str:
    """Letter of the option that a value is, or nothing."""
    return next((LETTERS[i] for i, option in enumerate(options) if option == f"{LETTERS[i]}. {text}"), "")


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)  # the language has no other calls
        return node.func.id
    assert isinstance(node, ast.Compare | ast.BinOp)  # and of nothing else is told
    return SIGNS[type(node.ops[0] if isinstance(node, ast.Compare) else node.op)]
