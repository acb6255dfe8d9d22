"""Lift one scene of a store: read its masks, find the objects, fit the boxes, say what to look at."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qa_engine.arrays import Array
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.canonical import readable
from qa_engine.formats.masks import find_masks, match_frames
from qa_engine.lifting.consensus import Clusters, cluster_masks
from qa_engine.lifting.evidence import Evidence, Shot, gather, make_shot
from qa_engine.lifting.fit import Fit, fit_box, floor_height
from qa_engine.lifting.fragments import lift_objects
from qa_engine.lifting.objects import Lifted
from qa_engine.scenes.cameras import camera_of
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.clues import UNKNOWN_GRAVITY_DEG, UNKNOWN_SCALE
from qa_engine.scenes.scene import Frame, Scene
from qa_engine.scenes.store import Store
from qa_engine.scenes.worlds import errors_in_words
from qa_engine.views.observations import read_depth

MAX_SHOTS = 128
"""Of longer videos, as many frames at even steps: what is still unseen after them is not in the video."""

FEW_FRAMES = 5
"""Frames from which on more of them make an object no surer."""

OFTEN_CUT = 0.5
"""Share of the frames of an object that several masks cut from which on it is worth a look."""


@dataclass(frozen=True)
class LiftSource:
    """Where a scene and its masks are, and how they are read.

    Attributes
    ----------
    store : Store
        One for all scenes: it reads each table once.
    masks : Path
        Folder of the masks of this scene.
    layout : str or None
    min_frames : int
        Frames that must show an object.
    """

    store: Store
    masks: Path
    layout: str | None
    min_frames: int


def lift_scene(scene_name: str, source: LiftSource) -> Scene:
    """Replace the objects of a scene by those that masks show.

    Raises
    ------
    SceneError
        No masks, no frame with masks, camera and depth, or not one object.
    """
    scene, frames = source.store.load_scene(scene_name), source.store.frames(scene_name)
    if scene.gravity_error_deg == UNKNOWN_GRAVITY_DEG or scene.scale_error == UNKNOWN_SCALE:
        problem = f"{errors_in_words(scene)}, and boxes are upright, of voxels of some centimetres"
        raise SceneError("scenes", f"{problem}: run 'qa-engine align' first", reason=IngestReason.NOT_ALIGNED)
    shots, refused = _shots(frames, source)
    evidence = gather(shots)
    clusters, objects = lift_objects(evidence, cluster_masks(evidence))
    floor = floor_height(evidence.around)
    kept: list[tuple[Lifted, Fit]] = []
    left_out: Counter[str] = Counter()
    notes = _merged(evidence, clusters)
    for lifted in objects:
        if lifted is None:
            continue
        problem = _unusable(lifted, source.min_frames)
        if problem is None:
            kept.append((lifted, fit_box(lifted.points, evidence, floor)))
            notes += _doubts(lifted, len(kept) - 1)
        else:
            notes.append(problem)
            left_out[_category(lifted.label)] += bool(lifted.label)
    if not kept:
        found = f"{len(evidence.frame)} masks in {len(shots)} frames make no object"
        raise SceneError("masks", found, reason=IngestReason.SEEN_TOO_RARELY)
    counts = Counter(_category(lifted.label) for lifted, _ in kept)
    # What is there and has no box must not be counted as absent: such a category has more objects than boxes.
    counts.update({name: n for name, n in left_out.items() if name in counts})
    return _with_objects(scene, frames, kept, counts, evidence, (*refused, *notes))


def _shots(frames: Sequence[Frame], source: LiftSource) -> tuple[list[Shot], list[SceneError]]:
    """Read the frames that have masks, camera and depth; a damaged one is lost alone."""
    try:
        _, masks = find_masks(source.masks, source.layout)
    except SceneError:
        raise
    except QAEngineError as error:
        raise SceneError("masks", str(error), reason=IngestReason.MISSING_FILE) from None
    named = match_frames([frame.frame_id for frame in frames], masks)
    usable = [
        frame for frame in frames if frame.frame_id in named and camera_of(frame) is not None and _has_depth(frame)
    ]
    if not usable:
        found = (
            f"{len(frames)} frames, {len(masks)} with masks, {len(named)} of the same name, none with pose and depth"
        )
        raise SceneError("masks", found, reason=IngestReason.MISSING_FILE)
    chosen = np.unique(np.linspace(0, len(usable) - 1, min(len(usable), MAX_SHOTS)).round().astype(int))
    shots: list[Shot] = []
    refused: list[SceneError] = []
    for frame in (usable[i] for i in chosen):
        camera, depth = camera_of(frame), read_depth(frame)
        assert camera is not None
        assert depth is not None
        try:
            shots.append(make_shot(frame.frame_id, camera, depth, masks[named[frame.frame_id]]()))
        except SceneError as error:
            refused.append(error)
    return shots, refused


def _has_depth(frame: Frame) -> bool:
    return frame.depth_path is not None or frame.depth_m is not None or frame.read_depth is not None


def _merged(evidence: Evidence, clusters: Clusters) -> list[SceneError]:
    """Name the frames whose masks cover several objects."""
    rows = np.flatnonzero(clusters.merged)
    return [
        SceneError(
            f"masks[{evidence.shots[evidence.frame[row]].frame_id}]",
            f"one mask ({evidence.label[row] or 'no label'}) covers what other frames tell apart",
            reason=IngestReason.MASK_OF_SEVERAL,
        )
        for row in rows
    ]


def _unusable(lifted: Lifted, min_frames: int) -> SceneError | None:
    """Say why an object is left out."""
    place = _place(lifted)
    if lifted.n_frames < min_frames:
        problem = f"masks in {lifted.n_frames} of the frames, at least {min_frames} are wanted"
        return SceneError(place, problem, reason=IngestReason.SEEN_TOO_RARELY)
    if not lifted.label:
        return SceneError(place, f"{lifted.n_masks} masks, none with a label", reason=IngestReason.NO_LABEL)
    return None


def _doubts(lifted: Lifted, number: int) -> list[SceneError]:
    """Say what a person should look at."""
    place = f"objects[{number}] {_place(lifted)}"
    doubts: list[SceneError] = []
    if lifted.other_labels and lifted.label_share < 0.8:
        problem = f"{lifted.label_share:.0%} of the votes; also {', '.join(lifted.other_labels[:3])}"
        doubts.append(SceneError(place, problem, reason=IngestReason.LABELS_DIFFER))
    if lifted.split_frames > OFTEN_CUT * lifted.n_frames:
        problem = f"{lifted.split_frames} of {lifted.n_frames} frames cut it into several masks"
        doubts.append(SceneError(place, problem, reason=IngestReason.CUT_IN_PARTS))
    if lifted.dropped_parts:
        problem = f"{lifted.dropped_parts} more parts, too far away"
        doubts.append(SceneError(place, problem, reason=IngestReason.FAR_PART))
    return doubts


def _place(lifted: Lifted) -> str:
    x, y, z = lifted.points.mean(axis=0)
    return f"({lifted.label or 'no label'} at {x:.2f}, {y:.2f}, {z:.2f})"


def _confidence(lifted: Lifted) -> float:
    """How sure an object is: votes for its label, frames that show it with a mask, and their number, all up to 1."""
    return lifted.label_share * lifted.masked_share * min(lifted.n_frames / FEW_FRAMES, 1)


def _with_objects(
    scene: Scene,
    frames: Sequence[Frame],
    kept: Sequence[tuple[Lifted, Fit]],
    counts: Mapping[str, int],
    evidence: Evidence,
    refused: tuple[SceneError, ...],
) -> Scene:
    """Put objects, cloud and frames into a scene."""
    labels = [lifted.label for lifted, _ in kept]
    points = np.concatenate([*(lifted.points for lifted, _ in kept), evidence.around])
    owner = np.repeat([*range(len(kept)), -1], [*(len(lifted.points) for lifted, _ in kept), len(evidence.around)])
    digest = hashlib.sha256(scene.source_sha.encode())
    for array in (points, owner, *(array for _, fit in kept for array in (fit.center, fit.size, fit.rotation))):
        digest.update(np.ascontiguousarray(array).tobytes())
    return Scene(
        scene_name=scene.scene_name,
        dataset=scene.dataset,
        scene_group=scene.scene_group,
        category=np.array([_category(label) for label in labels], dtype=object),
        category_counts=dict(counts),
        category_raw=np.array(labels, dtype=object),
        center=_stacked([fit.center for _, fit in kept]),
        size=_stacked([fit.size for _, fit in kept]),
        rotation=_stacked([fit.rotation for _, fit in kept]),
        face_error_m=np.array([fit.face_error_m + evidence.noise_m for _, fit in kept]),
        confidence=np.array([_confidence(lifted) for lifted, _ in kept]),
        room_size_m2=scene.room_size_m2,
        room_center=scene.room_center,
        floor_polygon=scene.floor_polygon,
        canonical_from_source=scene.canonical_from_source,
        gravity_error_deg=scene.gravity_error_deg,
        floor_error_m=scene.floor_error_m,
        scale_error=scene.scale_error,
        clues=scene.clues,
        source_sha=digest.hexdigest(),
        # The numbers of instance images are those of the objects before.
        frames=tuple(replace(frame, instance_path=None) for frame in frames),
        cloud=Cloud(points.astype(np.float32), owner.astype(np.int64)),
        refused=refused,
    )


def _category(label: str) -> str:
    """Word a label as questions do."""
    return readable(label) or label


def _stacked(arrays: Sequence[Array]) -> Array:
    return np.stack(arrays)
