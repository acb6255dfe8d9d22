"""Every format of own scans in one table: those that are read, and those that are not with what to do about them.

`doctor` names files by it, and the tables of the manual are written from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from qa_engine.formats.annotations import BOX_FORMATS
from qa_engine.formats.recordings import FRAME_FORMATS

MAX_FOLDERS = 200
"""Folders of a root that are looked into for formats; scans come by the dozen."""


@dataclass(frozen=True)
class Foreign:
    """Files that an own scan takes nothing from: what they are, by their names, and what to do with them.

    `dataset` names the data set that reads them, where there is one.
    """

    title: str
    patterns: tuple[str, ...]
    advice: str
    dataset: str = ""

    def fits(self, name: str) -> bool:
        """Tell whether a file of this name is one of them."""
        return any(fnmatch(name.lower(), pattern.lower()) for pattern in self.patterns)


FOREIGN = (
    Foreign("Record3D recording", ("*.r3d",), "put it into the scan's own folder, one per scan"),
    Foreign(
        "part of StrayScanner",
        ("odometry.csv", "camera_matrix.csv"),
        "put it beside `rgb.mp4` of its scan",
    ),
    Foreign("part of Polycam", ("mesh_info.json",), "export raw data with images: `keyframes/` is missing"),
    Foreign("laser scan", ("*.e57", "*.las", "*.laz"), "rename it to cloud.e57, cloud.las or cloud.laz"),
    Foreign(
        "USD scene of another name",
        ("*.usd", "*.usda", "*.usdc", "*.usdz"),
        "rename the whole scene to mesh.usd, mesh.usda, mesh.usdc or mesh.usdz; needs extra `usd`",
    ),
    Foreign("recording of ScanNet", ("*.sens",), "give the folder above `scans/`", "scannet"),
    Foreign("video", ("*.mp4", "*.mov", "*.mkv", "*.avi"), "extract the frames that have poses"),
    Foreign("HEIC photo", ("*.heic", "*.heif"), "nothing: no pose names it"),
    Foreign("trajectory", ("groundtruth.txt", "*trajectory*.txt"), "put it into the scan's own folder"),
    Foreign("poses of RTAB-Map", ("*_poses.txt",), "export images, too: --images_id --poses_camera --poses_format 11"),
    Foreign("poses as text", ("*pose*.txt",), "convert them to poses.csv"),
    Foreign("poses of LLFF", ("poses_bounds.npy",), "convert them to transforms.json"),
    Foreign("points of COLMAP", ("points3D.*",), "nothing: they belong to no object"),
    Foreign("frames and rigs of COLMAP", ("frames.*", "rigs.*"), "nothing: poses are those of the images"),
    Foreign("data base of COLMAP or RTAB-Map", ("*.db",), "export its model; rtabmap-export"),
    Foreign("poses beside others", ("images.*", "cameras.*", "transforms*.json", "poses.csv"), "see `frames_from`"),
    Foreign("boxes beside others", ("boxes.json", "boxes.csv"), "see `boxes_from`"),
    Foreign("Gaussians", ("*.splat", "*.ksplat", "*.spz", "*.sog"), "export PLY, or the cloud they come from"),
    Foreign("labels of HM3D", ("*.semantic.txt",), "give the folder above the houses, with `*.semantic.glb`", "hm3d"),
    Foreign("scene of HSSD", ("*.scene_instance.json",), "give the folder with `scenes/` and `objects/`", "hssd"),
    Foreign("capture of CA-1M", ("ca1m*.tar",), "give the folder of the archives; boxes have no classes", "ca1m"),
    Foreign("archive", ("*.tar", "*.tar.gz", "*.zip", "*.7z"), "unpack it"),
    Foreign("boxes of SUN RGB-D", ("SUNRGBD*.mat",), "give the folder with `SUNRGBD/` and this file", "sunrgbd"),
    Foreign("tracklets of KITTI", ("tracklet_labels.xml",), "export from CVAT as Datumaro 3D"),
    Foreign("recording of Aria", ("*.vrs",), "give the folder with its ground truth; pictures stay unread", "adt"),
    Foreign("recording of ROS", ("*.bag", "*.mcap", "*.db3"), "export pictures, depth and poses as TUM RGB-D"),
    Foreign("model of a building", ("*.ifc", "*.rvt", "*.skp", "*.dwg", "*.dxf"), "export mesh.glb with named parts"),
    Foreign("other model", ("*.fbx", "*.stl", "*.dae", "*.3ds", "*.off", "*.blend"), "export it as mesh.glb"),
    Foreign("cloud of another name", ("*.ply", "*.pcd"), "rename it to cloud.ply, cloud.pcd or mesh.ply"),
    Foreign("cloud as text", ("*.xyz", "*.pts", "*.ptx"), "convert it to cloud.ply"),
    Foreign("mesh of another name", ("*.glb", "*.gltf", "*.obj"), "rename it to mesh.glb or mesh.obj"),
)
"""By their names; the first that fits counts."""


def foreign(name: str) -> str | None:
    """Say what a file that was not read is, and what to do with it.

    Examples
    --------
    >>> foreign("scan.e57")
    'laser scan; rename it to cloud.e57, cloud.las or cloud.laz'
    """
    found = next((item for item in FOREIGN if item.fits(name)), None)
    if found is None:
        return None
    return f"{found.title}; {f'data set {found.dataset}: ' if found.dataset else ''}{found.advice}"


def formats_in(root: Path) -> dict[str, str]:
    """Name the formats that lie in a folder or in those directly below it, whether or not they make a scan."""
    found: dict[str, str] = {}
    if not root.is_dir():
        return found
    children = sorted(path for path in root.iterdir() if path.is_dir())[:MAX_FOLDERS]
    for folder in (root, *children):
        for form in FRAME_FORMATS.values():
            if form.name not in found and form.find(folder):
                found[form.name] = form.about
        for form in BOX_FORMATS.values():
            if form.name not in found and form.find(folder) is not None:
                found[form.name] = form.about
        for item in FOREIGN:
            if item.title not in found and any(item.fits(path.name) for path in folder.iterdir() if path.is_file()):
                read = f"read by 'qa-engine ingest {item.dataset}'" if item.dataset else "not read"
                found[item.title] = f"{read}: {item.advice}"
    return found


def tables() -> str:
    """Write the tables of the manual."""
    frames = [
        (
            f"{form.title} (`{form.name}`)",
            form.told_by,
            f"{form.up} up" if form.up else "as the boxes",
            f"{'OpenCV' if form.axes == 'opencv' else 'OpenGL'}, {form.maps.replace('_', ' ')}",
            form.depth,
            _notes(form.note, form.extra),
        )
        for form in FRAME_FORMATS.values()
    ]
    boxes = [
        (
            f"{form.title} (`{form.name}`)",
            form.told_by,
            f"{form.up} up" if form.up else "`up`",
            form.turned_by,
            form.note,
        )
        for form in BOX_FORMATS.values()
    ]
    names = {item.title: ", ".join(f"`{name}`" for name in item.patterns) for item in FOREIGN}
    elsewhere = [(item.title, names[item.title], f"`{item.dataset}`", item.advice) for item in FOREIGN if item.dataset]
    others = [(item.title, names[item.title], item.advice) for item in FOREIGN if not item.dataset]
    return "\n\n".join(
        (
            _table(("frames", "told by", "world", "cameras", "depth", "note"), frames),
            _table(("boxes", "told by", "world", "turned by", "note"), boxes),
            _table(("read, but not as an own scan", "names", "data set", "what to do"), elsewhere),
            _table(("not read", "names", "what to do"), others),
        )
    )


def _notes(note: str, extra: str | None) -> str:
    return "; ".join(part for part in (f"extra `{extra}`" if extra else "", note) if part)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
