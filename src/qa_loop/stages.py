"""The plan of a run: which commands, in which order, with which outputs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qa_loop.asking import Asking
from qa_loop.sections import SCENE_FLAGS, EvalSection, GuardSection, LoopConfig
from qa_loop.stage import SERVER, STORE, TRAINER_MODULE, Stage, flags, round_folder

FRAME_SETS = f"{STORE}/frame_sets.parquet"
OBSERVATIONS = f"{STORE}/observations.parquet"
EVAL_QUESTIONS = "eval_questions"
PANEL = "panel"
GUARD_QUESTIONS = "guard/questions.jsonl"
"""A guard in TRL's form as the evaluator reads it, which the loop writes before it starts."""
MIXTURES = "mixtures"
"""Folder with a mixture file per round, which the loop writes before it starts."""


@dataclass
class _Planner:
    """Collects the stages of one configuration in order."""

    config: LoopConfig
    stages: list[Stage] = field(default_factory=list)

    @property
    def stored(self) -> tuple[str, ...]:
        """Outputs of the stages that fill the store, one per data set."""
        return (STORE, *(f"{STORE}/added/{one.called}" for one in self.config.scenes[1:]))

    @property
    def seeing(self) -> tuple[str, ...]:
        """Inputs of a stage that looks at frames."""
        return (*self.stored, FRAME_SETS) if self.config.frames else self.stored

    def ingest(self) -> None:
        """Read the first data set into a store, and add the others to it."""
        several = len(self.config.scenes) > 1
        for k, (scenes, out) in enumerate(zip(self.config.scenes, self.stored, strict=True)):
            argv = ["qa-engine", "ingest", scenes.dataset, *([scenes.root] if scenes.root else [])]
            argv += ["--out", STORE, *(["--add"] if k else []), *flags({"only": scenes.only})]
            argv += flags({flag.removeprefix("--"): getattr(scenes, key) for key, flag in SCENE_FLAGS.items()})
            argv += flags({"seed": scenes.seed, "split": scenes.split, **scenes.options})
            argv += flags({"collection": scenes.called if several or scenes.share else None})
            self.stages.append(
                Stage(
                    f"ingest-{scenes.called}" if k else "ingest",
                    *("ingest", None, tuple(argv), out, self.stored[:k]),
                    tuple(f"{out}/{table}.parquet" for table in ("scenes", "objects", "frames")),
                    "scenes",
                    sources=tuple(path for path in (scenes.root, scenes.annotations, scenes.frames_dir) if path),
                    adds_to=STORE if k else "",
                )
            )

    @property
    def observed(self) -> tuple[str, ...]:
        """Inputs of a stage that asks what frames show."""
        frames = self.config.frames
        return (*self.seeing, OBSERVATIONS) if frames and frames.observe else self.seeing

    def observe(self) -> None:
        if OBSERVATIONS not in self.observed:
            return
        argv = ("qa-engine", "observe", STORE)
        files = (OBSERVATIONS,)
        self.stages.append(Stage("observe", "observe", None, argv, OBSERVATIONS, self.stored, files, "observations"))

    def sample_frames(self) -> None:
        frames = self.config.frames
        if frames is None:
            return
        argv = ("qa-engine", "sample-frames", STORE, *flags({"method": frames.method, "frames": frames.frames}))
        what = "frame_sets"
        stage = Stage("sample-frames", "sample-frames", None, argv, FRAME_SETS, self.stored, (FRAME_SETS,), what)
        self.stages.append(stage)

    def eval_questions(self, entry: EvalSection) -> None:
        if entry.questions is not None:
            return
        name = _named("eval-questions", entry, self.config.main_eval)
        size = {"per-scene": entry.per_scene, "count": entry.count}
        size |= {"collections": entry.scenes and f"{entry.scenes}=1"}
        split = self.config.split_of(entry)
        self._generate("eval-questions", name, self._asked(entry), split, entry.seed, size)

    def _asked(self, entry: EvalSection | GuardSection) -> str:
        """Questions of an evaluation."""
        if isinstance(entry, GuardSection) and entry.form == "trl":
            return GUARD_QUESTIONS
        if entry.questions is not None:
            return entry.questions
        assert isinstance(entry, EvalSection)  # a guard names its questions
        return EVAL_QUESTIONS if entry is self.config.main_eval else f"{EVAL_QUESTIONS}_{entry.name}"

    def panel(self) -> None:
        confidence = self.config.confidence
        size = {"count": confidence.n_panel, "collections": self.config.shares}
        self._generate("panel", "panel", PANEL, self.config.generate.split, confidence.seed, size)

    def look(self, number: int) -> None:
        """Let the model of the round before answer the panel, and tell the sampler what follows."""
        here = round_folder(number)
        self._pass(number, "panel", PANEL)
        argv = ["qa-confidence", "signal", f"{here}/panel_pass", "--questions", PANEL, "--panel", PANEL]
        before = f"{round_folder(number - 1)}/panel_signal" if number > 1 else None
        inputs = [f"{here}/panel_pass", PANEL, *([before] if before else [])]
        argv += [*self._blind(f"{here}/panel_blind", inputs), "--out", f"{here}/panel_signal"]
        argv += flags({"previous": before, "seed": self.config.confidence.seed})
        self._signal(number, "panel-signal", argv, inputs)
        told, asked, clean = f"{here}/panel_signal", [PANEL], f"{here}/panel_signal"
        inputs = [clean, PANEL]
        argv = ["qa-confidence", "feedback"]
        if number > 1:
            last = round_folder(number - 1)
            supervised = self.config.train.trains_supervised
            told = f"{last}/confidence" if supervised else f"{last}/signal"
            asked = [f"{last}/questions"] if supervised else [f"{last}/drawn", PANEL]
            inputs += [told, *asked, f"{last}/signal", f"{last}/panel_signal"]
        argv += [told, *flags({"questions": asked}), "--out", f"{here}/feedback"]
        if number > 1:
            argv += ["--signal", clean, "--signal", f"{round_folder(number - 1)}/signal"]
            argv += ["--previous", f"{round_folder(number - 1)}/panel_signal"]
        files = (f"{here}/feedback/feedback.parquet",)
        read = tuple(dict.fromkeys(inputs))
        self.stages.append(
            Stage(f"{here}-feedback", "feedback", number, tuple(argv), f"{here}/feedback", read, files, "feedback")
        )

    def weigh(self, number: int) -> None:
        """Let the model of the round before answer a sample of the candidates."""
        here, confidence = round_folder(number), self.config.confidence
        candidates, drawn = f"{here}/candidates", f"{here}/drawn"
        argv = ["qa-engine", "draw", candidates, "--out", drawn]
        argv += flags({"count": confidence.n_sample, "seed": confidence.seed})
        inputs = [candidates]
        if number > 1:
            last = round_folder(number - 1)
            argv += ["--again", f"{last}/drawn", "--doubts", f"{last}/signal"]
            inputs += [f"{last}/drawn", f"{last}/signal"]
        files = (f"{drawn}/questions.parquet",)
        stage = Stage(f"{here}-drawn", "drawn", number, tuple(argv), drawn, tuple(inputs), files, "questions")
        self.stages.append(stage)
        self._pass(number, "clean", drawn)
        clean = [f"{here}/panel_pass", f"{here}/clean_pass"]
        argv = ["qa-confidence", "signal", *clean, "--questions", drawn, "--questions", PANEL, "--panel", PANEL]
        inputs = [*clean, drawn, PANEL]
        argv += self._blind(f"{here}/panel_blind", inputs) + self._blind(f"{here}/clean_blind", inputs)
        before = [f"{round_folder(t)}/signal" for t in range(1, number)]
        inputs += before
        argv += ["--out", f"{here}/signal", *flags({"previous": before, "seed": confidence.seed})]
        self._signal(number, "signal", argv, inputs)

    def _blind(self, source: str, inputs: list[str]) -> list[str]:
        if not self.config.confidence.blind:
            return []
        inputs.append(source)
        return ["--blind", source]

    def _signal(self, number: int, kind: str, argv: Sequence[str], inputs: Sequence[str]) -> None:
        out = f"{round_folder(number)}/{kind.replace('-', '_')}"
        files = tuple(f"{out}/{name}" for name in ("confidence.parquet", "calibrator.json", "signal.json"))
        self.stages.append(
            Stage(
                *(f"{round_folder(number)}-{kind}", kind, number, tuple(argv), out, tuple(inputs), files, "confidence"),
                gaps=True,
            )
        )

    def _pass(self, number: int, name: str, questions: str) -> None:
        """Answer questions with the model that the round begins with, with and without frames."""
        confidence, here = self.config.confidence, round_folder(number)
        model, inputs = self.config.train.model, [questions]
        if number > 1:
            model = f"{self._trained(number - 1)}/model"
            inputs.append(self._trained(number - 1))
        for runner in ("transformers", *(["blind"] if confidence.blind else [])):
            kind = f"{name}-{'pass' if runner == 'transformers' else 'blind'}"
            out = f"{here}/{kind.replace('-', '_')}"
            argv = ["qa-eval", "run", questions, "--store", STORE, "--model", model, "--out", out]
            by, speed, serves = self._answering("passes", runner, model)
            argv += flags({"runner": by, "batch-size": confidence.batch_size or 32, "round": number})
            files = tuple(f"{out}/{written}" for written in _EVALUATED)
            read = (*self.seeing, *inputs)
            self.stages.append(
                Stage(
                    *(f"{here}-{kind}", kind, number, tuple(argv), out, read, files, "scores", speed),
                    resumes=True,
                    serves=serves,
                )
            )

    def _answering(self, what: str, runner: str, model: str, *, drawn: bool = True) -> tuple[str, tuple[str, ...], str]:
        """Say by which runner a model answers, with which further words, and which model has to be served for it.

        Questions that are drawn in a run without frames are asked on text alone, which the evaluator wants to be told.
        """
        if drawn and self.config.frames is None and runner == "transformers":
            runner = "blind"
        if not self.config.served(what) or runner not in _SERVED:
            return runner, (), ""
        return _SERVED[runner], ("--base-url", SERVER), model

    def questions(self, number: int) -> None:
        """Let every proposer ask its share."""
        calibrated, supervised = self.config.confidence.calibrated, self.config.train.trains_supervised
        earlier = [f"{round_folder(t)}/questions" for t in range(1, number)]
        told = "confidence" if supervised else "signal"
        labels = [f"{round_folder(t)}/{told}" for t in range(1, number)]
        trained = self._trained(number - 1) if number > 1 else None
        asking = Asking(
            self.config,
            number,
            inputs=self.observed,
            asked=[*([PANEL] if calibrated else []), *earlier],
            labels=labels if self.config.generate.reads_labels else [],
            before=f"{trained}/model" if trained else self.config.train.model,
            trained=trained,
        )
        self.stages += asking.stages()

    def gate(self, number: int) -> None:
        gates, here = self.config.gating, round_folder(number)
        if gates is None:
            return
        out, earlier = f"{here}/questions", [f"{round_folder(t)}/questions" for t in range(1, number)]
        argv = ["qa-engine", "gate", f"{here}/candidates", "--out", out, "--store", STORE]
        argv += flags({"gates": ",".join(gates.use), "count": self.config.questions_per_round, "may-fall-short": True})
        inputs = [f"{here}/candidates", *self.observed, *earlier]
        if self.config.confidence.calibrated:
            signals = [f"{round_folder(t)}/signal" for t in range(1, number + 1)]
            about = [PANEL, *(f"{round_folder(t)}/drawn" for t in range(1, number + 1))]
            argv += flags({"evidence": signals, "about": about})
            inputs += [*signals, *about]
        argv += flags({"exclude": earlier, **gates.options})
        files = (f"{out}/questions.parquet", f"{out}/rejects.parquet", f"{out}/manifest.json")
        self.stages.append(
            Stage(
                *(f"{here}-questions", "questions", number, tuple(argv), out, tuple(inputs), files, "questions"),
                section="gates.options",
            )
        )

    def _generate(self, kind: str, name: str, out: str, split: str, seed: int, size: Mapping[str, object]) -> None:
        """Draw a fixed set of questions, from templates whoever asks in the rounds."""
        wanted = self.config.generate
        values = {"tasks": ",".join(wanted.tasks) or None, "split": split, "seed": seed, "round": 0, **size}
        argv = ["qa-engine", "generate", STORE, "--out", out, *flags({**values, **wanted.evaluation_options})]
        speed = tuple(flags({"workers": wanted.workers}))
        files = (f"{out}/questions.parquet",)
        self.stages.append(
            Stage(
                *(name, kind, None, tuple(argv), out, self.observed, files, "questions", speed),
                section="generate.options",
            )
        )

    def train(self, number: int) -> None:
        """Run every stage of training, each on the model of the one before."""
        train, here = self.config.train, round_folder(number)
        model = train.model
        if number > 1 and not (train.goes_on and train.adapts):
            # Adapters go on with their state, on the weights that they were made for; `model` has them merged.
            model = f"{self._trained(number - 1)}/model"
        for k, stage in enumerate(train.stages):
            out = self._training(number, k)
            argv = ["qa-trainer"] if stage.launch is None else [*shlex.split(stage.launch), "-m", TRAINER_MODULE]
            argv += [stage.method, f"{here}/questions", "--store", STORE, "--model", model, "--out", out]
            values = {"steps": stage.steps, "batch-size": stage.batch_size, "learning-rate": stage.learning_rate}
            inputs = [*self.seeing, f"{here}/questions"]
            if stage.method == "sft":
                state = self._trained(number - 1) if number > 1 and train.goes_on else None
                values |= {"schedule": train.schedule, "state-from": state, "round": number}
                if train.schedule and train.goes_on:
                    values["schedule-steps"] = self.config.run.rounds * (stage.steps or 0)
                if train.general or (train.replay and number > 1):
                    values["mixture"] = f"{MIXTURES}/round_{number:02d}.toml"
                    inputs += [f"{round_folder(t)}/questions" for t in range(1, number)] if train.replay else []
            argv += flags({**values, "seed": self.config.run.seed, **stage.options})
            inputs += [str(Path(model).parent)] if model != train.model else []
            inputs += [self._trained(number - 1)] if number > 1 and train.goes_on else []
            supervised = ("state", "predictions.parquet") if stage.method == "sft" else ()
            files = tuple(f"{out}/{name}" for name in ("model", *supervised, "manifest.json"))
            name = f"{here}-{Path(out).name.replace('_', '-')}"
            kind = "train" if stage.method == "sft" else "reinforce"
            table = "predictions" if stage.method == "sft" else "rejects"
            read = tuple(dict.fromkeys(inputs))
            self.stages.append(
                Stage(
                    *(name, kind, number, tuple(argv), out, read, files, table),
                    resumes=True,
                    section="train.stage.options" if train.stage else "train.options",
                    sources=tuple(entry.data for entry in train.general) if "mixture" in values else (),
                )
            )
            model = f"{out}/model"

    def _training(self, number: int, k: int) -> str:
        """Folder of the k-th stage of training."""
        stages = self.config.train.stages
        return f"{round_folder(number)}/train" + (f"_{k + 1}_{stages[k].method}" if len(stages) > 1 else "")

    def _trained(self, number: int) -> str:
        """Folder of the training that gives the model of a round."""
        return self._training(number, len(self.config.train.stages) - 1)

    def confidence(self, number: int) -> None:
        """Label the predictions of the last supervised training of the round."""
        wanted, here = self.config.confidence, round_folder(number)
        stages = self.config.train.stages
        last = max(k for k, stage in enumerate(stages) if stage.method == "sft")
        source, out = self._training(number, last), f"{here}/confidence"
        argv = ["qa-confidence", "label", source, "--out", out, *flags({"profile": wanted.profile})]
        inputs = [source]
        if wanted.calibrated:
            argv += ["--signal", f"{here}/signal", "--questions", f"{here}/questions"]
            argv += flags({"seed": wanted.seed})
            inputs += [f"{here}/signal", f"{here}/questions"]
        self._label(f"{here}-confidence", "confidence", number, [*argv, *flags(wanted.options)], out, inputs)

    def own_confidence(self, number: int, entry: EvalSection) -> None:
        """Say how sure the model was of its own answers to the main evaluation."""
        wanted, here = self.config.confidence, round_folder(number)
        source, out = f"{here}/eval", f"{here}/eval_confidence"
        profile = "paper" if wanted.calibrated else wanted.profile
        argv = ["qa-confidence", "label", source, "--out", out, *flags({"profile": profile, "scores": source})]
        argv += flags(wanted.options)
        self._label(f"{here}-eval-confidence", "eval-confidence", number, argv, out, [source])

    def _label(self, name: str, kind: str, number: int, argv: Sequence[str], out: str, inputs: Sequence[str]) -> None:
        files, gaps = (f"{out}/confidence.parquet",), kind == "eval-confidence"
        self.stages.append(
            Stage(
                *(name, kind, number, tuple(argv), out, tuple(inputs), files, "confidence"),
                gaps=gaps,
                section="confidence.options",
            )
        )

    def feedback(self, number: int) -> None:
        here = round_folder(number)
        source, questions, out = f"{here}/confidence", f"{here}/questions", f"{here}/feedback"
        argv = ("qa-confidence", "feedback", source, "--questions", questions, "--out", out)
        files = (f"{out}/feedback.parquet",)
        self.stages.append(
            Stage(f"{here}-feedback", "feedback", number, argv, out, (source, questions), files, "feedback")
        )

    def evaluate(self, number: int, runner: str, entry: EvalSection | GuardSection) -> None:
        here, main = round_folder(number), entry is self.config.main_eval
        name = "guard" if isinstance(entry, GuardSection) else entry.name
        kind = "eval" if runner == "transformers" else runner
        out = f"{here}/{kind}" + ("" if main else f"_{name}")
        asked = self._asked(entry)
        store = entry.store or (None if "videos" in entry.options else STORE)
        argv = ["qa-eval", "run", asked, *flags({"store": store})]
        model = f"{self._trained(number)}/model" if number else self.config.train.model
        argv += ["--model", model, "--out", out]
        by, speed, serves = self._answering("eval", runner, model, drawn=entry.questions is None)
        argv += flags({"runner": by, "batch-size": entry.batch_size, "round": number})
        argv += flags({"benchmark": entry.benchmark, "parser": entry.parser})
        seed = 0 if isinstance(entry, GuardSection) else entry.seed
        argv += flags({"seed": seed, **entry.options})
        inputs = [*(self.seeing if store == STORE else ()), *([asked] if entry.questions is None else [])]
        inputs += [self._trained(number)] if number else []
        files = tuple(f"{out}/{written}" for written in _EVALUATED)
        self.stages.append(
            Stage(
                f"{here}-{kind}" + ("" if main else f"-{name}"),
                kind if main else f"{kind}:{name}",
                *(number, tuple(argv), out, tuple(inputs), files, "scores", speed),
                resumes=True,
                serves=serves,
                section="guard.options" if isinstance(entry, GuardSection) else "eval.options",
                sources=(entry.questions,) if entry.questions is not None else (),
            )
        )


