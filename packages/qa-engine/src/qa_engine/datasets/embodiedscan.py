"""EmbodiedScan: boxes with nine degrees of freedom for scans of four datasets. World: metres, +Z up, aligned.

One file describes many scenes; their images stay in the original datasets, named by `--frames-dir`.

References
----------
Wang et al., EmbodiedScan, CVPR 2024; data/README.md and structures/bbox_3d of its repository.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.instances import split_flat
from qa_engine.datasets.posed_frames import for_size
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.depth import depth_reader, image_size, png_depth
from qa_engine.formats.parsing import expect, member, read_bytes
from qa_engine.formats.posed_images import safe_name
from qa_engine.formats.safe_pickle import PickledArray, load_plain
from qa_engine.geometry import Boxes
from qa_engine.scenes.fields import floats, shorten
from qa_engine.scenes.scene import Frame, Scene

MAX_BYTES = 2_000_000_000
DEPTH_PER_METRE = {"matterport3d": 4000}
"""Units of depth images per metre where they are no millimetres."""

RECORDED = {"scannet": (1296, 968), "matterport3d": (1280, 1024), "3rscan": (960, 540), "arkitscenes": (256, 192)}
"""Width and height of the pictures of each source, pixels, which the file does not state."""

OFF_MIDDLE = 0.15
"""A camera fits a picture if the middle of its lens lies this near that of the picture, as shares of its sides."""


@dataclass(frozen=True)
class _Located:
    """An entry of the file, names of its categories, and where images lie."""

    entry: object
    categories: dict[int, str]
    frames: Path | None
    every: int


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scenes of `embodiedscan_infos_*.pkl`, a file or all files of a folder.

    Raises
    ------
    QAEngineError
        A file is missing or damaged, or asks to run code.
    """
    assert root is not None
    if not root.exists():
        raise QAEngineError(f"{root}: no such file. Expected {EMBODIEDSCAN.needs}.")
    every = int(EMBODIEDSCAN.chosen(options)["every"])
    files = sorted(root.glob("embodiedscan_infos_*.pkl")) if root.is_dir() else [root]
    if not files:
        raise QAEngineError(f"{root}: no file here. Expected {EMBODIEDSCAN.needs}.")
    roots = () if options.frames_dir is None else (options.frames_dir.resolve(),)
    sources: list[SceneSource] = []
    for path in files:
        try:
            value = expect(load_plain(read_bytes(path, max_bytes=MAX_BYTES), path.name), dict, path.name)
            info = member(value, "metainfo", dict, path.name)
            categories = _categories(member(info, "categories", object, "metainfo"))
            entries = member(value, "data_list", list, path.name)
        except SceneError as error:
            raise QAEngineError(f"{path}: {error}. {error.reason.fix}") from None
        for i, entry in enumerate(entries):
            index = entry.get("sample_idx") if isinstance(entry, dict) else None
            name = index.replace("/", "_") if isinstance(index, str) else ""
            data = _Located(entry, categories, options.frames_dir, every)
            sources.append(SceneSource(scene_name=name, item=f"{path.name}#{i}", data=data, roots=roots))
    return sources


