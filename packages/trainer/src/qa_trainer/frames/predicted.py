"""Depth and cameras that VGGT predicts, as a store has them: up to a scale, in the axes of the first camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

UNSURE_SHARE = 0.2
"""Share of the pixels with depth, the least confident, whose depth is left out: edges, mirrors and sky."""

MEDIAN_DEPTH_M = 2.0
"""Depth is written as if half of it lay beyond this: how far things are when rooms are filmed, so that rounding to
millimetres loses nothing. The true scale is for `qa-engine align` to find."""

UNKNOWN_GRAVITY_DEG, UNKNOWN_SCALE = 180.0, 9.0
"""Errors of the table `scenes` for a vertical and a scale that nobody knows."""

MAX_UINT16 = 65_535


@dataclass(frozen=True, eq=False)
class Geometry:
    """Depth and cameras of some frames of one scene, k of them, in one arbitrary unit.

    Attributes
    ----------
    depth : (k, H, W) float32
        Along the camera's z axis; 0 where there is none.
    intrinsics : (k, 3, 3) float64, pixels
    world_from_camera : (k, 4, 4) float64
        OpenCV axes.
    """

    depth: np.ndarray
    intrinsics: np.ndarray
    world_from_camera: np.ndarray


def geometry_of(found: Mapping[str, torch.Tensor], chosen: Sequence[int], size: Sequence[int]) -> Geometry | None:
    """Take the geometry of chosen frames out of what VGGT predicts for a clip.

    Parameters
    ----------
    found : mapping of str to Tensor
        `depth` (s, H, W, 1), `depth_conf` (s, H, W), `pose_enc` (s, 9).
    chosen : sequence of int
    size : (H, W)

    Returns
    -------
    Geometry or None
        None where no pixel has depth, or a camera is not finite.
    """
    import numpy as np

    from qa_trainer.models.spatial_mllm.geometry import cameras_from_pose_encoding

    rows = list(chosen)
    depth = found["depth"][rows][..., 0].float().cpu().numpy()
    confidence = found["depth_conf"][rows].float().cpu().numpy()
    height, width = size
    extrinsics, intrinsics = cameras_from_pose_encoding(found["pose_enc"][rows].double().cpu(), (height, width))
    valid = np.isfinite(depth) & (depth > 0) & np.isfinite(confidence)
    if not valid.any() or not np.isfinite(extrinsics.numpy()).all() or not np.isfinite(intrinsics.numpy()).all():
        return None
    valid &= confidence >= np.quantile(confidence[valid], UNSURE_SHARE)
    unit = MEDIAN_DEPTH_M / float(np.median(depth[valid]))
    pose = np.tile(np.eye(4), (len(rows), 1, 1))
    pose[:, :3] = extrinsics.numpy()
    pose = np.linalg.inv(pose)
    pose[:, :3, 3] *= unit
    return Geometry(np.where(valid, depth * unit, 0).astype(np.float32), intrinsics.double().numpy(), pose)


def write_geometry(geometry: Geometry, rows: Sequence[dict[str, Any]], scene: str, out: Path) -> list[dict[str, Any]]:
    """Write depth at the size of the images, uint16 in thousandths of the unit, and add it and the cameras to rows.

    Parameters
    ----------
    geometry : Geometry
    rows : sequence of dict
        Rows of `frames` with `frame_id`, `width` and `height`, in the same order.
    """
    import numpy as np
    from PIL import Image

    (out / "depth" / scene).mkdir(parents=True, exist_ok=True)
    written = []
    for k, row in enumerate(rows):
        height, width = geometry.depth.shape[1:]
        steps = np.rint(geometry.depth[k] * 1000)
        image = Image.fromarray(np.where(steps <= MAX_UINT16, steps, 0).astype(np.uint16))
        path = f"depth/{scene}/{row['frame_id']}.png"
        image.resize((row["width"], row["height"]), Image.Resampling.NEAREST).save(out / path)
        scale = np.diag([row["width"] / width, row["height"] / height, 1.0])
        # The middle of the first pixel lies at (0, 0), and it is borders that scale.
        border = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        camera = np.linalg.inv(border) @ scale @ border @ geometry.intrinsics[k]
        written.append(
            row
            | {
                "depth_path": path,
                "intrinsics": camera.ravel().tolist(),
                "world_from_camera": geometry.world_from_camera[k].ravel().tolist(),
            }
        )
    return written


def scene_row(scene: str) -> dict[str, Any]:
    """Make the row of `scenes` of a video: no objects yet, and nobody knows what is up and how large things are."""
    return {
        "scene_name": scene,
        "dataset": "video",
        "scene_group": scene,
        "split": "train",
        "category_counts": [],
        "canonical_from_source": [float(i == j) for i in range(4) for j in range(4)],
        "source_sha": "",
        "gravity_error_deg": UNKNOWN_GRAVITY_DEG,
        "scale_error": UNKNOWN_SCALE,
    }
