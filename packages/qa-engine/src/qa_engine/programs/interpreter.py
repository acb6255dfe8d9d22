"""Run programs of `qa-expr/1` against a scene. Nothing is compiled, evaluated or executed by Python itself."""

from __future__ import annotations

import ast
import difflib
import math
from dataclasses import dataclass
from typing import Any

from qa_engine.facts import Facts
from qa_engine.programs.language import DEFAULT_BUDGET, Budget, ProgramCode, ProgramError, parse_program
from qa_engine.programs.operators import OPERATORS, Operator
from qa_engine.programs.values import Value, combine_units, describe, number


@dataclass(frozen=True)
class ProgramResult:
    """What a program gave.

    Attributes
    ----------
    value : float, int, str, bool or list
    kind : str
        `number`, `text`, `bool` or `list`.
    unit : str
        Of a number; empty for a plain one.
    steps : int
        Nodes and items evaluated.
    """

    value: Any
    kind: str
    unit: str
    steps: int


def run_program(text: str, facts: Facts, *, budget: Budget = DEFAULT_BUDGET) -> ProgramResult:
    """Run one program.

    Parameters
    ----------
    text : str
        The program.
    facts : Facts
        The scene.
    budget : Budget

    Raises
    ------
    ProgramError
        The program is not in the language, or has no value for this scene; the message helps to repair it.

    Examples
    --------
    >>> import numpy as np
    >>> from qa_engine.scene import Scene
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair", "table"]), size=np.ones((2, 3)),
    ...               center=np.array([[0, 0, 0.5], [3, 0, 0.5]]), rotation=np.array([np.eye(3)] * 2))
    >>> run_program("distance_m(0, 1) / 2", Facts(scene))
    ProgramResult(value=1.0, kind='number', unit='m', steps=5)
    """
    run = _Run(facts, budget)
    result = run.evaluate(parse_program(text, budget))
    data = [item.data for item in result.data] if result.kind == "list" else result.data
    return ProgramResult(data, result.kind, result.unit, run.steps)


