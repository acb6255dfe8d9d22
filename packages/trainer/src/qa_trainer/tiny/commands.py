"""Commands `init-tiny` and `pretrain-tiny`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the command line of the package."""
    app.command("init-tiny")(init_tiny)
    app.command("pretrain-tiny")(pretrain_tiny)


def init_tiny(
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    seed: Annotated[int, typer.Option(help="Seed of the weights.")] = 0,
    force: Annotated[bool, typer.Option(help="Replace what --out holds.")] = False,
) -> None:
    """Write a tiny Qwen3-VL-architecture model with random weights, its tokenizer and its processor."""
    from qa_trainer.tableio import output_folder
    from qa_trainer.tiny.model import build_tiny

    with output_folder(out, force=force) as folder:
        build_tiny(folder, seed=seed)
    typer.echo(f"wrote {out}: a model with random weights. Next: qa-trainer pretrain-tiny --store STORE", err=True)


def pretrain_tiny(
    store: Annotated[Path, typer.Option(help="Store of observed rooms, all with the same number and size of frames.")],
    out: Annotated[Path, typer.Option(help="Folder to write; a stopped run goes on when started again.")],
    heldout: Annotated[
        Path | None, typer.Option(help="Store of other rooms, for the figures in model_card.json.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimizer steps.")] = 10_000,
    decay: Annotated[int, typer.Option(min=1, help="Of them at the end with a falling learning rate.")] = 1_500,
    batch_size: Annotated[int, typer.Option(min=1, help="Rooms per step.")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and questions.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Processor threads; 0 = all.")] = 0,
    force: Annotated[bool, typer.Option(help="Replace a finished run.")] = False,
) -> None:
    """Pre-train the tiny model on many small questions about rooms and on dense targets of every visual token.

    A run can be ended early or led on: with other --steps and --decay it starts from the last checkpoint before the
    learning rate fell.
    """
    from qa_trainer.errors import QATrainerError

    if decay > steps:
        raise QATrainerError(f"--decay {decay}: more than the {steps} --steps.")
    if (out / "model_card.json").exists() and not force:
        raise QATrainerError(f"{out}: holds a finished run. Choose another --out, or pass --force.")
    import torch

    from qa_trainer.quiet import quiet_libraries
    from qa_trainer.tableio import write_json
    from qa_trainer.tiny.heldout import every_heldout_figure
    from qa_trainer.tiny.pretrain import PretrainSettings, pretrain
    from qa_trainer.tiny.rooms import load_rooms

    quiet_libraries()
    if threads:
        torch.set_num_threads(threads)
    rooms = load_rooms(store, cache=out / "frames.npy")
    others = load_rooms(heldout) if heldout else None
    settings = PretrainSettings(steps=steps, decay=decay, batch_size=batch_size, learning_rate=learning_rate, seed=seed)

    def progress(step: int, losses: dict[str, float], seconds: float) -> None:
        named = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        left = (steps - step) * seconds / 60
        typer.echo(f"step {step}/{steps}  {named}  {seconds:.2f} s/step  {left:.0f} min left", err=True)

    started = time.monotonic()
    student = pretrain(rooms, settings, out=out, progress=progress)
    minutes = round((time.monotonic() - started) / 60, 1)
    student.model.bfloat16().save_pretrained(out)
    student.processor.save_pretrained(out)
    card: dict[str, object] = {
        "command": f"qa-trainer pretrain-tiny --steps {steps} --decay {decay} --batch-size {batch_size} --seed {seed}",
        "parameters": sum(p.numel() for p in student.model.parameters()),
        "rooms": len(rooms.facts),
        "frames_per_room": rooms.frames.shape[1],
        "learning_rate": learning_rate,
        "minutes": minutes,
    }
    if others is not None:
        card["heldout"] = every_heldout_figure(student.model.float(), student.processor, others)
    write_json(out / "model_card.json", card)
    for name in ("constant.pt", "falling.pt"):
        (out / name).unlink(missing_ok=True)
    (out / "frames.npy").unlink()
    typer.echo(json.dumps(card.get("heldout", {})))
    typer.echo(f"wrote {out} after {minutes} minutes. Next: qa-trainer sft QUESTIONS --model {out}", err=True)
