"""Write the page of a review, and serve it until it is stopped."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from qa_contract.errors import FileError

from qa_engine.review.doubts import Item, find_items
from qa_engine.review.page import review_page
from qa_engine.review.server import FILE, Decisions, ReviewServer
from qa_engine.scenes.store import Store

OWN = {"index.html", "frames", FILE}
"""What the folder of a review holds."""


@dataclass
class Review:
    """A review that is ready to be served.

    Attributes
    ----------
    items : list of Item
    decisions : Decisions
    server : ReviewServer
    """

    items: list[Item]
    decisions: Decisions
    server: ReviewServer


def prepare_review(
    store: Store,
    out: Path,
    *,
    questions: Path | None = None,
    confidence: Path | None = None,
    limit: int = 200,
    everything: bool = False,
    port: int = 0,
) -> Review:
    """Write the page and open the server; decisions that `out` holds are kept and shown.

    Parameters
    ----------
    store : Store
    out : Path
        Gets `index.html`, `frames` and `reviews.parquet`; a folder of an earlier review is gone on with.
    questions, confidence : Path, optional
        Tables; suspects of the second come first.
    limit : int
        Items at most.
    everything : bool
        Also what nothing speaks against.
    port : int
        0 for any that is free.

    Raises
    ------
    FileError
        `out` holds something else.
    QAEngineError, TableError
        A table cannot be read, or the port is taken.
    """
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - OWN):
        raise FileError(f"{out}: holds something else than a review. Choose another --out.")
    items = find_items(store, questions, confidence, limit=limit, only_doubtful=not everything)
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "frames", ignore_errors=True)
    decisions = Decisions(out, items)
    (out / "index.html").write_text(review_page(store, items, out).html(), encoding="utf-8")
    return Review(items, decisions, ReviewServer(out, decisions, port))
