"""Run an experiment: check the rules, do the units, write the tables and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.files import write_json
from qa_contract.identity import config_hash, differing_keys
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import SAVINGS

from qa_loop.costs import Costs, estimate
from qa_loop.errors import QALoopError
from qa_loop.experiment.collect import Tables, collect, read_results, write_tables
from qa_loop.experiment.plan import plan
from qa_loop.experiment.pool import PRODUCER
from qa_loop.experiment.savings import savings
from qa_loop.experiment.sections import ExperimentConfig
from qa_loop.experiment.unit import Plan, finished
from qa_loop.experiment.work import Outcome, check_units, environment, rules_of, run_units
from qa_loop.offers import check_scenes, engine_datasets
from qa_loop.options import check_options
from qa_loop.process import Limits, lock_folder
from qa_loop.stage import Stage

RULES = "rules.json"
"""The rules that units of the folder were made by, with their digest."""

RESULTS = "results"
COSTS = "costs.json"

_NUMBERS = re.compile(r"(_\d+)?-\d+$")
"""What tells steps of one kind apart."""


@dataclass(frozen=True)
class Results:
    """What is known of an experiment: its rules, its tables, and how far it is.

    Attributes
    ----------
    config : ExperimentConfig
    digest : str
        Of the rules.
    tables : Tables
    savings : DataFrame
    units, of : int
        Units finished, of all that its seeds and arms need.
    seeds : str
        `tuning` or `final`: which seeds the tables are about.
    """

    config: ExperimentConfig
    digest: str
    tables: Tables
    savings: pl.DataFrame
    units: int
    of: int
    seeds: str


def chosen_seeds(config: ExperimentConfig, text: str | None) -> list[int]:
    """Read `--seeds`: final, tuning, all, or numbers with commas.

    Raises
    ------
    QALoopError
        A number is a seed of neither.
    """
    rules = config.rules
    named = {"final": rules.final, "tuning": rules.tuning, "all": [*rules.tuning, *rules.final]}
    if text is None or text in named:
        return list(named[text or "final"])
    parts = [part.strip() for part in text.split(",")]
    known = [*rules.tuning, *rules.final]
    if any(not part.isdigit() or int(part) not in known for part in parts):
        raise QALoopError(f"--seeds {text}: give final, tuning, all, or some of {', '.join(map(str, known))}.")
    return [int(part) for part in parts]


def chosen_arms(config: ExperimentConfig, text: str | None) -> list[str] | None:
    """Read `--arms`: names with commas.

    Raises
    ------
    QALoopError
        The file has no such arm.
    """
    if text is None:
        return None
    names = [part.strip() for part in text.split(",")]
    if unknown := [name for name in names if name not in config.arms]:
        raise QALoopError(f"--arms: no arm '{unknown[0]}'; the file has {', '.join(config.arms)}.")
    return names


def run_experiment(
    config: ExperimentConfig,
    out: Path,
    *,
    seeds: Sequence[int],
    arms: Sequence[str] | None = None,
    workers: int | None = None,
    force: bool = False,
) -> Outcome:
    """Run every unit that is not done, and write what all of them found.

    Parameters
    ----------
    config : ExperimentConfig
    out : Path
        Folder of the experiment; one that was begun goes on.
    seeds : sequence of int
    arms : sequence of str, optional
        Default: all.
    workers : int, optional
        Units at a time; default: of the file.
    force : bool
        Do units of other rules again, those of final seeds too.

    Raises
    ------
    QALoopError
        The rules changed after a final seed was run, a finished unit is damaged, or an option is wrong.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; what was begun goes on with the next start.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()) and not (out / RULES).is_file():
        raise QALoopError(f"{out}: the folder holds something else than an experiment. Choose another --out.")
    check_scenes(config.scenes, engine_datasets())
    units = plan(config, seeds=seeds, arms=arms)
    check_commands(units)
    (out / "logs").mkdir(parents=True, exist_ok=True)
    environment(config.run.threads)
    with lock_folder(out) as lock:
        _fix_rules(config, out, force=force)
        done = check_units(out, units, force=force)
        limits = Limits(config.run.stage_timeout, config.run.heartbeat)
        try:
            outcome = run_units(out, units, done, workers=workers or config.run.workers, limits=limits, lock=lock)
        finally:
            write_results(config, out)
    return outcome


