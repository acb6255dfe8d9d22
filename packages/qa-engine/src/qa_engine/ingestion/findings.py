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
    doubts : str
        `gravity` or `scale`, where the whole scene is turned or scaled otherwise and `align` may tell how; else empty.
    """

    error: SceneError
    severe: bool
    doubts: str = ""


@dataclass(frozen=True)
class Doubt:
    """A mistake that a scene neither shows nor excludes: what would be true, and the switch that says so."""

    name: str
    switch: str

    @property
    def words(self) -> str:
        """Both, for a person."""
        return f"{self.name} (--set {self.switch})"


def finding(field: str, problem: str, reason: IngestReason, *, severe: bool = False, doubts: str = "") -> Finding:
    """Make a finding.

    Examples
    --------
    >>> finding("up", "z points down", IngestReason.NOT_UPRIGHT).severe
    False
    """
    return Finding(SceneError(field, problem, reason=reason), severe, doubts)
