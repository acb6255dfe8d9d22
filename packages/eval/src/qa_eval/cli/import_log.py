"""The command `import-log`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import Force, Wrote, close, shell


def import_log(
    log: Annotated[Path, typer.Argument(help="Per-sample log of another tool.")],
    out: Annotated[Path, typer.Option(help="File for 'qa-eval score': .jsonl or .parquet.")],
    tool: Annotated[str, typer.Option("--from", help="Tool that wrote the log: lmms-eval or vlmevalkit.")],
    force: Force = False,
) -> None:
    """Turn a log of lmms-eval or VLMEvalKit into predictions that can be scored again."""
    import polars as pl

    from qa_eval.bridges import log_benchmark, read_log
    from qa_eval.scoring.outputs import check_output_file, write_rows

    started = time.perf_counter()
    check_output_file(out, False, force=force)
    rows = read_log(log, tool)
    write_rows(out, pl.DataFrame(rows, infer_schema_length=None, strict=False))
    parser = {"lmms-eval": "official" if log.suffix == ".json" else "lmms-eval-cli"}.get(tool, tool)
    next = shell("qa-eval", "score", out, "--benchmark", log_benchmark(log) or "BENCHMARK", "--parser", parser)
    close(Wrote(out, len(rows)), since=started, next=next)
