"""What is generated: everything that decides the content of the output."""

from __future__ import annotations

from dataclasses import dataclass

from qa_engine.generation.samplers import Cells, Past, Sampler, get_sampler
from qa_engine.generation.shares import Shares
from qa_engine.tasks import Task, select_tasks
from qa_engine.tasks.base import Conditions
from qa_engine.views.thresholds import FIRST_SEEN_PX, MIN_TIME_GAP_S


@dataclass(frozen=True)
class Request:
    """What to generate; everything here decides the content of the output.

    Attributes
    ----------
    tasks : tuple of str
        Question types.
    split : str or None
    count, per_scene : int or None
        Questions in all, or per scene; all candidates where both are None.
    seed, round : int
    profile : str
    frame_set_id : str or None
    sampler : str
        A name in `SAMPLERS`: how feedback becomes weights.
    min_visible_px : int
        Pixels from which on an object counts as seen in a frame.
    min_time_gap_s : float
        Seconds by which first appearances differ at least.
    explore : float, optional
        Share of the questions that is spread over types and cells alike; None: as the sampler has it.
    shuffled_of : str, optional
        Of the sampler `shuffled`: the one that it is a control of.
    collections : tuple of (str, float)
        Shares of the collections of the store's scenes; the others are left out. None: all scenes alike.
    screen : bool
        Ask only what the frames of the frame set show, and count what they show; needs observations.
    reference : str
        A name in `REFERENCES`: what questions call an object.
    paraphrase : bool
        Draw among all wordings of a question type, in place of its own.
    """

    tasks: tuple[str, ...]
    split: str | None = None
    count: int | None = None
    per_scene: int | None = None
    seed: int = 0
    round: int = 0
    profile: str = "exact"
    frame_set_id: str | None = None
    sampler: str = "baseline"
    min_visible_px: int = FIRST_SEEN_PX
    min_time_gap_s: float = MIN_TIME_GAP_S
    screen: bool = False
    reference: str = "name"
    paraphrase: bool = False
    explore: float | None = None
    shuffled_of: str | None = None
    collections: Shares = ()

    def select_tasks(self) -> list[Task]:
        """Look up the tasks, as they are under this request."""
        conditions = Conditions(self.min_visible_px, self.min_time_gap_s, self.screened_by)
        return [task.under(conditions) for task in select_tasks(self.tasks)]

    def make_sampler(self, past: Past) -> Sampler:
        """Make the sampler of this request."""
        cells = Cells.of(self.select_tasks())
        return get_sampler(self.sampler)(cells, past, seed=self.seed, explore=self.explore, of=self.shuffled_of)

    @property
    def screened_by(self) -> str | None:
        """The frame set that has to show what is asked about, if any."""
        return self.frame_set_id if self.screen else None
