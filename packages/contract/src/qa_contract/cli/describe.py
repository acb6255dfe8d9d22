"""Options of a command as JSON: what `--describe` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from qa_contract.cli.help import value_of_param
from qa_contract.cli.settings import field_value
from qa_contract.cli.values import Value

_KINDS = {bool: "switch", int: "integer", float: "number"}


def described(command: Any, registries: Mapping[str, Sequence[str]]) -> str:
    """List the options of a command: flags, what they take, bounds and choices.

    Parameters
    ----------
    command : Command
        Of a program of `make_app`.
    registries : mapping of str to sequence of str
        As of `make_app`.

    Returns
    -------
    str
        A JSON list of objects with `flags`, `kind` (switch, integer, number or text), `choices`, `min`, `max` (null
        where there is none), `open` (whether the bounds themselves are excluded), `many` (a comma separates several)
        and `none` (whether `none` stands for nothing).
    """
    from typer import Context

    of_settings = {param.name for param in getattr(command, "settings_params", ())} - {"config"}
    found = []
    for param in command.get_params(Context(command)):
        if param.param_type_name == "option":
            field = param.name in of_settings
            value = field_value(command.model, param.name) if field else value_of_param(param)
            # A field takes several in one word; other options are repeated.
            one = _described(param, value, several=field and value.many)
            sources = next((registries[flag] for flag in one["flags"] if flag in registries), ())
            if sources:
                # An option in the plural takes several names in one word.
                one |= {"choices": _names(sources), "many": one["flags"][0].endswith("s"), "none": False}
            found.append(one)
    return json.dumps(found, indent=1)


def _names(sources: Sequence[str]) -> list[str]:
    """List the keys of registries."""
    found: list[str] = []
    for source in sources:
        module, _, name = source.partition(":")
        found += getattr(import_module(module), name)
    return found


def _described(param: Any, value: Value, *, several: bool) -> dict[str, Any]:
    bounds = value.bounds
    kind = next((kind for base, kind in _KINDS.items() if issubclass(value.base, base)), "text")
    return {
        "flags": [*param.opts, *param.secondary_opts],
        "kind": "switch" if param.is_flag else "text" if kind == "switch" else kind,
        "choices": list(value.choices),
        "min": bounds.get("ge", bounds.get("gt")),
        "max": bounds.get("le", bounds.get("lt")),
        "open": [end for end in ("gt", "lt") if end in bounds],
        "many": several,
        "none": value.optional or several,
    }
