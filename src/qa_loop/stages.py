"""The plan of a run: which commands, in which order, with which outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qa_loop.config import SCENE_FLAGS, LoopConfig, Options

STORE = "store"
FRAME_SETS = f"{STORE}/frame_sets.parquet"
OBSERVATIONS = f"{STORE}/observations.parquet"
EVAL_QUESTIONS = "eval_questions"

COMMANDS = {"template": "generate", "llm": "propose"}
"""What `[generate.options] proposer` says to the command of the engine that asks so."""


@dataclass(frozen=True)
class Stage:
    """One command of the plan. Paths are relative to the run's folder, where the command is started.

    Attributes
    ----------
    name : str
        Name in the manifest, in `status`, and of the log file.
    kind : str
        What the stage does; stages of one kind take about the same time in every round.
    round : int or None
        None before round 0.
    argv : tuple of str
        The command; a finished stage whose command differs from the plan's is done again.
    out : str
        Folder or file that belongs to this stage alone.
    inputs : tuple of str
        `out` of the stages that this one reads.
    files : tuple of str
        What must be there when the stage is complete.
    table : str
        Table in `out` whose rows are counted.
    speed_argv : tuple of str
        Options that change how fast the command is and not what it writes.
    resumes : bool
        The command continues its own half-finished folder; the other commands write all or nothing.
    sources : tuple of str
        Files and folders outside the run that it reads, absolute.
    gaps : bool
        Rows may be missing without anything being lost: an empty answer has no confidence, and is scored all the same.
    """

    name: str
    kind: str
    round: int | None
    argv: tuple[str, ...]
    out: str
    inputs: tuple[str, ...]
    files: tuple[str, ...]
    table: str
    speed_argv: tuple[str, ...] = ()
    resumes: bool = False
    gaps: bool = False
    sources: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command line."""
        return self.argv + self.speed_argv

    @property
    def log(self) -> str:
        """Where the stage's output goes, relative to the run's folder."""
        return f"logs/{self.name}.log"

    def complete(self, folder: Path) -> bool:
        """Tell whether every file of the output is there."""
        return all((folder / name).exists() for name in self.files)


