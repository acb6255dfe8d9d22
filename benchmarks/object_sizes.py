"""Usual sizes of objects in published samples: what `qa_engine.ingestion.typical` rounds.

    SPATIAL_QA_DATA=FOLDER uv run python benchmarks/object_sizes.py

FOLDER holds `vsi_bench/meta_info.json` (of which the half `fit` of `scan_faults.py` is read) and `real/` with ADT,
Replica, MultiScan and ProcTHOR's `asset-database.json`. One line per category and source: objects, medians of longest,
middle and shortest side, vertical extent, spread of the logarithm of the longest side (1.48 times its median absolute
deviation), and height of the underside above what stands on the floor.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import SceneError
from qa_engine.formats.canonical import readable
from qa_engine.geometry import box_bounds
from qa_engine.ingestion.typical import TYPICAL, known_as
from qa_engine.scenes.scene import Scene
from scan_faults import half_of

Row = tuple[float, float, float, float, float]
"""Longest, middle, shortest side, vertical extent, underside above the floor; metres."""


def scenes_of(name: str, root: Path) -> Iterator[Scene]:
    """Read the scenes of a sample that can be read."""
    dataset = get_dataset(name)
    for source in dataset.discover(root, IngestOptions()):
        try:
            yield dataset.load(source)
        except SceneError as error:
            print(f"{name}: {error}", file=sys.stderr)


def rows_of(scenes: Iterable[Scene]) -> Iterator[tuple[str, Row]]:
    """Measure the objects of scenes."""
    for scene in scenes:
        bounds = box_bounds(scene.center, scene.size, scene.rotation)[:, :, 2]
        known = [known_as(str(name)) for name in scene.category]
        standing = [i for i, name in enumerate(known) if name and TYPICAL[name][5] == 0]
        floor = float(np.median(bounds[standing, 0])) if len(standing) > 2 else np.nan
        for i, category in enumerate(scene.category):
            sides = np.sort(scene.size[i])[::-1]
            yield str(category).lower(), (*sides, bounds[i, 1] - bounds[i, 0], bounds[i, 0] - floor)


def assets_of(path: Path) -> Iterator[tuple[str, Row]]:
    """Measure the assets of ProcTHOR's data base."""
    for category, assets in json.loads(path.read_text()).items():
        for asset in assets:
            if box := asset.get("boundingBox"):
                yield readable(category), (*sorted(box.values(), reverse=True), box["y"], np.nan)


def main() -> None:
    """Print the table."""
    if not (data := os.environ.get("SPATIAL_QA_DATA")):
        sys.exit("SPATIAL_QA_DATA is not set: name the folder with vsi_bench/ and real/.")
    root = Path(data)
    fit = (s for s in scenes_of("vsi-bench", root / "vsi_bench/meta_info.json") if half_of(s.scene_name) == "fit")
    sources = {"vsi-bench": rows_of(fit), "procthor": assets_of(root / "real/procthor/asset-database.json")}
    sources |= {name: rows_of(scenes_of(name, root / "real" / name)) for name in ("adt", "replica", "multiscan")}
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for source, rows in sources.items():
        for category, row in rows:
            found[category, source].append(row)
    for (category, source), rows in sorted(found.items()):
        values = np.array(rows)
        log = np.log(values[:, 0])
        spread = 1.48 * np.median(np.abs(log - np.median(log)))
        above = values[np.isfinite(values[:, 4]), 4]
        height = f"{np.median(above):6.2f}" if len(above) else "     -"
        medians = " ".join(f"{x:5.2f}" for x in np.median(values[:, :4], axis=0))
        print(f"{category:26} {source:10} {len(rows):4}  {medians}  {spread:4.2f}  {height}")


if __name__ == "__main__":
    main()
