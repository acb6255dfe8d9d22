"""Run programs of `qa-expr/1` against a scene. Nothing is compiled, evaluated or executed by Python itself."""

from __future__ import annotations

import ast
import difflib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qa_engine.facts.scene import Facts
from qa_engine.programs.arguments import convert
from qa_engine.programs.cameras import CAMERA_OPERATORS
from qa_engine.programs.floor import FLOOR_OPERATORS
from qa_engine.programs.language import DEFAULT_BUDGET, Budget, ProgramCode, ProgramError, parse_program, printable
from qa_engine.programs.lists import LIST_OPERATORS
from qa_engine.programs.operators import SCENE_OPERATORS, Operator
from qa_engine.programs.recording import FRAME_OPERATORS
from qa_engine.programs.structures import STRUCTURE_OPERATORS
from qa_engine.programs.values import TEXTS, Items, Value, combine_units, describe, number, unit_advice

OPERATORS: dict[str, Operator] = {
    **SCENE_OPERATORS,
    **FLOOR_OPERATORS,
    **FRAME_OPERATORS,
    **CAMERA_OPERATORS,
    **STRUCTURE_OPERATORS,
    **LIST_OPERATORS,
}
"""Operator name to operator: with the variables of comprehensions, the only names in a program."""

_CLOCK_STEPS = 64
"""Steps between two looks at the clock."""

_ITEMS_OF = {"instances": "instance", "frames": "frame", "categories": "category"}
"""Results that are lists, and the kind of their items."""

_BY_NUMBER = ("instance", "frame")
"""Kinds of values that a whole number may stand for."""


@dataclass(frozen=True)
class ProgramResult:
    """What a program gave.

    Attributes
    ----------
    value : float, int, str, bool or list
    kind : str
        `number`, `text`, `category`, `bool`, `instance`, `frame` or `list`.
    unit : str
        Of a number, or of all numbers of a list; empty for plain ones.
    steps : int
        Nodes and items evaluated.
    """

    value: Any
    kind: str
    unit: str
    steps: int


Watch = Callable[[ast.expr, Sequence[Value], Value], None]
"""Is told of every call, sum and comparison: its node, the values that it was given, and what it gave."""


def run_program(
    text: str, facts: Facts, *, budget: Budget = DEFAULT_BUDGET, watch: Watch | None = None
) -> ProgramResult:
    """Run one program.

    Parameters
    ----------
    text : str
        The program.
    facts : Facts
        The scene.
    budget : Budget
    watch : callable, optional
        Called in the order of evaluation.

    Raises
    ------
    ProgramError
        The program is not in the language, or has no value for this scene; the message helps to repair it.

    Examples
    --------
    >>> import numpy as np
    >>> from qa_engine.scenes.scene import Scene
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair", "table"]), size=np.ones((2, 3)),
    ...               center=np.array([[0, 0, 0.5], [3, 0, 0.5]]), rotation=np.array([np.eye(3)] * 2))
    >>> run_program("distance_m(0, 1) / 2", Facts(scene))
    ProgramResult(value=1.0, kind='number', unit='m', steps=5)
    >>> run_program('[category(x) for x in objects() if top_m(x) > m(0.5)]', Facts(scene)).value
    ['chair', 'table']
    """
    run = _Run(facts, budget, watch)
    result = run.evaluate(parse_program(text, budget))
    units = {item.unit for item in result.data} if result.kind == "list" else {result.unit}
    return ProgramResult(_plain(result), result.kind, units.pop() if len(units) == 1 else "", run.steps)


def _plain(value: Value) -> Any:
    """Unpack lists; they are as deep as the program at most."""
    return [_plain(item) for item in value.data] if value.kind == "list" else value.data


