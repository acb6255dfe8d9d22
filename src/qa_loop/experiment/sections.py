"""The sections of an experiment's file: keys with their defaults, bounds and meaning."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from qa_loop.experiment.arms import ARMS
from qa_loop.experiment.waste import WASTE
from qa_loop.sections import FramesSection, GenerateSection, Options, ScenesSection, Section

DEFAULT_GATES = ("duplicate", "unanswerable", "shortcut")
"""Gates of an arm that names none: those that ask no model."""


class ExperimentRun(Section):
    """`[run]`: what it is called, and how fast it goes.

    `threads` is of every process: another number changes the last digits of a model, so it belongs to the rules;
    `workers`, `heartbeat` and `stage_timeout` do not.
    """

    name: str = Field(min_length=1)
    workers: int = Field(default=1, ge=1)
    threads: int = Field(default=1, ge=1)
    heartbeat: float = Field(default=1800, gt=0, allow_inf_nan=False)
    stage_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Learner(Section):
    """`[train]`: the model and how it is trained; every budget falls to a learning rate of 0 by `schedule`."""

    model: str = Field(min_length=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    schedule: Literal["linear", "cosine"] = "linear"
    options: Options = Field(default={})


class WarmupSection(Section):
    """`[warmup]`: what every arm has been trained on before, so that letters and formats are known.

    `trivial` of the samples are trivial questions, which a model of some age knows.
    """

    samples: int = Field(ge=1)
    trivial: float = Field(default=0.25, ge=0, lt=1)


class PoolSection(Section):
    """`[pool]`: what arms choose from, at every pair of `waste` and `noise`.

    `useful` questions of the generator, beside them so many useless ones that they are the share `waste` of the pool,
    of the `kinds` in these proportions; `noise` of all boxes are wrong. `panel` further questions are never trained on.
    """

    useful: int = Field(ge=1)
    waste: list[float] = Field(default=[0.0], min_length=1)
    noise: list[float] = Field(default=[0.0], min_length=1)
    kinds: dict[str, float] = dict.fromkeys(WASTE, 1.0)
    panel: int = Field(default=128, ge=1)

    @model_validator(mode="after")
    def _shares(self) -> PoolSection:
        if any(not 0 <= share < 1 for share in (*self.waste, *self.noise)):
            raise ValueError("waste and noise are shares from 0 to below 1")
        if unknown := set(self.kinds) - set(WASTE):
            raise ValueError(f"kinds: unknown {sorted(unknown)}; valid: {', '.join(WASTE)}")
        if min(self.kinds.values(), default=0) < 0 or not sum(self.kinds.values()) > 0:
            raise ValueError("kinds: proportions must be 0 or more, one of them above")
        return self


class TestSection(Section):
    """`[[test]]`: held-out questions; the first entry decides, the others are reported.

    Drawn from `split` of the experiment's scenes, or from `scenes` of their own; or `questions` about a `store`.
    """

    name: str = Field(default="test", pattern="^[a-z0-9][a-z0-9_]*$")
    split: str = "test"
    per_scene: int | None = Field(default=None, ge=1)
    count: int | None = Field(default=None, ge=1)
    scenes: ScenesSection | None = None
    questions: str | None = None
    store: str | None = None
    seed: int = Field(default=0, ge=0)
    batch_size: int = Field(default=32, ge=1)

    @model_validator(mode="after")
    def _one_source(self) -> TestSection:
        if (self.questions is None) != (self.store is None):
            raise ValueError("questions and store go together")
        drawn = [name for name in ("per_scene", "count") if getattr(self, name) is not None]
        if (self.questions is None) != (len(drawn) == 1) or (self.questions is not None and self.scenes is not None):
            raise ValueError("give per_scene or count, one of the two, or questions with their store")
        return self


class Arm(Section):
    """One way to choose what is trained on.

    Attributes
    ----------
    about : str
    pool : str
        `all`; `gated`: what the gates let through; `oracle`: no waste and no wrong answer, by the flags of the pool.
    gates : list of str
        Of `qa-engine gates`, for `gated`.
    tasks : list of str
        Question types; all where empty.
    mix : dict of str to float
        Shares of question types.
    sampler : str or None
        Of `qa-engine samplers`; it is told, before every round, what the model answers to the panel, or, with `told =
        "training"`, how sure the model was of what it was trained on.
    of : str or None
        For sampler `shuffled`: the sampler that it is a control of.
    explore : float or None
        Share asked evenly, where not the sampler's own.
    rounds : int or None
        Where not those of [rules].
    """

    about: str = ""
    pool: Literal["all", "gated", "oracle"] = "all"
    gates: list[Literal["duplicate", "unanswerable", "shortcut", "suspect", "trivial", "blind"]] = Field(default=[])
    tasks: list[str] = Field(default=[])
    mix: dict[str, float] = Field(default={})
    sampler: str | None = None
    of: str | None = None
    told: Literal["panel", "training"] = "panel"
    explore: float | None = Field(default=None, ge=0, le=1)
    rounds: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Arm:
        if self.gates and self.pool != "gated":
            raise ValueError("gates are for pool = 'gated'")
        if sum(map(bool, (self.mix, self.tasks, self.sampler))) > 1:
            raise ValueError("mix, tasks and sampler are three ways to choose: give one")
        if (self.of is not None) != (self.sampler == "shuffled"):
            raise ValueError("of names what sampler 'shuffled' is a control of")
        if self.sampler is None and (self.explore is not None or self.rounds is not None):
            raise ValueError("explore and rounds are for arms with a sampler")
        return self

    @property
    def needs_gates(self) -> list[str]:
        """Gates that make its pool; the engine knows in which order they apply."""
        if self.pool != "gated":
            return []
        return sorted(self.gates or DEFAULT_GATES)

    @property
    def listens(self) -> bool:
        """Tell whether the model answers the panel before every round."""
        return self.sampler not in (None, "paper") and self.told == "panel"

    @property
    def looks_blind(self) -> bool:
        """Tell whether it wants answers without frames."""
        return "headroom" in (self.sampler, self.of)


class RulesSection(Section):
    """`[rules]`: what is compared and how it is judged; fixed before the seeds `final` are run.

    S* is the score of arm `target` with the largest of `budgets`. The gates' share is told by arm `gates` against
    `target`, that of feedback by `best` against its control `shuffled`. `tuning` seeds are for choices such as `best`.
    Arms in `constant` are also read off one long run whose learning rate never falls.
    """

    budgets: list[int] = Field(min_length=1)
    target: str = "static"
    gates: str | None = "gates"
    best: str | None = None
    shuffled: str | None = None
    rounds: int = Field(default=2, ge=1)
    tuning: list[int] = Field(default=[])
    final: list[int] = Field(min_length=1)
    constant: list[str] = Field(default=[])
    resamples: int = Field(default=1000, ge=100, le=100_000)

    @model_validator(mode="after")
    def _seeds_and_budgets(self) -> RulesSection:
        if both := sorted({*self.tuning} & {*self.final}):
            raise ValueError(
                f"seeds {both} are for tuning and final; a result needs other seeds than those it was tuned on"
            )
        if self.budgets != sorted({*self.budgets}) or self.budgets[0] < 1:
            raise ValueError("budgets: write samples in ascending order, each once")
        if min([*self.tuning, *self.final]) < 0:
            raise ValueError("seeds are 0 or more")
        return self


class ExperimentConfig(Section):
    """A whole experiment, with every default filled in and every path absolute."""

    run: ExperimentRun
    scenes: ScenesSection
    frames: FramesSection
    generate: GenerateSection = GenerateSection()
    train: Learner
    warmup: WarmupSection
    pool: PoolSection
    test: list[TestSection] = Field(min_length=1)
    rules: RulesSection
    arms: dict[str, Arm] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _known_arms(cls, values: Any) -> Any:
        """Fill in what the file leaves out of arms that the protocol knows."""
        if not isinstance(values, dict):
            return values
        if isinstance(values.get("test"), dict):
            values = {**values, "test": [values["test"]]}
        if not isinstance(values.get("arms"), dict):
            return values
        arms = {
            name: {**ARMS.get(name, {}), **given} if isinstance(given, dict) else given
            for name, given in values["arms"].items()
        }
        return {**values, "arms": arms}

    @model_validator(mode="after")
    def _fits_together(self) -> ExperimentConfig:
        for key in ("target", "gates", "best", "shuffled"):
            name = getattr(self.rules, key)
            if name is not None and name not in self.arms:
                raise ValueError(f"rules.{key}: no arm '{name}'; the arms are {', '.join(self.arms)}")
        if unknown := [name for name in self.rules.constant if name not in self.arms or self.arms[name].sampler]:
            raise ValueError(f"rules.constant: {unknown} are no arms without a sampler")
        if odd := [budget for budget in self.rules.budgets if budget % self.train.batch_size]:
            raise ValueError(f"rules.budgets: {odd} are no multiples of train.batch_size = {self.train.batch_size}")
        if self.warmup.samples % self.train.batch_size:
            raise ValueError(f"warmup.samples: no multiple of train.batch_size = {self.train.batch_size}")
        names = [entry.name for entry in self.test]
        if len({*names}) < len(names):
            raise ValueError("every [[test]] needs a name of its own")
        return self
