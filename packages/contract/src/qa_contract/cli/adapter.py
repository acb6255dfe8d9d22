"""Fields of a settings model as options of a command, and back.

Typer takes the words of these options as text and the model alone checks them, so that a bound stands in one place and
a message reads the same for the command line and the file.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from qa_contract.cli.options import Config
from qa_contract.cli.settings import Settings, extra_of, field_value, load_settings, option_of
from qa_contract.cli.values import written
from qa_contract.errors import UserError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from qa_contract.cli.values import Value


def settings_params(model: type[Settings], only: Sequence[str] = ()) -> list[Any]:
    """Make the parameters of a command from the fields of a model, and `--config`.

    Parameters
    ----------
    model : type of Settings
        The settings of the command.
    only : sequence of str, optional
        Fields that become options. Default: all.
    """
    if unknown := set(only) - set(model.model_fields):
        raise ValueError(f"{model.__name__} has no fields {sorted(unknown)}; it has {', '.join(model.model_fields)}")
    names = list(only) or list(model.model_fields)
    parameters = [_parameter(name, model.model_fields[name], field_value(model, name)) for name in names]
    config = inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, annotation=Config, default=None)

    def options(**_: object) -> None: ...

    options.__signature__ = inspect.Signature([*parameters, config])  # type: ignore[attr-defined]
    program = typer.Typer(add_completion=False)
    program.command()(options)
    made: list[Any] = list(typer.main.get_command(program).params)
    for param in made:
        if param.name != "config":
            param.facts = _facts(param.name, model.model_fields[param.name], field_value(model, param.name))
    return made


def read_settings(model: type[Settings], words: Mapping[str, Any], command: str) -> Settings:
    """Build settings from the parsed command line.

    Parameters
    ----------
    model : type of Settings
        The settings of the command.
    words : mapping
        What was given for each parameter of `settings_params`; None where nothing was.
    command : str
        Whose help messages refer to.
    """
    words = dict(words)
    path: Path | None = words.pop("config")
    given = {name: _read(value, field_value(model, name)) for name, value in words.items() if value not in (None, ())}
    labels = {name: option_of(name, model.model_fields[name]) for name in given}
    try:
        return load_settings(model, path, given, labels=labels)
    except UserError as error:
        between = "\n" if "\n" in str(error) else " "
        raise type(error)(f"{error}{between}See '{command} --help'.") from None


def _read(words: Any, value: Value) -> Any:
    if words == "none" and value.optional:
        return None
    if not value.many:
        return words
    if list(words) == ["none"]:
        return None if value.optional else ()
    if issubclass(value.base, Path):
        return list(words)  # a path may hold a comma
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def _parameter(name: str, field: FieldInfo, value: Value) -> inspect.Parameter:
    flag, extra = option_of(name, field), extra_of(field)
    kind: Any = str | None
    declared = flag
    if value.many:
        kind = list[str] | None
    elif value.base is bool:
        kind, declared = bool | None, f"{flag}/--no-{flag.removeprefix('--')}"
    commas = ",..." if value.many and not issubclass(value.base, Path) else ""
    info = typer.Option(
        None,
        declared,
        help=field.description,
        metavar=(extra.get("placeholder") or value.placeholder) + commas,
        rich_help_panel=extra.get("topic") or None,
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=info)


def _facts(name: str, field: FieldInfo, value: Value) -> tuple[str, ...]:
    facts = [", ".join(value.choices)] if value.choices else []
    none = extra_of(field).get("none")
    if field.is_required():
        facts.append("required, here or in --config")
    elif field.default is None:
        facts += [f"default: {none}"] if none else []
    elif value.base is bool and not value.many:
        facts.append(f"default: {'' if field.default else 'no-'}{option_of(name, field).removeprefix('--')}")
    else:
        facts.append(f"default: {written(field.get_default(call_default_factory=True))}")
    return (*facts, *([value.limits] if value.bounds else []))
