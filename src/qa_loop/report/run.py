"""What the report knows of a run beside its tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qa_loop.config import LoopConfig
from qa_loop.manifest import Manifest, load_manifest
from qa_loop.results import Comparison, Scores, comparison, read_scores
from qa_loop.status import resolved_config


@dataclass(frozen=True)
class Run:
    """A run, finished or not.

    Attributes
    ----------
    folder : Path
    config : LoopConfig
    manifest : Manifest
    scores : dict of (kind, round) to Scores
    comparison : Comparison or None
        None before the first evaluation.
    """

    folder: Path
    config: LoopConfig
    manifest: Manifest
    scores: dict[tuple[str, int], Scores]
    comparison: Comparison | None

    @classmethod
    def load(cls, folder: Path) -> Run:
        """Read configuration, manifest and scores of a run's folder."""
        scores = read_scores(folder)
        table = comparison(folder) if any(kind == "eval" for kind, _ in scores) else None
        return cls(folder, resolved_config(folder), load_manifest(folder), scores, table)
