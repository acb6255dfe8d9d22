"""Messages about a wrong command line: what was asked, what is valid, what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qa_contract.cli.help import argument_name, option_name, value_of_param
from qa_contract.cli.values import Value
from qa_contract.errors import suggest

_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors of the machine, whatever the file."""
_SAID = {
    "Too many open files": errno.EMFILE,
    "No space left on device": errno.ENOSPC,
    "File too large": errno.EFBIG,
    "Cannot allocate memory": errno.ENOMEM,
    "can't start new thread": errno.ENOMEM,
    "failed to map segment": errno.ENOMEM,
}
"""Texts of such errors, which loaders of libraries pass on without their number."""
_MEMORY_FULL = "The memory is full. Give the command more of it, or ask for less: fewer --workers, a smaller batch."
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_ADVICE = {
    errno.ENOENT: "no such file or folder. Check the path.",
    errno.EACCES: "permission denied. Choose another path, or change its permissions.",
    errno.EPERM: "not permitted. Choose another path, or change its permissions.",
    errno.EROFS: "on a read-only file system. Choose another path.",
    errno.ENOTDIR: "a part of the path is not a folder. Check the path.",
    errno.EISDIR: "is a folder, a file is needed. Check the path.",
    errno.EEXIST: "exists. Choose another path.",
    errno.ENOSPC: "no space left on the disk. Free some, then run the same command again.",
    errno.EDQUOT: "disk quota exceeded. Free some, then run the same command again.",
    errno.EFBIG: "larger than files may be here. Raise the limit (ulimit -f), then run the same command again.",
    errno.EIO: "the disk reports an error. Check it, then run the same command again.",
    errno.EMFILE: "too many open files. Raise the limit (ulimit -n), or use fewer --workers.",
    errno.ENFILE: "too many open files on this machine. Close some, then run the same command again.",
}


def wrong_value(label: str, value: Value, found: object) -> str:
    """Say that a value is not valid.

    Examples
    --------
    >>> from qa_contract.cli.values import value_of
    >>> wrong_value("--steps", value_of(int, {"ge": 1}), "0")
    "--steps needs a whole number, at least 1; found '0'."
    """
    near = suggest(str(found), value.choices)
    return f"{label} needs {value.wanted}; found {found!r}.{near}"


def usage_message(error: Any, path: str) -> str:
    """Write the message of an error that Typer raised about the command line of `path`, a program or a command.

    Typer hides the classes of these errors in a private module, so they are told apart by what they carry.
    """
    ctx = getattr(error, "ctx", None)
    see = f" See '{path if ctx is None else ctx.command_path} --help'."
    param = getattr(error, "param", None)
    if ctx is not None and hasattr(error, "possibilities"):
        options = [name for known in ctx.command.get_params(ctx) for name in (*known.opts, *known.secondary_opts)]
        name = error.option_name
        return f"No such option '{name}'.{suggest(name, [o for o in options if o.startswith('--')])}{see}"
    if param is not None and type(error).__name__ == "MissingParameter":
        label = argument_name(param) if param.param_type_name == "argument" else option_name(param)
        about = " ".join((param.help or "").split())
        return f"{label} is missing{': ' + about if about else '.'}{see}"
    found = getattr(error.__cause__, "errors", None)
    if param is not None and found is not None:
        label = argument_name(param) if param.param_type_name == "argument" else param.opts[0]
        return f"{wrong_value(label, value_of_param(param), found()[0]['input'])}{see}"
    return f"{error.format_message().rstrip('.')}.{see}".replace("?.", "?")


def machine_message(error: Exception) -> str | None:
    """Write the message of an error that says of the machine that it gives no more, else give None.

    Libraries wrap such errors in classes of their own; what is left of the cause is its number in the text.

    Examples
    --------
    >>> machine_message(ValueError("cannot write: No space left on device (os error 28)"))
    'A file: no space left on the disk. Free some, then run the same command again.'
    >>> machine_message(ValueError("no number")) is None
    True
    """
    number = getattr(error, "errno", None)
    said = re.search(r"\b(?:os error|errno:?) (\d+)\b", str(error), re.IGNORECASE)
    number = int(said[1]) if said and number is None else number
    known = number if number in _MACHINE else next((n for text, n in _SAID.items() if text in str(error)), None)
    if isinstance(error, MemoryError) or known == errno.ENOMEM:
        return _MEMORY_FULL
    if known is not None:
        return f"{getattr(error, 'filename', None) or 'A file'}: {_ADVICE[known]}"
    return None


def path_message(error: OSError, values: Mapping[str, object]) -> str | None:
    """Write the message of an error of the file system if its cause is the user's, else give None.

    It is the user's if the file is a path of the command line or a folder above one, or if the system refuses to read
    or write beside or below such a path. Any other file was chosen by the program: its error is a fault of the program
    and keeps its traceback.

    Parameters
    ----------
    error : OSError
        As raised.
    values : mapping
        Values of the command line by name; paths, texts that may be paths, and lists of both.
    """
    if not isinstance(error.filename, str | os.PathLike) or error.errno not in _ADVICE:
        return None
    at = Path(os.path.abspath(error.filename))
    named = [Path(os.path.abspath(path)) for path in _paths(values.values())]
    theirs = any(at == path or at in path.parents for path in named)
    if error.errno in _REFUSED:
        theirs = theirs or any(path.parent in at.parents for path in named)
    return f"{error.filename}: {_ADVICE[error.errno]}" if theirs else None


def _paths(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _paths(value)
        elif isinstance(value, Path) or (isinstance(value, str) and value):
            yield str(value)
