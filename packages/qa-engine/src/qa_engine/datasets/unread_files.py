"""Name every file of an own scan that nothing was taken from, and what it is where its name tells."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from qa_engine.errors import IngestReason, SceneError

MAX_FILES = 200_000
MAX_NAMED = 20
"""Groups of files that are named; a scan has a few kinds."""

IGNORED = (".*", "Thumbs.db", "desktop.ini", "README*", "LICENSE*", "*.log")

KNOWN = {
    "*.r3d": "a recording of Record3D; export it as nerfstudio's transforms.json",
    "odometry.csv": "poses of StrayScanner; convert them to poses.csv with camera=opencv and up=y",
    "camera_matrix.csv": "the camera of StrayScanner; its numbers are fx, fy, cx, cy of poses.csv",
    "mesh_info.json": "notes of Polycam; convert the raw export to transforms.json with ns-process-data",
    "*.e57": "a laser scan; convert it to cloud.ply",
    "*.las": "a laser scan; convert it to cloud.ply",
    "*.laz": "a laser scan; convert it to cloud.ply",
    "*.usd*": "a scene of USD (RoomPlan writes it); export RoomPlan's JSON as boxes.json, or the model as mesh.glb",
    "*.sens": "a recording of ScanNet; give the folder as data set scannet",
    "*.mp4": "a video; extract the frames that have poses",
    "*.mov": "a video; extract the frames that have poses",
    "*.mkv": "a video; extract the frames that have poses",
    "*.heic": "a photo that is not read; convert it to JPEG",
    "groundtruth.txt": "poses of TUM RGB-D; convert them to poses.csv, and give --set depth_per_metre=5000",
    "*trajectory*.txt": "poses, perhaps of TUM RGB-D, RTAB-Map or ORB-SLAM; convert them to poses.csv",
    "*pose*.txt": "poses as text; convert them to poses.csv",
    "poses_bounds.npy": "poses of LLFF; convert them to transforms.json",
    "points3D.*": "the points of COLMAP's model, which have no objects",
    "frames.*": "the frames of COLMAP's model, whose poses are those of its images",
    "rigs.*": "the rigs of COLMAP's model",
    "*.db": "a data base of COLMAP or RTAB-Map; export its model",
    "images.*": "poses of COLMAP, while others were read",
    "cameras.*": "cameras of COLMAP, while others were read",
    "transforms*.json": "poses of nerfstudio, while others were read",
    "poses.csv": "poses, while others were read",
    "*.splat": "Gaussians; export the cloud or mesh that they come from",
}
"""Names of files that other programs write, and what to do with them."""


def unread_files(folder: Path, read: Iterable[Path]) -> list[SceneError]:
    """List what is in the folder of a scan and was not read, files of one folder and ending together.

    Parameters
    ----------
    folder : Path
    read : iterable of Path
        Files that something was taken from.
    """
    known = {os.path.normpath(path) for path in read}
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in _names(folder):
        base = os.path.basename(name)
        if os.path.normpath(folder / name) in known or any(fnmatch(base, pattern) for pattern in IGNORED):
            continue
        about = _about(base)
        groups[os.path.dirname(name), about or os.path.splitext(base)[1].lower()].append(name)
    errors: list[SceneError] = []
    for (parent, _), names in sorted(groups.items())[:MAX_NAMED]:
        about = _about(os.path.basename(min(names))) or "no file that is read"
        count = "" if len(names) == 1 else f" ({len(names)} such files in {parent or 'the folder'})"
        errors.append(SceneError(min(names), f"not read{count}: {about}", reason=IngestReason.UNREAD_FILE))
    return errors


def _names(folder: Path) -> list[str]:
    """List the files of a folder, in order; links to folders are not followed."""
    names = (
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, children in os.walk(folder)
        for name in children
    )
    return sorted(islice(names, MAX_FILES))


def _about(name: str) -> str | None:
    """Say what a file is by its name."""
    return next((about for pattern, about in KNOWN.items() if fnmatch(name.lower(), pattern.lower())), None)
