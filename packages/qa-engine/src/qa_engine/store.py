"""Read a store: the folder of tables and images that `qa-engine ingest` writes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qa_engine.errors import unknown_name
from qa_engine.scene import SPLITS, Frame, Scene
from qa_engine.tableio import read_table, table_files
from qa_engine.tables import FRAME_SETS, FRAMES, OBJECTS, SCENES


class Store:
    """Scenes of a store, in the order of their names.

    Each table is read once, when first needed, and a scene is a slice of it: memory grows with the tables (about 0.3 kB
    per object), never with the scenes that are held as `Scene`.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    TableError
        The folder or a table is missing or lacks columns.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        table_files(self.path, "scenes")

    @cached_property
    def scenes(self) -> pl.DataFrame:
        """The table `scenes`, sorted by name."""
        return read_table(self.path, "scenes", SCENES).sort("scene_name")

    @cached_property
    def frame_sets(self) -> pl.DataFrame:
        """The table `frame_sets`; no rows where `sample-frames` has not run."""
        if not (self.path / "frame_sets.parquet").is_file():
            return pl.DataFrame(schema=FRAME_SETS)
        return read_table(self.path, "frame_sets", FRAME_SETS)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.scenes["scene_name"])}

    @cached_property
    def _objects(self) -> _Columns:
        return _Columns(read_table(self.path, "objects", OBJECTS).sort("scene_name", maintain_order=True))

    @cached_property
    def _frames(self) -> tuple[pl.DataFrame, dict[str, slice]]:
        table = read_table(self.path, "frames", FRAMES).sort("scene_name", maintain_order=True)
        return table, _slices(table)

    def scene_names(self, split: str | None = None) -> list[str]:
        """List the scenes, or those of one split.

        Raises
        ------
        QAEngineError
            There is no such split.
        """
        if split is None:
            return self.scenes["scene_name"].to_list()
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS, "A store has train, val and test.")
        return self.scenes.filter(pl.col("split") == split)["scene_name"].to_list()

    def load_scene(self, name: str) -> Scene:
        """Build one scene, without its frames (see `frames`).

        Raises
        ------
        QAEngineError
            There is no such scene.
        SceneError
            The tables were changed and break a rule.
        """
        if name not in self._rows:
            raise unknown_name("scene", name, self._rows, f"Its store is {self.path}.")
        row = self.scenes.row(self._rows[name], named=True)
        counts = row["category_counts"] or []
        return Scene(
            scene_name=name,
            dataset=row["dataset"],
            scene_group=row["scene_group"],
            split=row["split"],
            room_size_m2=row["room_size_m2"],
            room_center=row["room_center"],
            floor_polygon=row["floor_polygon"],
            category_counts={item["category"]: item["count"] for item in counts},
            canonical_from_source=np.array(row["canonical_from_source"]).reshape(4, 4),
            source_sha=row["source_sha"],
            **self._objects.of_scene(name),
        )

    def iter_scenes(self, split: str | None = None) -> Iterator[Scene]:
        """Yield the scenes of a split one by one, by name."""
        for name in self.scene_names(split):
            yield self.load_scene(name)

    def frames(self, scene: Scene | str) -> tuple[Frame, ...]:
        """Load the frames of a scene in the order of the recording; their paths are absolute."""
        table, slices = self._frames
        part = slices.get(scene if isinstance(scene, str) else scene.scene_name, slice(0, 0))
        return tuple(self._frame(row) for row in table[part].iter_rows(named=True))

    def frame_set_ids(self) -> list[str]:
        """List the frame sets that `sample-frames` has written."""
        return self.frame_sets["frame_set_id"].unique().sort().to_list()

    def _frame(self, row: dict[str, Any]) -> Frame:
        root = self.path.resolve()
        files = {key: None if row[key] is None else root / row[key] for key in _FRAME_FILES}
        shapes = (("intrinsics", (3, 3)), ("world_from_camera", (4, 4)))
        arrays = {key: None if row[key] is None else np.array(row[key]).reshape(shape) for key, shape in shapes}
        plain = {key: row[key] for key in ("frame_id", "time_s", "width", "height")}
        return Frame(**plain, **files, **arrays)


_FRAME_FILES = ("image_path", "depth_path", "instance_path")


class _Columns:
    """The table `objects` as arrays over all scenes, and where each scene starts and ends."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._slices = _slices(table)
        self._arrays: dict[str, NDArray[Any]] = {
            "instance_id": table["instance_id"].to_numpy(),
            "category": table["category"].to_numpy().astype(object),
            "category_raw": table["category_raw"].to_numpy().astype(object),
            "center": _matrix(table["center"], (3,)),
            "size": _matrix(table["size"], (3,)),
            "rotation": _matrix(table["rotation"], (3, 3)),
        }

    def of_scene(self, name: str) -> dict[str, NDArray[Any]]:
        """Slice the columns of one scene."""
        part = self._slices.get(name, slice(0, 0))
        return {key: array[part] for key, array in self._arrays.items()}


def _slices(table: pl.DataFrame) -> dict[str, slice]:
    """Map each scene of a table sorted by scene to its rows."""
    runs = table["scene_name"].rle().struct.unnest()
    stops = runs["len"].cum_sum().to_list()
    return {name: slice(stop - n, stop) for name, n, stop in zip(runs["value"], runs["len"], stops, strict=True)}


def _matrix(column: pl.Series, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Turn a column of lists of equal length into one array (n, *shape)."""
    return column.list.to_array(int(np.prod(shape))).to_numpy().reshape(-1, *shape)
