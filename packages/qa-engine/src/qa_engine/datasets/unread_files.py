"""Name every file of an own scan that nothing was taken from, and what it is where its name tells."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.catalogue import foreign

MAX_FILES = 200_000
MAX_NAMED = 20
"""Groups of files that are named; a scan has a few kinds."""

IGNORED = (".*", "Thumbs.db", "desktop.ini", "README*", "LICENSE*", "*.log")


def unread_files(folder: Path, read: Iterable[Path]) -> list[SceneError]:
    """List what is in the folder of a scan and was not read, files of one folder and ending together.

    Parameters
    ----------
    folder : Path
    read : iterable of Path
        Files that something was taken from.
    """
    known = {os.path.normpath(path) for path in read}
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in _names(folder):
        base = os.path.basename(name)
        if os.path.normpath(folder / name) in known or any(fnmatch(base, pattern) for pattern in IGNORED):
            continue
        about = foreign(base)
        groups[os.path.dirname(name), about or os.path.splitext(base)[1].lower()].append(name)
    errors: list[SceneError] = []
    for (parent, _), names in sorted(groups.items())[:MAX_NAMED]:
        about = foreign(os.path.basename(min(names))) or "no file that is read"
        count = "" if len(names) == 1 else f" ({len(names)} such files in {parent or 'the folder'})"
        errors.append(SceneError(min(names), f"not read{count}: {about}", reason=IngestReason.UNREAD_FILE))
    return errors


def _names(folder: Path) -> list[str]:
    """List the files of a folder, in order; links to folders are not followed."""
    names = (
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, children in os.walk(folder)
        for name in children
    )
    return sorted(islice(names, MAX_FILES))
