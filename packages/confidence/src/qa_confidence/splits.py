"""Parts of the scenes for fitting, thresholds and reporting, decided by a hash of the scene's name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qa_confidence.errors import InputError, QAConfidenceError

PARTS = ("fit", "threshold", "report")
SHARES = (0.5, 0.2, 0.3)


@dataclass(frozen=True)
class SceneSplit:
    """Which scenes belong to which part.

    Attributes
    ----------
    seed : int
    cuts : tuple of two floats
        A scene whose hash in [0, 1) lies below the first is in part fit, below the second in part threshold, else in
        part report; so scenes that were never seen have a part too.
    """

    seed: int
    cuts: tuple[float, float]

    @classmethod
    def choose(cls, scenes: Sequence[str], shares: Sequence[float] = SHARES, *, seed: int = 0) -> SceneSplit:
        """Place the cuts so that the parts hold the given shares of the scenes at hand.

        Every part with a positive share gets at least one scene.

        Raises
        ------
        QAConfidenceError
            There are fewer scenes than parts.

        Examples
        --------
        >>> split = SceneSplit.choose([f"scene{i}" for i in range(10)])
        >>> [split.parts([f"scene{i}" for i in range(10)]).count(part) for part in PARTS]
        [5, 2, 3]
        """
        if len(shares) != len(PARTS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or shares[0] <= 0:
            raise InputError(f"A split needs three shares >= 0 that sum to 1, the first above 0; found {shares}.")
        position = np.sort([_position(scene, seed) for scene in set(scenes)])
        wanted = [share > 0 for share in shares]
        if len(position) < sum(wanted):
            raise QAConfidenceError(
                f"{len(position)} scenes cannot be split into {sum(wanted)} parts; add scenes, or pass --split 1,0,0 "
                "and accept figures on the rows that were fitted."
            )
        counts = np.array([max(round(share * len(position)), int(share > 0)) for share in shares])
        while counts.sum() != len(position):
            counts[np.argmax(counts)] += np.sign(len(position) - counts.sum())
        borders = np.concatenate([[0.0], (position[1:] + position[:-1]) / 2, [1.0]])
        ends = np.cumsum(counts)[:2]
        return cls(seed, (float(borders[ends[0]]), float(borders[ends[1]])))

    def parts(self, scenes: Sequence[str]) -> list[str]:
        """Give the part of every scene."""
        known = {
            scene: PARTS[int(np.searchsorted(self.cuts, _position(scene, self.seed), "right"))] for scene in set(scenes)
        }
        return [known[scene] for scene in scenes]

    def to_dict(self) -> dict[str, Any]:
        """Give what JSON stores."""
        return {"seed": self.seed, "cuts": list(self.cuts)}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> SceneSplit:
        """Build from `to_dict`."""
        return cls(int(value["seed"]), (float(value["cuts"][0]), float(value["cuts"][1])))


def _position(scene: str, seed: int) -> float:
    """Hash a scene name to [0, 1)."""
    digest = hashlib.sha256(f"{seed}|{scene}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
