"""Read a store: the folder of tables and images that `qa-engine ingest` writes, a strip of its scenes at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.errors import TableError
from qa_contract.files import path_inside
from qa_contract.tableio import read_table, table_files
from qa_contract.tables import FRAME_SETS, FRAMES, OBJECTS, SCENES

from qa_engine.errors import SceneError, unknown_name
from qa_engine.scenes.clouds import Cloud, read_cloud
from qa_engine.scenes.clues import Clue
from qa_engine.scenes.fields import check_name, frozen
from qa_engine.scenes.meshes import Mesh, mesh_path, read_mesh
from qa_engine.scenes.scene import SPLITS, Frame, Scene

SCENES_PER_STRIP = 1024
"""Scenes whose objects are read and checked together: enough that this costs little, few enough to be held by every
worker."""

SCENES_PER_FRAME_STRIP = 64
"""The same for frames and what they show, of which a scene may have thousands."""

STRIPS_HELD = 4
"""Strips that stay in memory; who goes through the scenes by name, or by strips, reads each one once."""

ROWS_PER_GROUP = 8192
"""Rows of a table of a store that are read together where one scene is wanted, some MB at most."""

VIEWS_TOGETHER = 500_000
"""Rows of `observations` that are read together at most, some 50 MB."""

GROUPS_HELD = 2
"""Groups of scenes of which what frames show stays in memory."""


class Store:
    """Scenes of a store, in the order of their names.

    The names are read at once, what is known of the scenes in strips of `SCENES_PER_STRIP`, of which a few are held:
    memory does not grow with the store. A scene is a slice of its strip. So a store is opened once and passed on, and
    large ones are gone through in the order of `scene_names`. Who works on scenes in another order says by `expect`
    which come next, so that what frames show of them is read at once, and of no others.

    Another process gets the folder's name and opens its own: reading costs less than sending what was read, and a
    worker needs only the tables that it asks for.

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
        self._root = self.path.resolve()
        self._strip = lru_cache(STRIPS_HELD)(self._read_strip)
        self._frame_strip = lru_cache(STRIPS_HELD)(self._read_frame_strip)
        self._strip_names = lru_cache(2 * STRIPS_HELD)(self._names)
        self._expected: tuple[str, ...] = ()
        table_files(self.path, "scenes")

    def __reduce__(self) -> tuple[type[Store], tuple[Path]]:
        """Travel to another process as the name of the folder."""
        return Store, (self.path,)

    @cached_property
    def _index(self) -> pl.DataFrame:
        """Name and split of every scene, by name."""
        return read_table(self.path, "scenes", SCENES, columns=["scene_name", "split"]).sort("scene_name")

    @cached_property
    def frame_sets(self) -> pl.DataFrame:
        """The table `frame_sets`; no rows where `sample-frames` has not run."""
        if not (self.path / "frame_sets.parquet").is_file():
            return pl.DataFrame(schema=FRAME_SETS)
        return read_table(self.path, "frame_sets", FRAME_SETS)

    def expect(self, names: Sequence[str]) -> None:
        """Say which scenes are asked for next."""
        self._expected = tuple(names)

    def together(self, name: str) -> tuple[str, ...]:
        """List the scenes of which what frames show is read together with that of one.

        It is the strip of its objects. Where these show too much, it is the expected scenes, or else fewer in a row.
        """
        if name not in self._rows:
            return (name,)
        if self._few_views:
            return self._strip_names(self._rows[name] // SCENES_PER_STRIP, SCENES_PER_STRIP)
        if name in self._expected:
            return self._expected
        return self._strip_names(self._rows[name] // SCENES_PER_FRAME_STRIP, SCENES_PER_FRAME_STRIP)

    @cached_property
    def _few_views(self) -> bool:
        """Tell whether what the frames of a strip show fits into memory at once."""
        path = self.path / "observations.parquet"
        if not path.is_file():
            return True
        return (
            pl.scan_parquet(path).select(pl.len()).collect().item() / max(len(self._index), 1) * SCENES_PER_STRIP
            <= VIEWS_TOGETHER
        )

    @cached_property
    def _frame_set_ids(self) -> list[str]:
        if not (self.path / "frame_sets.parquet").is_file():
            return []
        ids = read_table(self.path, "frame_sets", FRAME_SETS, columns=["frame_set_id"])
        return ids["frame_set_id"].unique().sort().to_list()

    @cached_property
    def collections(self) -> dict[str, str | None]:
        """What `ingest --collection` called the scenes, by scene; None where they have no name of their own."""
        return dict(read_table(self.path, "scenes", SCENES, columns=["scene_name", "collection"]).iter_rows())

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self._index["scene_name"])}

    def _row(self, name: str) -> int:
        if name not in self._rows:
            raise unknown_name("scene", name, self._rows, f"Its store is {self.path}.")
        return self._rows[name]

    def _names(self, strip: int, size: int) -> tuple[str, ...]:
        """Give the names of a strip of so many scenes."""
        return tuple(self._index["scene_name"][strip * size : (strip + 1) * size])

    def _read_strip(self, number: int) -> _Strip:
        names = self._strip_names(number, SCENES_PER_STRIP)
        scenes = read_table(self.path, "scenes", SCENES, scenes=names)
        optional = ("face_error_m", "confidence")
        table = read_table(self.path, "objects", OBJECTS, optional=optional, unique=False, scenes=names).sort(
            "scene_name", maintain_order=True
        )
        columns: dict[str, Any] = {
            "instance_id": table["instance_id"].to_numpy(),
            "category": table["category"].to_numpy(),
            "category_raw": table["category_raw"].to_numpy(),
            "center": self._matrix(table, "center", (3,)),
            "size": self._matrix(table, "size", (3,)),
            "rotation": self._matrix(table, "rotation", (3, 3)),
            "face_error_m": table["face_error_m"].to_numpy(),
            "confidence": table["confidence"].to_numpy(),
        }
        ids = columns["instance_id"]
        double = table.select(pl.struct("scene_name", "instance_id").is_duplicated().any()).item()
        checked = not double and bool(((ids >= 0) & (ids < 2**31)).all())
        if checked:
            try:  # all objects as if they were of one scene, under other ids: the rules look at them one by one
                alone: dict[str, Any] = columns | {"instance_id": np.arange(len(table))}
                every = Scene(scene_name="-", dataset="-", **alone)
                columns = {name: getattr(every, name) for name in columns} | {"instance_id": frozen(ids.copy())}
            except SceneError:
                checked = False  # the scene that breaks a rule says so when it is loaded
        return _Strip(scenes.sort("scene_name"), _slices(table), columns, checked)

    def _read_frame_strip(self, number: int) -> tuple[pl.DataFrame, dict[str, slice]]:
        names = self._strip_names(number, SCENES_PER_FRAME_STRIP)
        table = read_table(self.path, "frames", FRAMES, scenes=names).sort("scene_name", maintain_order=True)
        return table, _slices(table)

    def scene_names(self, split: str | None = None) -> list[str]:
        """List the scenes, or those of one split.

        Raises
        ------
        QAEngineError
            There is no such split.
        """
        if split is None:
            return self._index["scene_name"].to_list()
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS, "A store has train, val and test.")
        return self._index.filter(pl.col("split") == split)["scene_name"].to_list()

    def load_scene(self, name: str) -> Scene:
        """Build one scene, without its frames (see `frames`).

        Raises
        ------
        QAEngineError
            There is no such scene.
        SceneError
            The tables were changed and break a rule.
        """
        strip, place = divmod(self._row(name), SCENES_PER_STRIP)
        objects = self._strip(strip)
        row = objects.scenes.row(place, named=True)
        part = objects.slices.get(name, slice(0, 0))
        return Scene(
            scene_name=name,
            dataset=row["dataset"],
            scene_group=row["scene_group"],
            split=row["split"],
            room_size_m2=row["room_size_m2"],
            room_center=row["room_center"],
            floor_polygon=row["floor_polygon"],
            category_counts={item["category"]: item["count"] for item in row["category_counts"] or ()},
            canonical_from_source=np.array(row["canonical_from_source"]).reshape(4, 4),
            source_sha=row["source_sha"],
            gravity_error_deg=row["gravity_error_deg"],
            floor_error_m=row["floor_error_m"],
            scale_error=row["scale_error"],
            clues=tuple(Clue(**clue) for clue in row["clues"] or ()),
            objects_checked=objects.checked,
            **{name: column[part] for name, column in objects.columns.items()},
        )

    def iter_scenes(self, split: str | None = None) -> Iterator[Scene]:
        """Yield the scenes of a split one by one, by name."""
        for name in self.scene_names(split):
            yield self.load_scene(name)

    def frames(self, scene: Scene | str) -> tuple[Frame, ...]:
        """Load the frames of a scene in the order of the recording; their paths are absolute.

        Who opens one passes its path through `qa_contract.remote.fetched`: many want cameras alone.

        Raises
        ------
        FileError
            A file lies outside the store, or is a link to one.
        """
        name = scene if isinstance(scene, str) else scene.scene_name
        if name not in self._rows:
            return ()
        table, slices = self._frame_strip(self._rows[name] // SCENES_PER_FRAME_STRIP)
        part = slices.get(name, slice(0, 0))
        return tuple(self._frame(row) for row in table[part].iter_rows(named=True))

    def cloud(self, scene_name: str, instance_ids: Sequence[int] | None = None) -> Cloud | None:
        """Read the points of a scene, or of some of its instances; None where it has none."""
        strip, place = divmod(self._row(scene_name), SCENES_PER_STRIP)
        path = self._file(self._strip(strip).scenes["cloud_path"][place])
        return None if path is None else read_cloud(path, instance_ids)

    def has_mesh(self, scene_name: str) -> bool:
        """Tell whether a scene has a mesh."""
        path = mesh_path(self._root, check_name(scene_name, "scene_name"))
        return path_inside(self._root, str(path.relative_to(self._root))) == path and path.is_file()

    def mesh(self, scene_name: str) -> Mesh | None:
        """Read the mesh of a scene; None where it has none."""
        return read_mesh(mesh_path(self._root, scene_name)) if self.has_mesh(scene_name) else None

    def frame_ids(self) -> dict[str, list[str]]:
        """List the frames of each scene that has any, in the order of the recording."""
        table = read_table(self.path, "frames", FRAMES, columns=["scene_name", "frame_id"])
        table = table.sort("scene_name", maintain_order=True)
        return {name: table["frame_id"][part].to_list() for name, part in _slices(table).items()}

    def frame_set_ids(self) -> list[str]:
        """List the frame sets that `sample-frames` has written."""
        return self._frame_set_ids

    def _matrix(self, table: pl.DataFrame, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Turn a column of lists into one array (n, *shape)."""
        width = int(np.prod(shape))
        if not (table[name].list.len() == width).all():
            raise TableError(f"{self.path}: objects.{name} must have {width} numbers in every row.")
        return table[name].list.explode().to_numpy().reshape(-1, *shape)

    def _frame(self, row: dict[str, Any]) -> Frame:
        return Frame(
            frame_id=row["frame_id"],
            time_s=row["time_s"],
            image_path=self._file(row["image_path"], fetch=False),
            depth_path=self._file(row["depth_path"], fetch=False),
            instance_path=self._file(row["instance_path"], fetch=False),
            width=row["width"],
            height=row["height"],
            intrinsics=None if row["intrinsics"] is None else np.array(row["intrinsics"]).reshape(3, 3),
            world_from_camera=None
            if row["world_from_camera"] is None
            else np.array(row["world_from_camera"]).reshape(4, 4),
        )

    def _file(self, relative: str | None, *, fetch: bool = True) -> Path | None:
        if relative is None:
            return None
        return path_inside(self._root, relative, fetch=fetch)


@dataclass(frozen=True)
class _Strip:
    """Rows of some scenes, their objects as arrays, where each scene starts and ends, whether all keep the rules."""

    scenes: pl.DataFrame
    slices: dict[str, slice]
    columns: dict[str, Any]
    checked: bool


def _slices(table: pl.DataFrame) -> dict[str, slice]:
    """Map each scene of a table sorted by scene to its rows."""
    runs = table["scene_name"].rle().struct.unnest()
    stops = runs["len"].cum_sum().to_list()
    return {name: slice(stop - n, stop) for name, n, stop in zip(runs["value"], runs["len"], stops, strict=True)}
