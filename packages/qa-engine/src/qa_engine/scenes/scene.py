"""Scene and Frame: one place in the canonical form (metres, Z up, right-handed, OpenCV cameras), checked, no I/O.

Objects are columns, not a list: everything computed from a scene is computed for all objects at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.geometry.boxes import Boxes
from qa_engine.scenes.fields import (
    MAX_AREA_M2,
    check_boxes,
    check_name,
    check_pixels,
    check_rotations,
    floats,
    frozen,
    shorten,
    texts,
)

if TYPE_CHECKING:
    from qa_engine.scenes.clouds import Cloud
    from qa_engine.scenes.clues import Clue
    from qa_engine.scenes.meshes import Mesh

SPLITS = ("train", "val", "test")
"""Names of the splits, in the order in which hashed groups fill them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame:
    """One image of a scene: a file (`image_path`), pixels in memory (`rgb`), or a place in a container (`read_image`).

    Parameters
    ----------
    frame_id : str
        Unique in the scene; the frames of a scene stand in the order of the recording.
    image_path, depth_path, instance_path : Path, optional
        Files: the image; depth as uint16 PNG, millimetres along z, 0 = none; instances as uint16 PNG,
        `instance_id + 1`, 0 = none.
    rgb : (H, W, 3) uint8, optional
        Pixels, instead of `image_path`.
    depth_m : (H, W) float32, optional
        Metres along the camera's z axis, 0 = none; instead of `depth_path`.
    instance : (H, W) int32, optional
        `instance_id` per pixel, -1 = none; instead of `instance_path`.
    read_image : callable, optional
        Returns the bytes of a JPEG, PNG or WebP image when the frame is stored, so that a container of thousands of
        images is never in memory as a whole; instead of `image_path`.
    read_depth : callable, optional
        Returns (H, W) float32, metres along the camera's z axis, 0 = none; instead of `depth_path`.
    width, height : int, optional
        Pixels; taken from `rgb` where that is given.
    time_s : float, optional
        Seconds; only differences mean something.
    intrinsics : (3, 3) float64, optional
        Pinhole camera matrix, pixels.
    world_from_camera : (4, 4) float64, optional
        Pose in the canonical world, OpenCV camera axes (x right, y down, z forward), metres.

    Raises
    ------
    SceneError
        A field breaks a rule; the message names it.

    Examples
    --------
    >>> Frame(frame_id="0", rgb=np.zeros((4, 6, 3), np.uint8)).width
    6
    """

    frame_id: str
    image_path: Path | None = None
    rgb: NDArray[np.uint8] | None = None
    depth_path: Path | None = None
    depth_m: NDArray[np.float32] | None = None
    instance_path: Path | None = None
    instance: NDArray[np.int32] | None = None
    read_image: Callable[[], bytes] | None = None
    read_depth: Callable[[], NDArray[np.float32]] | None = None
    width: int | None = None
    height: int | None = None
    time_s: float | None = None
    intrinsics: NDArray[np.float64] | None = None
    world_from_camera: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        name = f"frames[{self.frame_id}]"
        if [self.image_path is None, self.rgb is None, self.read_image is None].count(False) != 1:
            raise SceneError(f"{name}.image_path", "give either a file or pixels", reason=IngestReason.BAD_FRAME)
        if self.rgb is not None:
            shape = self.rgb.shape[:2]
            check_pixels(self.rgb, np.uint8, (*shape, 3), f"{name}.rgb")
            object.__setattr__(self, "height", shape[0])
            object.__setattr__(self, "width", shape[1])
            check_pixels(self.depth_m, np.float32, shape, f"{name}.depth_m")
            check_pixels(self.instance, np.int32, shape, f"{name}.instance")
        if self.time_s is not None and not np.isfinite(self.time_s):
            raise SceneError(f"{name}.time_s", f"{self.time_s} is not a time", reason=IngestReason.BAD_FRAME)
        if self.intrinsics is not None:
            matrix = floats(self.intrinsics, (3, 3), f"{name}.intrinsics")
            if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
                raise SceneError(f"{name}.intrinsics", "focal length not above 0", reason=IngestReason.BAD_CAMERA)
            object.__setattr__(self, "intrinsics", matrix)
        if self.world_from_camera is not None:
            pose = floats(self.world_from_camera, (4, 4), f"{name}.world_from_camera")
            check_rotations(pose[None, :3, :3], lambda _: f"{name}.world_from_camera", reason=IngestReason.BAD_CAMERA)
            object.__setattr__(self, "world_from_camera", pose)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """One scanned place with its objects as columns of length n.

    Parameters
    ----------
    scene_name, dataset : str
        Name, unique in a store, and the dataset that it comes from.
    category : (n,) array of str
        Name of each object as questions use it.
    center, size : (n, 3) float64, metres
        Middle of the oriented box in world, and its full extents along its own axes.
    rotation : (n, 3, 3) float64
        Rows are the box axes in world: corner = center + (±size / 2) @ rotation.
    instance_id : (n,) int64, optional
        Unique, from 0 to 2^31 - 1; 0 to n - 1 where not given.
    category_raw : (n,) array of str, optional
        The source's own labels; `category` where not given.
    category_counts : dict of str to int, optional
        Objects per category as the source publishes them, which may differ from the number of boxes; counted from
        `category` where not given.
    scene_group : str, optional
        Rescans of one place share it; splits never cut a group. `scene_name` where not given.
    split : str
        `train`, `val` or `test`.
    room_size_m2 : float, optional
        Floor area; None where the source has none.
    room_center : (3,) float64, metres, optional
    floor_polygon : (k, 2) float64, metres, optional
        Outline of the floor, counter-clockwise.
    canonical_from_source : (4, 4) float64, optional
        Turns the source's coordinates into these; identity where not given.
    source_sha : str
        SHA-256 of what the scene was read from.
    frames : tuple of Frame
        In the order of the recording.
    cloud : Cloud, optional
        Points with instances.
    mesh : Mesh, optional
        Surface with instances.
    face_error_m : (n,) float64, metres, optional
        How far a face of each box may be off; NaN for the noise that answers allow for.
    confidence : (n,) float64, optional
        How sure the source is of each object, 0 to 1.
    gravity_error_deg, floor_error_m, scale_error : float, optional
        How far the vertical, the floor and the scale may be off, as the table `scenes` states it; None where a scene is
        taken as it is.
    clues : tuple of Clue
        What these errors were concluded from.
    world_from_store : (4, 4) float64, optional
        Turns the world of the scene's store into that of this scene, where they differ: a scene as it may truly be.
    refused : tuple of SceneError
        Objects and cameras of the source that were left out, and why.
    objects_checked : bool
        All columns of the objects are given, read-only, and keep the rules: a store checks those of all its scenes at
        once.

    Raises
    ------
    SceneError
        A field breaks a rule; the message names the field and the object.

    Notes
    -----
    Arrays are kept as read-only copies. A scene without objects is valid, and so is one without frames.

    Examples
    --------
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair"]), center=np.array([[0, 0, 0.5]]),
    ...               size=np.array([[0.5, 0.5, 1]]), rotation=np.eye(3)[None])
    >>> scene.category_counts, scene.instance_id.tolist(), len(scene)
    ({'chair': 1}, [0], 1)
    """

    scene_name: str
    dataset: str
    category: NDArray[np.str_]
    center: NDArray[np.float64]
    size: NDArray[np.float64]
    rotation: NDArray[np.float64]
    instance_id: NDArray[np.int64] = None  # pyright: ignore[reportAssignmentType]
    category_raw: NDArray[np.str_] = None  # pyright: ignore[reportAssignmentType]
    category_counts: dict[str, int] = None  # pyright: ignore[reportAssignmentType]
    scene_group: str = ""
    split: str = "train"
    room_size_m2: float | None = None
    room_center: NDArray[np.float64] | None = None
    floor_polygon: NDArray[np.float64] | None = None
    canonical_from_source: NDArray[np.float64] = None  # pyright: ignore[reportAssignmentType]
    source_sha: str = ""
    frames: tuple[Frame, ...] = ()
    cloud: Cloud | None = None
    mesh: Mesh | None = None
    face_error_m: NDArray[np.float64] | None = None
    confidence: NDArray[np.float64] | None = None
    gravity_error_deg: float | None = None
    floor_error_m: float | None = None
    scale_error: float | None = None
    clues: tuple[Clue, ...] = ()
    world_from_store: NDArray[np.float64] | None = None
    refused: tuple[SceneError, ...] = ()
    objects_checked: InitVar[bool] = False

    def __len__(self) -> int:
        return len(self.category)

    @property
    def boxes(self) -> Boxes:
        """The oriented boxes of the objects."""
        return Boxes(self.center, self.size, self.rotation)

    def rows_of(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """Replace instance ids by rows of the scene; -1 for those that the scene does not have."""
        if not len(self):
            return np.full(ids.shape, -1, dtype=np.int64)
        order = np.argsort(self.instance_id)
        at = np.minimum(np.searchsorted(self.instance_id, ids, sorter=order), len(self) - 1)
        return np.where(self.instance_id[order][at] == ids, order[at], -1)

    def __post_init__(self, objects_checked: bool) -> None:
        own = {"category_counts": _checked_counts(self.category_counts)} if objects_checked else _checked_objects(self)
        checked = own | _checked_room(self)
        if self.split not in SPLITS:
            raise SceneError("split", f"{self.split!r} is none of {', '.join(SPLITS)}", reason=IngestReason.WRONG_TYPE)
        for name in ("scene_name", "dataset"):
            check_name(getattr(self, name), name)
        ids = [frame.frame_id for frame in self.frames]
        if len(set(ids)) != len(ids):
            double = next(name for name, count in Counter(ids).items() if count > 1)
            raise SceneError("frames.frame_id", f"{double!r} occurs twice", reason=IngestReason.BAD_FRAME)
        for name in ids:
            check_name(name, "frames.frame_id")
        for name in ("gravity_error_deg", "floor_error_m", "scale_error"):
            error = getattr(self, name)
            if error is not None and not 0 <= error < np.inf:
                raise SceneError(name, f"{error} is no error: 0 or more", reason=IngestReason.NOT_FINITE)
        checked["scene_group"] = self.scene_group or self.scene_name
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def _checked_objects(scene: Scene) -> dict[str, Any]:
    """Convert and check the columns of the objects."""
    category = texts(scene.category, "objects.category")
    n = len(category)
    raw = category if scene.category_raw is None else texts(scene.category_raw, "objects.category_raw")
    if len(raw) != n:
        problem = f"expected {n} labels like category, found {len(raw)}"
        raise SceneError("objects.category_raw", problem, reason=IngestReason.WRONG_TYPE)
    ids = np.arange(n) if scene.instance_id is None else np.asarray(scene.instance_id)
    if ids.shape != (n,) or (n > 0 and ids.dtype.kind not in "iu") or ((ids < 0) | (ids >= 2**31)).any():
        problem = f"expected {n} integers from 0 to 2^31 - 1, found {ids.dtype} {ids.shape}"
        raise SceneError("objects.instance_id", problem, reason=IngestReason.WRONG_TYPE)
    values, repeats = np.unique(ids, return_counts=True)
    if (repeats > 1).any():
        problem = f"{values[repeats > 1][0]} occurs {repeats.max()} times"
        raise SceneError("objects.instance_id", problem, reason=IngestReason.DUPLICATE_INSTANCE)
    center = floats(scene.center, (n, 3), "objects", suffix="center")
    size = floats(scene.size, (n, 3), "objects", suffix="size")
    rotation = floats(scene.rotation, (n, 3, 3), "objects", suffix="rotation")
    check_boxes(
        size,
        rotation,
        size_name=lambda i: f"objects[{i}] ({category[i]}).size",
        rotation_name=lambda i: f"objects[{i}] ({category[i]}).rotation",
    )
    counts = scene.category_counts
    return {
        "category": category,
        "category_raw": raw,
        "instance_id": frozen(ids.astype(np.int64)),
        "center": center,
        "size": size,
        "rotation": rotation,
        "category_counts": dict(Counter(category.tolist())) if counts is None else _checked_counts(counts),
    }


def _checked_room(scene: Scene) -> dict[str, Any]:
    """Convert and check what describes the scene as a whole."""
    matrix = np.eye(4) if scene.canonical_from_source is None else scene.canonical_from_source
    checked: dict[str, Any] = {"canonical_from_source": floats(matrix, (4, 4), "canonical_from_source")}
    if scene.room_size_m2 is not None:
        area = float(floats(scene.room_size_m2, (), "room_size_m2"))
        if area <= 0:
            raise SceneError("room_size_m2", f"{area} is not above 0 m2", reason=IngestReason.BAD_SIZE)
        if area > MAX_AREA_M2:
            problem = f"{area:g} is above {MAX_AREA_M2:g} m2; is it in another unit?"
            raise SceneError("room_size_m2", problem, reason=IngestReason.BAD_SIZE)
        checked["room_size_m2"] = area
    if scene.room_center is not None:
        checked["room_center"] = floats(scene.room_center, (3,), "room_center")
    if scene.floor_polygon is not None:
        polygon = np.asarray(scene.floor_polygon)
        if polygon.ndim != 2 or len(polygon) < 3:
            problem = f"expected at least 3 corners, found shape {polygon.shape}"
            raise SceneError("floor_polygon", problem, reason=IngestReason.WRONG_TYPE)
        checked["floor_polygon"] = floats(polygon, (len(polygon), 2), "floor_polygon")
    return checked


def _checked_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Check the published number of objects per category."""
    for category, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or not 0 <= count < 2**31:
            problem = f"{shorten(count)} is not a number of objects"
            raise SceneError(f"category_counts[{shorten(category)}]", problem, reason=IngestReason.BAD_COUNT)
    texts(list(counts), "category_counts")
    return {str(category): int(count) for category, count in counts.items()}
