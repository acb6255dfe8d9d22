"""Addresses in object stores: which there are, who reads them, and what went wrong in words that hold no key."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qa_contract.errors import UserError, suggest

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
"""`s3://lab/rooms`, and `s3:/lab/rooms`, which is what `pathlib` makes of it. Drives of Windows have one letter."""

_SECRETS = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
"""Environment variables whose values are never shown."""

MAX_SAID = 200
"""Characters of a library's own message that are passed on."""

_OF_THIS_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}
"""Errors that are not the store's."""


class RemoteError(UserError):
    """An object store cannot be read or written; no row or scene is to blame, so the command stops."""


@dataclass(frozen=True)
class Scheme:
    """A kind of object store.

    Attributes
    ----------
    module : str
        Library that reads it by the interface of fsspec.
    install : str
        What brings the library.
    keys : str
        Where that library looks for credentials.
    """

    module: str
    install: str
    keys: str


SCHEMES: dict[str, Scheme] = {
    "s3": Scheme(
        "s3fs",
        "qa-contract[s3]",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE; for a public bucket, FSSPEC_S3_ANON=true",
    ),
    "gs": Scheme(
        "gcsfs", "gcsfs", "Run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS"
    ),
    "hf": Scheme("huggingface_hub", "huggingface_hub", "Run 'hf auth login', or set HF_TOKEN"),
    "file": Scheme("fsspec", "fsspec", "Change the permissions of the folder"),
}
"""Name of the scheme to what reads it; `file` is a share that is too slow to work in."""


def is_address(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is an address in an object store.

    Examples
    --------
    >>> is_address("s3://lab/rooms"), is_address("rooms"), is_address("C:/rooms")
    (True, False, False)
    """
    return _ADDRESS.fullmatch(os.fspath(path)) is not None


def address_of(path: str | os.PathLike[str]) -> str:
    """Write an address in its one form.

    Raises
    ------
    UserError
        The scheme is not known, or the address names no place, or it may hold a key; then it is not shown.

    Examples
    --------
    >>> from pathlib import Path
    >>> address_of(Path("s3://lab/rooms/"))
    's3://lab/rooms'
    >>> address_of("s4://lab/rooms")
    Traceback (most recent call last):
    ...
    qa_contract.errors.UserError: s4://lab/rooms: unknown scheme 's4'. Did you mean 's3'? Valid: s3, gs, hf, file.
    """
    found = _ADDRESS.fullmatch(os.fspath(path))
    if found is None:
        raise UserError(f"{path}: is no address; they look like s3://BUCKET/FOLDER.")
    scheme, rest = found[1], found[2].rstrip("/")
    parts = rest.split("/")
    if "?" in rest or "#" in rest or "@" in parts[0]:
        raise UserError(
            f"An address of '{scheme}' holds '?', '#' or a user, which may be a key, so it is not shown and not used. "
            f"Write {scheme}://BUCKET/FOLDER, and give keys where its library looks for them."
        )
    if scheme not in SCHEMES:
        raise UserError(
            f"{scheme}://{rest}: unknown scheme '{scheme}'.{suggest(scheme, SCHEMES)} Valid: {', '.join(SCHEMES)}."
        )
    if not rest or {"", ".", ".."} & set(parts):
        raise UserError(f"{scheme}://{rest}: names no folder or file; write {scheme}://BUCKET/FOLDER.")
    return f"{scheme}:///{rest}" if scheme == "file" else f"{scheme}://{rest}"


def file_system(address: str) -> tuple[Any, str]:
    """Open the store of an address: a file system of fsspec, and the path in it.

    Raises
    ------
    UserError
        The library for the scheme is not installed.
    """
    scheme = SCHEMES[address.partition(":")[0]]
    if any(importlib.util.find_spec(name) is None for name in ("fsspec", scheme.module)):
        raise UserError(f"{address}: needs {scheme.module}. Install it with: pip install '{scheme.install}'")
    import fsspec

    with told(address, "cannot be opened"):
        return fsspec.core.url_to_fs(address, **({"auto_mkdir": True} if address.startswith("file:") else {}))


def container(address: str, path: str) -> str:
    """Name what must be there before something is written at a path of a store: the bucket, or the repository.

    Examples
    --------
    >>> container("s3://lab/rooms/one", "lab/rooms/one")
    'lab'
    >>> container("hf://datasets/lab/rooms/one", "datasets/lab/rooms/one")
    'datasets/lab/rooms'
    """
    parts = path.split("/")
    if address.startswith("hf:"):
        return "/".join(parts[: 3 if parts[0] in ("datasets", "spaces") else 2])
    return parts[0]


@contextlib.contextmanager
def told(address: str, what: str) -> Iterator[None]:
    """Turn errors of a store into one of ours that says what to do.

    The cause is not chained: its text may hold signed addresses, and `--debug` would print it.

    Raises
    ------
    RemoteError
        Anything that is neither ours nor of this machine's disk.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE:
            raise
        raise RemoteError(f"{address}: {what}: {_reason(error, address)}") from None


def _reason(error: Exception, address: str) -> str:
    """Say what went wrong and what to do."""
    name, said = type(error).__name__, _plain(str(error))
    keys = SCHEMES[address.partition(":")[0]].keys
    if "Credential" in name or "LocalToken" in name:
        return f"no credentials found. {keys}."
    if isinstance(error, FileNotFoundError):
        return f"nothing is there ({said}). Check the address."
    if isinstance(error, PermissionError):
        return f"refused ({said}). {keys}, of one who may do it."
    if any(word in name for word in ("Connect", "Timeout", "Endpoint")):
        return f"the server does not answer ({said or name}). Check the network, then run the same command again."
    return f"{name} ({said}). Run the same command again where it may have been the network."


def _plain(text: str) -> str:
    """Shorten a message to a line without queries of addresses and without values of secret variables."""
    line = re.sub(r"\?\S+", "?...", " ".join(text.split()))
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRETS.search(name):
            line = line.replace(value, f"[{name}]")
    return line[:MAX_SAID]
