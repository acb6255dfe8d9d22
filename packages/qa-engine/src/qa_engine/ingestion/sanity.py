"""Tell whether a scene can be what its numbers say: units, up axis, box axes, camera poses, sizes, what images show.

Most wrong conventions leave every single number valid and every answer wrong. They are found by comparing readings: the
one that was taken with the likely mistakes. A finding is severe where another reading explains the scene far better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array
from qa_engine.errors import IngestReason
from qa_engine.formats.depth import image_size
from qa_engine.geometry import box_bounds
from qa_engine.ingestion.findings import MIN_OBJECTS, Finding, finding
from qa_engine.ingestion.poses import compare_poses
from qa_engine.scenes.cameras import camera_of
from qa_engine.scenes.scene import Frame, Scene

SIZES_M: dict[str, tuple[float, float]] = {
    "armchair": (0.5, 1.4),
    "bathtub": (1.0, 2.2),
    "bed": (1.2, 2.8),
    "bookshelf": (0.5, 4.0),
    "cabinet": (0.25, 4.0),
    "chair": (0.35, 1.6),
    "couch": (0.7, 4.5),
    "counter": (0.5, 6.0),
    "desk": (0.6, 3.5),
    "dining chair": (0.35, 1.4),
    "dishwasher": (0.4, 1.2),
    "door": (0.6, 3.5),
    "dresser": (0.4, 2.5),
    "fireplace": (0.5, 3.0),
    "fridge": (0.4, 2.4),
    "keyboard": (0.2, 0.7),
    "lamp": (0.1, 2.6),
    "microwave": (0.3, 0.9),
    "monitor": (0.25, 1.4),
    "nightstand": (0.25, 1.1),
    "oven": (0.4, 1.3),
    "piano": (0.8, 2.8),
    "pillow": (0.2, 1.4),
    "printer": (0.2, 1.6),
    "refrigerator": (0.2, 2.4),
    "shelf": (0.15, 4.0),
    "sink": (0.2, 1.8),
    "sofa": (0.5, 4.5),
    "stool": (0.2, 1.2),
    "stove": (0.4, 2.0),
    "table": (0.3, 5.0),
    "toilet": (0.35, 1.1),
    "trash bin": (0.15, 1.3),
    "trash can": (0.15, 1.3),
    "tv": (0.3, 2.6),
    "wardrobe": (0.6, 4.0),
    "washer": (0.5, 1.2),
    "window": (0.3, 6.0),
}
"""Longest side of common objects, metres: wider than all of some 3,000 boxes of the datasets that `ingest` reads."""

STANDING = (
    "armchair",
    "bathtub",
    "bed",
    "bookshelf",
    "cabinet",
    "chair",
    "couch",
    "desk",
    "dining chair",
    "dresser",
    "fridge",
    "nightstand",
    "oven",
    "refrigerator",
    "sofa",
    "stool",
    "stove",
    "table",
    "toilet",
    "trash bin",
    "trash can",
    "wardrobe",
    "washer",
)
"""Categories that stand on the floor."""

UNITS = {"millimetres": 1000.0, "centimetres": 100.0, "inches": 39.37, "feet": 3.281, "kilometres": 0.001}
MAX_COORDINATE_M = 1e7
"""Coordinates of maps reach this far from their origin (UTM northings), none further."""
UNIT_RATIO = 1.8
"""Objects of a scene together are at most this much larger or smaller than usual."""

FEW_RATIO = 8.0
"""A few objects tell a unit as well, where each of them is this much smaller or larger than its category ever is."""

UPRIGHT_RATIO = 3.0
"""Floors are level: along the true vertical, the undersides of furniture agree this much better than along others."""
MIN_UNEVEN_M = 0.3
"""Scenes whose furniture agrees better than this are upright, whatever the other axes say."""
VERTICAL_COS = np.cos(np.deg2rad(10.0))
ROOM_MARGIN_M = 1.0
"""Cameras may stand this far outside of the bounds of the objects: people scan from doors and corners."""
CAMERA_HEIGHT_M = (0.1, 3.0)
CAMERA_SHARE = 0.8
MAX_FRAMES = 12
"""Frames, evenly spaced, that are looked at."""


def check_scene(scene: Scene, frames: Sequence[Frame] | None = None) -> list[Finding]:
    """Check one scene.

    Parameters
    ----------
    scene : Scene
    frames : sequence of Frame, optional
        Its frames where they are not part of it.

    Returns
    -------
    list of Finding
        Severe ones first; empty where nothing is suspicious or too little is known.

    Examples
    --------
    >>> n = 6
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair"] * n), size=np.full((n, 3), 900.0),
    ...               center=np.zeros((n, 3)), rotation=np.stack([np.eye(3)] * n))
    >>> [(found.error.reason.value, found.severe) for found in check_scene(scene)]
    [('wrong_units', True)]
    """
    every = scene.frames if frames is None else frames
    findings = _absurd(scene, every) or _units(scene)
    if not findings:
        posed = [(frame, frame.world_from_camera) for frame in every if frame.world_from_camera is not None]
        findings = _box_axes(scene) or _upright(scene)
        findings += _sizes(scene) + _labels(scene)
        if posed and len(scene):
            few = posed[:: max(1, -(-len(posed) // MAX_FRAMES))]
            cameras = [(camera, frame) for frame, _ in few if (camera := camera_of(_with_size(frame)))]
            with np.errstate(over="ignore", invalid="ignore"):  # of absurd lenses
                poses = compare_poses(scene, cameras) if cameras else []
            findings += poses or _cameras(scene, np.array([pose[:3, 3] for _, pose in posed]))
    return sorted(findings, key=lambda found: not found.severe)


def _with_size(frame: Frame) -> Frame:
    """Look up the size of an image that its source does not state; damaged images are refused where they are stored."""
    if frame.width is not None or frame.image_path is None:
        return frame
    size = image_size(frame.image_path)
    return frame if size is None else replace(frame, width=size[0], height=size[1])


def _known(scene: Scene) -> tuple[NDArray[np.intp], Array]:
    """Rows of objects of known categories, and the usual bounds (k, 2) of their longest side."""
    rows = np.array([i for i, name in enumerate(scene.category) if name in SIZES_M], dtype=np.intp)
    return rows, np.array([SIZES_M[str(name)] for name in scene.category[rows]]).reshape(-1, 2)


def _absurd(scene: Scene, frames: Sequence[Frame]) -> list[Finding]:
    """Find numbers that no place on Earth has; whatever is computed from them overflows."""
    poses = [frame.world_from_camera for frame in frames if frame.world_from_camera is not None]
    fields = {"objects.center": scene.center, "objects.size": scene.size}
    fields |= {"frames.world_from_camera": np.array(poses)} if poses else {}
    return [
        finding(field, f"{worst:.3g} m is no place in a scan", IngestReason.WRONG_UNITS, severe=True)
        for field, values in fields.items()
        if (worst := float(np.abs(values).max(initial=0))) > MAX_COORDINATE_M
    ]


def _units(scene: Scene) -> list[Finding]:
    """Compare sizes with what objects usually have."""
    rows, bounds = _known(scene)
    longest = scene.size[rows].max(axis=1)
    low, high = bounds.T
    if len(rows) < MIN_OBJECTS and not (
        len(rows) and ((longest < low / FEW_RATIO) | (longest > high * FEW_RATIO)).all()
    ):
        return []
    factor = float(np.median(longest / np.sqrt(bounds.prod(axis=1))))
    as_metres = float(((longest >= low) & (longest <= high)).mean())
    for name, unit in UNITS.items():
        fits = float(((longest / unit >= low) & (longest / unit <= high)).mean())
        if fits >= 0.8 and fits >= as_metres + 0.3 and 1 / UNIT_RATIO < factor / unit < UNIT_RATIO:
            problem = f"objects are {factor:.3g} times as large as usual, as if lengths were {name}, not metres"
            return [finding("objects.size", problem, IngestReason.WRONG_UNITS, severe=True)]
    return []


def _sizes(scene: Scene) -> list[Finding]:
    """Name objects that are far too small or large for what they are called."""
    rows, bounds = _known(scene)
    longest = scene.size[rows].max(axis=1)
    odd = np.flatnonzero((longest < bounds[:, 0] / 2) | (longest > bounds[:, 1] * 2))
    return [
        finding(
            f"objects[{rows[i]}] ({scene.category[rows[i]]}).size",
            f"the longest side is {longest[i]:.3g} m, usual are {bounds[i, 0]:g} to {bounds[i, 1]:g} m",
            IngestReason.ODD_SIZE,
        )
        for i in odd
    ]


def _labels(scene: Scene) -> list[Finding]:
    """Name categories that another one is the plural of."""
    names = sorted(set(scene.category.tolist()))
    plurals = [(one, form) for one in names for form in (f"{one}s", f"{one}es") if form in names]
    return [
        finding("objects.category", f"'{form}' beside '{one}': one category, or two?", IngestReason.SIMILAR_LABELS)
        for one, form in plurals
    ]


def _upright(scene: Scene) -> list[Finding]:
    """Compare how well the undersides of furniture agree along each axis: floors are level."""
    rows = np.isin(scene.category, STANDING)
    if rows.sum() < max(MIN_OBJECTS, 6) or len(set(scene.category[rows].tolist())) < 2:
        return []
    bounds = box_bounds(scene.center[rows], scene.size[rows], scene.rotation[rows])
    spread = {}
    for axis, name in enumerate("xyz"):
        spread[f"+{name}"] = _spread(bounds[:, 0, axis])
        spread[f"-{name}"] = _spread(bounds[:, 1, axis])
    upright = min(spread["+z"], spread["-z"])
    best = min(spread, key=lambda name: spread[name])
    if best[1] != "z" and upright > MIN_UNEVEN_M and spread[best] * UPRIGHT_RATIO < upright:
        problem = f"furniture stands on a plane across {best} (off by {spread[best]:.2f} m), not on one across +z "
        return [finding("up", f"{problem}(off by {spread['+z']:.2f} m)", IngestReason.NOT_UPRIGHT, severe=True)]
    if spread["+z"] > MIN_UNEVEN_M and spread["-z"] * (UPRIGHT_RATIO + 1) < spread["+z"]:
        problem = f"the upper sides of furniture agree ({spread['-z']:.2f} m), not the lower ones: z points down"
        return [finding("up", problem, IngestReason.NOT_UPRIGHT, severe=True)]
    return []


def _spread(values: Array) -> float:
    """Median distance from the median."""
    return float(np.median(np.abs(values - np.median(values))))


def _box_axes(scene: Scene) -> list[Finding]:
    """Compare how many boxes have a vertical axis when rows, and when columns are the axes."""
    if len(scene) < MIN_OBJECTS:
        return []
    rows, columns = (
        float((np.abs(axes).max(axis=1) > VERTICAL_COS).mean())
        for axes in (scene.rotation[:, :, 2], scene.rotation[:, 2, :])
    )
    if columns >= 0.7 and rows <= 0.45:
        problem = f"{rows:.0%} of the boxes have a vertical axis; {columns:.0%} have if the columns are the axes"
        return [finding("objects.rotation", problem, IngestReason.BOX_AXES, severe=True)]
    return []


def _cameras(scene: Scene, eyes: Array) -> list[Finding]:
    """Check that cameras stand in the room, at a height from which people film."""
    bounds = box_bounds(scene.center, scene.size, scene.rotation)
    low, high = bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0)
    findings: list[Finding] = []
    inside = ((eyes[:, :2] > low[:2] - ROOM_MARGIN_M) & (eyes[:, :2] < high[:2] + ROOM_MARGIN_M)).all(axis=1)
    if inside.mean() < CAMERA_SHARE:
        problem = f"{(~inside).sum()} of {len(eyes)} cameras stand outside of the bounds of the objects"
        findings.append(finding("frames.world_from_camera", problem, IngestReason.CAMERAS_OUTSIDE))
    standing = np.isin(scene.category, STANDING)
    if standing.sum() >= MIN_OBJECTS:
        height = float(np.median(eyes[:, 2]) - np.median(bounds[standing, 0, 2]))
        if not CAMERA_HEIGHT_M[0] <= height <= CAMERA_HEIGHT_M[1]:
            problem = f"cameras are {height:.2f} m above the floor that furniture stands on"
            findings.append(finding("frames.world_from_camera", problem, IngestReason.CAMERAS_OUTSIDE))
    return findings
