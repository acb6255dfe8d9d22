"""Tell whether a scene can be what its numbers say: units, up axis, box axes, camera poses, sizes, what images show.

Most wrong conventions leave every single number valid and every answer wrong. They are found by comparing readings: the
one that was taken with the likely mistakes. A finding is severe where another reading explains the scene far better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qa_engine.arrays import Array
from qa_engine.errors import IngestReason
from qa_engine.formats.depth import image_size
from qa_engine.geometry import Boxes, box_bounds
from qa_engine.ingestion.axes import compare_axes
from qa_engine.ingestion.findings import MIN_OBJECTS, Doubt, Finding, finding
from qa_engine.ingestion.joined import check_depth
from qa_engine.ingestion.poses import Seen, compare_poses, read_images
from qa_engine.ingestion.scale import check_scale
from qa_engine.ingestion.surroundings import check_points, surroundings_of
from qa_engine.ingestion.typical import ODD_LARGE, ODD_SMALL, ODD_SPREADS, Prior, prior_of
from qa_engine.scenes.cameras import camera_of
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.structure import is_structure

MAX_COORDINATE_M = 1e7
"""Coordinates of maps reach this far from their origin (UTM northings), none further."""
ROOM_MARGIN_M = 1.0
"""Cameras may stand this far outside of the bounds of the objects: people scan from doors and corners."""
CAMERA_HEIGHT_M = (0.1, 3.0)
CAMERA_SHARE = 0.8
MAX_FRAMES = 12
"""Frames, evenly spaced, that are looked at."""


@dataclass(frozen=True)
class Inspection:
    """What the checks say about one scene.

    Attributes
    ----------
    findings : tuple of Finding
        Severe ones first; empty where nothing is suspicious.
    untold : tuple of Doubt
        Mistakes that its data neither shows nor excludes.
    """

    findings: tuple[Finding, ...]
    untold: tuple[Doubt, ...] = ()


def check_scene(scene: Scene) -> Inspection:
    """Check one scene.

    Examples
    --------
    >>> n = 6
    >>> scene = Scene(scene_name="s", dataset="d", category=np.array(["chair"] * n), size=np.full((n, 3), 900.0),
    ...               center=np.zeros((n, 3)), rotation=np.stack([np.eye(3)] * n))
    >>> [(found.error.reason.value, found.severe) for found in check_scene(scene).findings]
    [('wrong_units', True)]
    """
    if absurd := _absurd(scene):
        return Inspection(tuple(absurd))
    prior = prior_of(scene.category)
    findings, factor, scales = check_scale(scene.boxes, prior)
    boxes = Boxes(scene.center / factor, scene.size / factor, scene.rotation)
    posed = [frame for frame in scene.frames if frame.world_from_camera is not None] if len(scene) else []
    images = [] if findings else _images(posed)
    with np.errstate(over="ignore", invalid="ignore"):  # of absurd lenses
        poses, confirmed = compare_poses(scene, images)
    around = None if findings or poses else surroundings_of(scene, posed, images)
    axes = compare_axes(boxes, prior, source=_turn_of(scene.canonical_from_source), other=around)
    findings += axes.findings
    if not findings:
        findings = poses + _sizes(scene, prior) + check_points(scene) + check_depth(scene, images)
        if posed and not poses and not confirmed:
            findings += _cameras(scene, prior, np.array([frame.world_from_camera for frame in posed])[:, :3, 3])
    findings += _labels(scene)
    return Inspection(tuple(sorted(findings, key=lambda found: not found.severe)), (*scales, *axes.untold))


def _images(posed: Sequence[Frame]) -> list[Seen]:
    """Read some of the frames, evenly spaced."""
    few = posed[:: max(1, -(-len(posed) // MAX_FRAMES))]
    return read_images([(camera, frame) for frame in few if (camera := camera_of(_with_size(frame)))])


def _turn_of(matrix: Array) -> Array:
    """Take the turn (3, 3) out of a transform (4, 4) that scales all axes alike."""
    linear = matrix[:3, :3]
    scale = np.cbrt(abs(np.linalg.det(linear)))
    return linear / scale if scale > 0 else np.eye(3)


def _with_size(frame: Frame) -> Frame:
    """Look up the size of an image that its source does not state; damaged images are refused where they are stored."""
    if frame.width is not None or frame.image_path is None:
        return frame
    size = image_size(frame.image_path)
    return frame if size is None else replace(frame, width=size[0], height=size[1])


def _absurd(scene: Scene) -> list[Finding]:
    """Find numbers that no place on Earth has; whatever is computed from them overflows."""
    poses = [frame.world_from_camera for frame in scene.frames if frame.world_from_camera is not None]
    fields = {"objects.center": scene.center, "objects.size": scene.size}
    fields |= {"frames.world_from_camera": np.array(poses)} if poses else {}
    return [
        finding(field, f"{worst:.3g} m is no place in a scan", IngestReason.WRONG_UNITS, severe=True)
        for field, values in fields.items()
        if (worst := float(np.abs(values).max(initial=0))) > MAX_COORDINATE_M
    ]


def _sizes(scene: Scene, prior: Prior) -> list[Finding]:
    """Name objects that are far too small or large for what they are called."""
    longest, usual = scene.size[prior.rows].max(axis=1), prior.sides[:, 0]
    spread = ODD_SPREADS * prior.spread
    low, high = usual * np.exp(-ODD_SMALL - spread), usual * np.exp(ODD_LARGE + spread)
    odd = ((longest < low) | (longest > high)) & ~is_structure(scene.category[prior.rows])
    return [
        finding(
            f"objects[{row}] ({scene.category[row]}).size",
            f"the longest side is {longest[i]:.3g} m, usual is {usual[i]:.2g}, at most {low[i]:.1g} to {high[i]:.2g} m",
            IngestReason.ODD_SIZE,
        )
        for i, row in zip(np.flatnonzero(odd).tolist(), prior.rows[odd].tolist(), strict=True)
    ]


def _labels(scene: Scene) -> list[Finding]:
    """Name categories that may be one: plurals, and in own scans kinds of one thing; the user decides."""
    names = sorted({str(name) for name in scene.category})
    pairs = [(form, one) for one in names for form in (f"{one}s", f"{one}es") if form in names]
    if scene.dataset == "generic":
        pairs += [(kind, one) for one in names for kind in names if kind.endswith(f" {one}")]
    if not pairs:
        return []
    asked = ", ".join(f"'{kind}' beside '{one}'" for kind, one in pairs)
    merge = ",".join(f"{kind}={one}" for kind, one in pairs)
    problem = f"{asked}: one category, or two? --set merge='{merge}' makes them one"
    return [finding("objects.category", problem, IngestReason.SIMILAR_LABELS)]


def _cameras(scene: Scene, prior: Prior, eyes: Array) -> list[Finding]:
    """Check that cameras stand in the room, at a height from which people film."""
    bounds = box_bounds(scene.center, scene.size, scene.rotation)
    low, high = bounds[:, 0].min(axis=0), bounds[:, 1].max(axis=0)
    findings: list[Finding] = []
    inside = ((eyes[:, :2] > low[:2] - ROOM_MARGIN_M) & (eyes[:, :2] < high[:2] + ROOM_MARGIN_M)).all(axis=1)
    if inside.mean() < CAMERA_SHARE:
        problem = f"{(~inside).sum()} of {len(eyes)} cameras stand outside of the bounds of the objects"
        findings.append(finding("frames.world_from_camera", problem, IngestReason.CAMERAS_OUTSIDE))
    standing = prior.rows[(prior.bottom == 0) & ~is_structure(scene.category[prior.rows])]
    if len(standing) >= MIN_OBJECTS:
        height = float(np.median(eyes[:, 2]) - np.median(bounds[standing, 0, 2]))
        if not CAMERA_HEIGHT_M[0] <= height <= CAMERA_HEIGHT_M[1]:
            problem = f"cameras are {height:.2f} m above the floor that furniture stands on"
            findings.append(finding("frames.world_from_camera", problem, IngestReason.CAMERAS_OUTSIDE))
    return findings
