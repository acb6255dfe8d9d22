"""Commands `init-tiny` and `pretrain-tiny`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import Force, Out, Progress, RunOut, Seed, Wrote, close, resumable, shell

from qa_trainer.cli.shared import goes_on


def init_tiny(out: Out, seed: Seed = 0, force: Force = False) -> None:
    """Write a tiny Qwen3-VL-architecture model with random weights, its tokenizer and its processor."""
    from qa_contract.files import output_folder

    from qa_trainer.models.quiet import quiet_libraries
    from qa_trainer.tiny.model import build_tiny

    started = time.perf_counter()
    quiet_libraries()
    with output_folder(out, force=force) as folder:
        build_tiny(folder, seed=seed)
    files = sum(path.is_file() for path in out.iterdir())
    close(
        Wrote(out, files, "files"),
        since=started,
        notes=["random weights"],
        next=shell("qa-trainer", "pretrain-tiny", "--store", "STORE", "--out", "DIR"),
    )


def pretrain_tiny(
    store: Annotated[
        Path, typer.Option("--store", help="Store of rooms, all with the same number and size of frames.")
    ],
    out: RunOut,
    heldout: Annotated[
        Path | None, typer.Option("--heldout", help="Store of other rooms, for the figures in model_card.json.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimizer steps.")] = 10_000,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rooms per step.")] = 32,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Highest learning rate.")] = 1.5e-3,
    seed: Seed = 0,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Processor threads; 0 = all.")] = 0,
    force: Force = False,
) -> None:
    """Pre-train the tiny model on dense reports about rooms: counts, sizes and places of every category."""
    from qa_trainer.errors import QATrainerError

    if (out / "model_card.json").exists() and not force:
        raise QATrainerError(f"{out}: holds a finished run. Choose another --out, or pass --force.")
    import torch
    from qa_contract.files import write_json

    from qa_trainer.tiny.heldout import heldout_figures
    from qa_trainer.tiny.pretrain import PretrainSettings, pretrain
    from qa_trainer.tiny.rooms import load_rooms

    if threads:
        torch.set_num_threads(threads)
    rooms = load_rooms(store)
    others = load_rooms(heldout) if heldout else None
    settings = PretrainSettings(steps=steps, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with resumable(goes_on(out)), Progress("steps") as progress:

        def report(step: int, loss: float, seconds: float) -> None:
            progress("pretrain", step, steps, f"loss {loss:.4f}, {seconds:.2f} s each")

        model, processor = pretrain(rooms, settings, checkpoint=out / "checkpoint.pt", progress=report)
    model.bfloat16().save_pretrained(out)
    processor.save_pretrained(out)
    minutes = round((time.perf_counter() - started) / 60, 1)
    card: dict[str, object] = {
        "command": f"qa-trainer pretrain-tiny --steps {steps} --batch-size {batch_size} --seed {seed}",
        "parameters": sum(p.numel() for p in model.parameters()),
        "rooms": len(rooms.facts),
        "frames_per_room": rooms.frames.shape[1],
        "learning_rate": learning_rate,
        "minutes": minutes,
    }
    if others is not None:
        card["heldout"] = heldout_figures(model.float(), processor, others)
    write_json(out / "model_card.json", card)
    (out / "checkpoint.pt").unlink()
    close(
        Wrote(out, steps, "steps"),
        since=started,
        next=shell("qa-trainer", "sft", "QUESTIONS", "--model", out, "--out", "DIR"),
        summary=card,
        as_json=True,
    )
