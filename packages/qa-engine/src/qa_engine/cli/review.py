"""The command for a person's decisions: review."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from qa_contract.cli import App, AsJson, Store, Wrote, close


def register(app: App) -> None:
    """Add the command of this module to the command line."""
    app.command(topic="Scenes")(review)


def review(
    store: Store,
    questions: Annotated[Path | None, typer.Argument(help="Questions to review beside the objects.")] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder of the page and of the decisions; goes on with what it holds.")],
    confidence: Annotated[
        Path | None, typer.Option(help="Table 'confidence': questions that it calls suspect come first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Things to decide at most.")] = 200,
    everything: Annotated[bool, typer.Option("--all", help="Also what nothing speaks against.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; any free one where not given.")] = 0,
    browse: Annotated[bool, typer.Option("--browse/--no-browse", help="Open the browser.")] = True,
    as_json: AsJson = False,
) -> None:
    """Accept, reject or correct objects and questions on a local page; the most doubtful come first.

    Serves this machine alone until Ctrl-C. Decisions are stored at once in `reviews.parquet` of --out, which `ingest`,
    `lift` and `generate` read with --reviews.
    """
    from qa_engine.review.run import prepare_review
    from qa_engine.scenes.store import Store as SceneStore

    began = time.perf_counter()
    ready = prepare_review(
        SceneStore(store),
        out,
        questions=questions,
        confidence=confidence,
        limit=limit,
        everything=everything,
        port=port,
    )
    typer.echo(f"{len(ready.items)} things to decide at {ready.server.url} (Ctrl-C ends)", err=True)
    if browse:
        import webbrowser

        webbrowser.open(ready.server.url)
    try:
        ready.server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        ready.server.server_close()
    close(
        Wrote(ready.decisions.path, len(ready.decisions.rows), "decisions"),
        since=began,
        next="the 'ingest' of this store again with --reviews, and 'generate --reviews'",
        as_json=as_json,
    )
