"""What objects of a category usually measure and where they hang: the prior behind the checks of axes and scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qa_engine.arrays import Array

TYPICAL: dict[str, tuple[float, float, float, float, float, float, float]] = {
    "air purifier": (0.50, 0.32, 0.25, 0.50, 0.40, 0.30, 0.60),
    "alarm clock": (0.20, 0.17, 0.09, 0.18, 0.30, 0.75, 0.40),
    "armchair": (0.95, 0.85, 0.78, 0.86, 0.18, 0.00, 0.05),
    "backpack": (0.52, 0.38, 0.25, 0.48, 0.18, 0.10, 0.40),
    "basket": (0.42, 0.36, 0.28, 0.30, 0.30, 0.20, 0.60),
    "bathtub": (1.58, 0.70, 0.56, 0.56, 0.12, 0.00, 0.05),
    "bed": (2.10, 1.50, 0.75, 0.75, 0.16, 0.00, 0.05),
    "bench": (1.40, 0.48, 0.45, 0.46, 0.30, 0.00, 0.05),
    "blanket": (0.95, 0.70, 0.30, 0.45, 0.45, 0.40, 0.30),
    "blinds": (1.60, 1.30, 0.05, 1.50, 0.35, 0.90, 0.40),
    "book": (0.25, 0.19, 0.03, 0.08, 0.25, 0.80, 0.60),
    "bookcase": (1.95, 0.90, 0.37, 1.90, 0.30, 0.00, 0.05),
    "bookshelf": (1.95, 0.95, 0.38, 1.90, 0.30, 0.00, 0.05),
    "bottle": (0.27, 0.11, 0.10, 0.27, 0.25, 0.80, 0.45),
    "bowl": (0.20, 0.19, 0.09, 0.09, 0.25, 0.80, 0.30),
    "box": (0.42, 0.35, 0.27, 0.30, 0.45, 0.40, 0.80),
    "bucket": (0.36, 0.33, 0.30, 0.34, 0.30, 0.00, 0.15),
    "cabinet": (1.10, 0.70, 0.45, 0.85, 0.45, 0.10, 0.60),
    "ceiling light": (0.90, 0.35, 0.15, 0.15, 0.60, 2.45, 0.30),
    "ceiling": (4.50, 3.00, 0.08, 0.10, 0.80, 2.50, 0.30),
    "chair": (0.86, 0.55, 0.47, 0.87, 0.20, 0.00, 0.06),
    "clock": (0.31, 0.29, 0.06, 0.32, 0.30, 1.90, 0.40),
    "coat rack": (1.30, 0.50, 0.30, 1.20, 0.50, 0.50, 0.80),
    "coffee machine": (0.40, 0.34, 0.26, 0.38, 0.25, 0.90, 0.20),
    "coffee table": (1.08, 0.65, 0.44, 0.44, 0.22, 0.00, 0.05),
    "computer mouse": (0.11, 0.07, 0.05, 0.05, 0.20, 0.74, 0.12),
    "counter": (2.60, 1.10, 0.70, 0.85, 0.45, 0.00, 0.50),
    "cup": (0.14, 0.11, 0.10, 0.14, 0.25, 0.80, 0.25),
    "curtain": (2.10, 0.60, 0.22, 2.00, 0.35, 0.45, 0.45),
    "cushion": (0.47, 0.38, 0.22, 0.33, 0.22, 0.45, 0.15),
    "cutting board": (0.44, 0.27, 0.04, 0.20, 0.30, 0.90, 0.15),
    "desk lamp": (0.46, 0.25, 0.22, 0.46, 0.25, 0.70, 0.20),
    "desk": (1.45, 0.78, 0.70, 0.76, 0.22, 0.00, 0.05),
    "dining chair": (0.90, 0.52, 0.44, 0.90, 0.15, 0.00, 0.05),
    "dining table": (1.55, 0.92, 0.75, 0.76, 0.20, 0.00, 0.05),
    "dishwasher": (0.88, 0.60, 0.58, 0.87, 0.12, 0.00, 0.12),
    "door": (2.03, 0.88, 0.12, 2.02, 0.14, 0.00, 0.08),
    "doorframe": (2.08, 1.00, 0.14, 2.07, 0.12, 0.00, 0.06),
    "doorway": (2.08, 1.00, 0.16, 2.07, 0.12, 0.00, 0.06),
    "dresser": (1.20, 0.85, 0.48, 0.92, 0.28, 0.00, 0.05),
    "dryer": (0.87, 0.64, 0.62, 0.86, 0.12, 0.00, 0.15),
    "fan": (0.85, 0.42, 0.28, 0.80, 0.50, 0.20, 0.80),
    "faucet": (0.36, 0.22, 0.13, 0.22, 0.40, 0.90, 0.25),
    "fireplace": (1.50, 1.20, 0.48, 1.15, 0.25, 0.00, 0.08),
    "floor": (4.50, 3.00, 0.08, 0.10, 0.80, 0.00, 0.12),
    "floor lamp": (1.70, 0.45, 0.40, 1.70, 0.15, 0.00, 0.05),
    "footstool": (0.50, 0.42, 0.38, 0.42, 0.30, 0.00, 0.05),
    "fridge": (1.75, 0.72, 0.66, 1.75, 0.20, 0.00, 0.05),
    "headphones": (0.22, 0.20, 0.08, 0.20, 0.25, 0.85, 0.30),
    "heater": (1.00, 0.58, 0.14, 0.55, 0.35, 0.12, 0.25),
    "jacket": (0.75, 0.50, 0.25, 0.65, 0.40, 0.80, 0.50),
    "kettle": (0.23, 0.19, 0.15, 0.23, 0.18, 0.92, 0.15),
    "keyboard": (0.45, 0.17, 0.03, 0.05, 0.14, 0.74, 0.12),
    "lamp": (0.50, 0.32, 0.28, 0.45, 0.50, 0.90, 0.90),
    "laptop": (0.35, 0.27, 0.20, 0.22, 0.20, 0.74, 0.15),
    "laundry basket": (0.60, 0.42, 0.38, 0.58, 0.25, 0.00, 0.15),
    "light switch": (0.13, 0.10, 0.03, 0.12, 0.35, 1.10, 0.25),
    "microwave": (0.53, 0.40, 0.30, 0.35, 0.20, 1.10, 0.45),
    "mirror": (1.00, 0.60, 0.08, 0.90, 0.50, 0.95, 0.50),
    "monitor": (0.60, 0.45, 0.19, 0.46, 0.18, 0.74, 0.12),
    "mug": (0.13, 0.10, 0.09, 0.10, 0.20, 0.80, 0.20),
    "nightstand": (0.62, 0.52, 0.43, 0.57, 0.22, 0.00, 0.06),
    "office chair": (0.95, 0.62, 0.60, 0.94, 0.15, 0.00, 0.05),
    "ottoman": (0.75, 0.55, 0.43, 0.43, 0.25, 0.00, 0.05),
    "oven": (0.85, 0.62, 0.58, 0.80, 0.22, 0.00, 0.30),
    "painting": (0.80, 0.58, 0.04, 0.60, 0.35, 1.35, 0.35),
    "pan": (0.42, 0.27, 0.08, 0.08, 0.22, 0.90, 0.20),
    "piano": (1.45, 1.05, 0.62, 1.05, 0.15, 0.00, 0.05),
    "picture": (0.70, 0.55, 0.04, 0.55, 0.50, 1.35, 0.35),
    "pillow": (0.60, 0.42, 0.17, 0.28, 0.28, 0.50, 0.20),
    "plant": (0.45, 0.30, 0.25, 0.45, 0.60, 0.60, 0.80),
    "plate": (0.24, 0.23, 0.03, 0.03, 0.22, 0.76, 0.20),
    "pot": (0.34, 0.26, 0.17, 0.18, 0.25, 0.90, 0.20),
    "power strip": (0.30, 0.07, 0.05, 0.06, 0.25, 0.20, 0.40),
    "printer": (0.55, 0.43, 0.33, 0.36, 0.25, 0.60, 0.35),
    "projector": (0.36, 0.28, 0.14, 0.15, 0.25, 1.60, 0.80),
    "rack": (0.85, 0.50, 0.33, 0.60, 0.50, 0.20, 0.60),
    "radiator": (1.05, 0.55, 0.11, 0.60, 0.35, 0.12, 0.10),
    "refrigerator": (1.62, 0.70, 0.62, 1.62, 0.26, 0.00, 0.06),
    "rug": (2.40, 1.60, 0.03, 0.04, 0.45, 0.00, 0.03),
    "shelf": (1.00, 0.60, 0.32, 0.80, 0.60, 0.60, 0.70),
    "shoes": (0.30, 0.23, 0.12, 0.13, 0.20, 0.02, 0.20),
    "shower curtain": (1.80, 0.60, 0.28, 1.75, 0.25, 0.25, 0.20),
    "side table": (0.62, 0.52, 0.42, 0.56, 0.28, 0.00, 0.05),
    "sink": (0.58, 0.46, 0.19, 0.20, 0.22, 0.70, 0.20),
    "sofa": (1.85, 0.96, 0.80, 0.83, 0.26, 0.00, 0.05),
    "speaker": (0.35, 0.20, 0.18, 0.32, 0.55, 0.60, 0.60),
    "stool": (0.50, 0.40, 0.36, 0.46, 0.24, 0.00, 0.05),
    "stove": (0.70, 0.58, 0.30, 0.30, 0.30, 0.45, 0.45),
    "suitcase": (0.68, 0.46, 0.27, 0.50, 0.20, 0.05, 0.25),
    "table": (1.12, 0.76, 0.60, 0.74, 0.32, 0.00, 0.06),
    "telephone": (0.25, 0.20, 0.10, 0.18, 0.25, 0.80, 0.30),
    "toaster": (0.34, 0.22, 0.19, 0.21, 0.18, 0.92, 0.12),
    "toilet": (0.76, 0.66, 0.42, 0.77, 0.14, 0.00, 0.06),
    "toilet paper": (0.12, 0.11, 0.10, 0.11, 0.12, 0.65, 0.25),
    "towel": (0.60, 0.42, 0.08, 0.55, 0.35, 0.95, 0.35),
    "trash bin": (0.46, 0.37, 0.29, 0.46, 0.25, 0.00, 0.06),
    "tv": (1.05, 0.62, 0.09, 0.62, 0.26, 0.80, 0.35),
    "tv stand": (1.35, 0.55, 0.45, 0.55, 0.22, 0.00, 0.06),
    "wall": (3.00, 2.40, 0.12, 2.40, 0.50, 0.00, 0.20),
    "wardrobe": (2.05, 1.30, 0.60, 2.00, 0.22, 0.00, 0.05),
    "washer": (0.87, 0.63, 0.61, 0.86, 0.10, 0.00, 0.12),
    "whiteboard": (1.85, 1.10, 0.06, 1.12, 0.35, 0.85, 0.25),
    "window": (1.45, 0.95, 0.15, 1.20, 0.38, 0.85, 0.35),
}
"""Category: longest, middle and shortest side, height (metres), spread of their logarithms, and height of the underside
above the floor with its spread (metres).

