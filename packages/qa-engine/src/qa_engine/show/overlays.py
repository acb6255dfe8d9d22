"""Overlays of the gallery as SVG: the floor plan of a scene, and its boxes over a frame."""

from __future__ import annotations

import colorsys
import html
import zlib
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from qa_engine.arrays import Array
from qa_engine.geometry import box_corners, box_footprint
from qa_engine.scenes.cameras import Camera, camera_of, project
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.scene import Frame, Scene

PLAN_PX = 640
"""Longer side of a plan."""
MAX_CLOUD_CELLS = 20_000
SHELL_SHARE = 0.4
"""Objects that cover more of the plan than this (floors, ceilings) are drawn as outlines, or they hide the others."""
LETTER_PX, LINE_PX = 6.0, 12.0
"""Size of the labels, for keeping them apart."""
VIEW_M = 0.45
"""Length of the lines that show where a camera looks."""
NEAR_M = 0.05
"""Edges are cut at this depth; nearer ones would run far out of the image."""
EDGES = np.array([(i, j) for i in range(8) for j in range(i + 1, 8) if (i ^ j) in (1, 2, 4)])
"""Pairs of corners, in the order of `box_corners`, that an edge joins."""


def colour_of(category: str) -> str:
    """Give a category its colour, the same in every drawing.

    Examples
    --------
    >>> colour_of("chair") == colour_of("chair") != colour_of("table")
    True
    """
    hue = (zlib.crc32(category.encode()) % 997) / 997
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.42, 0.75))
    return f"#{red:02x}{green:02x}{blue:02x}"


def plan_svg(scene: Scene, frames: Sequence[Frame] = (), cloud: Cloud | None = None) -> str:
    """Draw a scene from above: floor, cloud, outlines of boxes with their labels, cameras with their numbers.

    Parameters
    ----------
    scene : Scene
    frames : sequence of Frame
        Those with a pose are drawn, numbered from 1.
    cloud : Cloud, optional

    Returns
    -------
    str
        An `svg` element; the outline of an object has class `object` and `data-id` with its instance_id. Empty where
        there is nothing to draw.
    """
    outlines = box_footprint(scene.center, scene.size, scene.rotation) if len(scene) else []
    eyes = [(i, frame.world_from_camera) for i, frame in enumerate(frames, 1) if frame.world_from_camera is not None]
    points = [*outlines, *(pose[None, :2, 3] for _, pose in eyes)]
    points += [scene.floor_polygon] if scene.floor_polygon is not None else []
    if not points:
        return ""
    everything = np.concatenate(points)
    low, high = everything.min(axis=0) - 0.4, everything.max(axis=0) + 0.4
    scale = PLAN_PX / float((high - low).max())
    width, height = (high - low) * scale

    def place(xy: Array) -> Array:
        return np.stack([(xy[..., 0] - low[0]) * scale, (high[1] - xy[..., 1]) * scale], axis=-1)

    parts: list[str] = []
    if scene.floor_polygon is not None:
        parts.append(f'<polygon class="floor" points="{_path(place(scene.floor_polygon))}"/>')
    if cloud is not None and len(cloud):
        parts.append(_dots(place(cloud.xyz[:, :2].astype(np.float64))))
    order = np.argsort(-scene.size.prod(axis=1), kind="stable")
    shown_m2 = float(np.ptp(everything, axis=0).prod())
    for i in order:
        name, number = html.escape(str(scene.category[i])), int(scene.instance_id[i])
        shape = f'points="{_path(place(outlines[i]))}" style="--c:{colour_of(str(scene.category[i]))}"'
        kind = "object shell" if _area(outlines[i]) > SHELL_SHARE * shown_m2 else "object"
        parts.append(f'<polygon class="{kind}" data-id="{number}" {shape}><title>{name} {number}</title></polygon>')
    small_first = order[::-1]
    names: list[str] = scene.category[small_first].tolist()
    spots = _spread(place(scene.center[small_first, :2]), names)
    parts += [_text(spot, name) for spot, name in zip(spots, names, strict=True)]
    for number, pose in eyes:
        eye, end = place(np.array([pose[:2, 3], pose[:2, 3] + VIEW_M * _ahead(pose)]))
        parts.append(f'<polyline class="view" points="{_path(np.array([eye, end]))}"/>')
        parts.append(f'<circle class="camera" cx="{eye[0]:.1f}" cy="{eye[1]:.1f}" r="7"/>')
        parts.append(_text(eye, str(number), kind="number"))
    x, y = 12.0, height - 12
    parts.append(f'<polyline class="scale" points="{x},{y:.1f} {x + scale:.1f},{y:.1f}"/>')
    parts.append(_text(np.array([x + scale / 2, y - 8]), "1 m"))
    return f'<svg class="plan" viewBox="0 0 {width:.1f} {height:.1f}">{"".join(parts)}</svg>'


