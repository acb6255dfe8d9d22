"""Mirror of a remote folder or file: fetched before a command reads it, uploaded when the command has succeeded."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from qa_contract.remote.addresses import RemoteError, container, file_system, told
from qa_contract.remote.cache import FETCHING, STATE, SYNC, TREE, held, is_fetched, place_of, stamp, use, visible

UPLOADING = ".uploading"
"""Name of the object that is in a folder while its upload goes on: who finds it does not take the folder for whole."""

_LAST = "manifest.json"
"""Uploaded after all else, for tools of others that take a folder with it for whole."""

TRANSFERS = 16
"""Files that travel at once."""

Report = Callable[[int, int], None]
"""Called with how many files have travelled, of how many."""


def silent(done: int, of: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Version:
    """What a store says of a file: its size in bytes, and a text that changes with the content."""

    size: int
    text: str

    def is_of(self, stat: os.stat_result) -> bool:
        """Tell whether a file of this machine is of this version."""
        return stat.st_size == self.size and int(stat.st_mtime) == stamp(self.text)


@dataclass(frozen=True)
class Pending:
    """An upload that is under way, or was cut off.

    Attributes
    ----------
    command : str
        Whose output it is; the same text means the same command.
    code : int
        What that command exits with.
    changed, gone : sequence of str
        Files to upload and to delete.
    """

    command: str
    code: int
    changed: Sequence[str]
    gone: Sequence[str]


class Mirror:
    """Copy of what an address holds, at `path`; it stays after the process, so that the next one fetches what changed.

    Of a store, a folder with `scenes.parquet`, the tables are fetched at once, and images, clouds and meshes when they
    are opened (`fetch_files`); of anything else, everything. An upload that was cut off is finished first; `finished`
    tells of it.

    Parameters
    ----------
    address : str
        In the form of `address_of`.
    tables_only : bool
        Fetch Parquet files alone.
    output : bool
        A folder whose upload was cut off on another machine counts as empty.
    report : callable
        See `Report`.

    Raises
    ------
    RemoteError
        The store cannot be read or written; or the folder is not whole; or it was changed by others while it waits for
        what this machine made.
    """

    def __init__(
        self, address: str, *, tables_only: bool = False, output: bool = False, report: Report = silent
    ) -> None:
        self.address = address
        self._fs, self._root = file_system(address)
        self._name = address.rpartition("/")[2]
        self.place = place_of(address)
        self.tree = self.place / TREE
        self.path = self.tree / self._name
        self._marker = f"{self._root}/{UPLOADING}"
        self._use = use(self.place)
        with held(self.place / SYNC):
            state = self._state()
            self.finished = Pending(**state["pending"]) if state.get("pending") else None
            seen = str(state.get("seen", ""))
            self._remote, self._is_whole = self._listed()
            if self.finished:
                self._refuse_others(self.finished, seen)
                self._upload(self.finished, report)
                seen, self._is_whole = _digest(self._remote), True
            if not self._is_whole and not output:
                raise RemoteError(
                    f"{address}: is not whole: its upload goes on, or was cut off. Wait, or run the command that "
                    "writes it again on the machine where it ran."
                )
            self._fetch(self._remote if self._is_whole else {}, tables_only, seen, report)
            self._save()
        self._before = visible(self.tree)
        self._inode = self.path.stat().st_ino if self.path.exists() else None

    def close(self) -> None:
        """Let the copy go when room is needed."""
        self._use.close()

    def changes(self, command: str, code: int) -> Pending | None:
        """Note what a command has changed, so that an upload that is cut off can be finished; None where nothing."""
        here = visible(self.tree)
        changed = [
            name
            for name, stat in here.items()
            if not self._is_current(name, stat)
            and (name not in self._before or _signature(stat) != _signature(self._before[name]))
        ]
        is_replaced = self._inode is not None and (not self.path.exists() or self.path.stat().st_ino != self._inode)
        is_new = is_replaced or not self._is_whole
        gone = [name for name in self._remote if name not in here and (is_new or name in self._before)]
        if not changed and not gone:
            return None
        # What an earlier command that failed left here belongs to the output by now.
        left = {name for name, stat in here.items() if not is_fetched(stat)}
        pending = Pending(command, code, sorted({*changed, *left}), gone)
        self._save(pending)
        return pending

    def upload(self, pending: Pending, report: Report = silent) -> int:
        """Upload what a command has changed, and delete what it has deleted; give how many files were uploaded."""
        with held(self.place / SYNC):
            return self._upload(pending, report)

    def _upload(self, pending: Pending, report: Report) -> int:
        here = visible(self.tree)
        left = [name for name in pending.changed if name in here and not self._is_current(name, here[name])]
        last = sorted((name for name in left if PurePosixPath(name).name == _LAST), key=len, reverse=True)
        first = [name for name in left if PurePosixPath(name).name != _LAST]
        with told(self.address, f"cannot be written; what was made waits in {self.place}"):
            if self.path.is_dir():
                self._fs.pipe_file(self._marker, _owner(pending))
            for done, _ in enumerate(_at_once(self._put, first), 1):
                report(done, len(left))
            for name in pending.gone:
                with contextlib.suppress(FileNotFoundError):
                    self._fs.rm_file(self._remote_path(name))
            for done, name in enumerate(last, len(first) + 1):
                self._put(name)
                report(done, len(left))
            if self.path.is_dir():
                self._fs.rm_file(self._marker)
        self._remote, _ = self._listed()
        self._save()
        return len(left)

    def _refuse_others(self, pending: Pending, seen: str) -> None:
        """Refuse to finish an upload where others have written since it was cut off."""
        if self._is_whole:
            here = visible(self.tree)
            is_done = all(name in here and self._is_current(name, here[name]) for name in pending.changed)
            is_ours = is_done or _digest(self._remote) == seen
        else:
            with told(self.address, "cannot be read"):
                is_ours = self._fs.cat_file(self._marker) == _owner(pending)
        if not is_ours:
            raise self._changed_by_others()

    def _changed_by_others(self) -> RemoteError:
        return RemoteError(
            f"{self.address}: was changed by others since this machine began to write into it. To go on with what they "
            f"wrote, delete {self.place}, which holds what was made here."
        )

    def _put(self, name: str) -> None:
        path, remote = self.tree / name, self._remote_path(name)
        self._fs.put_file(str(path), remote)
        _date(path, _version(self._fs.info(remote)))

    def _fetch(self, remote: Mapping[str, Version], tables_only: bool, seen: str, report: Report) -> None:
        """Bring the copy to what the store holds."""
        here = visible(self.tree)
        has_work = any(not is_fetched(stat) for stat in here.values())
        if has_work and seen and seen != _digest(remote):
            raise self._changed_by_others()
        stale = {name for name, stat in here.items() if is_fetched(stat) and not _is_at(remote, name, stat)}
        # Among files that a stopped command made, one that looks fetched may be its copy of an input.
        for name in stale - ({*here} - {*remote} if has_work else set()):
            (self.tree / name).unlink()
        deferred = _deferred(remote)
        wanted = [
            name
            for name in remote
            if (name not in here or name in stale) and name not in deferred
            if not tables_only or name.endswith(".parquet")
        ]
        with told(self.address, "cannot be read"):
            for done, _ in enumerate(_at_once(self._get, wanted), 1):
                report(done, len(wanted))

    def _get(self, name: str) -> None:
        _download(self._fs, self._remote_path(name), self.tree / name, self._remote[name], self.address)

    def _remote_path(self, name: str) -> str:
        """Path in the store of a file of the tree; what commands write beside an output stays beside it."""
        inside = name.partition("/")[2] if name.partition("/")[0] == self._name else None
        if inside is None:
            return f"{self._root.rpartition('/')[0]}/{name}"
        return f"{self._root}/{inside}" if inside else self._root

    def _listed(self) -> tuple[dict[str, Version], bool]:
        """List what the store holds, by paths in the tree, and tell whether it is whole."""
        with told(self.address, "cannot be read"):
            self._fs.invalidate_cache()
            try:
                found: dict[str, Any] = self._fs.find(self._root, detail=True)
            except FileNotFoundError:
                if not self._fs.exists(container(self.address, self._root)):
                    raise
                return {}, True
        files, whole = {}, True
        for path, info in found.items():
            inside = path.removeprefix(self._root).strip("/")
            parts = inside.split("/")
            whole = whole and inside != UPLOADING
            # Neither hidden files nor, by "..", files outside of the folder.
            hidden = any(part.startswith(".") for part in parts)
            if not hidden and info.get("type") != "directory" and not path.endswith("/"):
                files[f"{self._name}/{inside}" if inside else self._name] = _version(info)
        return files, whole

    def _is_current(self, name: str, stat: os.stat_result) -> bool:
        return _is_at(self._remote, name, stat)

    def _state(self) -> dict[str, Any]:
        try:
            return json.loads((self.place / STATE).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}

    def _save(self, pending: Pending | None = None) -> None:
        state = {"address": self.address, "seen": _digest(self._remote), "pending": pending and asdict(pending)}
        temporary = self.place / f"{STATE}.{os.getpid()}"
        temporary.write_text(json.dumps(state), encoding="utf-8")
        temporary.replace(self.place / STATE)


def fetch_files(paths: Iterable[Path]) -> None:
    """Fetch files of mirrors that are not there yet; leave out what is in no mirror, and what the store lacks.

    Raises
    ------
    RemoteError
        The store cannot be read.
    """
    of_tree: dict[Path, list[str]] = {}
    for path in paths:
        tree = next((folder for folder in path.parents if folder.name == TREE), None)
        if tree is not None and ".." not in path.parts:
            of_tree.setdefault(tree, []).append(path.relative_to(tree).as_posix())
    for tree, names in of_tree.items():
        if (tree.parent / STATE).is_file():
            address = json.loads((tree.parent / STATE).read_text(encoding="utf-8"))["address"]
            for _ in _at_once(functools.partial(_fetch_opened, address, tree), names):
                pass


def _fetch_opened(address: str, tree: Path, name: str) -> None:
    """Fetch one file of a mirror, in a process that need not be the one that made the mirror."""
    fs, root = file_system(address)
    inside = name.partition("/")[2]
    remote = f"{root}/{inside}" if inside else root
    with told(f"{address}/{inside}", "cannot be read"), contextlib.suppress(FileNotFoundError):
        _download(fs, remote, tree / name, _version(fs.info(remote)), address)


def _download(fs: Any, remote: str, path: Path, version: Version, address: str) -> None:
    """Fetch a file, which appears whole and is dated by its version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=FETCHING, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        fs.get_file(remote, name)
        if temporary.stat().st_size != version.size:
            raise RemoteError(f"{address}: '{remote}' changed while it was read. Run the same command again.")
        temporary.chmod(0o644)
        _date(temporary, version)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _version(info: Mapping[str, Any]) -> Version:
    """Read what stores call the version of a file: S3 ETag, Google etag, Hugging Face blob_id, else its date."""
    known = ("ETag", "etag", "generation", "blob_id", "mtime", "created")
    text = next((str(info[key]) for key in known if info.get(key) is not None), "")
    return Version(int(info["size"]), f"{text} {info['size']}")


def _owner(pending: Pending) -> bytes:
    """Text of the marker of an upload, by which its command knows it again."""
    return f"The upload of {pending.command} goes on, or was cut off.\n".encode()


def _date(path: Path, version: Version) -> None:
    os.utime(path, (stamp(version.text), stamp(version.text)))


def _is_at(remote: Mapping[str, Version], name: str, stat: os.stat_result) -> bool:
    return name in remote and remote[name].is_of(stat)


def _signature(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _digest(remote: Mapping[str, Version]) -> str:
    listed = sorted((name, version.text) for name, version in remote.items())
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def _deferred(names: Iterable[str]) -> set[str]:
    """Tell which files are below the folder of a store and are none of its tables."""
    paths = {name: PurePosixPath(name) for name in names}
    stores = {path.parent for path in paths.values() if path.name == "scenes.parquet"}
    return {name for name, path in paths.items() if path.parent not in stores and stores & {*path.parents}}


def _at_once(work: Callable[[str], None], names: Sequence[str]) -> Iterator[None]:
    """Do something for many files at once; the first error ends it."""
    with ThreadPoolExecutor(TRANSFERS) as pool:
        futures = [pool.submit(work, name) for name in names]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
