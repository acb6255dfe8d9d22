"""Command `init-spatial`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import Force, Out, Seed, Wrote, close, shell


def init_spatial(
    base: Annotated[str, typer.Argument(help="Qwen2.5-VL or Qwen3-VL: a folder, a hub id, 'tiny' or 'small'.")],
    out: Out,
    geometry: Annotated[
        str, typer.Option("--geometry", help="Encoder: vggt (VGGT-1B's sizes) or tiny.", metavar="NAME")
    ] = "vggt",
    geometry_weights: Annotated[
        Path | None, typer.Option("--geometry-weights", help="Safetensors file of facebook/VGGT-1B.")
    ] = None,
    connector: Annotated[
        str,
        typer.Option("--connector", help="mlp_add (as published), mlp_cat or cross_attention.", metavar="NAME"),
    ] = "mlp_add",
    random_connector: Annotated[
        bool,
        typer.Option(
            "--random-connector",
            help="Start its last layer at random, as published; else the model first answers as BASE.",
        ),
    ] = False,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Add a geometry encoder to a base model, so that 'sft --model' trains the dual encoder."""
    from qa_contract.files import output_folder

    from qa_trainer.errors import QATrainerError, unknown_name
    from qa_trainer.models.loading import resolve_model
    from qa_trainer.models.quiet import quiet_libraries

    started = time.perf_counter()
    quiet_libraries()
    from qa_trainer.models.spatial_mllm.assemble import assemble
    from qa_trainer.models.spatial_mllm.configuration_spatial_mllm import CONNECTORS, GEOMETRY_ENCODERS

    for kind, name, known in (("geometry encoder", geometry, GEOMETRY_ENCODERS), ("connector", connector, CONNECTORS)):
        if name not in known:
            raise unknown_name(kind, name, known)
    folder = resolve_model(base, option="BASE")
    if geometry_weights is not None and not geometry_weights.is_file():
        raise QATrainerError(f"--geometry-weights {geometry_weights}: no such file.")
    with output_folder(out, force=force) as target:
        model, processor = assemble(
            folder,
            geometry={"type": geometry},
            connector={"type": connector, "zero_init": not random_connector},
            geometry_weights=geometry_weights,
            seed=seed,
        )
        model.save_pretrained(target)
        processor.save_pretrained(target)
    close(
        Wrote(out, model.num_parameters(), "parameters"),
        since=started,
        notes=[f"{geometry} with {'released' if geometry_weights else 'random'} weights"],
        next=shell("qa-trainer", "sft", "QUESTIONS", "--model", out, "--freeze", "geometry", "--out", "DIR"),
    )
