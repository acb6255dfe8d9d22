"""Sampler `shuffled`: a control that reads feedback of other cells, so that only the feedback's meaning is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import polars as pl

from qa_engine.arrays import Array
from qa_engine.errors import QAEngineError
from qa_engine.generation.samplers.base import Cells, Past, Sampler
from qa_engine.seeding import scene_rng


class Shuffled(Sampler):
    """The weights that another sampler would give if each cell had the feedback of a cell drawn without replacement.

    What a loop with feedback gains over this one is what the feedback tells; everything else (fresh questions, an
    uneven mix, the cost of the passes) is the same. Candidates within a cell are drawn alike.
    """

    about: ClassVar[str] = "control: another sampler on feedback permuted over the cells"
    default: ClassVar[str] = "learnability"

    def __init__(
        self,
        cells: Cells,
        past: Past | None = None,
        *,
        seed: int = 0,
        explore: float | None = None,
        of: str | None = None,
    ) -> None:
        from qa_engine.generation.samplers import SAMPLERS, get_sampler

        self._rule = get_sampler(of or self.default)
        if self._rule is Shuffled:
            valid = ", ".join(name for name in SAMPLERS if name != "shuffled")
            raise QAEngineError(f"--shuffled-of shuffled: a control of a control says nothing. Choose one of {valid}.")
        self._state: dict[str, Any] = {}
        given = self._rule.exploration if explore is None else explore
        super().__init__(cells, past, seed=seed, explore=given)

    def weigh(self, past: Past) -> tuple[Array, list[str]]:
        """Permute the feedback over the cells and ask the other sampler."""
        assert past.feedback is not None  # `weigh` is called with feedback only
        names = self.cells.names
        number = int(past.feedback["round"].max() or 0)  # type: ignore[arg-type]
        order = scene_rng(self.seed, "", "sampler/shuffled", number).permutation(len(names)).tolist()
        moved = pl.DataFrame(
            [(*names[i], *names[j]) for i, j in enumerate(order)],
            dict.fromkeys(("question_type", "cell", "to_type", "to_cell"), pl.String),
            orient="row",
        )
        feedback = (
            past.feedback.join(moved, on=["question_type", "cell"])
            .drop("question_type", "cell")
            .rename({"to_type": "question_type", "to_cell": "cell"})
        )
        inner = self._rule(self.cells, replace(past, feedback=feedback, answered=None), explore=0.0)
        self.notes += inner.notes
        self._state = inner.state()
        sources = [" ".join(names[order.index(i)]) for i in range(len(names))]
        reasons = [f"shuffled, as {of}: {why}" for of, why in zip(sources, inner.why(), strict=True)]
        return inner.weights(), reasons

    def state(self) -> dict[str, Any]:
        """Keep the state of the other sampler."""
        return self._state
