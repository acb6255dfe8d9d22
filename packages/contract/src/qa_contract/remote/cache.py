"""Place of the mirrors on this machine, and which of them go when they grow too large."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from qa_contract.errors import FileError, UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FOLDER, SIZE = "QA_CACHE", "QA_CACHE_GB"
"""Environment variables: the folder of the mirrors, and how many GB they may take."""

DEFAULT_GB = 100.0

TREE, STATE, USED, SYNC = "tree", "state.json", "used", "sync"
"""In the folder of a mirror: the files, what is known of them, and the locks of who uses and who changes it."""


def cache_folder() -> Path:
    """Folder of all mirrors: `QA_CACHE`, or `qa-remote` in the user's cache."""
    return _resolved(os.environ.get(FOLDER), os.environ.get("XDG_CACHE_HOME"))


@functools.cache
def _resolved(given: str | None, of_user: str | None) -> Path:
    folder = Path(given).expanduser() if given else Path(of_user or Path.home() / ".cache") / "qa-remote"
    return folder.resolve()


def shown(text: str) -> str:
    """Write addresses in a text, plain or JSON, in the place of the folders of their copies.

    It goes by what the copies say of themselves, so that the stages of a loop and worker processes, which get paths of
    copies, write the same.

    Examples
    --------
    >>> shown("Wrote rooms")
    'Wrote rooms'
    """
    for write in (str, _as_json):
        folder = write(f"{cache_folder()}{os.sep}")
        if folder in text:
            for name in set(re.findall(re.escape(folder) + r"([^/\s]+)/" + TREE, text)):
                with contextlib.suppress(FileNotFoundError):
                    address = json.loads((cache_folder() / name / STATE).read_text(encoding="utf-8"))["address"]
                    copy = write(f"{name}/{TREE}/{address.rpartition('/')[2]}")
                    text = text.replace(f"{folder}{copy}", write(address))
    return text


def _as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def place_of(address: str) -> Path:
    """Folder of the mirror of an address; its name can be read, and fits every file system and JSON."""
    digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    name = re.sub(r"[^A-Za-z0-9._-]", "_", address.rpartition("/")[2])[:40]
    return cache_folder() / f"{name}-{digest}"


@contextlib.contextmanager
def held(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a file, which ends with the process.

    Raises
    ------
    BlockingIOError
        Another process holds it and `wait` is false.
    """
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield


def use(place: Path) -> contextlib.ExitStack:
    """Make the folder of a mirror and hold it until what is returned is closed; others go where there is no room.

    Raises
    ------
    FileError
        The folder cannot be written.
    UserError
        The limit is no number.
    """
    stack = contextlib.ExitStack()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with held(place.parent / "lock"):  # nobody deletes a mirror between its making and its use
            (place / TREE).mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(place / USED, shared=True))
            os.utime(place / USED)
            _make_room()
    except OSError as error:
        stack.close()
        raise FileError(
            f"{place}: cannot be written ({error.strerror}). Set {FOLDER} to a folder with room for copies."
        ) from error
    return stack


def _make_room() -> None:
    """Delete mirrors, the longest unused first, until all fit the limit; what is in use or holds own work stays."""
    limit = _limit()
    places = [place for place in cache_folder().iterdir() if (place / USED).is_file()]
    sizes = {place: sum(stat.st_size for _, stat in _files(place)) for place in places}
    total = sum(sizes.values())
    for place in sorted(places, key=lambda place: (place / USED).stat().st_mtime):
        if total > limit and not holds_work(place):
            with contextlib.suppress(BlockingIOError), held(place / USED, wait=False):
                shutil.rmtree(place)
                total -= sizes[place]


def _limit() -> float:
    text = os.environ.get(SIZE, str(DEFAULT_GB))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not gigabytes >= 0:
        raise UserError(f"{SIZE} is '{text}'; set it to how many GB copies of remote files may take: {SIZE}=100.")
    return gigabytes * 1e9


def visible(tree: Path) -> dict[str, os.stat_result]:
    """List the files of a tree that belong to the output, by their paths in it: those of no hidden name."""
    found = ((path.relative_to(tree), stat) for path, stat in _files(tree))
    return {path.as_posix(): stat for path, stat in found if not any(part.startswith(".") for part in path.parts)}


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """List all files of a folder, in which other processes may be at work."""
    for above, _, names in os.walk(folder):
        for name in names:
            path = Path(above, name)
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()


FETCHING = ".fetching-"
"""Begin of the name of a file while it is fetched."""

OURS_FROM, OURS_FOR = 631_152_000, 315_532_800
"""Seconds: a file that was fetched is dated into the nineties, by its version; what a command writes is newer. So many
processes tell the two apart without a common list, and each file system keeps whole seconds."""


def stamp(version: str) -> int:
    """Date that stands for a version of a remote file, in seconds since 1970.

    Examples
    --------
    >>> OURS_FROM <= stamp("900150983cd24fb0") < OURS_FROM + OURS_FOR
    True
    """
    return OURS_FROM + int(hashlib.sha256(version.encode()).hexdigest()[:12], 16) % OURS_FOR


def is_fetched(stat: os.stat_result) -> bool:
    """Tell whether a file is as it was fetched, of whatever version."""
    return OURS_FROM <= stat.st_mtime < OURS_FROM + OURS_FOR


def holds_work(place: Path) -> bool:
    """Tell whether a mirror holds files that were made here and are not uploaded, also those of a stopped command."""
    return any(not is_fetched(stat) for path, stat in _files(place / TREE) if not path.name.startswith(FETCHING))
