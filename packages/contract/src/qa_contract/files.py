"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from qa_contract.errors import FileError

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}
"""Errors that speak of the disk, whatever the block that writes was doing."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; when the block ends well, sync it to disk and rename it to `path`.

    Raises
    ------
    FileError
        `path` is a folder or a device, its folder cannot be written to, or the disk is full.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a rename would put a file in the place of a device
        raise FileError(f"{path}: is {'a folder' if path.is_dir() else 'no regular file'}; name a file.")
    with _naming(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _naming(path, of_disk=True):
            yield temporary
        with _naming(path):
            temporary.chmod(0o644)
            fsync(temporary)
            temporary.replace(path)
            fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def output_folder(out: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `out`; when the block ends well, it becomes `out`.

    A failed or killed command leaves no half-written output, and an earlier output stays until the new one is whole.

    Raises
    ------
    FileError
        `out` exists, is not empty, and `force` is false; or it cannot be written.
    """
    out = Path(out)
    check_output_folder(out, force=force)
    with _naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    try:
        with _naming(out, of_disk=True):
            temporary.chmod(0o755)
            yield temporary
        with _naming(out):
            if out.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
                out.replace(old)
                temporary.replace(out)
                shutil.rmtree(old)
            else:
                temporary.replace(out)
            fsync(out.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_output_folder(out: Path, *, force: bool = False) -> None:
    """Refuse an output folder that already holds something, before any work is done.

    Raises
    ------
    FileError
        A file is there, or a folder that is not empty while `force` is false.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise FileError(f"{out}: a file is there; --out needs a folder.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise FileError(f"{out}: the output folder exists and is not empty. Choose another --out, or pass --force.")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON; the file appears whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def fsync(path: Path) -> None:
    """Flush a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _naming(path: Path, *, of_disk: bool = False) -> Iterator[None]:
    """Turn an OSError into a FileError that names `path`; with `of_disk` only one that speaks of the disk."""
    try:
        yield
    except OSError as error:
        if of_disk and error.errno not in _DISK:
            raise  # of something else that the block read or wrote
        raise FileError(f"{path}: cannot be written ({error.strerror or error}).") from error
