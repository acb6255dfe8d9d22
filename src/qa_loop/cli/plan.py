"""`qa-loop plan`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from qa_contract.cli import AsJson, shell

if TYPE_CHECKING:
    from qa_loop.forecast import Forecast


def plan(
    config: Annotated[Path, typer.Argument(help="The run's loop.toml.")],
    store: Annotated[
        Path | None,
        typer.Option(help="Store of the run's scenes. Default: of generated rooms a few are made to estimate."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do: stages, questions that there are against those asked, memory, disk, time."""
    from qa_loop.config import load_config
    from qa_loop.forecast import forecast

    found = forecast(load_config(config), store=store)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
    else:
        _show(found)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"Next: {shell('qa-loop', 'run', config, '--out', 'DIR')}", err=True)


def _show(found: Forecast) -> None:
    """Print the forecast."""
    total = sum(found.stages.values())
    typer.echo(
        f"{found.name}: {total} stages, {found.rounds} rounds of {found.per_round:,} questions trained on", nl=False
    )
    typer.echo(f", of {found.offered:,} offered" if found.offered != found.per_round else "")
    typer.echo("  " + ", ".join(f"{kind} {n}" for kind, n in found.stages.items()))
    if found.data_sets:
        width = max(len("data set"), *(len(one.name) for one in found.data_sets))
        typer.echo(f"{'data set':<{width}}  {'scenes':>7}  {'available':>9}  {'asked':>9}")
        for one in found.data_sets:
            asked = "alike" if one.asked is None else f"{one.asked:,}"
            typer.echo(f"{one.name:<{width}}  {one.scenes:>7,}  {one.available:>9,}  {asked:>9}")
    if found.supply:
        seen, scenes = found.seen_of
        names = [" ".join(filter(None, (item.data_set, item.question_type, item.cell))) for item in found.supply]
        width = max(map(len, names))
        typer.echo(f"{'question type and cell':<{width}}  {'available':>9}  {'asked evenly':>12}  lasts")
        for name, item in zip(names, found.supply, strict=True):
            lasts = "all rounds" if item.lasts >= found.rounds else f"{item.lasts} rounds"
            typer.echo(f"{name:<{width}}  {item.available:>9,}  {item.asked:>12,}  {lasts}")
        if seen < scenes:
            typer.echo(f"Estimated from {seen} scenes for {scenes} that are trained on.")
    costs = found.costs
    if costs is None:
        typer.echo("Memory, disk and time: the model is not here, so the trainer cannot tell.")
        return
    hours = found.hours or 0
    typer.echo(
        f"Memory of training {costs.memory_bytes / 1e9:.2f} of {costs.available_bytes / 1e9:.1f} GB; disk "
        f"{found.held * costs.round_bytes / 1e9:.2f} GB, weights of {found.held} rounds; training about {hours:.2f} "
        "hours on this device."
    )
    typer.echo(
        f"A question costs {costs.seen:.2e} FLOPs with frames, {costs.unseen:.2e} without, thrice that in training."
    )
