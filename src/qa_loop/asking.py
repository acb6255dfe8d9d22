"""Stages that ask questions: one per proposer of a round, and one that puts their shares together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qa_loop.sections import LoopConfig, ProposerSection
from qa_loop.stage import SERVER, STORE, Stage, flags, round_folder

STATEFUL = ("progress", "shuffled", "predicted", "learnability", "headroom")
"""Samplers whose state is handed from round to round."""

CALIBRATED_SAMPLER = "learnability"
"""Sampler of profile `calibrated` where the file names none."""

_OF_MODELS = ("profile", "frame-set")
"""Options of `[generate]` on what a question is that `qa-engine propose` has, too."""


@dataclass(frozen=True)
class Asking:
    """The questions of one round.

    Attributes
    ----------
    config : LoopConfig
    number : int
        Of the round.
    inputs : tuple of str
        Outputs that tell of scenes and frames.
    asked, labels : list of str
        Tables of questions that are not asked again, and of the labels of earlier rounds.
    before : str
        The model that the round begins with.
    trained : str or None
        Output of the training that it comes from.
    """

    config: LoopConfig
    number: int
    inputs: tuple[str, ...]
    asked: list[str]
    labels: list[str]
    before: str
    trained: str | None

    @property
    def name(self) -> str:
        """Kind of the stage with all questions of the round."""
        return "candidates" if self.config.gating else "questions"

    @property
    def count(self) -> int:
        """Questions of the round, with those that gates may refuse."""
        gates = self.config.gating
        return math.ceil(self.config.questions_per_round * (gates.offer if gates else 1))

    @property
    def feedback(self) -> str | None:
        """Feedback that the round is asked by: of the panel that it answers first, or of the round before."""
        if self.config.confidence.calibrated:
            return f"{round_folder(self.number)}/feedback"
        return f"{round_folder(self.number - 1)}/feedback" if self.number > 1 else None

    def stages(self) -> list[Stage]:
        """List the stages: a proposer that is alone writes the round's questions itself."""
        proposers = self.config.generate.proposers
        if len(proposers) == 1:
            return [self._stage(self.number, 0, self.count)]
        shares = split_by_share(self.count, [one.share for one in proposers])
        counts = [self.count if one.name == "template" else n for one, n in zip(proposers, shares, strict=True)]
        # A proposer whose share of a small round is no question is not asked.
        parts = [self._stage(self.number, k, n) for k, n in enumerate(counts) if n]
        return [*parts, self._mixed(parts, [n for n in shares if n])]

    def _place(self, number: int, k: int) -> str:
        """Folder of what the k-th proposer writes."""
        proposers = self.config.generate.proposers
        here = round_folder(number)
        return f"{here}/{self.name}" if len(proposers) == 1 else f"{here}/asked_{k + 1}_{proposers[k].name}"

    def _stage(self, number: int, k: int, count: int) -> Stage:
        proposer = self.config.generate.proposers[k]
        make = self._by_template if proposer.name == "template" else self._by_model
        return make(proposer, k, count)

    def _by_template(self, proposer: ProposerSection, k: int, count: int) -> Stage:
        """Ask by templates, as many as there are in all: they fill up what models leave open."""
        wanted, feedback = self.config.generate, self.feedback
        sampler = wanted.sampler or (CALIBRATED_SAMPLER if self.config.confidence.calibrated else None)
        state = self._place(self.number - 1, k) if self.number > 1 and sampler in STATEFUL else None
        labels = self.labels if sampler == "predicted" else []
        values = {
            **{"tasks": ",".join(wanted.tasks) or None, "split": wanted.split, "seed": self.config.run.seed},
            **{"round": self.number, "count": count, "feedback": feedback, "sampler": sampler},
            **{"collections": self.config.shares, "may-fall-short": True},
            **{"explore": wanted.explore, "sampler-state": state, "exclude": self.asked, "confidence": labels},
        }
        read = [path for path in (feedback, state, *self.asked, *labels) if path]
        options = {**wanted.options, **proposer.options}
        return self._made("generate", k, {**values, **options}, read, flags({"workers": wanted.workers}))

    def _by_model(self, proposer: ProposerSection, k: int, count: int) -> Stage:
        """Let a model ask; it chooses the question types, and hears of the last round by its labelled questions."""
        wanted, feedback = self.config.generate, self.feedback
        values: dict[str, object] = {
            **{"split": wanted.split, "seed": self.config.run.seed, "round": self.number, "count": count},
            **{"feedback": feedback, "exclude": self.asked, "confidence": self.labels},
            **{"collections": self.config.shares, "may-fall-short": True},
        }
        read = [path for path in (feedback, *self.asked, *self.labels) if path]
        model = {"base": self.config.train.model, "current": self.before}.get(str(proposer.model), str(proposer.model))
        if proposer.model == "current" and self.trained is not None:
            read.append(self.trained)
        speed, serves = flags({"workers": wanted.workers}), ""
        if proposer.by_address:
            values |= {"base-url": model, "model": proposer.served_as}
        elif self.config.served("proposer"):
            values["model"] = serves = model
            speed += ["--base-url", SERVER]
        else:
            values["local-model"] = model
        shared = {key: value for key, value in wanted.options.items() if key.replace("_", "-") in _OF_MODELS}
        return self._made("propose", k, {**values, **shared, **proposer.options}, read, speed, serves)

    def _made(
        self,
        command: str,
        k: int,
        values: Mapping[str, object],
        read: Sequence[str],
        speed: Sequence[str],
        serves: str = "",
    ) -> Stage:
        out = self._place(self.number, k)
        place = out.split("/")[1]
        argv = ("qa-engine", command, STORE, "--out", out, *flags(values))
        return Stage(
            name=f"{round_folder(self.number)}-{place.replace('_', '-')}",
            kind=place.replace("_", "-"),
            round=self.number,
            argv=argv,
            out=out,
            inputs=(*self.inputs, *read),
            files=(f"{out}/questions.parquet",),
            table="questions",
            speed_argv=tuple(speed),
            section="generate.proposer.options" if self.config.generate.proposer else "generate.options",
            serves=serves,
        )

    def _mixed(self, parts: Sequence[Stage], shares: Sequence[int]) -> Stage:
        """Put the shares together."""
        out, seed = f"{round_folder(self.number)}/{self.name}", self.config.run.seed
        outs = [part.out for part in parts]
        argv = ["qa-engine", "mix", *outs, "--out", out, *flags({"take": list(shares), "exclude": self.asked})]
        argv += flags({"seed": seed, "round": self.number, "may-fall-short": True})
        files = tuple(f"{out}/{name}" for name in ("questions.parquet", "rejects.parquet", "manifest.json"))
        return Stage(
            name=f"{round_folder(self.number)}-{self.name}",
            kind=self.name,
            round=self.number,
            argv=tuple(argv),
            out=out,
            inputs=(*outs, *self.asked),
            files=files,
            table="questions",
        )


def split_by_share(count: int, shares: Sequence[float]) -> list[int]:
    """Split a number by shares that add up to 1: rounded down, what is left goes to the largest remainders.

    Examples
    --------
    >>> split_by_share(10, [0.5, 0.25, 0.25])
    [5, 3, 2]
    """
    exact = [count * share for share in shares]
    found = [math.floor(value + 1e-9) for value in exact]
    order = sorted(range(len(exact)), key=lambda k: (found[k] - exact[k], k))
    for k in order[: count - sum(found)]:
        found[k] += 1
    return found
