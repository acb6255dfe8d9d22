"""The command that writes questions for other tools: export."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from qa_contract.cli import (
    AllowBenchmarkScenes,
    App,
    AsJson,
    Force,
    FrameStore,
    Out,
    Progress,
    Questions,
    Workers,
    Wrote,
    close,
)

from qa_engine.cli.options import RayAddress, open_executor

NEXT = {
    "trl": "datasets.load_dataset('json', data_files='{out}/train.jsonl')",
    "llava": "--data_path {out}/train.json --image_folder {out}",
    "qwen": "name {out}/train.jsonl as annotation_path and {out} as data_path of a dataset",
    "openai": "send the lines of {out}/train.jsonl to a server",
    "hf": "datasets.load_dataset('parquet', data_files='{out}/train*.parquet')",
    "lmms-eval": "python -m lmms_eval --include_path {out} --tasks spatial_questions --model MODEL",
    "verifiers": "uv pip install -e {out} && vf-eval spatial-questions --env.agent.runtime.type subprocess",
    "reasoning-gym": "PYTHONPATH={out}: import spatial_questions; reasoning_gym.create_dataset('spatial_questions')",
    "verl": "data.train_files={out}/train.parquet reward.custom_reward_function.path={out}/reward.py",
}
"""Format to how its consumer reads it."""


def register(app: App) -> None:
    """Add the commands of this module to the command line."""
    app.command(topic="Questions")(export)


def export(
    questions: Questions,
    *,
    store: FrameStore,
    name: Annotated[
        str, typer.Option("--format", help="trl, llava, qwen, openai, hf, lmms-eval, verifiers, reasoning-gym or verl.")
    ],
    out: Out,
    trace: Annotated[
        str | None,
        typer.Option(help="Answer with the steps before the answer: text, tools or map.", show_default=False),
    ] = None,
    allow_benchmark_scenes: AllowBenchmarkScenes = False,
    workers: Workers = 1,
    ray_address: RayAddress = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write questions and their frames in the format of another tool.

    Exit code 1: a question was refused, for it has no frames.
    """
    from qa_contract.files import check_output_folder, output_folder, write_json
    from qa_contract.leakage import benchmark_scenes
    from qa_contract.tableio import table_metadata
    from qa_contract.tables import REJECTS
    from qa_contract.tablestream import open_table

    from qa_engine.errors import QAEngineError, unknown_name
    from qa_engine.exports import CALLING, FORMATS, SCORING, read_files
    from qa_engine.exports import export as run
    from qa_engine.traces import TRACES

    began = time.perf_counter()
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS, "See 'qa-engine export --help'.")
    if trace is not None and trace not in TRACES:
        raise unknown_name("trace", trace, TRACES, "See 'qa-engine export --help'.")
    fits = set(FORMATS) - SCORING if trace != "tools" else CALLING
    if trace is not None and name not in fits:
        raise QAEngineError(
            f"--format {name} has no place for the steps of --trace {trace}. Formats that have one: "
            f"{', '.join(sorted(fits))}."
        )
    check_output_folder(out, force=force)
    asked = read_files(questions)
    leaked = benchmark_scenes(sorted(asked.scene_names))
    # A task for an evaluator is the one thing that such questions are for.
    if leaked and not allow_benchmark_scenes and name != "lmms-eval":
        first, benchmark = next(iter(leaked.items()))
        raise QAEngineError(
            f"{questions}: {len(leaked)} scenes are in benchmarks, the first is '{first}' ({benchmark}); a model must "
            "not be trained on them. Leave them out, or pass --allow-benchmark-scenes."
        )
    metadata = table_metadata("rejects", "qa-engine export", {"format": name, "trace": trace}, 0)
    with output_folder(out, force=force) as folder, Progress("questions") as progress:
        rejects = folder / "rejects.parquet"
        with open_table(rejects, REJECTS, metadata) as stream:
            exported = run(
                asked,
                store,
                name,
                folder,
                out,
                stream,
                trace=trace,
                executor=open_executor(workers, ray_address),
                progress=progress,
            )
        if not exported.refused:
            rejects.unlink()
        what = {"command": "qa-engine export", "format": name, "trace": trace}
        what |= {"questions": exported.n_questions, "refused": dict(sorted(exported.refused.items()))}
        write_json(folder / "manifest.json", what)
    close(
        Wrote(out, exported.n_questions, f"questions as {name}"),
        since=began,
        rejects=dict(exported.refused),
        lost=exported.refused.total(),
        next=NEXT[name].format(out=out),
        as_json=as_json,
    )
