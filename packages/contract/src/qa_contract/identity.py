"""Identity of a run: whether what a folder holds was made from the same configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qa_contract.errors import E, UserError
from qa_contract.remote import shown

MAX_VALUE = 60
"""Characters of a value in a message; hashes of many files are longer."""


def config_hash(config: Mapping[str, object]) -> str:
    """Hash a configuration; key order does not matter.

    Examples
    --------
    >>> config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(_text(config).encode()).hexdigest()[:16]


def differing_keys(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Name the keys whose values differ, as `section.key: old -> new`.

    Values are compared as JSON writes them, so that a configuration read back from a file equals the one that was
    written (tuples are lists, paths are texts). A key that is absent equals one that is null: a setting that an older
    version did not know does not make its runs another configuration.

    Examples
    --------
    >>> differing_keys({"train": {"steps": 20, "model": "tiny"}}, {"train": {"steps": 30, "model": "tiny"}})
    ['train.steps: 20 -> 30']
    >>> differing_keys({"size": [2, 3]}, {"size": (2, 3), "added": None})
    []
    """
    found: list[str] = []
    for key in sorted({*old, *new}, key=str):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differing_keys(before, after, f"{prefix}{key}.")
        elif _text(before) != _text(after):
            found.append(f"{prefix}{key}: {_short(before)} -> {_short(after)}")
    return found


def refuse_other_identity(
    out: Path, found: Mapping[str, Any] | None, wanted: Mapping[str, Any], *, error: type[E] = UserError
) -> None:
    """Stop where a folder holds a run of another configuration.

    Parameters
    ----------
    out : Path
        The folder, for the message.
    found : mapping or None
        The configuration that is stored there; None where the stored one is not readable.
    wanted : mapping
        The configuration that is asked for.
    error : type
        Class of the error.

    Raises
    ------
    UserError
        Of the class `error`; it names the keys that differ, with both values.

    Examples
    --------
    >>> refuse_other_identity(Path("runs/a"), {"seed": 1}, {"seed": 2})
    Traceback (most recent call last):
    ...
    qa_contract.errors.UserError: runs/a: holds a run of another configuration:
      seed: 1 -> 2
    Go on with the old values, choose another --out, or pass --force to start again.
    """
    changes = ["its configuration is not readable"] if found is None else differing_keys(found, wanted)
    if changes:
        listed = "\n  ".join(changes)
        raise error(
            f"{out}: holds a run of another configuration:\n  {listed}\n"
            "Go on with the old values, choose another --out, or pass --force to start again."
        )


def _text(value: object) -> str:
    """Write a value as JSON in one way, on every machine: a copy of a remote folder by its address."""
    return shown(json.dumps(value, sort_keys=True, default=str, separators=(",", ":")))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}..."
