"""Command `probe`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qa_trainer.options import AsJson, Force, Model, Out, report


def register(app: typer.Typer) -> None:
    """Add the command to the command line of the package."""
    app.command("probe")(probe)


def probe(
    store: Annotated[Path, typer.Argument(help="Store with frames, poses and observations ('qa-engine observe').")],
    model: Model,
    out: Out,
    frames: Annotated[int, typer.Option(min=1, help="Frames per scene, spread evenly.")] = 2,
    scenes: Annotated[int | None, typer.Option(min=10, help="Take so many scenes only.")] = None,
    heldout: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of the scenes that is held out.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of the split by scene.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Scenes per forward pass.")] = 32,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Read categories, counts, places and yaws off a model's frozen features.

    The table says what the vision tower's tokens hold, what is left of it at the language model's end, and which of
    the two fails.
    """
    from qa_trainer.loading import load_model, resolve_model
    from qa_trainer.probe import probe as run
    from qa_trainer.quiet import quiet_libraries
    from qa_trainer.tableio import output_folder, write_json

    quiet_libraries()
    folder = resolve_model(model)
    with output_folder(out, force=force) as target:
        loaded, processor = load_model(folder)
        result = run(
            loaded.eval(),
            processor,
            store,
            frames=frames,
            limit=scenes,
            heldout=heldout,
            seed=seed,
            batch_size=batch_size,
        )
        write_json(target / "probe.json", {**result, "model": model, "frames": frames, "seed": seed})
        table = _table(result)
        (target / "probe.md").write_text(table + "\n", encoding="utf-8")
    typer.echo(json.dumps(result) if as_json else table)
    report(f"{out}: {len(result['figures'])} figures on {result['heldout_scenes']} held-out scenes")


def _table(result: dict) -> str:
    """Markdown table of the figures, and the verdict below it."""
    lines = ["| of a | target | unit | n | constant | pixels | eye | language |", "|---|---|---|---|---|---|---|---|"]
    for row in result["figures"]:
        values = " | ".join(f"{row[name]:.3g}" for name in ("constant", "pixels", "eye", "language"))
        lines.append(f"| {row['level']} | {row['target']} | {row['unit']} | {row['rows']} | {values} |")
    return "\n".join([*lines, "", *(f"- {line}" for line in result["verdict"])])
