"""A scene from above: its boxes, the ones that a question is about, and the cameras of the frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

SIDE = 320
PAD = 14
CAMERA_M = 0.28
"""Length of a camera's wedge."""
MIN_SPAN_M = 1.0
ROLE_STYLES = ("op0", "op1", "op2", "op3", "op4")

_SIGNS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])


@dataclass(frozen=True)
class Box:
    """An object's oriented box.

    Attributes
    ----------
    center, size : sequence of float
        (3,) metres, world frame.
    rotation : sequence of float
        (9,) row-major, rows are the box axes in the world.
    """

    instance_id: int
    category: str
    center: Sequence[float]
    size: Sequence[float]
    rotation: Sequence[float]


def footprint(box: Box) -> NDArray[np.float64]:
    """Project a box to the floor.

    Returns
    -------
    (n, 2) float64
        Convex outline in metres, counter-clockwise.

    Examples
    --------
    >>> footprint(Box(0, "table", [1, 2, 0.5], [2, 1, 1], [1, 0, 0, 0, 1, 0, 0, 0, 1])).tolist()
    [[0.0, 1.5], [2.0, 1.5], [2.0, 2.5], [0.0, 2.5]]
    """
    axes = np.asarray(box.rotation, dtype=np.float64).reshape(3, 3)
    corners = np.asarray(box.center) + (_SIGNS * np.asarray(box.size)) @ axes
    return _hull(corners[:, :2])


def top_down(
    boxes: Sequence[Box],
    *,
    roles: Mapping[int, int],
    floor: NDArray[np.float64] | None,
    cameras: Sequence[NDArray[np.float64]],
    name: str,
) -> str:
    """Draw the plan.

    Parameters
    ----------
    boxes : sequence of Box
    roles : mapping of instance_id to int
        Number of the operand that the box belongs to; the others are drawn faintly.
    floor : (n, 2) float64 or None
        Outline of the room, metres.
    cameras : sequence of (4, 4) float64
        `world_from_camera`, OpenCV axes.
    name : str
        For readers that do not see the picture.
    """
    outlines = [footprint(box) for box in boxes]
    wedges = [_wedge(camera) for camera in cameras]
    points = [*outlines, *wedges, *([floor] if floor is not None and len(floor) else [])]
    if not points:
        return ""
    every = np.concatenate(points)
    every = every[np.isfinite(every).all(axis=1)]
    if not len(every):
        return ""
    low, high = every.min(axis=0), every.max(axis=0)
    span = max(float((high - low).max()), MIN_SPAN_M)
    scale = (SIDE - 2 * PAD) / span
    width, height = ((high - low) * scale + 2 * PAD).tolist()

    def path(outline: NDArray[np.float64]) -> str:
        xy = np.column_stack([(outline[:, 0] - low[0]) * scale + PAD, (high[1] - outline[:, 1]) * scale + PAD])
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in xy)

    parts = [f'<polygon class="floor" points="{path(floor)}"/>'] if floor is not None and len(floor) else []
    labels: list[str] = []
    for box, outline in sorted(zip(boxes, outlines, strict=True), key=lambda pair: pair[0].instance_id in roles):
        role = roles.get(box.instance_id)
        style = "object" if role is None else f"operand {ROLE_STYLES[role % len(ROLE_STYLES)]}"
        title = f"<title>{escape(box.category)} #{box.instance_id}</title>"
        parts.append(f'<polygon class="{style}" points="{path(outline)}">{title}</polygon>')
        if role is not None:
            x, y = outline.mean(axis=0)
            place = ((x - low[0]) * scale + PAD, (high[1] - y) * scale + PAD)
            labels.append(_label(place, box.category, width))
    parts += [f'<polygon class="camera" points="{path(wedge)}"><title>camera</title></polygon>' for wedge in wedges]
    # One metre, lower left.
    parts.append(f'<path class="ruler" d="M{PAD},{height - 5:.1f}h{scale:.1f}"/>')
    parts.append(f'<text class="tick" x="{PAD + scale + 4:.1f}" y="{height - 2:.1f}">1 m</text>')
    label = escape(name, quote=True)
    body = "".join(parts + labels)
    return f'<svg class="plan" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{label}">{body}</svg>'


def _label(place: tuple[float, float], text: str, width: float) -> str:
    """Write a name at a box's middle, kept inside the picture."""
    half = 3.3 * len(text)
    x = min(max(place[0], half + 2), max(width - half - 2, half + 2))
    return f'<text class="name mid" x="{x:.1f}" y="{place[1] + 4:.1f}">{escape(text)}</text>'


def _wedge(world_from_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the triangle that stands for a camera : (3, 2) metres, the camera first."""
    place, ahead = world_from_camera[:2, 3], world_from_camera[:2, 2]
    length = float(np.linalg.norm(ahead))
    ahead = ahead / length if length > 1e-9 else np.array([0.0, 1.0])
    side = np.array([-ahead[1], ahead[0]]) * 0.4
    return np.stack([place, place + CAMERA_M * (ahead + side), place + CAMERA_M * (ahead - side)])


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the convex hull by the monotone chain, counter-clockwise : (n, 2)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def chain(row: list[tuple[float, float]]) -> list[tuple[float, float]]:
        kept: list[tuple[float, float]] = []
        for x, y in row:
            while len(kept) > 1:
                (ax, ay), (bx, by) = kept[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 1e-12:
                    break
                kept.pop()
            kept.append((x, y))
        return kept[:-1]

    found = chain(ordered) + chain(ordered[::-1])
    return np.array(found or ordered)
