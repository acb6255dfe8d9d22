"""Find the scenes of a dataset that keeps one folder per scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from qa_engine.datasets.base import SceneSource
from qa_engine.errors import QAEngineError


def scene_folders(
    root: Path | None, marker: Callable[[Path], bool], *, below: Sequence[str] = (), needs: str
) -> list[Path]:
    """List the folders of scenes: ROOT itself, or those directly below it or below one of its folders `below`.

    Parameters
    ----------
    root : Path
    marker : callable
        True for the folder of a scene.
    below : sequence of str
        Names of folders of ROOT that hold the scenes in the official layout.
    needs : str
        What ROOT must hold, for the message.

    Raises
    ------
    QAEngineError
        ROOT is no folder, or holds no scene.
    """
    assert root is not None
    if not root.is_dir():
        raise QAEngineError(f"{root}: no such folder. Expected {needs}.")
    if marker(root):
        return [root]
    parents = [folder for name in below if (folder := root / name).is_dir()] + [root]
    found = sorted({path for parent in parents for path in parent.iterdir() if path.is_dir() and marker(path)})
    if not found:
        raise QAEngineError(f"{root}: no scene here. Expected {needs}.")
    return found


def folder_sources(root: Path | None, folders: Sequence[Path], data: Callable[[Path], object]) -> list[SceneSource]:
    """Make the source of each folder; a scene is named like its folder."""
    assert root is not None
    roots = (root.resolve(),)
    return [
        SceneSource(scene_name=folder.resolve().name, item=item_of(folder, root), data=data(folder), roots=roots)
        for folder in folders
    ]


def item_of(path: Path, root: Path) -> str:
    """Name a file or folder of the source for messages: relative to ROOT."""
    return path.name if path == root else path.relative_to(root).as_posix()
