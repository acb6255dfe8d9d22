"""Command `models`."""

from __future__ import annotations

import json

import typer
from qa_contract.cli import AsJson


def models(as_json: AsJson = False) -> None:
    """List the models that come with the package, by name and folder."""
    from qa_trainer.tiny import SHIPPED

    if as_json:
        typer.echo(json.dumps([{"name": name, "folder": str(folder)} for name, folder in SHIPPED.items()], indent=1))
        return
    for name, folder in SHIPPED.items():
        typer.echo(f"{name}  {folder}")