def load(source: SceneSource) -> Scene:
    """Read one scene: boxes in the aligned world, frames with poses where images are given.

    Raises
    ------
    SceneError
        A field is missing or wrong.
    """
    located: _Located = source.data
    entry = expect(located.entry, dict, "data_list")
    index = member(entry, "sample_idx", str, "scene")
    align = _array(entry.get("axis_align_matrix", np.eye(4).tolist()), (4, 4), "axis_align_matrix")
    rows: list[NDArray[np.float64]] = []
    categories: list[str] = []
    ids: list[int] = []
    for i, value in enumerate(member(entry, "instances", list, "scene")):
        field = f"instances[{i}]"
        item = expect(value, dict, field)
        label = member(item, "bbox_label_3d", int, field)
        if label not in located.categories:
            problem = f"{label} is not in metainfo.categories"
            raise SceneError(f"{field}.bbox_label_3d", problem, reason=IngestReason.MISSING_FIELD)
        rows.append(_array(member(item, "bbox_3d", object, field), (9,), f"{field}.bbox_3d"))
        categories.append(located.categories[label])
        ids.append(member(item, "bbox_id", int, field))
    boxes = read_euler_boxes(np.array(rows, dtype=np.float64).reshape(-1, 9))
    kept, refused = split_flat(boxes, [f"instances[{i}].bbox_3d" for i in range(len(rows))])
    frames, lost = ((), []) if located.frames is None else _frames(entry, index, align, located, source.roots)
    return Scene(
        scene_name=source.scene_name,
        dataset="embodiedscan",
        scene_group=_group(index),
        instance_id=np.array([ids[i] for i in kept], dtype=np.int64),
        category=np.array([categories[i] for i in kept], dtype=object),
        center=boxes.center[kept],
        size=boxes.size[kept],
        rotation=boxes.rotation[kept],
        canonical_from_source=align,
        source_sha=_sha(index, rows, categories),
        frames=frames,
        refused=(*refused, *lost),
    )


def read_euler_boxes(values: NDArray[np.float64]) -> Boxes:
    """Turn rows of centre, full size and angles (n, 9) into boxes; R = Rz(a) Rx(b) Ry(c), its columns are the axes.

    Examples
    --------
    >>> read_euler_boxes(np.array([[0, 0, 0, 1, 2, 3, np.pi / 2, 0, 0]])).rotation.round(9)[0, 0].tolist()
    [0.0, 1.0, 0.0]
    """
    from scipy.spatial.transform import Rotation

    world_from_box = Rotation.from_euler("ZXY", values[:, 6:]).as_matrix().reshape(-1, 3, 3)
    return Boxes(values[:, :3], values[:, 3:6], world_from_box.transpose(0, 2, 1))


def _frames(
    entry: dict[str, Any], index: str, align: NDArray[np.float64], located: _Located, roots: tuple[Path, ...]
) -> tuple[tuple[Frame, ...], list[SceneError]]:
    """Read the images that exist below the folder of frames; those whose camera does not fit them are refused."""
    assert located.frames is not None
    origin = index.partition("/")[0]
    per_metre = DEPTH_PER_METRE.get(origin, 1000)
    frames: list[Frame] = []
    refused: list[SceneError] = []
    for i, value in enumerate(member(entry, "images", list, "scene")[:: located.every]):
        field = f"images[{i * located.every}]"
        item = expect(value, dict, field)
        path = located.frames / safe_name(member(item, "img_path", str, field), f"{field}.img_path")
        if not path.is_file():
            continue
        intrinsics, of_depth = _cameras(item, entry, field)
        try:
            intrinsics = None if intrinsics is None else _fitting(intrinsics, RECORDED.get(origin), path)
        except SceneError as error:
            refused.append(SceneError(f"{field}: {error.field}", error.problem, reason=error.reason))
            continue
        matrix = None
        if intrinsics is not None and of_depth is not None and not np.allclose(of_depth, intrinsics):
            matrix = of_depth @ np.linalg.inv(intrinsics)
        depth_name = item.get("depth_path")
        depth = None
        if depth_name is not None:
            depth_path = located.frames / safe_name(expect(depth_name, str, field), f"{field}.depth_path")
            if depth_path.is_file():
                stored = png_depth(depth_path, roots, per_metre=per_metre)
                depth = depth_reader(stored, size=image_size(path), depth_from_image=matrix)
        frames.append(
            Frame(
                frame_id=path.stem,
                image_path=path,
                read_depth=depth,
                intrinsics=intrinsics,
                world_from_camera=align
                @ _array(member(item, "cam2global", object, field), (4, 4), f"{field}.cam2global"),
            )
        )
    return tuple(frames), refused


