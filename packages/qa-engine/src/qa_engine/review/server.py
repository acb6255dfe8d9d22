"""The server of the review page: this machine alone, one folder, and decisions that are written at once."""

from __future__ import annotations

import json
import math
import mimetypes
import secrets
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import REVIEWS

from qa_engine.errors import QAEngineError
from qa_engine.review.doubts import Item

FILE = "reviews.parquet"
VERDICTS = ("accept", "reject", "fix")
MAX_BODY = 20_000
MAX_TEXT = 500

Key = tuple[str, str, str]


class Decisions:
    """The table `reviews` of a folder, in memory and on disk.

    Parameters
    ----------
    folder : Path
        Where `reviews.parquet` lies, or will.
    items : sequence of Item
        What can be decided; decisions about others that the file has are kept.
    """

    def __init__(self, folder: Path, items: Sequence[Item]) -> None:
        self.path = folder / FILE
        self._items = {(item.scene_name, item.kind, item.item): item for item in items}
        self._lock = threading.Lock()
        self.rows: dict[Key, dict[str, Any]] = {}
        if self.path.is_file():
            for row in read_table(self.path, "reviews", REVIEWS).iter_rows(named=True):
                self.rows[row["scene_name"], row["kind"], row["item"]] = row

    def decide(self, said: Mapping[str, Any]) -> None:
        """Take a decision, or take one back where `verdict` is null, and write the file.

        Raises
        ------
        QAEngineError
            An unknown item, or a value that is none.
        """
        key = tuple(_text(said.get(name), name) for name in ("scene_name", "kind", "item"))
        assert len(key) == 3
        item = self._items.get(key)
        if item is None:
            raise QAEngineError(f"{' '.join(key)} is not on this page.")
        row = None if said.get("verdict") is None else _row(said, item)
        with self._lock:
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
            self._write()

    def known(self) -> list[dict[str, Any]]:
        """List the decisions about what is on the page."""
        with self._lock:
            return [row for key, row in self.rows.items() if key in self._items]

    def _write(self) -> None:
        table = pl.DataFrame(list(self.rows.values()), schema=dict(REVIEWS)).sort("scene_name", "kind", "item")
        write_table(table, self.path, REVIEWS, table_metadata("reviews", "qa-engine review", {}, 0))


def _row(said: Mapping[str, Any], item: Item) -> dict[str, Any]:
    """Check a decision and make its row."""
    verdict = said["verdict"]
    if verdict not in VERDICTS or (verdict == "fix" and item.kind != "object"):
        raise QAEngineError(f"verdict {verdict!r} is none of {', '.join(VERDICTS)}; questions are not fixed.")
    row: dict[str, Any] = dict.fromkeys(REVIEWS)
    row |= {"scene_name": item.scene_name, "kind": item.kind, "item": item.item, "verdict": verdict}
    row["signature"] = item.row.get("signature")
    if said.get("note"):
        row["note"] = _text(said["note"], "note")
    if verdict == "fix":
        if said.get("category"):
            row["category"] = _text(said["category"], "category").strip().lower()
        for name in ("center", "size"):
            if said.get(name) is not None:
                row[name] = _numbers(said[name], name)
        if said.get("yaw_deg") is not None:
            row["yaw_deg"] = _numbers([said["yaw_deg"]] * 3, "yaw_deg")[0]
        if row["size"] is not None and min(row["size"]) <= 0:
            raise QAEngineError("size: lengths are above 0, in metres.")
        if all(row[name] is None for name in ("category", "center", "size", "yaw_deg")):
            raise QAEngineError("A correction changes the label, the centre, the size or the turn.")
    return row


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT or not value.isprintable():
        raise QAEngineError(f"{name}: a text of 1 to {MAX_TEXT} characters is wanted.")
    return value


def _numbers(value: object, name: str) -> list[float]:
    numbers = value if isinstance(value, list) and len(value) == 3 else []
    if not numbers or not all(type(x) in (int, float) and math.isfinite(x) and abs(x) < 1e4 for x in numbers):
        raise QAEngineError(f"{name}: numbers in metres or degrees are wanted.")
    return [float(x) for x in numbers]


class ReviewServer(ThreadingHTTPServer):
    """Serves a folder under a secret path, to this machine alone.

    Parameters
    ----------
    folder : Path
        `index.html` and images.
    decisions : Decisions
    port : int
        0 for any that is free.

    Notes
    -----
    The path holds a token that no other page knows, and requests must name this host: another site that the browser has
    open can neither read the page nor decide anything, also where its name resolves to this machine.
    """

    daemon_threads = True

    def __init__(self, folder: Path, decisions: Decisions, port: int = 0) -> None:
        self.folder, self.decisions = folder.resolve(), decisions
        self.token = secrets.token_urlsafe(16)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise QAEngineError(f"--port {port}: {error.strerror}. Choose another, or leave it out.") from None

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://127.0.0.1:{self.server_address[1]}/{self.token}/index.html"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer  # pyright: ignore[reportIncompatibleVariableOverride]
    timeout = 30

    def do_GET(self) -> None:
        """Send a file of the folder, or the decisions."""
        name = self._name()
        if name == "reviews.json":
            self._send(json.dumps(self.server.decisions.known()).encode(), "application/json")
        elif name is not None:
            path = (self.server.folder / name).resolve()
            if path.is_relative_to(self.server.folder) and path.is_file() and path.name != FILE:
                self._send(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Take a decision."""
        if (name := self._name()) is None:
            return
        length = self.headers.get("Content-Length", "")
        if name != "reviews.json" or not length.isdigit() or int(length) > MAX_BODY:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        try:
            said = json.loads(self.rfile.read(int(length)))
            if not isinstance(said, dict):
                raise QAEngineError("a decision is an object of JSON.")
            self.server.decisions.decide(said)
        except (ValueError, RecursionError):
            self._send(b'{"error": "no JSON"}', "application/json", HTTPStatus.BAD_REQUEST)
        except QAEngineError as error:
            self._send(json.dumps({"error": str(error)}).encode(), "application/json", HTTPStatus.BAD_REQUEST)
        else:
            self._send(json.dumps(self.server.decisions.known()).encode(), "application/json")

    def _name(self) -> str | None:
        """Give what is asked for below the secret path; answer and give None where the request is not for us."""
        port = self.server.server_address[1]
        host = self.headers.get("Host", "")
        path = unquote(urlsplit(self.path).path)
        token, _, name = path.lstrip("/").partition("/")
        if host not in (f"127.0.0.1:{port}", f"localhost:{port}") or not secrets.compare_digest(
            token.encode(), self.server.token.encode()
        ):
            self.send_error(HTTPStatus.FORBIDDEN)
            return None
        return name or "index.html"

    def _send(self, data: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the address holds the token."""