_EVALUATED = ("predictions.parquet", "scores.parquet", "summary.json", "manifest.json")
"""What `qa-eval run` writes."""

_SERVED = {"transformers": "openai", "blind": "openai-blind"}
"""Runner of `qa-eval run` that asks a server for what another computes itself."""


def plan(config: LoopConfig, *, rounds: int | None = None) -> list[Stage]:
    """List every stage of a run in order.

    Round 0 scores the untrained model; the last round also scores the trained model without its frames.

    Parameters
    ----------
    config : LoopConfig
    rounds : int, optional
        Rounds that there are in the end, where a run stopped early.
    """
    planner = _Planner(config)
    planner.ingest()
    planner.observe()
    planner.sample_frames()
    for entry in config.eval:
        planner.eval_questions(entry)
    calibrated = config.confidence.calibrated
    if calibrated:
        planner.panel()
    for entry in config.eval:
        main = entry is config.main_eval
        planner.evaluate(0, "transformers", entry)
        if main:
            planner.own_confidence(0, entry)
        for runner in _runners(entry, main=main):
            planner.evaluate(0, runner, entry)
    if config.guard is not None:
        planner.evaluate(0, "transformers", config.guard)
    last_round = config.run.rounds if rounds is None else rounds
    for number in range(1, last_round + 1):
        if calibrated:
            planner.look(number)
        planner.questions(number)
        if calibrated:
            planner.weigh(number)
        planner.gate(number)
        planner.train(number)
        if config.train.trains_supervised:
            planner.confidence(number)
        if not calibrated:
            planner.feedback(number)
        last = number == last_round
        for entry in config.eval:
            main = entry is config.main_eval
            if number % entry.every and not last:
                continue
            planner.evaluate(number, "transformers", entry)
            if main:
                planner.own_confidence(number, entry)
            if "blind" in _runners(entry, main=main) and (last or entry.blind_every_round):
                planner.evaluate(number, "blind", entry)
        if config.guard is not None:
            planner.evaluate(number, "transformers", config.guard)
    return planner.stages


def _runners(entry: EvalSection, *, main: bool) -> Sequence[str]:
    """Name what an evaluation is measured against: by default blind and majority, for the main one."""
    return entry.runners if entry.runners is not None else ("blind", "majority") if main else ()


def _named(name: str, entry: EvalSection, main: EvalSection) -> str:
    return name if entry is main else f"{name}-{entry.name}"
