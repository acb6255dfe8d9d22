"""Digests of what stages wrote: a damaged or exchanged file is noticed before another stage reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from qa_contract.files import write_json
from qa_contract.remote import fetch_all

from qa_loop.manifest import Record
from qa_loop.stage import removed

DIGESTS = "digests"
"""Folder of the run with a list of files and their SHA-256 per stage; the manifest holds the digest of the list."""
THREADS = 4


TIMED = ("manifest.json", "metrics.parquet")
"""Files that hold times, so that they differ from run to run."""


def record_digests(folder: Path, record: Record, *, adds_to: str = "") -> None:
    """Write the digest of every file of a finished stage; its record gets `digest` and `content`.

    Parameters
    ----------
    folder : Path
        Of the run.
    record : Record
        Of the stage.
    adds_to : str
        A folder that other stages fill, too: what none of them has listed is this stage's.
    """
    files = _files(folder / record.out)
    if adds_to:
        lists = [path for path in (folder / DIGESTS).glob("*.json") if path != _list(folder, record)]
        listed = {name for path in lists for name in json.loads(path.read_text(encoding="utf-8"))}
        files = [*files, *(path for path in _files(folder / adds_to) if str(path.relative_to(folder)) not in listed)]
        files = sorted({*files})
    found = dict(zip((str(path.relative_to(folder)) for path in files), _digests(files), strict=True))
    path = _list(folder, record)
    path.parent.mkdir(exist_ok=True)
    write_json(path, found)
    record.digest = _digest(path)
    lasting = {name: digest for name, digest in found.items() if Path(name).name not in TIMED}
    record.content = hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


def sources_digest(paths: Sequence[str], *, since_s: float | None = None) -> str | None:
    """Hash names, sizes and times of all files of some files and folders, which tells whether one was repaired.

    Parameters
    ----------
    paths : sequence of str
    since_s : float, optional
        Seconds since the epoch.

    Returns
    -------
    str or None
        None where a file was written after `since_s`: who read meanwhile may have met the old one or the new one.
    """
    found = hashlib.sha256()
    for path in paths:
        root = Path(path)
        for file in [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file()):
            about = file.stat()
            if since_s is not None and about.st_mtime > since_s:
                return None
            found.update(f"{file}\x1f{about.st_size}\x1f{about.st_mtime_ns}\x1e".encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def damage(folder: Path, record: Record) -> list[str]:
    """Say which files of a finished stage are missing or differ from what it wrote; files beside them do not count.

    Nor do weights that were removed on purpose.
    A stage that an older version finished has no digests; nothing is said of it.
    """
    if record.digest is None:
        return []
    listed = _list(folder, record)
    if not listed.is_file() or _digest(listed) != record.digest:
        return [f"{listed}: the list of the stage's files is missing or damaged"]
    wanted: dict[str, str] = json.loads(listed.read_text(encoding="utf-8"))
    gone = tuple(f"{record.out}/{name}/" for name in removed(folder / record.out))
    wanted = {name: digest for name, digest in wanted.items() if not name.startswith(gone)}
    fetch_all(folder / name for name in wanted)
    there = {name: folder / name for name in wanted if (folder / name).is_file()}
    found = dict(zip(there, _digests(list(there.values())), strict=True))
    return [
        f"{folder / name}: {'differs from what the stage wrote' if name in found else 'is missing'}"
        for name, digest in wanted.items()
        if found.get(name) != digest
    ]


def _files(path: Path) -> list[Path]:
    """List the files of an output; hidden ones are of writers at work."""
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))


def _list(folder: Path, record: Record) -> Path:
    return folder / DIGESTS / f"{record.name}.json"


def _digests(files: list[Path]) -> list[str]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_digest, files))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
