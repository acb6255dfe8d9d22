"""Recordings that are an archive, or the folder that it was unpacked to: both are read alike."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import check_inside, read_bytes

MAX_MEMBER_BYTES = 100_000_000
MAX_MEMBERS = 2_000_000
MAX_RATIO = 200
"""A member that unpacks to more than this many times its size is a bomb."""


class Container:
    """Files of a recording by name.

    Parameters
    ----------
    path : Path
        A zip archive, whatever its ending, or a folder.
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
        if path.is_dir():
            return
        check_inside(path, roots)
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise SceneError(path.name, f"no whole archive ({error})", reason=IngestReason.BAD_FORMAT) from None
        if len(members) > MAX_MEMBERS:
            raise SceneError(path.name, f"{len(members)} members are too many", reason=IngestReason.TOO_LARGE)
        self._sizes = {member.filename: (member.file_size, member.compress_size) for member in members}

    def __contains__(self, name: str) -> bool:
        return (self.path / name).is_file() if self._sizes is None else name in self._sizes

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
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as member:
                data = member.read(size + 1)
        except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            raise SceneError(field, f"cannot be unpacked ({error})", reason=IngestReason.BAD_FORMAT) from None
        if len(data) != size:
            raise SceneError(field, f"{len(data)} bytes, its entry says {size}", reason=IngestReason.BAD_FORMAT)
        return data
