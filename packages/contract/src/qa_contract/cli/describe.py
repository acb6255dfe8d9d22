"""Options of a command as JSON: what `--describe` prints."""

from __future__ import annotations

import json
from typing import Any

from qa_contract.cli.help import value_of_param
from qa_contract.cli.settings import field_value
from qa_contract.cli.values import Value

_KINDS = {bool: "switch", int: "integer", float: "number"}


def described(command: Any) -> str:
    """List the options of a command: flags, what they take, bounds and choices.

    Parameters
    ----------
    command : Command
        Of a program of `make_app`.

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
            found.append(_described(param, value, several=field and value.many))
    return json.dumps(found, indent=1)


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
