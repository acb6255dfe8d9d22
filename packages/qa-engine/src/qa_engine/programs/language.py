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
    UNKNOWN_SCENE = "unknown_scene"
    SCENE_UNSURE = "scene_unsure"
    TIMEOUT = "timeout"
    WORKER_LOST = "worker_lost"


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
        Nodes evaluated and list items made.
    items : int
        Length of a list.
    size, value_text : int
        Of a value with all that is in it: items that are no lists, and the length of its texts. What stands in it twice
        counts twice, as it does where the value is written out.
    text : int
        Length of a text.
    magnitude : float
        Largest absolute value of a number.
    seconds : float
        Wall time. Far above what `steps` can take, so that it never decides on a machine that works.
    """

    characters: int = 4000
    depth: int = 24
    nodes: int = 1000
    steps: int = 10_000
    items: int = 500
    size: int = 10_000
    value_text: int = 50_000
    text: int = 200
    magnitude: float = 1e12
    seconds: float = 2.0


DEFAULT_BUDGET = Budget()

NODES = frozenset(
    {
        *(ast.Expression, ast.Call, ast.Name, ast.Load, ast.Store, ast.Constant, ast.List),
        *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.UnaryOp, ast.USub),
        *(ast.Compare, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.In, ast.NotIn),
        *(ast.BoolOp, ast.And, ast.Or, ast.Not, ast.IfExp, ast.ListComp, ast.comprehension),
    }
)
"""Syntax nodes of the language; everything else is refused. Exact types: a subclass is not in it."""

_ADVICE = {
    "Attribute": "there are no attributes or methods; call an operator",
    "Subscript": "use item(list, index)",
    "Pow": "multiply",
    "Mod": "only + - * / are operators",
    "FloorDiv": "use floor(a / b)",
    "GeneratorExp": "put the comprehension in square brackets",
    "SetComp": "put the comprehension in square brackets",
    "Tuple": "use a list",
    "Set": "use a list",
    "Lambda": "use a comprehension",
    "JoinedStr": "use join(texts, separator)",
    "Starred": "pass a list",
    "UAdd": "drop the sign",
}


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
    qa_engine.programs.language.ProgramError: column 1: Attribute is not in qa-expr/1: there are no attributes ...
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
        raise ProgramError(ProgramCode.SYNTAX, f"{printable(str(error.msg))}.", column=error.offset) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(ProgramCode.SYNTAX, f"not an expression ({printable(str(error))}).") from None
    _check_tree(tree, line, budget)
    # A comment would swallow the lines after it, now that all are one.
    if "#" in line and b"#" in line.encode()[tree.body.end_col_offset :]:
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, "programs have no comments.")
    return tree.body


def printable(text: str, limit: int = 200) -> str:
    r"""Shorten a text of a program for a message, and escape what is not printable.

    Examples
    --------
    >>> printable("a\ud800b")
    'a\\ud800b'
    """
    short = text if len(text) <= limit else f"{text[:limit]}..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)


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
    kind = type(node)
    column = getattr(node, "col_offset", 0) + 1
    if kind not in NODES:
        name = kind.__name__
        allowed = (
            "calls of operators, numbers, texts, lists, + - * /, comparisons, and/or/not, if/else and [... for ...]"
        )
        message = f"{name} is not in {LANGUAGE}: {_ADVICE.get(name, f'allowed are {allowed}')}."
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)
    if isinstance(node, ast.Constant):
        _check_constant(node, budget)
    elif isinstance(node, ast.Name):
        # The parser folds look-alike characters into ASCII names; a name has to be written as it is called.
        if source[node.col_offset : node.end_col_offset] != node.id.encode():
            message = f"write the name {printable(node.id)!r} plainly."
            raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)
    elif isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name):
            raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, "only operators can be called.", column=column)
        if node.keywords:
            raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, "arguments are given by position.", column=column)
    elif isinstance(node, ast.Compare) and len(node.ops) != 1:
        message = "compare two values at a time and join them with 'and'."
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)
    elif isinstance(node, ast.comprehension):
        _check_loop(node)


def _check_loop(node: ast.comprehension) -> None:
    """Check one `for` of a comprehension."""
    column = node.target.col_offset + 1
    if node.is_async:
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, "'async' is not in the language.", column=column)
    if not isinstance(node.target, ast.Name):
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, "'for' binds one name.", column=column)
    name = node.target.id
    if name.startswith("_") or not name.isascii():
        message = f"a variable's name has plain letters: {printable(name)!r} has not."
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)


def _check_constant(node: ast.Constant, budget: Budget) -> None:
    """Check the type and size of a constant."""
    value, column = node.value, node.col_offset + 1
    if isinstance(value, str):
        if len(value) > budget.text:
            raise ProgramError(ProgramCode.OVER_BUDGET, f"a text is longer than {budget.text}.", column=column)
        if any("\ud800" <= character <= "\udfff" for character in value):
            message = "a text holds half a character (a lone surrogate)."
            raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not abs(value) <= budget.magnitude:
            raise ProgramError(ProgramCode.OVER_BUDGET, f"a number is above {budget.magnitude:g}.", column=column)
    else:
        message = f"a constant of type {type(value).__name__} is not in {LANGUAGE}."
        raise ProgramError(ProgramCode.NOT_IN_LANGUAGE, message, column=column)
