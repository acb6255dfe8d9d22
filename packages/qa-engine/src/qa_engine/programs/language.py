"""The language `qa-expr/1`: which Python expressions are programs, and the check that a text is one."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from qa_engine.errors import QAEngineError

LANGUAGE = "qa-expr/1"
"""Name of the language, for prompts and manifests."""


class ProgramCode(StrEnum):
    """Why a program was refused or failed: a closed list."""

    SYNTAX = "syntax"
    NOT_IN_LANGUAGE = "not_in_language"
    UNKNOWN_OPERATOR = "unknown_operator"
    WRONG_ARGUMENTS = "wrong_arguments"
    WRONG_TYPE = "wrong_type"
    WRONG_UNIT = "wrong_unit"
    UNKNOWN_INSTANCE = "unknown_instance"
    UNKNOWN_CATEGORY = "unknown_category"
    NO_VALUE = "no_value"
    OVER_BUDGET = "over_budget"


class ProgramError(QAEngineError):
    """A program is not in the language or has no value; the message says where, and what would be right.

    Parameters
    ----------
    code : ProgramCode
    message : str
    column : int, optional
        Place in the program, counted from 1.
    """

    def __init__(self, code: ProgramCode, message: str, *, column: int | None = None) -> None:
        super().__init__(message if column is None else f"column {column}: {message}")
        self.code = code


@dataclass(frozen=True)
class Budget:
    """Limits of one program.

    Attributes
    ----------
    characters, depth, nodes : int
        Of the text and of its syntax tree.
    steps : int
        Nodes and list items evaluated.
    items : int
        Length of a list.
    text : int
        Length of a text constant.
    magnitude : float
        Largest absolute value of a number.
    """

    characters: int = 4000
    depth: int = 24
    nodes: int = 1000
    steps: int = 10_000
    items: int = 500
    text: int = 200
    magnitude: float = 1e12


DEFAULT_BUDGET = Budget()

NODES = (
    ast.Expression,
    ast.Call,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.List,
    ast.BinOp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.UnaryOp,
    ast.USub,
    ast.Compare,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
    ast.Eq,
    ast.NotEq,
)
"""Syntax nodes of the language; everything else is refused."""


@lru_cache(maxsize=4096)
def parse_program(text: str, budget: Budget = DEFAULT_BUDGET) -> ast.expr:
    """Parse a program and check that it is in the language.

    Raises
    ------
    ProgramError
        With the first place that is not.

    Examples
    --------
    >>> parse_program("distance_m(3, 7)").func.id
    'distance_m'
    >>> parse_program("().__class__")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    qa_engine.programs.language.ProgramError: column 1: Attribute is not in qa-expr/1 (...).
    """
    if len(text) > budget.characters:
        message = f"the program has {len(text)} characters, allowed are {budget.characters}."
        raise ProgramError(ProgramCode.OVER_BUDGET, message)
    if _bracket_depth(text) > budget.depth:
        raise ProgramError(ProgramCode.OVER_BUDGET, f"brackets are nested deeper than {budget.depth}.")
    line = text.replace("\r", " ").replace("\n", " ").strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(line, mode="eval")
    except SyntaxError as error:
        raise ProgramError(ProgramCode.SYNTAX, f"{error.msg}.", column=error.offset) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(ProgramCode.SYNTAX, f"not an expression ({error}).") from None
    _check_tree(tree, line, budget)
    return tree.body


def _bracket_depth(text: str) -> int:
    """Deepest nesting of brackets, counted before the parser sees them; brackets in texts count too."""
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest


def _check_tree(tree: ast.Expression, text: str, budget: Budget) -> None:
    """Check every node of a parsed program, level by level."""
    level: list[ast.AST] = [tree.body]
    seen = depth = 0
    source = text.encode()
    while level:
        depth += 1
        seen += len(level)
        if depth > budget.depth or seen > budget.nodes:
            message = f"the program is larger than {budget.depth} levels or {budget.nodes} nodes."
            raise ProgramError(ProgramCode.OVER_BUDGET, message)
        below: list[ast.AST] = []
        for node in level:
            _check_node(node, source, budget)
            below.extend(ast.iter_child_nodes(node))
        level = below


def _check_node(node: ast.AST, source: bytes, budget: Budget) -> None:
    """Check one node by itself."""
    column = getattr(node, "col_offset", 0) + 1
    if not isinstance(node, NODES):
        allowed = "calls of operators, numbers, texts, lists, + - * / and comparisons are"
        message = f"{type(node).__name__} is not in {LANGUAGE} ({allowed})."
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)
    if isinstance(node, ast.Constant):
        _check_constant(node, budget)
    elif isinstance(node, ast.Name):
        # The parser folds look-alike characters into ASCII names; a name has to be written as it is called.
        if source[node.col_offset : node.end_col_offset] != node.id.encode():
            raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, f"write the name {node.id!r} plainly.", column=column)
    elif isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name):
            raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, "only operators can be called.", column=column)
        if node.keywords:
            raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, "arguments are given by position.", column=column)
    elif isinstance(node, ast.Compare) and len(node.ops) != 1:
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, "compare two values at a time.", column=column)


def _check_constant(node: ast.Constant, budget: Budget) -> None:
    """Check the type and size of a constant."""
    value, column = node.value, node.col_offset + 1
    if isinstance(value, str):
        if len(value) > budget.text:
            raise ProgramError(ProgramCode.OVER_BUDGET, f"a text is longer than {budget.text}.", column=column)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not abs(value) <= budget.magnitude:
            raise ProgramError(ProgramCode.OVER_BUDGET, f"a number is above {budget.magnitude:g}.", column=column)
    else:
        message = f"a constant of type {type(value).__name__} is not in {LANGUAGE}."
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)
