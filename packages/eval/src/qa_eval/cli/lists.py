"""Commands that list what is known."""

from __future__ import annotations

import typer


def runners() -> None:
    """List the runners."""
    from qa_eval.runners import RUNNERS

    for name, kind in RUNNERS.items():
        typer.echo(f"{name:<16} {kind.description}")


def benchmarks() -> None:
    """List the benchmarks: metric, average, published file, source."""
    from qa_eval.benchmarks import BENCHMARKS

    for item in BENCHMARKS.values():
        typer.echo(f"{item.name:<16} {item.description}")
        typer.echo(f"{'':<16} file: {item.file}\n{'':<16} source: {item.source}")


def parsers() -> None:
    """List the parsers: how answers can be read."""
    from qa_eval.parsers import PARSERS

    for item in PARSERS.values():
        typer.echo(f"{item.name:<16} {item.source}")
