"""What a check says about a scene."""

from __future__ import annotations

from dataclasses import dataclass

from qa_engine.errors import IngestReason, SceneError

MIN_OBJECTS = 4
"""Objects that a statement about a whole scene needs."""


@dataclass(frozen=True)
class Finding:
    """Something about a scene that is hardly true.

    Attributes
    ----------
    error : SceneError
        Field, problem and reason.
    severe : bool
        Answers would be wrong: `ingest` refuses the scene.
    """

    error: SceneError
    severe: bool


def finding(field: str, problem: str, reason: IngestReason, *, severe: bool = False) -> Finding:
    """Make a finding.

    Examples
    --------
    >>> finding("up", "z points down", IngestReason.NOT_UPRIGHT).severe
    False
    """
    return Finding(SceneError(field, problem, reason=reason), severe)