Sources: medians of the VSI-Bench metadata (one half of the 91 scenes of its development subset), of the 1,653 assets of
ProcTHOR's data base, of the Aria Digital Twin apartment, of two Replica rooms and a MultiScan scan
(`benchmarks/object_sizes.py` prints them), between them where they differ, which the spread covers. Doors and kitchen
and washing machines follow their norms: leaves of 2.0 to 2.1 m (DIN 18101), appliances 0.85 m high and 0.6 m wide (EN
1116). Where these sources have fewer than three (bucket, wardrobe, jacket, projector, laundry basket), sizes as sold.
"""

ODD_SMALL, ODD_LARGE, ODD_SPREADS = 1.2, 0.5, 4.0
"""An object is odd if the logarithm of its longest side is off by more than this and as many spreads of its category.
Scans cut objects off, and never add to them: of 1,500 objects of the data sets that are read none is odd."""

ALIKE = 0.25
"""Correlation of the deviations of objects of one category in one scene: they are made, cut off and mistaken alike, so
n of them count as n / (1 + (n - 1) ALIKE) (Kish's design effect)."""

ALIASES: dict[str, str] = {
    "arm chair": "armchair",
    "bin": "trash bin",
    "book shelf": "bookshelf",
    "carpet": "rug",
    "ceiling lamp": "ceiling light",
    "clothes dryer": "dryer",
    "coffee maker": "coffee machine",
    "couch": "sofa",
    "laptop computer": "laptop",
    "garbage can": "trash bin",
    "mouse": "computer mouse",
    "television": "tv",
    "trash can": "trash bin",
    "tv monitor": "tv",
    "tv screen": "tv",
    "washing machine": "washer",
}
"""Other names of categories of `TYPICAL`."""


@dataclass(frozen=True, eq=False)
class Prior:
    """What is usual for the objects of a scene that have a known category.

    Attributes
    ----------
    rows : (k,) int64
        Rows of these objects in the scene.
    sides : (k, 3) float64, metres
        Longest, middle, shortest.
    height, spread, bottom, bottom_spread : (k,) float64
        As in `TYPICAL`.
    weight : (n,) float64
        Of all objects of the scene: see `ALIKE`.
    """

    rows: NDArray[np.int64]
    sides: Array
    height: Array
    spread: Array
    bottom: Array
    bottom_spread: Array
    weight: Array

    def __len__(self) -> int:
        return len(self.rows)


def prior_of(categories: Sequence[str] | NDArray[np.str_]) -> Prior:
    """Look up the objects of a scene.

    Examples
    --------
    >>> prior = prior_of(["chair", "gizmo", "kitchen table", "Chairs"])
    >>> prior.rows.tolist(), prior.height.tolist()
    ([0, 2, 3], [0.87, 0.74, 0.87])
    """
    names = [known_as(str(name)) for name in categories]
    rows = np.array([i for i, name in enumerate(names) if name], dtype=np.int64)
    found = [names[i] for i in rows]
    values = np.array([TYPICAL[name] for name in found], dtype=np.float64).reshape(-1, 7)
    plain = [name or str(category).strip().lower() for name, category in zip(names, categories, strict=True)]
    count = Counter(plain)
    weight = np.array([1 / (1 + ALIKE * (count[name] - 1)) for name in plain], dtype=np.float64)
    height, spread, bottom, bottom_spread = values[:, 3:].T
    return Prior(rows, values[:, :3], height, spread, bottom, bottom_spread, weight)


@cache
def known_as(category: str) -> str:
    """Find the category of `TYPICAL` that a name means: itself, its singular, or its last words; else empty.

    Examples
    --------
    >>> [known_as(name) for name in ("Office Chair", "red chairs", "couch", "chair cushion", "toilet brush", "shelves")]
    ['office chair', 'chair', 'sofa', 'cushion', '', 'shelf']
    """
    words = category.strip().lower().split()
    for start in range(len(words)):
        tail = " ".join(words[start:])
        for name in (tail, tail.removesuffix("s"), tail.removesuffix("es"), f"{tail.removesuffix('ves')}f"):
            name = ALIASES.get(name, name)
            if name in TYPICAL:
                return name
    return ""
