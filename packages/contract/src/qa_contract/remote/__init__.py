"""Folders and files in object stores, as if they were on this machine.

An address such as `s3://lab/rooms` stands wherever a command takes the path of a store, a table, a run or an output.
`local` makes a copy of what is there, in a cache that stays, and the command works on the copy; `upload_changes` sends
what the command has changed. Messages and manifests name the address, never the copy (`shown`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qa_contract.remote.addresses import SCHEMES, RemoteError, address_of, is_address
from qa_contract.remote.cache import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qa_contract.remote.mirror import Mirror, Pending

__all__ = [
    "SCHEMES",
    "RemoteError",
    "close_mirrors",
    "fetch_all",
    "fetched",
    "finished_upload",
    "is_address",
    "local",
    "shown",
    "upload_changes",
]

_mirrors: dict[str, Mirror] = {}


def local(
    path: str | os.PathLike[str],
    *,
    tables_only: bool = False,
    output: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> Path:
    """Give a path of this machine for a path or an address; a copy is made where needed.

    Parameters
    ----------
    path : str or path
    tables_only : bool
        Fetch Parquet files alone, for SQL over runs that hold models and images.
    output : bool
        The path is where a command writes.
    report : callable, optional
        Called with the files that have travelled, and all of them.

    Raises
    ------
    UserError
        The address is not valid, its library is missing, or the store cannot be read.

    Examples
    --------
    >>> local("rooms").as_posix()
    'rooms'
    """
    if not is_address(path):
        return Path(path)
    from qa_contract.remote.mirror import Mirror, silent

    address = address_of(path)
    if address not in _mirrors:
        _mirrors[address] = Mirror(address, tables_only=tables_only, output=output, report=report or silent)
    return _mirrors[address].path


def finished_upload(command: str) -> int | None:
    """Give the exit code of `command` where opening its addresses has finished what was left of it, else None."""
    finished = [mirror.finished for mirror in _mirrors.values() if mirror.finished is not None]
    return next((pending.code for pending in finished if pending.command == command), None)


def upload_changes(
    command: str = "", code: int = 0, report: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Upload what was changed in the copies that are open; give the number of files by address.

    Parameters
    ----------
    command : str
        Who changed it; the same command finishes an upload that is cut off, and does nothing else.
    code : int
        What it exits with.
    report : callable, optional
        As of `local`.

    Raises
    ------
    RemoteError
        A store cannot be written. What was made stays in the copy, and the next use of the address uploads it.
    """
    from qa_contract.remote.mirror import silent

    pending: list[tuple[Mirror, Pending]] = []
    for mirror in _mirrors.values():
        changes = mirror.changes(command, code)
        pending += [] if changes is None else [(mirror, changes)]
    return {mirror.address: mirror.upload(changes, report or silent) for mirror, changes in pending}


def close_mirrors() -> None:
    """End the use of all copies; they stay in the cache."""
    while _mirrors:
        _mirrors.popitem()[1].close()


def fetched(path: Path) -> Path:
    """Give `path`, fetched first where it is a file of a copy that was left until it is opened.

    Raises
    ------
    RemoteError
        The store cannot be read.
    """
    fetch_all([path])
    return path


def fetch_all(paths: Iterable[Path]) -> None:
    """Fetch files as `fetched` does, many at once.

    Raises
    ------
    RemoteError
        The store cannot be read.
    """
    if missing := [path for path in paths if not path.exists()]:
        from qa_contract.remote.mirror import fetch_files

        fetch_files(missing)
