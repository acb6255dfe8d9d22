"""Settings of a command: default, bounds and text of an option stand once, under the field of a model.

A field's docstring is its help, the model checks the values of command line and file alike, and `to_toml` writes what
was resolved. The command line goes before the file, the file before the default. The environment is not read: a run is
explained by its command and its file, and a variable left over in a shell would change it unseen.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qa_contract.cli.usage import wrong_value
from qa_contract.cli.values import Value, bounds_in, value_of
from qa_contract.errors import FileError, UserError, suggest
from qa_contract.remote import shown

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Base of all settings: unknown keys fail, values stay, and docstrings describe the fields."""

    # The validator is built when it is first used: help needs the fields alone.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, defer_build=True)

    def to_toml(self) -> str:
        """Write the settings so that `--config` reads the same.

        Examples
        --------
        >>> class Training(Settings):
        ...     steps: int = setting(100, ge=1)
        ...     freeze: tuple[str, ...] = ()
        >>> print(Training(freeze=("vision",)).to_toml(), end="")
        steps = 100
        freeze = ["vision"]
        """
        lines = []
        for name, value in self.model_dump(mode="json").items():
            if value is None:
                # TOML has no null; a field that is None of itself may be left out, another says it.
                if type(self).model_fields[name].default is None:
                    continue
                value = "none"
            lines.append(f"{name} = {_toml(value)}\n")
        return shown("".join(lines))


def setting(
    default: Any = ...,
    *,
    topic: str = "",
    option: str | None = None,
    placeholder: str | None = None,
    none: str | None = None,
    **rules: Any,
) -> Any:
    """Declare a field of `Settings`.

    Parameters
    ----------
    default : object, optional
        Without one, the field is required.
    topic : str
        Heading in the help of the command.
    option : str, optional
        Name on the command line. Default: the field's, with dashes.
    placeholder : str, optional
        What stands for the value in help. Default: by type.
    none : str, optional
        What the default None means, for help.
    **rules
        As of `pydantic.Field`: ge, gt, le, lt, pattern, allow_inf_nan, ...
    """
    extra = {"topic": topic, "option": option, "placeholder": placeholder, "none": none}
    return Field(default, json_schema_extra={key: value for key, value in extra.items() if value}, **rules)


def load_settings(
    model: type[S],
    path: Path | None = None,
    given: Mapping[str, object] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> S:
    """Read settings from a TOML file and let given values replace them.

    Parameters
    ----------
    model : type of Settings
        What is read.
    path : Path, optional
        TOML file with the fields as keys.
    given : mapping, optional
        Values by field that go before the file's.
    labels : mapping, optional
        How messages name the given values. Default: by field.

    Raises
    ------
    UserError
        The file cannot be read, a key is unknown, or values are not valid; all of them are named.
    """
    values = {} if path is None else _read_toml(path)
    for name in values:
        if name not in model.model_fields:
            near = suggest(name, model.model_fields)
            advice = near or f" Valid: {', '.join(model.model_fields)}."
            raise UserError(f"{path}: unknown setting '{name}'.{advice} Correct or remove it.")
    for name, value in values.items():
        if value == "none" and field_value(model, name).optional:
            values[name] = None
    given = given or {}
    labels = {name: f"{path}: {name}" for name in values} | {name: name for name in given} | dict(labels or {})
    try:
        return model.model_validate(values | dict(given))
    except ValidationError as error:
        raise UserError(_message(model, error, labels)) from None


def field_value(model: type[Settings], name: str) -> Value:
    """Say what a field takes."""
    field = model.model_fields[name]
    return value_of(field.annotation, bounds_in(field.metadata))


def option_of(name: str, field: FieldInfo) -> str:
    """Name a field's option: `--batch-size`."""
    return extra_of(field).get("option") or "--" + name.replace("_", "-")


def extra_of(field: FieldInfo) -> dict[str, str]:
    """Give what `setting` was told for the help."""
    extra = field.json_schema_extra
    return {key: str(value) for key, value in extra.items()} if isinstance(extra, dict) else {}


def _message(model: type[Settings], error: ValidationError, labels: Mapping[str, str]) -> str:
    problems = []
    for item in error.errors():
        name = str(item["loc"][0]) if item["loc"] else ""
        text = item["msg"].removeprefix("Value error, ").rstrip(".")
        label = labels.get(name) or name
        if not name:
            problems.append(f"settings do not fit together: {text}.")
        elif name not in model.model_fields:
            problems.append(f"unknown setting '{name}'.{suggest(name, model.model_fields)}")
        elif item["type"] == "missing":
            option = option_of(name, model.model_fields[name])
            problems.append(f"{name} is missing: pass {option}, or write '{name} = ...' in the file of --config.")
        elif item["type"] in ("value_error", "assertion_error"):
            problems.append(f"{label}: {text}; found {item['input']!r}.")
        elif item["type"] == "string_pattern_mismatch":
            pattern = item.get("ctx", {}).get("pattern")
            problems.append(f"{label} needs text that matches {pattern}; found {item['input']!r}.")
        else:
            problems.append(wrong_value(label, field_value(model, name), item["input"]))
    if len(problems) == 1:
        return problems[0]
    return "".join([f"{len(problems)} settings are wrong.", *(f"\n  {problem}" for problem in problems)])


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path}: cannot read the settings ({error.strerror}). Check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: not a TOML file ({error}). Correct it; lines look like 'steps = 100'.") from error


def _toml(value: object) -> str:
    """Write a scalar, a list or a table of those."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        # JSON's escapes are TOML's but for two: no surrogate pairs, and DEL must be escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan")
