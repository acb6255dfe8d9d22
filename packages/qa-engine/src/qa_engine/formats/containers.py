"""Recordings that are an archive (zip, tar), or the folder that it was unpacked to: all are read alike."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import check_inside, read_bytes

MAX_MEMBER_BYTES = 100_000_000
MAX_MEMBERS = 2_000_000
MAX_RATIO = 200
"""A member that unpacks to more than this many times its size is a bomb."""

_DAMAGE = (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError, OverflowError)


class Container:
    """Files of a recording by name.

    Parameters
    ----------
    path : Path
        A folder, a tar archive without compression (`.tar`), or a zip archive of any other ending.
    roots : sequence of Path
        Folders that files may lie in.

    Raises
    ------
    SceneError
        It is no whole archive, or has too many members.
    """

    def __init__(self, path: Path, roots: Sequence[Path]) -> None:
        self.path, self._roots = path, roots
        self._sizes: dict[str, tuple[int, int]] | None = None
        self._places: dict[str, int] | None = None
        if path.is_dir():
            return
        check_inside(path, roots)
        try:
            if path.suffix == ".tar":
                files = _tar_members(path)
                self._places = {member.name: member.offset_data for member in files}
                self._sizes = {member.name: (member.size, member.size) for member in files}
                return
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (*_DAMAGE, NotImplementedError) as error:
            raise SceneError(path.name, f"no whole archive ({error})", reason=IngestReason.BAD_FORMAT) from None
        _check_number(len(members), path)
        self._sizes = {member.filename: (member.file_size, member.compress_size) for member in members}

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file() if self._sizes is None else name in self._sizes

    def names(self) -> list[str]:
        """List the files in it, in order."""
        if self._sizes is not None:
            return sorted(self._sizes)
        return sorted(path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if path.is_file())

    def files(self, *names: str) -> tuple[Path, ...]:
        """Files on disk that hold these members."""
        return tuple(self.path / name for name in names) if self._sizes is None else (self.path,)

    def read(self, name: str) -> bytes:
        """Read a member.

        Raises
        ------
        SceneError
            It is missing, damaged, or unpacks to far more than it takes.
        """
        if self._sizes is None:
            check_inside(self.path / name, self._roots)
            return read_bytes(self.path / name, max_bytes=MAX_MEMBER_BYTES)
        field = f"{self.path.name}: {name}"
        if name not in self._sizes:
            raise SceneError(field, "no such member", reason=IngestReason.MISSING_FILE)
        size, packed = self._sizes[name]
        if size > MAX_MEMBER_BYTES or size > MAX_RATIO * max(packed, 1000):
            raise SceneError(field, f"{size} bytes out of {packed}", reason=IngestReason.TOO_LARGE)
        try:
            if self._places is not None:
                with self.path.open("rb") as file:
                    file.seek(self._places[name])
                    data = file.read(size)
            else:
                with zipfile.ZipFile(self.path) as archive, archive.open(name) as member:
                    data = member.read(size + 1)
        except (*_DAMAGE, NotImplementedError, RuntimeError) as error:
            raise SceneError(field, f"cannot be unpacked ({error})", reason=IngestReason.BAD_FORMAT) from None
        if len(data) != size:
            raise SceneError(field, f"{len(data)} bytes, its entry says {size}", reason=IngestReason.BAD_FORMAT)
        return data


def _tar_members(path: Path) -> list[tarfile.TarInfo]:
    """List the plain files of a tar archive; links are left out."""
    files: list[tarfile.TarInfo] = []
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isreg() and not member.issparse():
                files.append(member)
                _check_number(len(files), path)
    return files


def _check_number(n: int, path: Path) -> None:
    if n > MAX_MEMBERS:
        raise SceneError(path.name, f"holds more than {MAX_MEMBERS} files", reason=IngestReason.TOO_LARGE)
