"""Hypersim: rendered scenes with oriented boxes, cameras and depth. World: asset units, +Z up.

References
----------
Roberts et al., Hypersim, ICCV 2021; the README of the ml-hypersim repository for files and conventions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_engine.datasets.base import Dataset, IngestOptions, Need, SceneSource, Setting
from qa_engine.datasets.folders import folder_sources, scene_folders
from qa_engine.datasets.hypersim_camera import CAMERA_TABLE, read_camera, read_frames
from qa_engine.datasets.nyu40 import NYU40
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.hdf5 import MAX_BYTES, read_array, require_h5py
from qa_engine.formats.parsing import check_inside, read_bytes
from qa_engine.geometry import Boxes
from qa_engine.geometry.moves import move_boxes
from qa_engine.scenes.scene import Scene

SCENE = re.compile(r"ai_\d{3}_\d{3}")
BOX_FILE = "metadata_semantic_instance_bounding_box_object_aligned_2d_{}.hdf5"
"""Boxes turned about the vertical alone; row i is instance i, and the rows of ids without object are infinite."""

SEMANTICS, INSTANCES = "mesh_objects_si.hdf5", "mesh_objects_sii.hdf5"


@dataclass(frozen=True)
class _Located:
    """A scene and the table of all cameras."""

    folder: Path
    cameras: Path
    settings: dict[str, str]


def discover(root: Path | None, options: IngestOptions) -> Sequence[SceneSource]:
    """List the scenes `ai_VVV_NNN/`.

    Raises
    ------
    QAEngineError
        h5py is not installed, a folder or the table of cameras is missing, or no scene lies in ROOT.
    """
    require_h5py()
    settings = HYPERSIM.chosen(options)
    folders = scene_folders(root, _is_scene, needs=HYPERSIM.needs)
    assert root is not None
    tables = [path for folder in (root, root.resolve().parent) if (path := folder / CAMERA_TABLE).is_file()]
    if not tables:
        raise QAEngineError(
            f"{root}: no {CAMERA_TABLE} in or beside it. It is part of the ml-hypersim repository and holds the "
            "scale and the lens of every scene; copy it there."
        )
    return folder_sources(root, folders, lambda folder: _Located(folder, tables[0], settings))


def load(source: SceneSource) -> Scene:
    """Read one scene: boxes of its instances, images with cameras and depth.

    Raises
    ------
    SceneError
        A file is missing or damaged.
    """
    located: _Located = source.data
    camera = read_camera(located.cameras, source.scene_name)
    canonical_from_source = np.diag([*[camera.metres_per_unit] * 3, 1.0])
    mesh = located.folder / "_detail" / "mesh"
    files = [mesh / BOX_FILE.format(part) for part in ("positions", "extents", "orientations")]
    objects = _Objects.none()
    refused: list[SceneError] = []
    if located.settings["boxes"] == "required" or files[0].is_file():
        for path in (*files, mesh / SEMANTICS, mesh / INSTANCES):
            check_inside(path, source.roots)
        objects, refused = _objects(mesh, files, keep_unlabelled=located.settings["unlabelled"] == "keep")
    else:
        files = []
    boxes = move_boxes(objects.boxes, canonical_from_source)
    return Scene(
        scene_name=source.scene_name,
        dataset="hypersim",
        instance_id=objects.instance_id,
        category=np.array(objects.category, dtype=object),
        center=boxes.center,
        size=boxes.size,
        rotation=boxes.rotation,
        canonical_from_source=canonical_from_source,
        source_sha=_sha([*files, mesh / SEMANTICS, mesh / INSTANCES] if files else []),
        frames=read_frames(
            located.folder, camera, canonical_from_source, source.roots, images=located.settings["images"]
        ),
        refused=tuple(refused),
    )


@dataclass(frozen=True)
class _Objects:
    """Columns of the objects in source coordinates."""

    instance_id: NDArray[np.int64]
    category: list[str]
    boxes: Boxes

    @classmethod
    def none(cls) -> _Objects:
        """No objects."""
        return cls(np.zeros(0, np.int64), [], Boxes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3, 3))))


def _objects(mesh: Path, files: Sequence[Path], *, keep_unlabelled: bool) -> tuple[_Objects, list[SceneError]]:
    """Read the boxes of the instances that exist, with the class that most of an instance's meshes have."""
    center = read_array(files[0], (None, 3)).astype(np.float64)
    size = read_array(files[1], (len(center), 3)).astype(np.float64)
    axes = read_array(files[2], (len(center), 3, 3)).astype(np.float64)
    instance = read_array(mesh / INSTANCES, (None, 1))[:, 0]
    semantic = read_array(mesh / SEMANTICS, (len(instance), 1))[:, 0]
    known = np.isfinite(center).all(1) & np.isfinite(size).all(1) & np.isfinite(axes).all((1, 2))
    kept, category = [], []
    refused: list[SceneError] = []
    for i in np.flatnonzero(known).tolist():
        own = semantic[(instance == i) & (semantic >= 1) & (semantic <= len(NYU40))].astype(np.int64)
        if not (size[i] > 0).all():
            problem = f"{size[i].tolist()} has a side that is not above 0"
            refused.append(SceneError(f"{files[1].name}[{i}]", problem, reason=IngestReason.BAD_SIZE))
        elif not len(own) and not keep_unlabelled:
            problem = f"instance {i} has no class"
            refused.append(SceneError(SEMANTICS, problem, reason=IngestReason.SKIPPED))
        else:
            kept.append(i)
            category.append(NYU40[np.bincount(own).argmax() - 1] if len(own) else "undefined")
    rotation = axes[kept].transpose(0, 2, 1)
    mirrored = np.linalg.det(rotation) < 0
    rotation = np.where(mirrored[:, None, None], rotation * np.array([-1.0, 1, 1])[:, None], rotation)
    return _Objects(np.array(kept, dtype=np.int64), category, Boxes(center[kept], size[kept], rotation)), refused