def check_commands(units: Plan) -> None:
    """Check the options of every command, of all arms, before the first one starts.

    Raises
    ------
    QALoopError
        Naming the arm where it decides the command, else the step.
    """
    found = []
    for unit in units.units:
        for step in unit.steps:
            if step.argv:
                kind = _NUMBERS.sub("", step.name)
                name = f"arms.{unit.key['arm']}" if kind == "choose" else kind
                found.append(Stage(name, kind, None, step.argv, step.out, (), (), ""))
    check_options(found)


def _fix_rules(config: ExperimentConfig, out: Path, *, force: bool) -> None:
    """Store the rules; refuse others than those by which final seeds were run.

    As long as only tuning seeds have run, rules may change: a unit knows what it was made from.
    """
    path, wanted = out / RULES, rules_of(config.model_dump(mode="json"))
    stored = _stored_rules(out)
    ran = [p for p in out.glob("units/**/unit.json") if int(p.parent.name.removeprefix("seed-")) in config.rules.final]
    if stored is not None and ran and not force and (changes := differing_keys(stored["rules"], wanted)):
        listed = "\n  ".join(changes)
        raise QALoopError(
            f"{out}: {len(ran)} units of final seeds were run by other rules:\n  {listed}\n"
            "Rules are fixed before final seeds run. Go on with the old file, choose another --out, or pass --force."
        )
    write_json(path, {"digest": config_hash(wanted), "rules": wanted})


def _stored_rules(out: Path) -> dict[str, Any] | None:
    try:
        return json.loads((out / RULES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise QALoopError(f"{out / RULES}: cannot be read ({error}).") from None


def write_results(config: ExperimentConfig, out: Path) -> None:
    """Write the tables of all finished units: of final seeds once there are any, else of tuning seeds."""
    digest = config_hash(rules_of(config.model_dump(mode="json")))
    for name in ("final", "tuning"):
        units = plan(config, seeds=chosen_seeds(config, name))
        done = {
            unit.name
            for unit in units.units
            if (told := finished(out, unit)) and told["identity"] == units.identity(unit)
        }
        if any(unit.key for unit in units.units if unit.name in done):
            break
    else:
        return
    tables = collect(out, config, units, done, _costs(config, out))
    folder = out / RESULTS
    folder.mkdir(exist_ok=True)
    write_tables(tables, folder, digest)
    metadata = table_metadata("savings", PRODUCER, {"rules": digest}, 0)
    write_table(savings(tables, config), folder / "savings.parquet", SAVINGS, metadata)
    arms = [unit for unit in units.units if unit.key]
    about = {"rules": digest, "seeds": name, "units": sum(unit.name in done for unit in arms), "of": len(arms)}
    write_json(folder / "about.json", about)


def _costs(config: ExperimentConfig, out: Path) -> Costs | None:
    """Ask what a question costs, once for the same model, options and frames."""
    path, train = out / COSTS, config.train
    asked = {"model": train.model, "batch_size": train.batch_size, "options": dict(train.options)}
    asked |= {"frames": config.frames.frames, "side": config.scenes.size}
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if stored.get("asked") == asked:
        return Costs(**stored["costs"])
    found = estimate(**asked)
    if found is not None:
        write_json(path, {"asked": asked, "costs": asdict(found)})
    return found


def read_experiment(out: Path) -> Results:
    """Read the results of an experiment, finished or not.

    Raises
    ------
    QALoopError
        There are none.
    """
    stored = _stored_rules(Path(out))
    folder = Path(out) / RESULTS
    if stored is None or not (folder / "about.json").is_file():
        raise QALoopError(
            f"{out}: no results of an experiment are here yet. Run 'qa-loop experiment CONFIG --out {out}'."
        )
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    config = ExperimentConfig.model_validate(stored["rules"])
    found = read_table(folder, "savings", SAVINGS)
    return Results(config, about["rules"], read_results(Path(out)), found, about["units"], about["of"], about["seeds"])
