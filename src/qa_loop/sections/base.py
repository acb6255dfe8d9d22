"""What every section of `loop.toml` is: keys that are known, and options that the loop leaves free."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, field_validator

Scalar = str | int | float | bool
Options = dict[str, Scalar | list[str | int | float]]
"""Further options of a stage command: `key = value` becomes `--key value`."""

OWNED_OPTIONS = (
    *("out", "seed", "round", "force", "store", "model", "state-from"),
    *("feedback", "exclude", "confidence", "runner", "sampler-state", "panel", "signal", "previous", "mixture"),
)
"""Options that the loop sets itself, so that a stage's `options` may not."""

_WHY = {
    "runner": "is set by the loop; a server in place of 'transformers' is the section [serve]",
    "base-url": "is set by the loop: name the server as 'model' of a [[generate.proposer]], or start one by [serve]",
    "proposer": "is a section of its own: [[generate.proposer]] with a name and a share",
}
"""What to say of options that published recipes suggest and the loop sets itself."""


class Section(BaseModel):
    """A section of the file; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    owned: ClassVar[frozenset[str]] = frozenset(OWNED_OPTIONS)

    @field_validator("options", check_fields=False)
    @classmethod
    def _options_are_free(cls, options: Options) -> Options:
        for name, value in options.items():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, float) and not math.isfinite(item):
                    raise ValueError(f"'{name}' must be a finite number, found {item}")
            if name.replace("_", "-") in cls.owned or name.replace("_", "-") in _dashed(cls):
                why = _WHY.get(name.replace("_", "-"), "is set by the loop or has a key of its own")
                raise ValueError(f"'{name}' {why}; remove it from options")
        return options


def _dashed(section: type[BaseModel]) -> set[str]:
    return {name.replace("_", "-") for name in section.model_fields}
