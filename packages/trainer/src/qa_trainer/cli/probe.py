"""Command `probe`."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from qa_contract.cli import AsJson, Force, Out, Progress, Seed, Store, Wrote, close

from qa_trainer.cli.shared import Model


def probe(
    store: Store,
    model: Model,
    out: Out,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames per scene, spread evenly.")] = 2,
    scenes: Annotated[
        int | None, typer.Option("--scenes", min=10, help="Take so many scenes only, the first by name.")
    ] = None,
    heldout: Annotated[
        float, typer.Option("--heldout", min=0.01, max=0.9, help="Share of the scenes that the figures are about.")
    ] = 0.2,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Scenes per forward pass.")] = 32,
    seed: Seed = 0,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say what a model's eye holds: read categories, counts, places and yaws off its frozen features.

    The store needs poses and observations ('qa-engine observe'). Beside every figure of the vision tower's tokens stand
    that of the language model's end, of raw pixels and of the best constant answer.
    """
    from qa_contract.files import output_folder, write_json

    from qa_trainer.models.loading import load_model, resolve_model
    from qa_trainer.models.quiet import quiet_libraries
    from qa_trainer.probe.run import probe as run

    started = time.perf_counter()
    quiet_libraries()
    folder = resolve_model(model)
    with output_folder(out, force=force) as target, Progress("scenes") as progress:
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
            progress=lambda done, of: progress("features", done, of),
        )
        write_json(target / "probe.json", {**result, "model": model, "frames": frames, "seed": seed})
        table = _table(result)
        (target / "probe.md").write_text(table + "\n", encoding="utf-8")
    if not as_json:
        typer.echo(table)
    close(
        Wrote(out, len(result["figures"]), "figures"),
        since=started,
        notes=[f"{result['heldout_scenes']} of {result['scenes']} scenes held out"],
        summary=result,
        as_json=as_json,
    )


def _table(result: dict[str, Any]) -> str:
    """Markdown table of the figures, and the verdict below it."""
    lines = ["| of a | target | unit | n | constant | pixels | eye | language |", "|---|---|---|---|---|---|---|---|"]
    for row in result["figures"]:
        values = " | ".join(f"{row[name]:.3g}" for name in ("constant", "pixels", "eye", "language"))
        lines.append(f"| {row['level']} | {row['target']} | {row['unit']} | {row['rows']} | {values} |")
    return "\n".join([*lines, "", *(f"- {line}" for line in result["verdict"])])
