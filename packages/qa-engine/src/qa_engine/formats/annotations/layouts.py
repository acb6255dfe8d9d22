"""What SpatialLM and SceneScript have in common: walls by their ends, doors and windows in them, boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.annotations.base import Annotation, Collected, turned_about
from qa_engine.formats.annotations.outlines import THICKNESS_M, outline_of_walls

UP = np.array([0.0, 0, 1])


@dataclass
class Layout:
    """Entities of a layout, metres, Z up.

    Attributes
    ----------
    walls : dict of str to (ends (2, 3), height, thickness)
    holes : list of (field, label, name of the wall, middle (3,), width, height)
    boxes : list of (field, label, middle (3,), angle in radians, full lengths (3,))
    refused : list of SceneError
        Lines that were left out.
    """

    walls: dict[str, tuple[NDArray[np.float64], float, float]] = field(default_factory=dict)
    holes: list[tuple[str, str, str, NDArray[np.float64], float, float]] = field(default_factory=list)
    boxes: list[tuple[str, str, NDArray[np.float64], float, NDArray[np.float64]]] = field(default_factory=list)
    refused: list[SceneError] = field(default_factory=list)

    def annotation(self, radians: Callable[[NDArray[np.float64], str], NDArray[np.float64]]) -> Annotation:
        """Make boxes of walls, doors, windows and furniture, and the floor of a ring of walls."""
        found = Collected()
        found.refused += self.refused
        for label, middle, angle, size in (self._wall(name) for name in self.walls):
            found.add(label, len(found.labels), middle, size, turned_about(UP, np.array([angle]))[0])
        for place, label, name, middle, width, height in self.holes:
            if name not in self.walls:
                problem = f"its wall {name} is not in the file"
                found.refused.append(SceneError(place, problem, reason=IngestReason.MISSING_FIELD))
                continue
            _, _, angle, size = self._wall(name)
            found.add(
                label, len(found.labels), middle, (width, size[1], height), turned_about(UP, np.array([angle]))[0]
            )
        for place, label, middle, angle, size in self.boxes:
            try:
                turn = turned_about(UP, radians(np.array([angle]), place))[0]
            except SceneError as error:
                found.refused.append(error)
                continue
            found.add(label, len(found.labels), middle, size, turn)
        return found.annotation(floor=outline_of_walls([ends for ends, _, _ in self.walls.values()], UP))

    def _wall(self, name: str) -> tuple[str, NDArray[np.float64], float, NDArray[np.float64]]:
        """Label, middle, angle and full lengths of a wall."""
        ends, height, thickness = self.walls[name]
        along = ends[1] - ends[0]
        middle = ends.mean(axis=0) + UP * height / 2
        size = np.array([np.hypot(along[0], along[1]), thickness or THICKNESS_M, height])
        return "wall", middle, float(np.arctan2(along[1], along[0])), size


def finite(words: list[str], n: int, place: str) -> list[float]:
    """Convert words to n finite numbers.

    Raises
    ------
    SceneError
        There are fewer or more, or one is no number.
    """
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise SceneError(place, str(error), reason=IngestReason.WRONG_TYPE) from None
    if len(values) != n or not np.isfinite(values).all():
        problem = f"expected {n} finite numbers, found {len(values)}"
        raise SceneError(place, problem, reason=IngestReason.WRONG_TYPE)
    return values
