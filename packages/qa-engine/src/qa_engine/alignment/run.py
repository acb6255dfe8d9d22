"""Align the scenes of a store into a new one; what a stopped run has done is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from qa_engine.alignment.scene import align_scene
from qa_engine.datasets.base import Dataset, IngestOptions, SceneSource
from qa_engine.executor import LocalExecutor
from qa_engine.ingestion.run import IngestReport, ingest
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scenes of a store."""
    assert root is not None
    store, roots = Store(root), (root.resolve(),)
    return [SceneSource(scene_name=name, item=name, data=store, roots=roots) for name in store.scene_names()]


def load(source: SceneSource) -> Scene:
    """Align one scene."""
    store: Store = source.data
    scene = store.load_scene(source.scene_name)
    whole = replace(
        scene,
        frames=store.frames(source.scene_name),
        cloud=store.cloud(source.scene_name),
        mesh=store.mesh(source.scene_name),
        objects_checked=False,
    )
    return align_scene(whole)


ALIGNED = Dataset(
    name="align",
    description="Scenes of a store, upright and in metres, with the errors that are left",
    needs="a store",
    discover=discover,
    load=load,
)


def align(
    store: Path,
    *,
    out: Path,
    workers: int = 1,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> IngestReport:
    """Write a store whose scenes are upright and in metres, with the errors of both and what they rest on.

    Parameters
    ----------
    store : Path
        Scenes as `ingest --unaligned` or `lift` wrote them.
    out : Path
        The new store.
    workers : int
        Processes; their number changes nothing in the store.

    Raises
    ------
    QAEngineError
        Not one scene of which it can be told what is up.
    """
    Store(store)
    return ingest(
        ALIGNED,
        store,
        out=out,
        options=IngestOptions(),
        split=None,
        executor=LocalExecutor(workers),
        force=force,
        progress=progress,
    )


__all__ = ["ALIGNED", "align"]
