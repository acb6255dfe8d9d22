"""Lift the scenes of a store into a new one; what a stopped run has done is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from qa_engine.datasets.base import Dataset, IngestOptions, SceneSource, Setting
from qa_engine.errors import QAEngineError
from qa_engine.executor import LocalExecutor
from qa_engine.formats.masks import MASK_LAYOUTS
from qa_engine.ingestion.run import DEFAULT_SPLIT, IngestReport, ingest
from qa_engine.lifting.scene import LiftSource, lift_scene
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scenes of a store; `annotations` holds a folder of masks per scene, or those of its only scene."""
    assert root is not None
    assert options.annotations is not None
    chosen = LIFTED.chosen(options)
    layout = None if chosen["layout"] == "auto" else chosen["layout"]
    store = Store(root)
    names = store.scene_names()
    folders = {name: options.annotations / name for name in names}
    if len(names) == 1 and not folders[names[0]].is_dir():
        folders[names[0]] = options.annotations
    if not any(folder.is_dir() for folder in folders.values()):
        first = ", ".join(names[:3])
        raise QAEngineError(f"{options.annotations}: expected a folder of masks per scene ({first}, ...), found none.")
    return [
        SceneSource(
            scene_name=name,
            item=str(folder),
            data=LiftSource(store, folder, layout, int(chosen["min_frames"])),
            roots=(root.resolve(),),
        )
        for name, folder in folders.items()
    ]


def load(source: SceneSource) -> Scene:
    """Lift one scene."""
    return lift_scene(source.scene_name, source.data)


LIFTED = Dataset(
    name="lift",
    description="Objects of a store from masks of its frames",
    needs="a store with posed frames and depth",
    discover=discover,
    load=load,
    options=frozenset({"annotations"}),
    settings=(
        Setting("layout", "how the masks are written", ("auto", *MASK_LAYOUTS)),
        Setting("min_frames", "frames that must show an object", ("2", "1", "3", "4", "5", "6", "7", "8")),
    ),
)


def lift(
    store: Path,
    masks: Path,
    *,
    out: Path,
    layout: str = "auto",
    min_frames: int = 2,
    reviews: Path | None = None,
    workers: int = 1,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> IngestReport:
    """Write a store whose objects are found by masks of the frames, their depth and their poses.

    Parameters
    ----------
    store : Path
        Scenes with posed frames and depth; objects that they have are replaced.
    masks : Path
        A folder per scene in one of `MASK_LAYOUTS`.
    out : Path
        The new store.
    layout : str
        A name in `MASK_LAYOUTS`, or `auto`.
    min_frames : int
        Frames that must show an object.
    reviews : Path, optional
        Table `reviews` about an earlier run of the same masks: decisions about its objects.
    workers : int
        Processes; their number changes nothing in the store.

    Raises
    ------
    QAEngineError
        No masks, or not one scene that can be lifted.
    """
    options = IngestOptions(annotations=masks, settings={"layout": layout, "min_frames": str(min_frames)})
    return ingest(
        LIFTED,
        store,
        out=out,
        options=options,
        split=DEFAULT_SPLIT,
        reviews=reviews,
        executor=LocalExecutor(workers),
        force=force,
        progress=progress,
    )


__all__ = ["LIFTED", "lift"]
