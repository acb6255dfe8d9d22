"""Decisions of a person, applied to scenes: rejected objects leave, corrected ones change."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.identity import config_hash
from qa_contract.tableio import read_table
from qa_contract.tables import REVIEWS

from qa_engine.errors import IngestReason, SceneError
from qa_engine.scenes.clouds import Cloud
from qa_engine.scenes.scene import Scene


@dataclass(frozen=True)
class Reviews:
    """The table `reviews`, by scene.

    Attributes
    ----------
    by_scene : dict of str to list of dict
        Rows about objects.
    rejected : DataFrame
        Columns `scene_name` and `signature` of the questions that are not asked again.
    digest : str
        Hash of all rows.
    """

    by_scene: dict[str, list[dict[str, Any]]]
    rejected: pl.DataFrame
    digest: str

    def apply(self, scene: Scene) -> Scene:
        """Leave out what was rejected, and change what was corrected.

        Returns
        -------
        Scene
            A corrected box has the usual error: a person has seen it. A review of an object that the scene does not
            have is noted in `refused`.
        """
        rows = self.by_scene.get(scene.scene_name, [])
        if not rows:
            return scene
        place = {int(number): row for row, number in enumerate(scene.instance_id)}
        category, center, size = scene.category.copy(), scene.center.copy(), scene.size.copy()
        rotation = scene.rotation.copy()
        error = None if scene.face_error_m is None else scene.face_error_m.copy()
        counts = Counter(scene.category_counts)
        keep = np.ones(len(scene), dtype=bool)
        unknown: list[SceneError] = []
        for row in rows:
            at = place.get(int(row["item"]))
            if at is None:
                problem = f"object {row['item']} of the reviews is not in this scene"
                unknown.append(SceneError("reviews", problem, reason=IngestReason.REVIEW_UNKNOWN))
            elif row["verdict"] == "reject":
                keep[at] = False
                counts[str(category[at])] -= 1
            elif row["verdict"] == "fix":
                if row["category"] is not None:
                    counts[str(category[at])] -= 1
                    category[at] = row["category"]
                    counts[row["category"]] += 1
                if any(row[name] is not None for name in ("center", "size", "yaw_deg")):
                    center[at] = center[at] if row["center"] is None else row["center"]
                    size[at] = size[at] if row["size"] is None else row["size"]
                    rotation[at] = rotation[at] if row["yaw_deg"] is None else upright(row["yaw_deg"])
                    if error is not None:
                        error[at] = np.nan
        kept = scene.instance_id[keep]
        return replace(
            scene,
            category=category[keep],
            category_raw=scene.category_raw[keep],
            category_counts={name: n for name, n in counts.items() if n > 0},
            center=center[keep],
            size=size[keep],
            rotation=rotation[keep],
            instance_id=kept,
            face_error_m=None if error is None else error[keep],
            confidence=None if scene.confidence is None else scene.confidence[keep],
            cloud=None if scene.cloud is None else Cloud(scene.cloud.xyz, _only(scene.cloud.instance_id, kept)),
            mesh=None if scene.mesh is None else replace(scene.mesh, instance_id=_only(scene.mesh.instance_id, kept)),
            refused=(*scene.refused, *unknown),
            objects_checked=False,
        )


def read_reviews(source: Path) -> Reviews:
    """Read the table `reviews` from a file, or from the folder that `review` wrote.

    Raises
    ------
    TableError
        It is missing or damaged.
    """
    table = read_table(source, "reviews", REVIEWS).sort("scene_name", "kind", "item")
    objects = table.filter(pl.col("kind") == "object")
    rejected = table.filter((pl.col("kind") == "question") & (pl.col("verdict") == "reject"))
    by_scene: dict[str, list[dict[str, Any]]] = {}
    for row in objects.iter_rows(named=True):
        by_scene.setdefault(row["scene_name"], []).append(row)
    digest = config_hash({"reviews": table.rows()})
    return Reviews(by_scene, rejected.select("scene_name", "signature").drop_nulls(), digest)


def upright(yaw_deg: float) -> NDArray[np.float64]:
    """Axes of an upright box, (3, 3) with axes as rows, by the turn of the first about z.

    Examples
    --------
    >>> upright(90).round(9).tolist()
    [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    return np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])


def yaw_deg(rotation: NDArray[np.float64]) -> float:
    """Turn of the first axis of a box about z, degrees.

    Examples
    --------
    >>> round(yaw_deg(upright(30)), 9)
    30.0
    """
    return float(np.degrees(np.arctan2(rotation[0, 1], rotation[0, 0])))


def _only(instance: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(np.isin(instance, ids), instance, -1)