def _fitting(intrinsics: NDArray[np.float64], recorded: tuple[int, int] | None, path: Path) -> NDArray[np.float64]:
    """Give the camera for the resolution of a picture: as it is where its middle fits, else scaled.

    Raises
    ------
    SceneError
        It fits neither the picture nor the size that its source records in.
    """
    size = image_size(path)
    if size is None:
        return intrinsics

    def fits(matrix: NDArray[np.float64], sides: tuple[int, int]) -> bool:
        return bool((np.abs((matrix[:2, 2] + 0.5) / sides - 0.5) <= OFF_MIDDLE).all())

    if fits(intrinsics, size):
        return intrinsics
    for width, height in () if recorded is None else (recorded, recorded[::-1]):
        if fits(intrinsics, (width, height)):
            return for_size(intrinsics, (width, height), size, path.name)
    middle = f"({intrinsics[0, 2]:g}, {intrinsics[1, 2]:g})"
    problem = f"the middle of the lens {middle} is far from that of {path.name}, {size[0]} x {size[1]}"
    raise SceneError("camera", f"{problem}: its numbers are for another resolution", reason=IngestReason.BAD_CAMERA)


def _cameras(
    item: dict[str, Any], entry: dict[str, Any], field: str
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Read the cameras of a picture and of its depth, which are one where the file has only one of them."""
    own, of_depth = (item.get(key, entry.get(key)) for key in ("cam2img", "depth_cam2img"))
    depth = None if of_depth is None else _camera(of_depth, f"{field}.depth_cam2img")
    return depth if own is None else _camera(own, f"{field}.cam2img"), None if own is None else depth


def _camera(value: object, field: str) -> NDArray[np.float64]:
    """Read a camera matrix of 4 x 4 or 3 x 3 numbers."""
    shape = value.values.shape if isinstance(value, PickledArray) and value.values is not None else ()
    n = 4 if shape == (4, 4) or (isinstance(value, list) and len(value) == 4) else 3
    return _array(value, (n, n), field)[:3, :3]


def _array(value: object, shape: tuple[int, ...], field: str) -> NDArray[np.float64]:
    """Check an array, or lists of numbers."""
    if isinstance(value, PickledArray):
        value = value.values
    elif not isinstance(value, (list, tuple)):
        raise SceneError(field, f"expected numbers, found {shorten(value)}", reason=IngestReason.WRONG_TYPE)
    return floats(value, shape, field)


def _categories(value: object) -> dict[int, str]:
    """Read the names of the labels: a dict of name to label, or a list of names."""
    if isinstance(value, (list, tuple)):
        value = {name: i for i, name in enumerate(value)}
    pairs = expect(value, dict, "metainfo.categories").items()
    if not all(isinstance(name, str) and type(label) is int for name, label in pairs):
        raise SceneError("metainfo.categories", "expected names with numbers", reason=IngestReason.WRONG_TYPE)
    return {label: name for name, label in pairs}


def _group(index: str) -> str:
    """Name the place: rescans of a ScanNet scene and regions of a Matterport house share it."""
    match = re.fullmatch(r"scannet/(scene\d{4})_\d{2}|matterport3d/([^/]+)/.*", index)
    return index.replace("/", "_") if match is None else str(match[1] or f"matterport3d_{match[2]}")


def _sha(index: str, rows: Sequence[NDArray[np.float64]], categories: Sequence[str]) -> str:
    """Hash what the objects are made from, so that the other scenes of the file do not matter."""
    digest = hashlib.sha256(index.encode("utf-8", "surrogatepass"))
    for row, category in zip(rows, categories, strict=True):
        digest.update(row.tobytes() + category.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


EMBODIEDSCAN = Dataset(
    name="embodiedscan",
    description="EmbodiedScan: boxes for ScanNet, 3RScan, Matterport3D and ARKitScenes; its pickles run no code.",
    needs="embodiedscan_infos_*.pkl, or the folder of such files; --frames-dir names the folder of the images",
    discover=discover,
    load=load,
    options=frozenset({"frames_dir"}),
    settings=(Setting("every", "keep one frame in this many", ("1", "2", "5", "10", "20", "50", "100")),),
    checklist=(
        Need("annotations", ("*embodiedscan_infos_*.pkl",), "boxes and cameras", "the form of EmbodiedScan", True),
    ),
)
"""EmbodiedScan's annotation files."""
