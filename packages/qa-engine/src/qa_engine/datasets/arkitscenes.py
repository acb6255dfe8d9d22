"""ARKitScenes 3DOD: one folder per scan with boxes, frames, depth, cameras. World: metres, +Z up, floor not at 0.

The labels follow VSI-Bench (`tv_monitor` is `tv`); the source's own label stays in `category_raw`. Frames stay as
recorded: sideways or upside-down videos are not turned. Room sizes are not part of the annotation; they come from the
mesh, which names no objects, and are null without it.

References
----------
Apple's ARKitScenes repository: DATA.md for the layout, threedod/benchmark_scripts/utils for the conventions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qa_engine.datasets.arkit_frames import read_frames
from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource
from qa_engine.datasets.scan_mesh import of_no_object, scan_mesh
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.parsing import check_inside, expect, member, read_boxes, read_json
from qa_engine.formats.text_tables import read_csv
from qa_engine.scenes.scene import Scene

MAX_BYTES = 64_000_000
"""Annotations are some 100 kB; a file of this size is something else."""

ANNOTATION = "_3dod_annotation.json"
MESH = "_3dod_mesh.ply"
FOLDS = ("Training", "Validation")
CATEGORY_OF_LABEL = {"tv_monitor": "tv"}
"""The one label that VSI-Bench renames."""


@dataclass(frozen=True)
class _Located:
    """Where the parts of one scan may lie."""

    annotation: Path
    scene_group: str
    frame_bases: tuple[Path, ...]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scans of `3dod/{Training,Validation}/<id>/`, or of a folder further down in that layout.

    Raises
    ------
    QAEngineError
        A folder is missing, or no scan lies in it.
    """
    assert root is not None
    bases = [root if options.annotations is None else options.annotations]
    for folder in (root, *bases, *([options.frames_dir] if options.frames_dir else [])):
        if not folder.is_dir():
            raise QAEngineError(f"{folder}: no such folder.")
    scans = _scan_folders(bases[0])
    if not scans:
        raise QAEngineError(
            f"{bases[0]}: no scan here. Expected 3dod/Training/<id>/<id>{ANNOTATION} (or Validation), or name the "
            "folder that holds it with --annotations."
        )
    visits = visits_of(root)
    roots = tuple({folder.resolve() for folder in (root, bases[0], options.frames_dir) if folder is not None})
    sources = []
    for scan in scans:
        frame_bases = (scan, root) if options.frames_dir is None else (options.frames_dir,)
        annotation = scan / f"{scan.name}{ANNOTATION}"
        located = _Located(annotation, visits.get(scan.name, scan.name), frame_bases)
        item = annotation.relative_to(bases[0]).as_posix()
        sources.append(SceneSource(scene_name=scan.name, item=item, data=located, roots=roots))
    return sources


def load(source: SceneSource) -> Scene:
    """Read one scan: boxes from the annotation, frames and cameras where they exist.

    Raises
    ------
    SceneError
        The annotation is missing, damaged, skipped by its authors, or a link out of the dataset; a box or a camera is
        not valid.
    """
    located: _Located = source.data
    check_inside(located.annotation, source.roots)
    value, sha = read_json(located.annotation, max_bytes=MAX_BYTES)
    annotation = expect(value, dict, "annotation")
    if expect(annotation.get("skipped", False), bool, "skipped"):
        raise SceneError("skipped", "true in the annotation", reason=IngestReason.SKIPPED)
    labels, boxes = [], []
    for i, value in enumerate(member(annotation, "data", list, "annotation")):
        item = expect(value, dict, f"data[{i}]")
        labels.append(member(item, "label", str, f"data[{i}]"))
        segments = member(item, "segments", dict, f"data[{i}]")
        field = f"data[{i}].segments"
        boxes.append((f"{field}.obbAligned", member(segments, "obbAligned", dict, field)))
    found = read_boxes(boxes)
    mesh_path = located.annotation.with_name(f"{source.scene_name}{MESH}")
    surface = scan_mesh(mesh_path, of_no_object, np.arange(len(labels)), roots=source.roots)
    return Scene(
        scene_name=source.scene_name,
        dataset="arkitscenes",
        scene_group=located.scene_group,
        category=np.array([category_of(label) for label in labels], dtype=object),
        category_raw=np.array(labels, dtype=object),
        center=found.center,
        size=found.size,
        rotation=found.rotation,
        source_sha=sha,
        frames=read_frames(source.scene_name, located.frame_bases, source.roots),
        cloud=surface.cloud,
        mesh=surface.mesh,
        refused=surface.refused,
    )


def category_of(label: str) -> str:
    """Turn a label of the annotation into the category used in questions.

    Examples
    --------
    >>> category_of("tv_monitor"), category_of("tv monitor"), category_of("sofa")
    ('tv', 'tv', 'sofa')
    """
    return CATEGORY_OF_LABEL.get(label.translate(_DELIMITERS), label)


_DELIMITERS = str.maketrans(" -/", "___")
"""The official reader compares labels after this."""


def _scan_folders(base: Path) -> list[Path]:
    """List the folders of scans: those of both folds, else those directly below that hold an annotation."""
    folds = [folder for top in (base, base / "3dod") for fold in FOLDS if (folder := top / fold).is_dir()]
    if folds:
        return sorted(scan for fold in folds for scan in fold.iterdir() if scan.is_dir())
    return sorted(scan for scan in (base, *base.iterdir()) if (scan / f"{scan.name}{ANNOTATION}").is_file())


def visits_of(root: Path) -> dict[str, str]:
    """Read which video shows which place from the official split files in or beside the dataset's root."""
    visits: dict[str, str] = {}
    for folder in (root.parent, root, *(root / name for name in ("raw", "threedod", "3dod"))):
        for path in sorted(folder.glob("*_train_val_splits.csv")):
            try:
                table = read_csv(path, ["video_id", "visit_id"], max_bytes=MAX_BYTES)
            except SceneError as error:
                raise QAEngineError(f"{path.parent}: {error}. {error.reason.fix}") from None
            pairs = zip(table["video_id"], table["visit_id"], strict=True)
            visits |= {video: visit for video, visit in pairs if visit not in ("", "NA")}
    return visits


_SOURCE = "download_data.py of Apple's ARKitScenes repository"
"""Where its parts come from."""

ARKITSCENES = Dataset(
    name="arkitscenes",
    description="Apple's ARKitScenes 3DOD: boxes, frames, depth and camera poses of real rooms.",
    needs="the folder above 3dod/{Training,Validation}; --annotations, --frames-dir where the parts lie apart",
    discover=discover,
    load=load,
    options=frozenset({"annotations", "frames_dir"}),
    checklist=(
        Need("annotations", ("*_3dod_annotation.json",), "boxes", f"{_SOURCE}: 3dod", True),
        Need("images", ("*lowres_wide/*.png", "*wide/*.png", "*_imgs/*.jpg"), "frames", f"{_SOURCE}: 3dod"),
        Need("cameras", ("*.pincam",), "intrinsics", f"{_SOURCE}: 3dod"),
        Need("trajectory", ("*.traj",), "poses: observations and coverage", f"{_SOURCE}: 3dod"),
        Need("depth", ("*lowres_depth/*.png", "*depth_densified/*.png"), "occlusion", f"{_SOURCE}: 3dod"),
        Need("mesh", ("*_3dod_mesh.ply",), "room size, occlusion", f"{_SOURCE}: 3dod"),
        Need("splits", ("*_train_val_splits.csv",), "rescans of one place in one split", f"{_SOURCE}: threedod/"),
    ),
)
"""ARKitScenes in its official layout."""
