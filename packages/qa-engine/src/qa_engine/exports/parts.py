"""How a format is written: in parts, by whoever is free, which are put together in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from qa_engine.exports.rows import Selection


@dataclass(frozen=True)
class Format:
    """How questions are written for another tool.

    Attributes
    ----------
    write : callable
        Writes some questions to a file, a part.
    join : callable
        Makes the files of a folder from the parts, which it deletes or moves; they come in their order, as they are
        written. Its last argument is where the folder will stand in the end.
    rows_per_part : int
        Questions of a part: what a worker takes at once.
    embeds : bool
        The frames are inside; those of other formats are beside the rows in `images/`.
    rewards : bool
        It has a reward function, in which every question needs a score.
    """

    write: Callable[[Selection, Path], None]
    join: Callable[[Iterable[Path], Path, Path], None]
    rows_per_part: int = 512
    embeds: bool = False
    rewards: bool = False