class _Run:
    """One evaluation and its step count."""

    def __init__(self, facts: Facts, budget: Budget) -> None:
        self.facts = facts
        self.budget = budget
        self.steps = 0

    def evaluate(self, node: ast.expr) -> Value:
        """Evaluate a checked node; its depth is bounded by the check."""
        self._step(1, node)
        if isinstance(node, ast.Constant):
            return Value("text" if isinstance(node.value, str) else "number", node.value)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.List):
            self._size(len(node.elts), node)
            return Value("list", tuple(self.evaluate(item) for item in node.elts))
        if isinstance(node, ast.BinOp):
            return self._arithmetic(node)
        if isinstance(node, ast.UnaryOp):
            operand = self._number(self.evaluate(node.operand), "-", node)
            return number(-operand.data, operand.unit)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        name = node.id if isinstance(node, ast.Name) else type(node).__name__
        message = f"{name!r} is not a value; operators are called: {name}(...). Texts stand in quotes."
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=node.col_offset + 1)

    def _step(self, steps: int, node: ast.expr) -> None:
        self.steps += steps
        if self.steps > self.budget.steps:
            message = f"the program takes more than {self.budget.steps} steps."
            raise ProgramError(ProgramCode.OVER_BUDGET, message, column=node.col_offset + 1)

    def _size(self, items: int, node: ast.expr) -> None:
        if items > self.budget.items:
            message = f"a list has {items} items, allowed are {self.budget.items}."
            raise ProgramError(ProgramCode.OVER_BUDGET, message, column=node.col_offset + 1)

    def _number(self, value: Value, symbol: str, node: ast.expr) -> Value:
        if value.kind != "number":
            message = f"'{symbol}' needs numbers, found {describe(value)}."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=node.col_offset + 1)
        return value

    def _arithmetic(self, node: ast.BinOp) -> Value:
        symbol = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}[type(node.op)]
        left = self._number(self.evaluate(node.left), symbol, node)
        right = self._number(self.evaluate(node.right), symbol, node)
        column = node.col_offset + 1
        unit = combine_units(symbol, left, right, column=column)
        if symbol == "/" and right.data == 0:
            raise ProgramError(ProgramCode.NO_VALUE, "division by zero.", column=column)
        data = {
            "+": lambda a, b: a + b,
            "-": lambda a, b: a - b,
            "*": lambda a, b: a * b,
            "/": lambda a, b: a / b,
        }[symbol](left.data, right.data)
        if not abs(data) <= self.budget.magnitude:
            raise ProgramError(ProgramCode.OVER_BUDGET, f"a number is above {self.budget.magnitude:g}.", column=column)
        return number(data, unit)

    def _compare(self, node: ast.Compare) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.comparators[0])
        column = node.col_offset + 1
        if left.kind != right.kind or left.kind == "list":
            message = f"{describe(left)} and {describe(right)} cannot be compared."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=column)
        if left.unit != right.unit:
            message = f"{describe(left)} and {describe(right)} have different units."
            raise ProgramError(ProgramCode.WRONG_UNIT, message, column=column)
        operator = type(node.ops[0])
        if left.kind != "number" and operator not in (ast.Eq, ast.NotEq):
            message = f"{describe(left)} has no order; use == or !=."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=column)
        less, equal = (left.data < right.data) if left.kind == "number" else False, left.data == right.data
        outcome = {
            ast.Lt: less,
            ast.LtE: less or equal,
            ast.Gt: not (less or equal),
            ast.GtE: not less,
            ast.Eq: equal,
            ast.NotEq: not equal,
        }[operator]
        return Value("bool", bool(outcome))

    def _call(self, node: ast.Call) -> Value:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        operator, column = OPERATORS.get(name), node.col_offset + 1
        if operator is None:
            close = difflib.get_close_matches(name, OPERATORS, n=1, cutoff=0.5)
            advice = f"Did you mean {close[0]!r}?" if close else f"Valid: {', '.join(OPERATORS)}."
            raise ProgramError(ProgramCode.UNKNOWN_OPERATOR, f"no operator {name!r}. {advice}", column=column)
        if len(node.args) != len(operator.parameters):
            message = f"{operator.signature(name)} takes {len(operator.parameters)} arguments, found {len(node.args)}."
            raise ProgramError(ProgramCode.WRONG_ARGUMENTS, message, column=column)
        values = [self.evaluate(argument) for argument in node.args]
        arguments = [
            self._argument(value, parameter, kind, f"{operator.signature(name)}", argument)
            for value, (parameter, kind), argument in zip(values, operator.parameters, node.args, strict=True)
        ]
        return self._result(operator, operator.function(self.facts, *arguments), values, node)

    def _result(self, operator: Operator, data: Any, values: list[Value], node: ast.expr) -> Value:
        """Wrap what an operator returned."""
        if operator.result == "instances":
            self._size(len(data), node)
            self._step(len(data), node)
            return Value("list", tuple(Value("instance", item) for item in data))
        if operator.result == "text":
            return Value("text", data)
        unit = operator.unit
        if unit == "same":
            unit = values[0].data[0].unit
        if isinstance(data, float) and not math.isfinite(data):
            raise ProgramError(ProgramCode.NO_VALUE, "the result is not finite.", column=node.col_offset + 1)
        return number(data, unit)

    def _argument(self, value: Value, parameter: str, kind: str, signature: str, node: ast.expr) -> Any:
        """Convert an argument to what the operator's function takes."""
        column = node.col_offset + 1
        if kind == "instance":
            if value.kind == "instance" or (value.kind == "number" and not value.unit and isinstance(value.data, int)):
                return self._row(value.data, column)
        elif kind == "category":
            if value.kind == "text":
                return self._code(value.data, column)
        elif value.kind == "list":
            if kind == "list":
                return len(value.data)
            if kind == "categories" and all(item.kind == "text" for item in value.data):
                return [self._code(item.data, column) for item in value.data]
            if kind == "numbers" and all(item.kind == "number" for item in value.data):
                if len({item.unit for item in value.data}) > 1:
                    raise ProgramError(ProgramCode.WRONG_UNIT, "the list mixes units.", column=column)
                return [item.data for item in value.data]
        message = f"{signature}: {parameter!r} needs {_NEEDS[kind]}, found {describe(value)}."
        raise ProgramError(ProgramCode.WRONG_TYPE, message, column=column)

    def _row(self, instance: int, column: int) -> int:
        row = self.facts.row_of_instance.get(instance)
        if row is None:
            message = f"no instance {instance}; the scene has {len(self.facts.scene)}: {_few(self.facts)}."
            raise ProgramError(ProgramCode.UNKNOWN_INSTANCE, message, column=column)
        return row

    def _code(self, name: str, column: int) -> int:
        code = self.facts.code_of_category.get(name)
        if code is None:
            close = difflib.get_close_matches(name, self.facts.categories, n=1, cutoff=0.5)
            advice = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(self.facts.categories)}."
            message = f"the scene has no category {name!r}. {advice}"
            raise ProgramError(ProgramCode.UNKNOWN_CATEGORY, message, column=column)
        return code


_NEEDS = {
    "instance": "an instance id (a whole number)",
    "category": "a category name (a text in quotes)",
    "categories": "a list of category names",
    "numbers": "a list of numbers",
    "list": "a list",
}


def _few(facts: Facts) -> str:
    """Name some instances, for an error message."""
    rows = list(zip(facts.scene.instance_id.tolist(), facts.scene.category.tolist(), strict=True))
    text = ", ".join(f"{instance} {category}" for instance, category in rows[:12])
    return text if len(rows) <= 12 else f"{text}, ..."
