"""Bring the frames of a scene into a store: copy files that are whole images, write pixels as PNG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from qa_contract.remote import fetched

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import check_inside, read_bytes
from qa_engine.scenes.fields import MAX_PIXELS
from qa_engine.scenes.scene import Frame, Scene

MAX_IMAGE_BYTES = 100_000_000
"""An image file above this is a bomb or a mistake, as is one above `MAX_PIXELS`."""

SUFFIX_OF_FORMAT = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
DEPTH_MODES = frozenset({"I;16", "I;16B", "I;16L"})
"""Pillow's names for 16-bit grey images."""

MAX_UINT16 = 65_535


@dataclass
class StoredFrames:
    """What became of the frames of a scene: rows of `frames`, and what was refused with its file."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: list[tuple[str, SceneError]] = field(default_factory=list)


def store_frames(scene: Scene, store: Path, roots: Sequence[Path]) -> StoredFrames:
    """Write the images of a scene below a store.

    Parameters
    ----------
    scene : Scene
        Its frames name files or hold pixels.
    store : Path
        The folder; images go to `frames/<scene>/`, depth to `depth/<scene>/`, instances to `instances/<scene>/`.
    roots : sequence of Path
        Resolved folders that files may come from.

    Returns
    -------
    StoredFrames
        A damaged image loses its frame, a damaged depth or instance image only itself; both are in `refused`.

    Notes
    -----
    Files are decoded once to be sure that they are whole, and copied byte for byte. Depth becomes uint16 millimetres;
    0 = none, and so is depth below 1 mm, above 65.535 m, or not finite. Instances become uint16 `instance_id + 1`.
    """
    stored = StoredFrames()
    for frame in scene.frames:
        row = {
            "scene_name": scene.scene_name,
            "frame_id": frame.frame_id,
            "time_s": frame.time_s,
            "depth_path": None,
            "instance_path": None,
            "intrinsics": None if frame.intrinsics is None else frame.intrinsics.ravel().tolist(),
            "world_from_camera": None if frame.world_from_camera is None else frame.world_from_camera.ravel().tolist(),
        }
        place = f"{scene.scene_name}/{frame.frame_id}"
        try:
            image = _image(frame, roots)
        except SceneError as error:
            stored.refused.append((_origin(frame.image_path, place), error))
            continue
        row["image_path"] = _write(store, f"frames/{place}{image.suffix}", image.data)
        row |= {"width": image.width, "height": image.height}
        for folder, column, read in (("depth", "depth_path", _depth), ("instances", "instance_path", _instances)):
            try:
                grey = read(frame, scene, roots)
                if grey is not None and (grey.width, grey.height) != (image.width, image.height):
                    found = f"{grey.width} x {grey.height} pixels, the image has {image.width} x {image.height}"
                    raise SceneError(f"frames[{frame.frame_id}].{column}", found, reason=IngestReason.BAD_FRAME)
            except SceneError as error:
                stored.refused.append((_origin(getattr(frame, column), place), error))
                continue
            if grey is not None:
                row[column] = _write(store, f"{folder}/{place}{grey.suffix}", grey.data)
        stored.rows.append(row)
    return stored


@dataclass(frozen=True)
class _Encoded:
    """An image file in memory."""

    data: bytes
    suffix: str
    width: int
    height: int


def _image(frame: Frame, roots: Sequence[Path]) -> _Encoded:
    """Read or encode the colour image."""
    if frame.rgb is not None:
        return _png(frame.rgb)
    name = f"frames[{frame.frame_id}].image_path"
    if frame.read_image is not None:
        image = _whole_image(frame.read_image(), "the image", name)
    else:
        assert frame.image_path is not None
        image = _whole_file(frame.image_path, roots, name)
    expected = (frame.width, frame.height)
    if expected not in ((None, None), (image.width, image.height)):
        found = f"{image.width} x {image.height} pixels, its camera is for {expected[0]} x {expected[1]}"
        raise SceneError(name, found, reason=IngestReason.BAD_CAMERA)
    return image


def _depth(frame: Frame, scene: Scene, roots: Sequence[Path]) -> _Encoded | None:
    """Read or encode the depth image."""
    if frame.depth_path is not None:
        return _whole_file(frame.depth_path, roots, f"frames[{frame.frame_id}].depth_path", modes=DEPTH_MODES)
    depth_m = frame.depth_m if frame.read_depth is None else frame.read_depth()
    if depth_m is None:
        return None
    with np.errstate(invalid="ignore"):
        millimetres = np.rint(depth_m.astype(np.float64) * 1000)
        valid = (millimetres >= 1) & (millimetres <= MAX_UINT16)
    return _png(np.where(valid, millimetres, 0).astype(np.uint16))


def _instances(frame: Frame, scene: Scene, roots: Sequence[Path]) -> _Encoded | None:
    """Read or encode the instance image."""
    name = f"frames[{frame.frame_id}].instance"
    if frame.instance_path is not None:
        return _whole_file(frame.instance_path, roots, f"{name}_path", modes=DEPTH_MODES)
    if frame.instance is None:
        return None
    found = np.unique(frame.instance)
    unknown = found[~np.isin(found, scene.instance_id) & (found != -1)]
    if len(unknown):
        raise SceneError(name, f"{unknown[0]} is no instance_id of the scene", reason=IngestReason.BAD_FRAME)
    if found.max() >= MAX_UINT16:
        raise SceneError(name, f"{found.max()} does not fit 16 bits", reason=IngestReason.BAD_FRAME)
    return _png((frame.instance + 1).astype(np.uint16))


def _whole_file(path: Path, roots: Sequence[Path], name: str, *, modes: frozenset[str] | None = None) -> _Encoded:
    """Read an image file and decode it to see that it is whole."""
    check_inside(path, roots)
    return _whole_image(read_bytes(fetched(path), max_bytes=MAX_IMAGE_BYTES), path.name, name, modes=modes)


def _whole_image(data: bytes, title: str, name: str, *, modes: frozenset[str] | None = None) -> _Encoded:
    """Decode an encoded image to see that it is whole."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=list(SUFFIX_OF_FORMAT))
            if image.width * image.height > MAX_PIXELS:
                found = f"{image.width} x {image.height} pixels are too many (limit {MAX_PIXELS})"
                raise SceneError(name, found, reason=IngestReason.TOO_LARGE)
            image.load()
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        problem = f"{title} is no whole JPEG, PNG or WebP image ({error})"
        raise SceneError(name, problem, reason=IngestReason.BAD_FRAME) from None
    if modes is not None and image.mode not in modes:
        problem = f"{title} has mode {image.mode}, expected 16-bit grey"
        raise SceneError(name, problem, reason=IngestReason.BAD_FRAME)
    return _Encoded(data, SUFFIX_OF_FORMAT[str(image.format)], image.width, image.height)


def _png(pixels: NDArray[Any]) -> _Encoded:
    """Encode pixels without loss."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return _Encoded(buffer.getvalue(), ".png", pixels.shape[1], pixels.shape[0])


def _write(store: Path, relative: str, data: bytes) -> str:
    """Write one file below the store; return its relative path."""
    path = store / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return relative


def _origin(path: Path | None, place: str) -> str:
    """Name a frame for the table of rejects."""
    return place if path is None else f"{place} ({path.name})"