def _is_scene(path: Path) -> bool:
    return SCENE.fullmatch(path.resolve().name) is not None and (path / "_detail").is_dir()


def _sha(files: Sequence[Path]) -> str:
    """Hash the files of the boxes."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(read_bytes(path, max_bytes=MAX_BYTES))
    return digest.hexdigest()


_SOURCE = "dataset_download_images.py of Apple's ml-hypersim repository"
"""Where its parts come from."""

HYPERSIM = Dataset(
    name="hypersim",
    description="Hypersim: rendered rooms with boxes, cameras and depth (extra 'hdf5').",
    needs=f"the folder of the scenes ai_VVV_NNN with {CAMERA_TABLE} in or beside it",
    discover=discover,
    load=load,
    settings=(
        Setting("images", "which preview images become frames", ("tonemap", "color")),
        Setting("boxes", "whether a scene without files of boxes is refused", ("required", "optional")),
        Setting("unlabelled", "what happens to instances without a class", ("skip", "keep")),
    ),
    checklist=(
        Need(
            "camera table",
            ("*metadata_camera_parameters.csv",),
            "scale and lens of every scene",
            "contrib/mikeroberts3000 of Apple's ml-hypersim repository",
            True,
        ),
        Need("boxes", ("*bounding_box_object_aligned_2d_*.hdf5",), "boxes (else --set boxes=optional)", _SOURCE, True),
        Need("labels", ("*mesh_objects_si.hdf5",), "categories", "evermotion_dataset/scenes of ml-hypersim", True),
        Need("images", ("*_final_preview/*.jpg",), "frames", _SOURCE),
        Need("poses", ("*camera_keyframe_orientations.hdf5",), "observations and coverage", _SOURCE),
        Need("depth", ("*depth_meters.hdf5",), "occlusion", _SOURCE),
    ),
)
"""Hypersim in its official layout."""
