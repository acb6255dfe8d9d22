"""`qa-loop experiment`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import AsJson, Wrote, close, resumable, shell
from qa_contract.errors import ExitCode


def experiment(
    config: Annotated[Path | None, typer.Argument(help="The experiment's TOML file.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the experiment; the same command again goes on with it.")
    ] = None,
    arms: Annotated[str | None, typer.Option(help="Arms, with commas. Default: all of the file.")] = None,
    seeds: Annotated[str | None, typer.Option(help="final, tuning, all, or some of them.  [default: final]")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Units at a time. Default: of the file.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder of an experiment: make its tables and page again, run nothing.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Do units of other rules again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how many samples each way to choose questions needs to the score of static data.

    Every budget of every arm is a run of its own. Exit code 1: a unit failed; what does not need it is done.
    """
    from qa_loop.errors import QALoopError
    from qa_loop.experiment.config import load_experiment
    from qa_loop.experiment.page import write_page
    from qa_loop.experiment.run import chosen_arms, chosen_seeds, read_experiment, run_experiment, write_results
    from qa_loop.experiment.verdict import verdict

    began, failed = time.perf_counter(), 0
    if report is not None:
        if config is not None or out is not None:
            raise QALoopError("--report DIR runs nothing: leave the file and --out out.")
        out = report
        write_results(read_experiment(out).config, out)
    elif config is None or out is None:
        raise QALoopError("Give the experiment's file and --out DIR, or --report DIR.")
    else:
        loaded = load_experiment(config)
        again = shell("qa-loop", "experiment", config, "--out", out)
        with resumable(f"nothing is lost. Continue with: {again}"):
            outcome = run_experiment(
                loaded,
                out,
                seeds=chosen_seeds(loaded, seeds),
                arms=chosen_arms(loaded, arms),
                workers=workers,
                force=force,
            )
        failed = len(outcome.failed) + len(outcome.skipped)
    results = read_experiment(out)
    said, page = verdict(results), write_page(results, out)
    if not as_json:
        typer.echo(said)
    close(
        Wrote(page, results.units, "units"),
        since=began,
        notes=[f"{failed} units failed or wait for one that did; the same command tries them again"] if failed else [],
        next=shell("qa-loop", "sql", out / "results", "--list"),
        summary={"verdict": said, "rules": results.digest, "savings": results.savings.to_dicts()},
        as_json=as_json,
    )
    if failed:
        raise typer.Exit(ExitCode.LOST)