@dataclass
class _Planner:
    """Collects the stages of one configuration in order."""

    config: LoopConfig
    stages: list[Stage] = field(default_factory=list)

    @property
    def seeing(self) -> tuple[str, ...]:
        """Inputs of a stage that looks at frames."""
        return (STORE, FRAME_SETS) if self.config.frames else (STORE,)

    def ingest(self) -> None:
        scenes = self.config.scenes
        argv = ["qa-engine", "ingest", scenes.dataset, *([scenes.root] if scenes.root else [])]
        argv += ["--out", STORE, *flags({"only": scenes.only})]
        argv += flags({flag.removeprefix("--"): getattr(scenes, key) for key, flag in SCENE_FLAGS.items()})
        argv += flags({"seed": scenes.seed, "split": scenes.split, **scenes.options})
        files = tuple(f"{STORE}/{table}.parquet" for table in ("scenes", "objects", "frames"))
        sources = tuple(path for path in (scenes.root, scenes.annotations, scenes.frames_dir) if path)
        self.stages.append(Stage("ingest", "ingest", None, tuple(argv), STORE, (), files, "scenes", sources=sources))

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
        self.stages.append(Stage("observe", "observe", None, argv, OBSERVATIONS, (STORE,), files, "observations"))

    def sample_frames(self) -> None:
        frames = self.config.frames
        if frames is None:
            return
        argv = ("qa-engine", "sample-frames", STORE, *flags({"method": frames.method, "frames": frames.frames}))
        stage = Stage("sample-frames", "sample-frames", None, argv, FRAME_SETS, (STORE,), (FRAME_SETS,), "frame_sets")
        self.stages.append(stage)

    def eval_questions(self) -> None:
        wanted = self.config.eval
        size = {"per-scene": wanted.per_scene, "count": wanted.count}
        self._generate("eval-questions", "eval-questions", 0, EVAL_QUESTIONS, self.config.eval_split, wanted.seed, size)

    def questions(self, number: int) -> None:
        earlier = [f"{_round(t)}/questions" for t in range(1, number)]
        feedback = f"{_round(number - 1)}/feedback" if number > 1 else None
        labels = [f"{_round(t)}/confidence" for t in range(1, number)] if self.config.generate.reads_labels else []
        self._generate(
            f"{_round(number)}-questions",
            "questions",
            number,
            f"{_round(number)}/questions",
            self.config.generate.split,
            self.config.run.seed,
            {
                "count": self.config.questions_per_round,
                "feedback": feedback,
                "exclude": earlier,
                "confidence": labels,
            },
            inputs=(*([feedback] if feedback else []), *earlier, *labels),
        )

    def _generate(
        self,
        name: str,
        kind: str,
        number: int,
        out: str,
        split: str,
        seed: int,
        more: Mapping[str, object],
        inputs: tuple[str, ...] = (),
    ) -> None:
        wanted = self.config.generate
        options = dict(wanted.options if kind == "questions" else wanted.evaluation_options)
        more = {"tasks": ",".join(wanted.tasks) or None, "split": split, "seed": seed, "round": number, **more}
        command = COMMANDS.get(str(options.get("proposer")), "generate")
        if options.get("proposer") in COMMANDS:
            del options["proposer"]
        if command == "propose":  # a model chooses the types, and hears of the last round by its labelled questions
            more = {name: value for name, value in more.items() if name not in ("tasks", "feedback")}
        argv = ["qa-engine", command, STORE, "--out", out, *flags({**more, **options})]
        speed = tuple(flags({"workers": wanted.workers}))
        number_or_none = number if kind == "questions" else None
        files = (f"{out}/questions.parquet",)
        stage = Stage(name, kind, number_or_none, tuple(argv), out, self.observed + inputs, files, "questions", speed)
        self.stages.append(stage)

    def train(self, number: int) -> None:
        train, here, before = self.config.train, _round(number), _round(number - 1)
        out = f"{here}/train"
        argv = ["qa-trainer", "sft", f"{here}/questions", "--store", STORE]
        # Adapters go on with their state, on the weights that they were made for; round_NN/train/model has them merged.
        goes_on = number > 1 and not train.adapts
        argv += ["--model", f"{before}/train/model" if goes_on else train.model, "--out", out]
        argv += flags({"steps": train.steps, "batch-size": train.batch_size, "learning-rate": train.learning_rate})
        argv += flags({"state-from": f"{before}/train" if number > 1 else None})
        argv += flags({"round": number, "seed": self.config.run.seed, **train.options})
        inputs = (*self.seeing, f"{here}/questions", *([f"{before}/train"] if number > 1 else []))
        files = tuple(f"{out}/{name}" for name in ("model", "state", "predictions.parquet", "manifest.json"))
        self.stages.append(
            Stage(f"{here}-train", "train", number, tuple(argv), out, inputs, files, "predictions", resumes=True)
        )

    def confidence(self, number: int, kind: str = "confidence") -> None:
        """Label the predictions of the training pass, or with kind `eval-confidence` the model's own answers."""
        wanted, here = self.config.confidence, _round(number)
        source = f"{here}/train" if kind == "confidence" else f"{here}/eval"
        out = f"{here}/{kind.replace('-', '_')}"
        argv = ["qa-confidence", "label", source, "--out", out]
        argv += flags({"profile": wanted.profile, "scores": None if kind == "confidence" else source})
        argv += flags(wanted.options)
        files = (f"{out}/confidence.parquet",)
        gaps = kind == "eval-confidence"
        self.stages.append(
            Stage(f"{here}-{kind}", kind, number, tuple(argv), out, (source,), files, "confidence", gaps=gaps)
        )

    def feedback(self, number: int) -> None:
        here = _round(number)
        source, questions, out = f"{here}/confidence", f"{here}/questions", f"{here}/feedback"
        argv = ("qa-confidence", "feedback", source, "--questions", questions, "--out", out)
        files = (f"{out}/feedback.parquet",)
        self.stages.append(
            Stage(f"{here}-feedback", "feedback", number, argv, out, (source, questions), files, "feedback")
        )

    def evaluate(self, number: int, runner: str) -> None:
        wanted, here = self.config.eval, _round(number)
        kind = "eval" if runner == "transformers" else runner
        out = f"{here}/{kind}"
        argv = ["qa-eval", "run", EVAL_QUESTIONS, "--store", STORE]
        argv += ["--model", f"{here}/train/model" if number else self.config.train.model, "--out", out]
        argv += flags({"runner": runner, "batch-size": wanted.batch_size, "round": number})
        argv += flags({"seed": wanted.seed, **wanted.options})
        inputs = (*self.seeing, EVAL_QUESTIONS, *([f"{here}/train"] if number else []))
        written = ("predictions.parquet", "scores.parquet", "summary.json", "manifest.json")
        files = tuple(f"{out}/{name}" for name in written)
        self.stages.append(
            Stage(f"{here}-{kind}", kind, number, tuple(argv), out, inputs, files, "scores", resumes=True)
        )


def plan(config: LoopConfig) -> list[Stage]:
    """List every stage of a run in order.

    Round 0 scores the untrained model; the last round also scores the trained model without its frames.
    """
    planner = _Planner(config)
    planner.ingest()
    planner.observe()
    planner.sample_frames()
    planner.eval_questions()
    runners = config.eval.runners
    planner.evaluate(0, "transformers")
    planner.confidence(0, "eval-confidence")
    for runner in runners:
        planner.evaluate(0, runner)
    for number in range(1, config.run.rounds + 1):
        planner.questions(number)
        planner.train(number)
        planner.confidence(number)
        planner.feedback(number)
        planner.evaluate(number, "transformers")
        planner.confidence(number, "eval-confidence")
        last = number == config.run.rounds
        if "blind" in runners and (last or config.eval.blind_every_round):
            planner.evaluate(number, "blind")
    return planner.stages


def dependents(stages: Iterable[Stage], changed: Stage) -> set[str]:
    """Name the stages that read, directly or not, what `changed` writes."""
    outs, names = {changed.out}, set()
    for stage in stages:
        if outs.intersection(stage.inputs):
            outs.add(stage.out)
            names.add(stage.name)
    return names


def flags(values: Mapping[str, object] | Options) -> list[str]:
    """Turn options into arguments; None and empty lists are left out, a list repeats its flag.

    Examples
    --------
    >>> flags({"steps": 4, "state_from": None, "exclude": ["a", "b"], "lora": True, "shuffle": False})
    ['--steps', '4', '--exclude', 'a', '--exclude', 'b', '--lora', '--no-shuffle']
    """
    found: list[str] = []
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            found += [part for item in value for part in (f"--{flag}", str(item))]
        elif value is not None:
            found += [f"--{flag}", str(value)]
    return found


def _round(number: int) -> str:
    """Folder of a round."""
    return f"round_{number:02d}"
