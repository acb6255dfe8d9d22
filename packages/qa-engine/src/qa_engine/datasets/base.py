"""What a dataset is: how to find its scenes and how to read one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from qa_engine.scene import Scene


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """Options of `qa-engine ingest` that a dataset may understand; None = not given, the dataset has its default.

    Parameters
    ----------
    seed : int
        Seed of generated scenes.
    annotations, frames_dir : Path, optional
        Folders that hold the annotations and the images where these lie apart from ROOT.
    scenes, frames, size, first_scene : int, optional
        For generated scenes: how many, frames per scene, pixels per side, number of the first scene.

    Examples
    --------
    >>> IngestOptions(scenes=3).given()
    ['scenes']
    """

    seed: int = 0
    annotations: Path | None = None
    frames_dir: Path | None = None
    scenes: int | None = None
    frames: int | None = None
    size: int | None = None
    first_scene: int | None = None

    def given(self) -> list[str]:
        """Name the options that were given, without the seed, which every dataset may ignore."""
        return [f.name for f in fields(self) if f.name != "seed" and getattr(self, f.name) is not None]


@dataclass(frozen=True, kw_only=True)
class SceneSource:
    """Where one scene comes from, before it is read.

    Parameters
    ----------
    scene_name : str
        As the source has it; not yet checked.
    item : str
        File, and place in it, for the user: the `item` of a reject.
    data : Any
        What `Dataset.load` needs.
    roots : tuple of Path
        Resolved folders; a frame that is a link to a file elsewhere is refused.
    """

    scene_name: str
    item: str
    data: Any
    roots: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A kind of source that `qa-engine ingest` reads.

    Parameters
    ----------
    name, description, needs : str
        Name on the command line, one line on what it is, and what ROOT must hold.
    discover : callable
        `discover(root, options)` lists the scenes cheaply, in a fixed order. It raises QAEngineError when `root` is no
        such dataset. `root` is None where `needs_root` is false.
    load : callable
        `load(source)` reads or makes one scene. It raises SceneError for a scene that cannot be used, nothing else.
        `Scene.frames` name files to copy (`image_path`) or hold pixels to write (`rgb`). The caller sets the split.
    needs_root : bool
        False for a dataset that is generated.
    options : frozenset of str
        Fields of IngestOptions that it understands besides the seed.
    """

    name: str
    description: str
    needs: str
    discover: Callable[[Path | None, IngestOptions], Sequence[SceneSource]]
    load: Callable[[SceneSource], Scene]
    needs_root: bool = True
    options: frozenset[str] = frozenset()
