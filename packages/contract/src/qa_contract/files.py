"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from qa_contract.errors import FileError
from qa_contract.remote import fetched, shown

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}
"""Errors that speak of the disk, whatever the block that writes was doing."""

PARTIAL = ".partial"
"""End of the name of a temporary file or folder, which begins with a dot and the name of what it becomes."""

_YOUNG_S = 10.0
"""Age below which a temporary folder may not yet be locked by its command."""

KINDS: dict[str, tuple[bytes | tuple[bytes, ...], str]] = {
    ".parquet": (b"par1", "Parquet file"),
    ".jsonl": (b"{", "file of JSON lines"),
    ".json": ((b"{", b"["), "JSON file"),
    ".html": ((b"<!doctype html", b"<html"), "page"),
    ".png": (b"\x89png", "PNG image"),
}
"""End of a name to how such a file begins, in lower case, and what it is; others are JSON lines."""

_BLANK = b" \t\r\n\xef\xbb\xbf"


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
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
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

    A failed or stopped command leaves nothing behind, and an earlier output stays until the new one is whole. What a
    killed command left beside `out` is deleted by the next one.

    Raises
    ------
    FileError
        `out` exists, is not empty, and `force` is false; or it holds what no command of ours made; or it cannot be
        written.
    """
    out = Path(out)
    check_output_folder(out, force=force)
    made = [folder for folder in out.parents if not folder.exists()]
    with _naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        _delete_left(out)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=PARTIAL, dir=out.parent))
    try:
        with _locked(temporary):
            with _naming(out, of_disk=True):
                temporary.chmod(0o755)
                yield temporary
            with _naming(out):
                if out.exists():
                    _check_replaceable(out, temporary)
                    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
                    out.replace(old)
                    temporary.replace(out)
                    shutil.rmtree(old)
                else:
                    temporary.replace(out)
                fsync(out.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):  # one that meanwhile holds something else stays
            for folder in made:
                folder.rmdir()
        raise


def _check_replaceable(out: Path, new: Path) -> None:
    """Refuse to delete a folder unless a command of ours made it: it has its manifest, or nothing that `new` lacks.

    Raises
    ------
    FileError
        The message says where the new output stands, which may have taken hours.
    """
    strange = sorted({path.name for path in out.iterdir()} - {path.name for path in new.iterdir()})
    if not strange or _has_manifest(out):
        return
    kept = Path(tempfile.mkdtemp(prefix=f"{out.name}.new-", dir=out.parent))
    new.replace(kept)
    raise FileError(
        f"{out}: holds '{strange[0]}' and no manifest of ours, so it is not replaced; the new output is {kept}. "
        "Choose another --out, or delete the folder yourself."
    )


def _has_manifest(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and bool({"command", "producer"} & set(manifest))


def _delete_left(out: Path) -> None:
    """Delete the temporary folders of commands that were killed: nobody holds their lock."""
    for folder in out.parent.glob(f".{glob.escape(out.name)}.*{PARTIAL}"):
        with contextlib.suppress(OSError):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > _YOUNG_S:
                with _locked(folder):
                    shutil.rmtree(folder)


@contextlib.contextmanager
def lock_folder(folder: Path, held: str) -> Iterator[None]:
    """Hold the lock of a folder, which ends with the process, however it ends.

    Parameters
    ----------
    folder : Path
    held : str
        What it means, and what to do, if another process holds the lock.

    Raises
    ------
    FileError
        Another process holds it.
    """
    try:
        with _locked(folder):
            yield
    except BlockingIOError:
        raise FileError(f"{folder}: {held}.") from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which ends with the process.

    Raises
    ------
    OSError
        Another process holds it.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def check_output_folder(out: Path, *, force: bool = False) -> None:
    """Refuse an output folder that already holds something, before any work is done.

    Raises
    ------
    FileError
        A file is there, or a folder that is not empty while `force` is false; or, with `force`, one that holds the
        working folder or the user's home.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise FileError(f"{out}: a file is there; --out needs a folder.")
    if out.is_dir() and any(out.iterdir()) and not force:
        raise FileError(f"{out}: the output folder exists and is not empty. Choose another --out, or pass --force.")
    if out.is_dir():
        real = out.resolve()
        held = [name for name, path in (("working", Path.cwd()), ("home", _home())) if path.is_relative_to(real)]
        if held:
            raise FileError(f"{out}: holds your {held[0]} folder and is not replaced. Choose another --out.")


def check_output_file(path: Path, *, force: bool = False) -> None:
    """Refuse an output file that cannot or must not be replaced, before any work is done.

    Raises
    ------
    FileError
        Something is there and `force` is false; or, with `force`, it is a folder, a device, a pipe, or a file of
        another kind than the name says (`KINDS`).
    """
    path = Path(path)
    if path.is_dir() or (path.exists() and not force):
        raise FileError(f"{path} exists. Choose another file, or pass --force.")
    if not path.exists():
        return
    if not path.is_file():
        raise FileError(f"{path}: is no regular file; name another.")
    begin, kind = KINDS.get(path.suffix, KINDS[".jsonl"])
    with _reading(path), path.open("rb") as file:
        head = file.read(64).lstrip(_BLANK).lower()
    if head and not head.startswith(begin):
        raise FileError(f"{path}: is no {kind} and is not replaced. Choose another file, or delete it yourself.")


def path_inside(folder: Path, relative: str, *, fetch: bool = True) -> Path:
    """Name a file of a folder that others may have written, by its path in it as tables give it.

    Parameters
    ----------
    folder : Path
    relative : str
    fetch : bool
        Fetch a file of a remote store that was left until it is opened; false for who calls `fetched` later, or never.

    Raises
    ------
    FileError
        The path leads out of the folder: it is absolute, climbs by `..`, or goes through a link. What is shown, sent or
        packed from a store would else be any file of this machine.

    Examples
    --------
    >>> path_inside(Path("store"), "frames/attic/0.png").as_posix()
    'store/frames/attic/0.png'
    >>> path_inside(Path("store"), "../key.txt")
    Traceback (most recent call last):
    ...
    qa_contract.errors.FileError: store: names the file '../key.txt', which leads out of the folder. ... folder again.
    """
    path, root = Path(folder) / relative, os.path.realpath(folder)
    if "\0" in relative or not os.path.realpath(path).startswith(os.path.join(root, "")):
        raise FileError(
            f"{folder}: names the file {relative!r}, which leads out of the folder. "
            "Put the file itself in the place of a link, or write the folder again."
        )
    return fetched(path) if fetch else path


def _home() -> Path:
    return Path(os.path.expanduser("~")).resolve()


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, whole or not at all; copies of remote folders go by their addresses."""
    with atomic_path(path) as temporary:
        temporary.write_text(shown(json.dumps(value, indent=1, sort_keys=True)) + "\n", encoding="utf-8")


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


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn an OSError into a FileError that names `path`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error}).") from error
