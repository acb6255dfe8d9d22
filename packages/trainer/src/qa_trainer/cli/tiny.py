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
        Path,
        typer.Option("--store", help="Store of observed rooms, all with the same number and size of frames."),
    ],
    out: RunOut,
    heldout: Annotated[
        Path | None, typer.Option("--heldout", help="Store of other rooms, for the figures in model_card.json.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimizer steps.")] = 10_000,
    decay: Annotated[
        int, typer.Option("--decay", min=1, help="Of them at the end with a falling learning rate.")
    ] = 1_500,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rooms per step.")] = 8,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="Highest learning rate.")] = 2e-3,
    seed: Seed = 0,
    threads: Annotated[int, typer.Option("--threads", min=0, help="Processor threads; 0 = all.")] = 0,
    force: Force = False,
) -> None:
    """Pre-train the tiny model on many small questions about rooms and on dense targets of every visual token.

    A run can be ended early or led on: with other --steps and --decay it starts from the last checkpoint before the
    learning rate fell.
    """
    from qa_trainer.errors import QATrainerError

    if decay > steps:
        raise QATrainerError(f"--decay {decay}: more than the {steps} --steps. Lower --decay or raise --steps.")
    if (out / "model_card.json").exists() and not force:
        raise QATrainerError(f"{out}: holds a finished run. Choose another --out, or pass --force.")
    import torch
    from qa_contract.files import write_json

    from qa_trainer.models.quiet import quiet_libraries
    from qa_trainer.tiny.heldout import every_heldout_figure
    from qa_trainer.tiny.pretrain import PretrainSettings, pretrain
    from qa_trainer.tiny.rooms import load_rooms

    quiet_libraries()
    if threads:
        torch.set_num_threads(threads)
    rooms = load_rooms(store, cache=out / "frames.npy")
    others = load_rooms(heldout) if heldout else None
    settings = PretrainSettings(steps=steps, decay=decay, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    started = time.perf_counter()
    with resumable(goes_on(out)), Progress("steps") as progress:

        def report(step: int, losses: dict[str, float], seconds: float) -> None:
            named = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            progress("pretrain", step, steps, f"{named}, {seconds:.2f} s each")

        student = pretrain(rooms, settings, out=out, progress=report)
    student.model.bfloat16().save_pretrained(out)
    student.processor.save_pretrained(out)
    minutes = round((time.perf_counter() - started) / 60, 1)
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
    close(
        Wrote(out, steps, "steps"),
        since=started,
        next=shell("qa-trainer", "sft", "QUESTIONS", "--model", out, "--out", "DIR"),
        summary=card,
        as_json=True,
    )