def boxes_svg(scene: Scene, frame: Frame, seen: Collection[int] | None = None) -> str:
    """Draw the boxes of a scene over one of its frames.

    Parameters
    ----------
    scene : Scene
    frame : Frame
    seen : collection of int, optional
        instance_id of the objects to draw; all whose centre is in the image where not given.

    Returns
    -------
    str
        An `svg` element in pixels of the frame, empty without a camera.
    """
    camera = camera_of(frame)
    if camera is None:
        return ""
    limit = np.array([camera.width, camera.height], dtype=np.float64)
    centers, depth = project(scene.center, camera)
    with np.errstate(invalid="ignore"):
        inside = np.all((centers >= 0) & (centers < limit), axis=1)
    corners = box_corners(scene.center, scene.size, scene.rotation)
    parts: list[str] = []
    for i in np.argsort(-depth, kind="stable"):
        number, name = int(scene.instance_id[i]), str(scene.category[i])
        lines = list(_lines(corners[i][EDGES], camera))
        if not lines or not (inside[i] if seen is None else number in seen):
            continue
        path = "".join(f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" for a, b in lines)
        parts.append(f'<path class="object" data-id="{number}" d="{path}" style="--c:{colour_of(name)}"/>')
        ends = np.clip(np.array(lines).reshape(-1, 2), 0, limit)
        top = np.array([ends[:, 0].mean(), max(ends[:, 1].min(), limit[1] * 0.03)])
        parts.append(_text(top, name, size=camera.width / 34))
    return f'<svg viewBox="0 0 {camera.width} {camera.height}">{"".join(parts)}</svg>'


def _lines(ends: Array, camera: Camera) -> Iterable[tuple[Array, Array]]:
    """Project lines (k, 2, 3); what lies behind the camera is cut off."""
    pose = camera.world_from_camera
    local = (ends - pose[:3, 3]) @ pose[:3, :3]
    for line in local:
        ahead = line[:, 2] >= NEAR_M
        if not ahead.any():
            continue
        if not ahead.all():
            (front, behind) = line[ahead][0], line[~ahead][0]
            line = np.stack([front, front + (front[2] - NEAR_M) / (front[2] - behind[2]) * (behind - front)])
        pixels = line @ camera.intrinsics.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        yield pixels[0], pixels[1]


def _ahead(pose: Array) -> Array:
    """Direction in which a camera looks, on the plan; of length 1 unless it looks straight up or down."""
    return pose[:2, 2] / max(float(np.linalg.norm(pose[:2, 2])), 1e-9)


def _text(place: Array, words: str, *, kind: str = "", size: float | None = None) -> str:
    """Write a text in the middle of a place."""
    style = "" if size is None else f' style="font-size:{size:.1f}px"'
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{place[0]:.1f}" y="{place[1]:.1f}"{style}>{html.escape(words)}</text>'


def _spread(places: Array, words: Sequence[str]) -> Array:
    """Move texts up or down until none stands on an earlier one, as far as a few lines allow."""
    taken: list[tuple[float, float, float]] = []
    moved = places.copy()
    for spot, text in zip(moved, words, strict=True):
        half = len(text) * LETTER_PX / 2
        start = spot[1]
        for shift in (0, 1, -1, 2, -2, 3, -3):
            spot[1] = start + shift * LINE_PX
            if not any(abs(spot[0] - x) < half + h and abs(spot[1] - y) < LINE_PX for x, y, h in taken):
                break
        taken.append((float(spot[0]), float(spot[1]), half))
    return moved


def _area(outline: Array) -> float:
    """Area of a polygon (k, 2) by the shoelace formula."""
    x, y = outline.T
    return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2)


def _path(points: Array) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _dots(points: Array) -> str:
    """Draw points as squares of 3 pixels, at most `MAX_CLOUD_CELLS`."""
    cells = np.unique(np.floor(points / 3).astype(np.int64), axis=0)
    cells = cells[:: max(1, -(-len(cells) // MAX_CLOUD_CELLS))] * 3
    return f'<path class="cloud" d="{"".join(f"M{x} {y}h3v3h-3z" for x, y in cells.tolist())}"/>'