class _Run:
    """One evaluation: its step count, its clock, and the variables of the comprehensions around."""

    def __init__(self, facts: Facts, budget: Budget, watch: Watch | None) -> None:
        self.facts = facts
        self.watch = watch
        self.budget = budget
        self.steps = 0
        self.variables: dict[str, Value] = {}
        self.deadline = time.monotonic() + budget.seconds

    def evaluate(self, node: ast.expr) -> Value:
        """Evaluate a checked node; its depth is bounded by the check."""
        self._step(1, node)
        return _EVALUATE[type(node)](self, node)

    def _told(self, node: ast.expr, given: Sequence[Value], value: Value) -> Value:
        """Tell whoever watches, and return the value."""
        if self.watch is not None:
            self.watch(node, given, value)
        return value

    def _step(self, steps: int, node: ast.expr) -> None:
        before = self.steps
        self.steps += steps
        if self.steps > self.budget.steps:
            message = f"the program takes more than {self.budget.steps} steps; loop over fewer objects."
            raise ProgramError(ProgramCode.OVER_BUDGET, message, column=node.col_offset + 1)
        if before // _CLOCK_STEPS != self.steps // _CLOCK_STEPS and time.monotonic() > self.deadline:
            message = f"the program takes more than {self.budget.seconds:g} s."
            raise ProgramError(ProgramCode.TIMEOUT, message, column=node.col_offset + 1)

    def _list(self, items: list[Value] | tuple[Value, ...], node: ast.expr) -> Value:
        """Make a list of a size that is allowed."""
        if len(items) > self.budget.items:
            message = f"a list has more than {self.budget.items} items."
            raise ProgramError(ProgramCode.OVER_BUDGET, message, column=node.col_offset + 1)
        value = Value("list", Items(items))
        if value.data.size > self.budget.size or value.data.characters > self.budget.value_text:
            message = f"a value has more than {self.budget.size} items or {self.budget.value_text} characters in all."
            raise ProgramError(ProgramCode.OVER_BUDGET, message, column=node.col_offset + 1)
        return value

    def _constant(self, node: ast.Constant) -> Value:
        return Value("text" if isinstance(node.value, str) else "number", node.value)

    def _elements(self, node: ast.List) -> Value:
        return self._list([self.evaluate(item) for item in node.elts], node)

    def _name(self, node: ast.Name) -> Value:
        if (value := self.variables.get(node.id)) is not None:
            return value
        message = f"{node.id!r} is not a value; operators are called: {node.id}(...). Texts stand in quotes."
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=node.col_offset + 1)

    def _truth(self, node: ast.expr, what: str) -> bool:
        value = self.evaluate(node)
        if value.kind != "bool":
            message = f"{what} needs true or false (a comparison), found {describe(value)}."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=node.col_offset + 1)
        return value.data

    def _logic(self, node: ast.BoolOp) -> Value:
        wanted = isinstance(node.op, ast.Or)
        word = "'or'" if wanted else "'and'"
        return Value("bool", any(self._truth(item, word) == wanted for item in node.values) == wanted)

    def _choice(self, node: ast.IfExp) -> Value:
        return self.evaluate(node.body if self._truth(node.test, "'if'") else node.orelse)

    def _unary(self, node: ast.UnaryOp) -> Value:
        if isinstance(node.op, ast.Not):
            return Value("bool", not self._truth(node.operand, "'not'"))
        operand = self._number(self.evaluate(node.operand), "-", node)
        return number(-operand.data, operand.unit)

    def _number(self, value: Value, symbol: str, node: ast.expr) -> Value:
        if value.kind != "number":
            message = f"'{symbol}' needs numbers, found {describe(value)}."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=node.col_offset + 1)
        return value

    def _arithmetic(self, node: ast.BinOp) -> Value:
        symbol, compute = _ARITHMETIC[type(node.op)]
        left = self._number(self.evaluate(node.left), symbol, node)
        right = self._number(self.evaluate(node.right), symbol, node)
        column = node.col_offset + 1
        unit = combine_units(symbol, left, right, column=column)
        if symbol == "/" and right.data == 0:
            raise ProgramError(ProgramCode.NO_VALUE, "division by zero.", column=column)
        return self._told(node, (left, right), self._bounded(number(compute(left.data, right.data), unit), node))

    def _bounded(self, value: Value, node: ast.expr) -> Value:
        """Refuse a number or a text that is too large, or not finite."""
        if value.kind == "number":
            if isinstance(value.data, float) and not math.isfinite(value.data):
                raise ProgramError(ProgramCode.NO_VALUE, "the result is not finite.", column=node.col_offset + 1)
            if not abs(value.data) <= self.budget.magnitude:
                message = f"a number is above {self.budget.magnitude:g}."
                raise ProgramError(ProgramCode.OVER_BUDGET, message, column=node.col_offset + 1)
        elif value.kind in TEXTS and len(value.data) > self.budget.text:
            message = f"a text is longer than {self.budget.text}."
            raise ProgramError(ProgramCode.OVER_BUDGET, message, column=node.col_offset + 1)
        return value

    def _compare(self, node: ast.Compare) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.comparators[0])
        operator = type(node.ops[0])
        if operator in (ast.In, ast.NotIn):
            found = Value("bool", self._contains(left, right, node) == (operator is ast.In))
            return self._told(node, (left, right), found)
        self._comparable(left, right, node)
        if left.kind not in ("number", "frame") and operator not in (ast.Eq, ast.NotEq):
            message = f"{describe(left)} has no order; use == or !=."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=node.col_offset + 1)
        return self._told(node, (left, right), Value("bool", _COMPARE[operator](left.data, right.data)))

    def _comparable(self, left: Value, right: Value, node: ast.Compare) -> None:
        """Refuse to compare values of different kinds or units; a whole number may stand for an instance or a frame."""
        column = node.col_offset + 1
        kinds = {"text" if value.kind in TEXTS else value.kind for value in (left, right)}
        plain = all(
            value.kind in _BY_NUMBER or (isinstance(value.data, int) and not value.unit) for value in (left, right)
        )
        by_number = len(kinds) == 2 and "number" in kinds and kinds & set(_BY_NUMBER) and plain
        if (len(kinds) > 1 and not by_number) or "list" in kinds:
            message = f"{describe(left)} and {describe(right)} cannot be compared."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=column)
        if left.unit != right.unit:
            message = f"{describe(left)} and {describe(right)} have different units."
            raise ProgramError(ProgramCode.WRONG_UNIT, message + unit_advice(left, right), column=column)

    def _contains(self, item: Value, items: Value, node: ast.Compare) -> bool:
        if items.kind != "list":
            message = f"'in' needs a list on its right, found {describe(items)}."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=node.col_offset + 1)
        self._step(len(items.data), node)
        for other in items.data:
            self._comparable(item, other, node)
        return any(item.data == other.data for other in items.data)

    def _comprehension(self, node: ast.ListComp) -> Value:
        made: list[Value] = []
        for _ in self._bindings(node.generators, node):
            made.append(self.evaluate(node.elt))
            if len(made) > self.budget.items:
                self._list(made, node)
        return self._list(made, node)

    def _bindings(self, loops: list[ast.comprehension], node: ast.expr) -> Iterator[None]:
        """Bind the variables of nested loops, one combination after the other."""
        if not loops:
            yield
            return
        loop, name = loops[0], loops[0].target.id  # type: ignore[union-attr]  # the check leaves names only
        column = loop.target.col_offset + 1
        if name in OPERATORS or name in self.variables:
            message = f"the name {name!r} is taken by an operator or another 'for'; choose another."
            raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)
        source = self.evaluate(loop.iter)
        if source.kind != "list":
            message = f"'for' needs a list, found {describe(source)}."
            raise ProgramError(ProgramCode.WRONG_TYPE, message, column=column)
        try:
            for item in source.data:
                self._step(1, node)
                self.variables[name] = item
                if all(self._truth(test, "'if'") for test in loop.ifs):
                    yield from self._bindings(loops[1:], node)
        finally:
            self.variables.pop(name, None)

    def _call(self, node: ast.Call) -> Value:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        operator, column = OPERATORS.get(name), node.col_offset + 1
        if operator is None:
            close = difflib.get_close_matches(name, OPERATORS, n=1, cutoff=0.5)
            advice = f"Did you mean {close[0]!r}?" if close else f"Valid: {', '.join(OPERATORS)}."
            message = f"no operator {printable(name, 40)!r}. {advice}"
            raise ProgramError(ProgramCode.UNKNOWN_OPERATOR, message, column=column)
        if len(node.args) != len(operator.parameters):
            message = f"{operator.signature(name)} takes {len(operator.parameters)} arguments, found {len(node.args)}."
            raise ProgramError(ProgramCode.WRONG_ARGUMENTS, message, column=column)
        values = [self.evaluate(argument) for argument in node.args]
        lists = [value for value in values if value.kind == "list"]
        self._step(operator.steps - 1 + sum(value.data.size for value in lists if value.data), node)
        try:
            arguments = [
                convert(self.facts, value, parameter, kind, name)
                for value, (parameter, kind) in zip(values, operator.parameters, strict=True)
            ]
            data = operator.function(self.facts, *arguments)
        except ProgramError as error:
            raise ProgramError(error.code, f"{operator.signature(name)}: {error}", column=column) from None
        return self._told(node, values, self._result(operator, data, values, node))

    def _result(self, operator: Operator, data: Any, values: list[Value], node: ast.expr) -> Value:
        """Wrap what an operator returned."""
        if operator.result == "value":
            return self._bounded(data, node)
        if kind := _ITEMS_OF.get(operator.result):
            self._step(len(data), node)
            return self._list([Value(kind, item) for item in data], node)
        if operator.result == "number":
            unit = operator.unit
            if unit == "same":
                unit = values[0].data[0].unit if values[0].data else ""
            return self._bounded(number(data, unit), node)
        return self._bounded(Value(operator.result, data), node)


_EVALUATE: dict[type[ast.expr], Callable[[_Run, Any], Value]] = {
    ast.Constant: _Run._constant,
    ast.Call: _Run._call,
    ast.Name: _Run._name,
    ast.List: _Run._elements,
    ast.ListComp: _Run._comprehension,
    ast.BinOp: _Run._arithmetic,
    ast.UnaryOp: _Run._unary,
    ast.BoolOp: _Run._logic,
    ast.IfExp: _Run._choice,
    ast.Compare: _Run._compare,
}

_ARITHMETIC: dict[type[ast.operator], tuple[str, Callable[[float, float], float]]] = {
    ast.Add: ("+", lambda a, b: a + b),
    ast.Sub: ("-", lambda a, b: a - b),
    ast.Mult: ("*", lambda a, b: a * b),
    ast.Div: ("/", lambda a, b: a / b),
}

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}
