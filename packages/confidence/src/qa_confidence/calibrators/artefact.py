"""A fitted calibrator: what it was fitted on, its maps, and its JSON form."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qa_confidence.arrays import Floats, Ints, Labels, check_rows, check_unit, labels_of
from qa_confidence.calibrators.base import CalibrationMap
from qa_confidence.calibrators.grouped import MAX_FOLDS, MIN_GROUP_ROWS, Level, Nesting, fit_levels
from qa_confidence.calibrators.registry import CALIBRATORS, DEFAULT
from qa_confidence.errors import InputError, QAConfidenceError, unknown_name

FORMAT = "qa-confidence calibrator"
VERSION = 1
SEPARATOR = "/"
POOLED = "(pooled)"

Groups = ArrayLike | tuple[Labels, ...]
"""Group names: (n,), (n, levels), or one `Labels` per level, from coarse to fine."""


@dataclass(frozen=True)
class Calibrator:
    """Maps confidence to expected score, per group where groups were given.

    Attributes
    ----------
    method : str
        A name in `CALIBRATORS`.
    pooled : CalibrationMap
        Map of all rows; used for groups that were not seen.
    levels : tuple of Level
        Maps per group, from coarse to fine.
    data : dict
        What it was fitted on: n, n_clusters, hash, confidence_range, mean_score.
    context : dict
        What the caller wants stored beside it, such as the input column and the split by scene.
    """

    method: str
    pooled: CalibrationMap
    levels: tuple[Level, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Hash of the JSON form, 16 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def predict(self, confidence: ArrayLike, *, group: Groups | None = None) -> Floats:
        """Map confidence to expected score.

        Parameters
        ----------
        confidence : (n,) array_like in [0, 1]
        group : (n,) or (n, levels) array_like, optional
            As given to `fit_calibrator`. A row uses the finest level on which its group was seen; without groups all
            rows use the pooled map.
        """
        c = check_unit("confidence", confidence)
        used = self.groups_used(group, len(c))
        result = np.empty(len(c))
        lookup = self._maps()
        for i, name in enumerate(used.names):
            here = np.flatnonzero(used.code == i)
            result[here] = lookup[name].predict(c[here])
        return np.clip(result, 0.0, 1.0)

    def _maps(self) -> dict[str, CalibrationMap]:
        maps: dict[str, CalibrationMap] = {POOLED: self.pooled}
        for level in self.levels:
            maps |= dict(zip(level.names, level.maps, strict=True))
        return maps

    def groups_used(self, group: Groups | None, n: int) -> Labels:
        """Name the group whose map each of n rows gets: the finest that was seen, `(pooled)` where none was."""
        if group is None or not self.levels:
            return Labels((POOLED,), np.zeros(n, dtype=np.int64))
        columns = group_columns(group, n)
        if len(columns) != len(self.levels):
            raise InputError(f"The calibrator has {len(self.levels)} group levels, found {len(columns)}.")
        known = self._maps()
        paths = _paths(columns)
        used = []
        for parts in paths.parts:
            candidates = [SEPARATOR.join(parts[:depth]) for depth in range(len(parts), 0, -1)]
            used.append(next((name for name in candidates if name in known), POOLED))
        names = sorted(set(used))
        index = {name: i for i, name in enumerate(names)}
        return Labels(tuple(names), np.array([index[name] for name in used], dtype=np.int64)[paths.code])

    def to_json(self) -> str:
        """Write as JSON text; equal calibrators give equal text.

        Examples
        --------
        >>> fitted = fit_calibrator([0.9, 0.9, 0.6, 0.2], [1, 0.5, 0.5, 0])
        >>> Calibrator.from_json(fitted.to_json()) == fitted
        True
        """
        levels = [
            {
                "strength": "inf" if level.strength is not None and math.isinf(level.strength) else level.strength,
                "groups": [
                    {"name": name, "n": n, "parameters": fitted.parameters()}
                    for name, n, fitted in zip(level.names, level.n, level.maps, strict=True)
                ],
            }
            for level in self.levels
        ]
        value = {
            "format": FORMAT,
            "version": VERSION,
            "method": self.method,
            "pooled": self.pooled.parameters(),
            "levels": levels,
            "data": self.data,
            "context": self.context,
        }
        return json.dumps(value, sort_keys=True, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Calibrator:
        """Read `to_json` back.

        Raises
        ------
        QAConfidenceError
            The text is not such an artefact, or a newer version of it.
        """
        try:
            value = json.loads(text)
            if value["format"] != FORMAT or value["version"] != VERSION:
                raise QAConfidenceError(
                    f"Expected '{FORMAT}' version {VERSION}, found '{value['format']}' version {value['version']}."
                )
            family = CALIBRATORS[value["method"]]
            levels = [
                Level(
                    strength=None if level["strength"] is None else float(level["strength"]),
                    names=tuple(group["name"] for group in level["groups"]),
                    n=tuple(group["n"] for group in level["groups"]),
                    maps=tuple(family.from_parameters(group["parameters"]) for group in level["groups"]),
                )
                for level in value["levels"]
            ]
            pooled = family.from_parameters(value["pooled"])
            return cls(value["method"], pooled, tuple(levels), value["data"], value["context"])
        except (KeyError, TypeError, ValueError) as error:
            raise QAConfidenceError(f"This is not a calibrator written by 'qa-confidence fit': {error!r}.") from error

    @classmethod
    def load(cls, source: Path) -> Calibrator:
        """Read `calibrator.json` from a file or the folder that holds it."""
        path = Path(source) / "calibrator.json" if Path(source).is_dir() else Path(source)
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise QAConfidenceError(f"{path}: cannot read the calibrator ({error}).") from error
        except QAConfidenceError as error:
            raise QAConfidenceError(f"{path}: {error}") from error


def fit_calibrator(
    confidence: ArrayLike,
    score: ArrayLike,
    *,
    method: str = DEFAULT,
    group: Groups | None = None,
    cluster: ArrayLike | Labels | None = None,
    sample_weight: ArrayLike | None = None,
    strength: float | None = None,
    min_group_rows: int = MIN_GROUP_ROWS,
    seed: int = 0,
    context: dict[str, Any] | None = None,
) -> Calibrator:
    """Fit a map from confidence to expected score.

    Parameters
    ----------
    confidence, score : (n,) array_like
        Values in [0, 1]. The score may be fractional, such as mean relative accuracy; it is used as it is.
    method : str
        A name in `CALIBRATORS`: identity, temperature, platt, beta, isotonic, histogram.
    group : (n,) or (n, levels) array_like, optional
        Names of groups, from coarse to fine. Each level is drawn towards the level above, the first towards the
        pooled map (`calibrators.grouped`). Isotonic and histogram maps are fitted per group only from
        `min_group_rows` rows on.
    cluster : (n,) array_like, optional
        Scene of every row; the strength of the shrinkage is chosen by leaving scenes out.
    sample_weight : (n,) array_like, optional
    strength : float, optional
        Fixed strength of the shrinkage in rows, instead of a chosen one; infinity gives the pooled map everywhere.
    min_group_rows : int
    seed : int
        Decides the parts when there are more than ten scenes.
    context : dict, optional
        Stored with the calibrator; must be JSON.

    Examples
    --------
    >>> fitted = fit_calibrator([0.99] * 80 + [0.6] * 40, [1, 0.5] * 40 + [0.5] * 40, method="platt")
    >>> fitted.predict([0.6, 0.99]).round(2).tolist()
    [0.5, 0.75]
    """
    if method not in CALIBRATORS:
        raise unknown_name("calibrator", method, CALIBRATORS)
    rows = check_rows(confidence, score, sample_weight)
    n = len(rows.score)
    columns = None if group is None else group_columns(group, n)
    nesting = [] if columns is None else _nest(columns)
    cluster_code = np.arange(n) if cluster is None else labels_of(cluster, n, name="cluster").code
    n_clusters = int(cluster_code.max()) + 1
    order = np.random.default_rng(seed).permutation(n_clusters)
    fold = (order % min(MAX_FOLDS, n_clusters))[cluster_code]
    family = CALIBRATORS[method]
    pooled, levels = fit_levels(family, rows, nesting, fold=fold, strength=strength, min_group_rows=min_group_rows)
    digest = hashlib.sha256(np.stack([rows.confidence, rows.score, rows.weight]).tobytes())
    for step in nesting:
        digest.update(json.dumps(step.names).encode() + step.code.tobytes())
    data = {
        "n": n,
        "n_clusters": n_clusters if cluster is not None else None,
        "hash": digest.hexdigest()[:16],
        "confidence_range": [float(rows.confidence.min()), float(rows.confidence.max())],
        "mean_score": float(rows.weight @ rows.score / rows.weight.sum()),
    }
    return Calibrator(method, pooled, tuple(levels), data, dict(context or {}))


def group_columns(group: Groups, n: int) -> list[Labels]:
    """Check group names and give them numbers on every level."""
    if isinstance(group, tuple) and all(isinstance(level, Labels) for level in group):
        return [labels_of(level, n, name="group") for level in group]
    array = np.asarray(group, dtype=object)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[0] != n or array.shape[1] < 1:
        raise InputError(f"group must have shape ({n},) or ({n}, levels), found {array.shape}.")
    return [labels_of(column, n, name="group") for column in array.T]


@dataclass(frozen=True)
class Paths:
    """Different paths through the levels: their parts, one row of each, and the path of every row."""

    parts: list[list[str]]
    row: Ints
    code: Ints


def _paths(columns: list[Labels]) -> Paths:
    """Find the different combinations of group names over the levels."""
    code = columns[0].code
    if len(columns) > 1:
        for level in columns[1:]:
            code = code * len(level.names) + level.code
        code = np.unique(code, return_inverse=True)[1]
    row = np.zeros(int(code.max(initial=-1)) + 1, dtype=np.int64)
    row[code] = np.arange(len(code))
    parts = [[level.names[level.code[i]] for level in columns] for i in row]
    return Paths(parts, row, code)


def _nest(columns: list[Labels]) -> list[Nesting]:
    """Find the groups of every level and their parents."""
    levels: list[Nesting] = []
    above = np.zeros(len(columns[0].code), dtype=np.int64)
    for depth in range(1, len(columns) + 1):
        paths = _paths(columns[:depth])
        names = tuple(SEPARATOR.join(parts) for parts in paths.parts)
        levels.append(Nesting(names, paths.code, above[paths.row]))
        above = paths.code
    return levels
