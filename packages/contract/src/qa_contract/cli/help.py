"""Help pages: options grouped by topic, every name whole, within the width of the terminal.

Written here because neither of Typer's own two does it: the plain one knows no topics and shortens the summaries of
commands, the one with rich cuts option names in 80 columns and doubles the start-up.
"""

from __future__ import annotations

import inspect
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qa_contract.cli.values import Value, value_of, written

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMON = "Common"
"""Topic of options that every command may have; shown last."""
WIDEST = 100
"""Columns at most: longer lines are hard to read."""
_LEFT = 30
"""Columns for names at most; a longer name stands on a line of its own."""
_SHORT = 24
"""A fact of so many characters is not broken over two lines."""
_NBSP = "\xa0"


@dataclass(frozen=True)
class Row:
    """An option, argument or command in help.

    Attributes
    ----------
    name : str
        As typed, with the placeholder of its value: `--steps N`.
    text : str
        What it is for.
    facts : tuple of str
        What follows in brackets: choices, default, bounds.
    """

    name: str
    text: str
    facts: tuple[str, ...] = ()


GLOBAL = (
    Row("--debug", "Show the traceback of an error."),
    Row("--version", "Print the version and exit."),
    Row("--help", "Show this page and exit."),
)
"""Options of every command, accepted anywhere on the line."""


def help_page(path: str, about: str | None, params: Iterable[Any], commands: Mapping[str, Any] | None = None) -> str:
    """Write the help of a command or of a program.

    Parameters
    ----------
    path : str
        Program and command, as typed.
    about : str, optional
        Its docstring.
    params : iterable of click parameters
        As Typer makes them.
    commands : mapping of str to click command, optional
        Of a program.
    """
    width = min(shutil.get_terminal_size((80, 24)).columns, WIDEST)
    shown = [param for param in params if not getattr(param, "hidden", False) and param.name != "help"]
    arguments = [param for param in shown if param.param_type_name == "argument"]
    options = [param for param in shown if param.param_type_name == "option"]
    sections: dict[str, list[Row]] = {}
    for name, command in (commands or {}).items():
        if not command.hidden:
            topic = command.rich_help_panel or "Commands"
            sections.setdefault(topic, []).append(Row(name, _summary(command.help)))
    if arguments:
        sections["Arguments"] = [_row(param) for param in arguments]
    common: list[Row] = []
    for param in sorted(options, key=lambda param: param.rich_help_panel is not None):
        topic = param.rich_help_panel or "Options"
        (common if topic == COMMON else sections.setdefault(topic, [])).append(_row(param))
    sections[COMMON] = [*common, *GLOBAL]
    words = [argument_name(param) if param.required else f"[{argument_name(param)}]" for param in arguments]
    words += [option_name(param) for param in options if param.required]
    words += ["COMMAND", "[options]"] if commands is not None else ["[options]"]
    parts = [_wrap(" ".join(_unbroken(words)), width, first=f"Usage: {path} ", rest="         ")]
    paragraphs = inspect.cleandoc(about or "").split("\f")[0].split("\n\n")
    parts += ["\n" + _wrap(" ".join(paragraph.split()), width) for paragraph in paragraphs if paragraph.strip()]
    left = min(_LEFT, width * 2 // 5, max(len(row.name) for rows in sections.values() for row in rows) + 4)
    for title, rows in sections.items():
        parts.append(f"\n{title}")
        parts += [_entry(row, width, left) for row in rows]
    if commands is not None:
        parts.append(f"\nOptions of a command: {path} COMMAND --help")
    return "\n".join(parts).replace(_NBSP, " ")


def argument_name(param: Any) -> str:
    """Name an argument as in help: QUESTIONS, or RUNS... where there may be several."""
    return (param.metavar or param.name).upper() + ("..." if param.nargs == -1 else "")


def option_name(param: Any) -> str:
    """Name an option as in help: `--steps N`, `--checks / --no-checks`."""
    names = "/".join(param.opts)
    if param.is_flag:
        return " / ".join([names, *param.secondary_opts])
    return f"{names} {param.metavar or value_of_param(param).placeholder}"


def value_of_param(param: Any) -> Value:
    """Read what a parameter of Typer takes."""
    bounds = {"ge": param.min, "le": param.max}
    found = value_of(param.type_descriptor.annotation, {k: v for k, v in bounds.items() if v is not None})
    return Value(found.base, found.choices, found.many, False, found.bounds)


def facts_of(param: Any) -> tuple[str, ...]:
    """Say in a few words what a parameter may be: choices, default, bounds, whether it is needed."""
    value = value_of_param(param)
    facts = [", ".join(value.choices)] if value.choices else []
    if isinstance(param.show_default, str):
        facts.append(f"default: {param.show_default}")
    elif param.show_default and param.default not in (None, "", [], ()) and not callable(param.default):
        facts += _default(param)
    facts += [value.limits] if value.bounds else []
    facts += ["required"] if param.required else []
    facts += ["repeatable"] if value.many and param.param_type_name == "option" else []
    return tuple(facts)


def _default(param: Any) -> list[str]:
    if not getattr(param, "is_flag", False):
        return [f"default: {written(param.default)}"]
    if not param.secondary_opts:
        return []  # a switch is off until it is given
    return [f"default: {(param.opts if param.default else param.secondary_opts)[0].removeprefix('--')}"]


def _row(param: Any) -> Row:
    name = argument_name(param) if param.param_type_name == "argument" else option_name(param)
    # Settings bring the facts of their field, because Typer sees them as text that the model checks.
    return Row(name, " ".join((param.help or "").split()), getattr(param, "facts", None) or facts_of(param))


def _entry(row: Row, width: int, left: int) -> str:
    facts = "; ".join(_unbroken([fact])[0] if len(fact) <= _SHORT else fact for fact in row.facts)
    text = f"{row.text}  [{facts}]".strip() if facts else row.text
    indent = " " * left
    if not text:
        return f"  {row.name}"
    if len(row.name) + 4 > left:
        return f"  {row.name}\n{_wrap(text, width, first=indent, rest=indent)}"
    return _wrap(text, width, first=f"  {row.name}".ljust(left), rest=indent)


def _summary(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


def _unbroken(words: Sequence[str]) -> list[str]:
    """Keep an option and its placeholder, or a short fact, on one line."""
    return [word.replace(" ", _NBSP) for word in words]


def _wrap(text: str, width: int, *, first: str = "", rest: str = "") -> str:
    """Fill lines, without a break inside a word."""
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
    )
