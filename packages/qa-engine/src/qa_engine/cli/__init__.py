"""Command line of the engine: `qa-engine`."""

from __future__ import annotations

from qa_contract.cli import make_app, run

from qa_engine.cli import (
    align,
    audit,
    doctor,
    explain,
    export,
    frames,
    gate,
    generate,
    lift,
    lists,
    programs,
    propose,
    replay,
    review,
    scan,
    stores,
    view,
)

app = make_app(
    "qa-engine",
    "Make spatial questions from 3D scenes; every answer is computed and can be replayed.",
    registries={
        "--tasks": ("qa_engine.tasks:TASKS", "qa_engine.tasks:FAMILIES"),
        "--profile": ("qa_engine.facts.profiles:PROFILES",),
        "--sampler": ("qa_engine.generation.samplers:SAMPLERS",),
        "--shuffled-of": ("qa_engine.generation.samplers:SAMPLERS",),
        "--gates": ("qa_engine.generation.gates:GATES",),
        "--method": ("qa_engine.views.frame_sets:METHODS",),
    },
)
for group in (
    scan, stores, doctor, align, lift, review, frames, generate, propose, gate, replay, programs,
    audit, view, explain, export, lists,
):  # fmt: skip
    group.register(app)


def main() -> None:
    """Run the command line."""
    run(app)
