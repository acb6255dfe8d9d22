"""What is known of how a scene lies and how large it is: how sure, and from what."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN_GRAVITY_DEG = 180.0
"""Error of a vertical that nobody knows."""

UNKNOWN_SCALE = 9.0
"""Error of a scale that nobody knows: all may be ten times as large or as small, and no length is asked for."""


@dataclass(frozen=True)
class Clue:
    """One thing that speaks for a vertical, a floor, a yaw or a scale.

    Attributes
    ----------
    about : str
        `gravity`, `floor`, `yaw` or `scale`.
    source : str
        What it is taken from: `boxes`, `planes`, `points`, `cameras`, `undersides`, `sizes`, `ceiling`, `depth`; `all`
        for what all of them together say.
    value : float
        Degrees between the vertical and z as given; metres of the floor above z = 0 as given; degrees of turn about the
        vertical; metres per unit.
    error : float
        It holds the truth in 95% of cases: degrees, metres, or a share of the value for a scale.
    unit : str
        Of the value: `deg`, `m`, or `m per unit`.
    words : str
        The evidence, for a person.
    """

    about: str
    source: str
    value: float
    error: float
    unit: str
    words: str
