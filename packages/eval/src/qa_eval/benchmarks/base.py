"""What a benchmark is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Metric = Literal["mra", "choice"]


@dataclass(frozen=True)
class Benchmark:
    """The metric of every question type and the rule of the overall score.

    Attributes
    ----------
    name, description, source : str
    metrics : mapping of question type to metric
    tasks : mapping of task to question types
        In the order in which their means are added up. The overall score is the plain mean of the tasks.
    open_types : bool
        Whether question types outside `metrics` are scored: as a choice where the row has options or a letter as
        ground truth, else as a number.
    """

    name: str
    description: str
    source: str
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open_types: bool = False
