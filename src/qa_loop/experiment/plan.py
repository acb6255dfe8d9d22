"""The plan of an experiment: which units there are, and the commands of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qa_loop.asking import STATEFUL
from qa_loop.experiment.noise import shake
from qa_loop.experiment.pool import PoolSize, write_pool, write_warmup
from qa_loop.experiment.sections import Arm, ExperimentConfig, TestSection
from qa_loop.experiment.unit import Plan, Step, Unit
from qa_loop.sections import SCENE_FLAGS, ScenesSection
from qa_loop.stage import flags

STORE = "store"
TRUTH = "truth"
DECAYED, CONSTANT = "decayed", "constant"
WARMUP, BLIND, MAJORITY = "warmup", "blind", "majority"
"""Rows of the tables that are no arms."""

PRUNE = 0.05
"""What a forest over the text of gated questions may score above chance."""

NOISE_SEED = 0
"""Of the wrong boxes: the same for all seeds, since a store is made once."""


@dataclass(frozen=True)
class Cell:
    """One pair of waste and noise of the sweep.

    Examples
    --------
    >>> Cell(0.6, 0.05).name
    'w60-n05'
    """

    waste: float
    noise: float

    @property
    def name(self) -> str:
        """Name of its folders."""
        return f"w{_percent(self.waste)}-n{_percent(self.noise)}"


def _percent(share: float) -> str:
    return f"{100 * share:02.4g}".replace(".", "p").zfill(2)


def cells(config: ExperimentConfig) -> list[Cell]:
    """List the cells of the sweep."""
    return [Cell(waste, noise) for waste in config.pool.waste for noise in config.pool.noise]


def plan(config: ExperimentConfig, *, seeds: Sequence[int], arms: Sequence[str] | None = None) -> Plan:
    """List every unit that the arms and seeds need.

    Parameters
    ----------
    config : ExperimentConfig
    seeds : sequence of int
    arms : sequence of str, optional
        Default: all.
    """
    chosen = {name: arm for name, arm in config.arms.items() if arms is None or name in arms}
    planner = _Planner(config, chosen)
    units = [planner.store(), planner.truth(), *map(planner.test, config.test)]
    units += [planner.noisy(noise) for noise in config.pool.noise if noise]
    for seed in seeds:
        units.append(planner.warmup(seed))
        for cell in cells(config):
            units.append(planner.pool(cell, seed))
            units += planner.passes(cell, seed)
    # Seed by seed, so that a stopped experiment has whole curves of few seeds, not few points of many.
    for seed in seeds:
        for cell in cells(config):
            for budget in config.rules.budgets:
                units += [planner.arm(name, budget, cell, seed) for name in chosen]
            units += [planner.constant(name, cell, seed) for name in config.rules.constant if name in chosen]
    return Plan(tuple(units))


@dataclass
class _Planner:
    """Makes the units of one configuration."""

    config: ExperimentConfig
    arms: Mapping[str, Arm]

    def _ingest(self, scenes: ScenesSection, out: str) -> tuple[Step, ...]:
        argv = ["qa-engine", "ingest", scenes.dataset, *([scenes.root] if scenes.root else []), "--out", out]
        argv += flags({"only": scenes.only})
        argv += flags({flag.removeprefix("--"): getattr(scenes, key) for key, flag in SCENE_FLAGS.items()})
        argv += flags({"seed": scenes.seed, "split": scenes.split, **scenes.options})
        frames = self.config.frames
        steps = [Step("ingest", out, tuple(argv), files=(f"{out}/scenes.parquet", f"{out}/frames.parquet"))]
        if frames.observe:
            observed = f"{out}/observations.parquet"
            steps.append(Step("observe", observed, ("qa-engine", "observe", out)))
        chosen = f"{out}/frame_sets.parquet"
        values = flags({"method": frames.method, "frames": frames.frames})
        steps.append(Step("sample-frames", chosen, ("qa-engine", "sample-frames", out, *values)))
        return tuple(steps)

    def _generate(self, store: str, out: str, values: Mapping[str, object]) -> Step:
        wanted = self.config.generate
        more = {"tasks": ",".join(wanted.tasks) or None, **wanted.options, **values}
        return Step(
            "questions",
            out,
            ("qa-engine", "generate", store, "--out", out, *flags(more)),
            files=(f"{out}/questions.parquet",),
        )

    def _answer(self, name: str, questions: str, out: str, model: str | None, values: Mapping[str, object]) -> Step:
        argv = ["qa-eval", "run", questions, "--out", out, *flags({"model": model, **values})]
        files = tuple(f"{out}/{table}.parquet" for table in ("predictions", "scores"))
        return Step(name, out, tuple(argv), files=files, resumes=True)

    def store(self) -> Unit:
        return Unit(STORE, self._ingest(self.config.scenes, STORE))

    def truth(self) -> Unit:
        """All questions of the true store: tells which answers about wrong boxes are wrong."""
        values = {"split": self.config.generate.split, "seed": 0}
        return Unit(TRUTH, (self._generate(STORE, f"{TRUTH}/questions", values),), (STORE,))

    def test(self, entry: TestSection) -> Unit:
        folder = f"tests/{entry.name}"
        steps, needs = [], [STORE]
        if entry.scenes is not None:
            steps, needs = list(self._ingest(entry.scenes, f"{folder}/store")), []
        if entry.questions is None:
            size = {"per-scene": entry.per_scene, "count": entry.count, "split": entry.split, "seed": entry.seed}
            steps.append(self._generate(self._store_of(entry), f"{folder}/questions", size))
        told = {"store": self._store_of(entry), "runner": "majority"}
        steps.append(self._answer("majority", self._asked(entry), f"{folder}/majority", None, told))
        return Unit(folder, tuple(steps), tuple(needs))

    def _store_of(self, entry: TestSection) -> str:
        return entry.store or (STORE if entry.scenes is None else f"tests/{entry.name}/store")

    def _asked(self, entry: TestSection) -> str:
        return entry.questions or f"tests/{entry.name}/questions"

    def _tests(self, folder: str, model: str, *, blind: bool = False) -> list[Step]:
        """Answer every held-out set."""
        steps = []
        for entry in self.config.test:
            for runner in ("transformers", *(("blind",) if blind else ())):
                name = f"{runner if runner == 'blind' else 'eval'}_{entry.name}"
                told = {"store": self._store_of(entry), "runner": runner, "batch-size": entry.batch_size}
                steps.append(self._answer(name, self._asked(entry), f"{folder}/{name}", model, told))
        return steps

    @property
    def _test_units(self) -> tuple[str, ...]:
        return (STORE, *(f"tests/{entry.name}" for entry in self.config.test))

    def noisy(self, noise: float) -> Unit:
        out = self._noisy_store(noise)
        make = lambda root: shake(root / STORE, root / out, noise, seed=NOISE_SEED)  # noqa: E731
        return Unit(out, (Step("shake", out, make=make, about={"noise": noise, "seed": NOISE_SEED}),), (STORE,))

    def _noisy_store(self, noise: float) -> str:
        return f"{STORE}-n{_percent(noise)}" if noise else STORE

    def _train(self, name: str, questions: str, out: str, model: str, values: Mapping[str, object]) -> Step:
        learner = self.config.train
        argv = ["qa-trainer", "sft", questions, "--store", STORE, "--model", model, "--out", out]
        argv += flags({"batch-size": learner.batch_size, "learning-rate": learner.learning_rate, **values})
        argv += flags(learner.options)
        files = (f"{out}/model", f"{out}/predictions.parquet")
        return Step(name, out, tuple(argv), files=files, resumes=True)

    def warmup(self, seed: int) -> Unit:
        """Train the model that all arms begin with; say how sure it was of what it was trained on."""
        wanted, folder = self.config.warmup, f"warmup/seed-{seed}"
        drawn, asked, trained = (f"{folder}/{name}" for name in ("drawn", "questions", "train"))
        make = lambda root: write_warmup(root / drawn, root / asked, wanted.trivial, seed=seed)  # noqa: E731
        steps = int(wanted.samples / self.config.train.batch_size)
        values = {"steps": steps, "schedule": self.config.train.schedule, "seed": seed}
        plan = [
            self._generate(STORE, drawn, {"count": wanted.samples, "split": self.config.generate.split, "seed": seed}),
            Step("trivial", asked, make=make, about={"trivial": wanted.trivial, "seed": seed}),
            self._train("train", asked, trained, self.config.train.model, values),
            *self._tests(folder, f"{trained}/model"),
            *self._told_by_training(folder, trained, asked),
        ]
        return Unit(folder, tuple(plan), self._test_units, (f"{trained}/state", f"{trained}/checkpoints"))

    def _told_by_training(self, folder: str, trained: str, asked: str) -> list[Step]:
        """Label what was trained on by how sure the model was of the truth, and count."""
        labels, told = f"{folder}/confidence", f"{folder}/feedback"
        label = ("qa-confidence", "label", trained, "--out", labels, "--profile", "paper")
        count = ("qa-confidence", "feedback", labels, "--questions", asked, "--out", told)
        return [
            Step("label", labels, label, files=(f"{labels}/confidence.parquet",)),
            Step("feedback", told, count, files=(f"{told}/feedback.parquet",)),
        ]

    def pool(self, cell: Cell, seed: int) -> Unit:
        """Draw questions of the generator and add the useless ones."""
        folder, store, wanted = f"pools/{cell.name}/seed-{seed}", self._noisy_store(cell.noise), self.config.pool
        size = PoolSize(wanted.useful, wanted.panel, cell.waste, wanted.kinds)
        warmed = f"warmup/seed-{seed}"
        values = {"count": size.drawn, "split": self.config.generate.split, "seed": seed, "round": 1}
        drawn, out = f"{folder}/drawn", f"{folder}/pool"

        def make(root: Path) -> None:
            paths = (root / drawn, root / TRUTH / "questions", root / store, root / out)
            write_pool(*paths, size, seed=seed)

        about = {
            "useful": size.useful,
            "panel": size.panel,
            "waste": size.waste,
            "kinds": dict(size.kinds),
            "seed": seed,
        }
        draw = self._generate(store, drawn, {**values, "exclude": [f"{warmed}/drawn"]})
        return Unit(folder, (draw, Step("pool", out, make=make, about=about)), (store, TRUTH, warmed))

    def passes(self, cell: Cell, seed: int) -> list[Unit]:
        """Let the common model answer what the gates judge, and the panel: once for all arms and budgets."""
        pool, warmed = f"pools/{cell.name}/seed-{seed}", f"warmup/seed-{seed}"
        needs = (STORE, pool, warmed)
        units = []
        for gates in dict.fromkeys(",".join(arm.needs_gates) for arm in self.arms.values() if arm.needs_gates):
            folder = f"gates/{cell.name}/seed-{seed}/{gates.replace(',', '-')}"
            units.append(Unit(folder, tuple(self._gate(folder, gates, pool, warmed, seed)), needs))
        if any(arm.listens for arm in self.arms.values()):
            folder, model = f"panels/{cell.name}/seed-{seed}", f"{warmed}/train/model"
            units.append(Unit(folder, tuple(self._listen(folder, pool, model, 1, blind=True)), needs))
        return units

    def _gate(self, folder: str, gates: str, pool: str, warmed: str, seed: int) -> list[Step]:
        steps, evidence = [], []
        offered, model = f"{pool}/pool/all", f"{warmed}/train/model"
        if {"blind", "trivial", "suspect"} & {*gates.split(",")}:
            told = {"store": STORE, "batch-size": self.config.test[0].batch_size}
            unseen, seen, signal = f"{folder}/blind", f"{folder}/clean", f"{folder}/signal"
            steps.append(self._answer("blind", offered, unseen, model, {**told, "runner": "blind"}))
            if {"trivial", "suspect"} & {*gates.split(",")}:
                steps.append(self._answer("clean", offered, seen, model, told))
            else:
                seen = unseen  # the gates ask of nothing but answers without frames
            argv = ("qa-confidence", "signal", seen, "--blind", unseen, "--questions", offered, "--out", signal)
            steps.append(Step("signal", signal, argv, files=(f"{signal}/confidence.parquet",)))
            evidence = [signal]
        audited = None
        if "shortcut" in gates.split(","):
            audited = f"{folder}/audit"
            argv = ("qa-engine", "audit", offered, "--out", audited, "--prune", str(PRUNE))
            steps.append(Step("audit", audited, argv, files=(f"{audited}/bias.parquet",)))
        out = f"{folder}/questions"
        argv = ["qa-engine", "gate", offered, "--out", out, "--store", STORE, "--gates", gates]
        argv += flags({"evidence": evidence, "audit": audited, "exclude": [f"{warmed}/questions"]})
        return [*steps, Step("gate", out, tuple(argv), files=(f"{out}/questions.parquet",))]

    def _listen(
        self, folder: str, pool: str, model: str, number: int, *, blind: bool, before: str | None = None
    ) -> list[Step]:
        """Let a model answer the panel, and count what follows for every type and cell."""
        panel, seen, unseen = f"{pool}/pool/panel", f"{folder}/panel", f"{folder}/panel_blind"
        signal, out = f"{folder}/signal", f"{folder}/feedback"
        told = {"store": STORE, "batch-size": self.config.test[0].batch_size, "round": number}
        steps = [self._answer("panel", panel, seen, model, told)]
        more: list[str] = []
        if blind:
            steps.append(self._answer("panel_blind", panel, unseen, model, {**told, "runner": "blind"}))
            more = ["--blind", unseen]
        argv = ["qa-confidence", "signal", seen, "--questions", panel, "--panel", panel, *more, "--out", signal]
        argv += flags({"previous": before})
        steps.append(Step("signal", signal, tuple(argv), files=(f"{signal}/confidence.parquet",)))
        count = ["qa-confidence", "feedback", signal, "--questions", panel, "--signal", signal, "--out", out]
        count += flags({"previous": before})
        steps.append(Step("feedback", out, tuple(count), files=(f"{out}/feedback.parquet",)))
        return steps

    def arm(self, name: str, budget: int, cell: Cell, seed: int) -> Unit:
        """Choose and train, round by round, then answer the tests."""
        arm, learner = self.arms[name], self.config.train
        folder = f"units/{name}/{cell.name}/b{budget:06d}/seed-{seed}"
        pool, warmed, panel = f"pools/{cell.name}/seed-{seed}", f"warmup/seed-{seed}", f"panels/{cell.name}/seed-{seed}"
        offered, gated = self._offered(arm, cell, seed)
        total = budget // learner.batch_size
        rounds = min(total, (arm.rounds or self.config.rules.rounds) if arm.sampler else 1)
        steps, drops, asked = [], [], []
        model, told, before, state = f"{warmed}/train/model", "", None, None
        if arm.listens:
            told, before = f"{panel}/feedback", f"{panel}/signal"
        elif arm.told == "training":
            told = f"{warmed}/feedback"
        for number in range(1, rounds + 1):
            here = f"{folder}/round_{number:02d}"
            if number > 1 and arm.listens:
                steps += self._listen(here, pool, model, number, blind=arm.looks_blind, before=before)
                told, before = f"{here}/feedback", f"{here}/signal"
            elif number > 1 and arm.told == "training":
                last = f"{folder}/round_{number - 1:02d}"
                steps += self._told_by_training(here, f"{last}/train", f"{last}/questions")
                told = f"{here}/feedback"
            n = total * number // rounds - total * (number - 1) // rounds
            out, trained = f"{here}/questions", f"{here}/train"
            steps.append(self._choose(arm, offered, out, n * learner.batch_size, seed + number - 1, told, state, asked))
            values = {"steps": n, "schedule": learner.schedule, "schedule-steps": total, "seed": seed, "round": number}
            values["state-from"] = f"{folder}/round_{number - 1:02d}/train" if number > 1 else None
            steps.append(self._train(f"train_{number}", out, trained, model, values))
            asked.append(out)
            drops.append(trained)
            model, state = f"{trained}/model", out if arm.sampler in STATEFUL else None
        whole = name == self.config.rules.target and budget == self.config.rules.budgets[-1]
        steps += self._tests(folder, model, blind=whole)
        needs = [*self._test_units, pool, warmed, *gated, *([panel] if arm.listens else [])]
        key = {
            "arm": name,
            "schedule": DECAYED,
            "budget": budget,
            "seed": seed,
            "waste": cell.waste,
            "noise": cell.noise,
        }
        return Unit(folder, tuple(_named_once(steps)), tuple(needs), tuple(drops), key, rounds)

    def _offered(self, arm: Arm, cell: Cell, seed: int) -> tuple[str, list[str]]:
        """Name the questions that an arm chooses from, and the unit that makes them where it is not the pool's."""
        here = f"{cell.name}/seed-{seed}"
        if arm.pool == "gated":
            gated = f"gates/{here}/{'-'.join(arm.needs_gates)}"
            return f"{gated}/questions", [gated]
        return f"pools/{here}/pool/{arm.pool}", []

    def _choose(
        self,
        arm: Arm,
        offered: str,
        out: str,
        count: int,
        seed: int,
        told: str,
        state: str | None,
        asked: Sequence[str],
    ) -> Step:
        shares = arm.mix or dict.fromkeys(arm.tasks, 1.0)
        mix = ",".join(f"{kind}={share:g}" for kind, share in shares.items()) or None
        values: dict[str, object] = {"count": count, "seed": seed, "mix": mix, "exclude": list(asked)}
        if arm.sampler:
            values |= {"sampler": arm.sampler, "feedback": told or None, "explore": arm.explore}
            values |= {"shuffled-of": arm.of, "sampler-state": state}
        argv = ("qa-engine", "choose", offered, "--out", out, *flags(values))
        return Step("choose", out, argv, files=(f"{out}/questions.parquet",))

    def constant(self, name: str, cell: Cell, seed: int) -> Unit:
        """Train once on all samples at a learning rate that never falls, and answer the tests at every budget."""
        arm, learner, budgets = self.arms[name], self.config.train, self.config.rules.budgets
        folder = f"units/{name}/{cell.name}/constant/seed-{seed}"
        pool, warmed = f"pools/{cell.name}/seed-{seed}", f"warmup/seed-{seed}"
        offered, gated = self._offered(arm, cell, seed)
        steps, drops, asked = [], [], []
        model, done = f"{warmed}/train/model", 0
        for number, budget in enumerate(budgets, 1):
            here = f"{folder}/b{budget:06d}"
            out, trained = f"{here}/questions", f"{here}/train"
            steps.append(self._choose(arm, offered, out, budget - done, seed + number - 1, "", None, asked))
            values: dict[str, object] = {"steps": (budget - done) // learner.batch_size, "seed": seed, "round": number}
            values["state-from"] = f"{folder}/b{budgets[number - 2]:06d}/train" if number > 1 else None
            steps.append(self._train("train", out, trained, model, values))
            steps += self._tests(here, f"{trained}/model")
            asked.append(out)
            drops.append(trained)
            model, done = f"{trained}/model", budget
        key = {"arm": name, "schedule": CONSTANT, "budget": budgets[-1], "seed": seed}
        key |= {"waste": cell.waste, "noise": cell.noise}
        needs = [*self._test_units, pool, warmed, *gated]
        return Unit(folder, tuple(_named_once(steps)), tuple(needs), tuple(drops), key, 1)


def _named_once(steps: Sequence[Step]) -> list[Step]:
    """Tell steps of one name apart by numbers."""
    seen: dict[str, int] = {}
    found = []
    for step in steps:
        seen[step.name] = seen.get(step.name, 0) + 1
        found.append(replace(step, name=f"{step.name}-{seen[step.name]}"))
    return found
