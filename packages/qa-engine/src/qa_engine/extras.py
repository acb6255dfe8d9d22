"""Parts that are installed on demand: a missing one is an error that names the extra."""

from __future__ import annotations

import importlib
from typing import Any

from qa_engine.errors import QAEngineError

HINTS = {
    "open3d": " Where it is installed but does not load, system libraries are missing: on Debian libgl1 and libgomp1."
}
"""What else may be wrong, by extra."""


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module of an extra.

    Parameters
    ----------
    module, extra : str
        Name of the import, and of the extra of `qa-engine` that brings it.
    purpose : str
        What needs it, for the message.

    Raises
    ------
    QAEngineError
        It is not installed, or does not load.

    Examples
    --------
    >>> require("json", extra="none", purpose="this example").dumps([])
    '[]'
    >>> require("no_such_module", extra="viewer", purpose="A recording")
    Traceback (most recent call last):
    ...
    qa_engine.errors.QAEngineError: A recording needs no_such_module: install it with 'pip install qa-engine[viewer]'.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        name = module.partition(".")[0]
        found = "" if isinstance(error, ModuleNotFoundError) and error.name == name else f" ({error})"
        message = f"{purpose} needs {name}: install it with 'pip install qa-engine[{extra}]'{found}."
        raise QAEngineError(message + HINTS.get(extra, "")) from None
