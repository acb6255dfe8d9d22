"""One request to a server that speaks OpenAI's chat completions: where it goes, with which key, within which limits.

The server is not trusted. A redirect is refused, so that the key reaches no other address; what it says is free of the
key before anybody reads it; time and size are bounded as a whole. Retries, caches and the meaning of a reply are the
caller's.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urljoin, urlsplit

from qa_contract.errors import UserError

KEY = "OPENAI_API_KEY"
"""Environment variable with the key, where a server wants one."""

RETRY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Answers of a server that may change when it is asked again."""

MOST_LEVELS = 64
"""Nesting of a reply; a chat completion has about seven levels, and a deep one ends Python's recursion later on."""

SHORTEST_SECRET = 8
"""Characters of a key that is kept out of what a server says. Shorter ones are placeholders of local servers ("EMPTY",
"none"), which are no secret and would be missing from honest replies."""

_ERROR_BYTES, _SHOWN = 8192, 300
"""Bytes of an error's body that are read, and characters that are passed on."""


class ReplyError(Exception):
    """There is no reply that can be used.

    Attributes
    ----------
    again : bool
        Another attempt may end otherwise.
    """

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class TooLongError(ReplyError):
    """The response is longer than allowed; it is not read to its end."""


def chat_url(base_url: str, option: str = "--base-url") -> str:
    """Give the address of the chat completions below `base_url`.

    Raises
    ------
    UserError
        It is no http address, or holds a user, a password or a query: addresses are written to manifests and messages,
        so nothing secret may stand there.

    Examples
    --------
    >>> chat_url("http://127.0.0.1:8000/v1/")
    'http://127.0.0.1:8000/v1/chat/completions'
    """
    try:
        parts = urlsplit(base_url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, named = urlsplit(""), False
    if not named:
        raise UserError(f"{option}: expected an address such as http://127.0.0.1:8000/v1.")
    if parts.username is not None or parts.query or parts.fragment:
        raise UserError(
            f"{option}: expected an address without user, password, '?' and '#', because it is written to files. "
            f"Give the key in the environment variable {KEY}."
        )
    return base_url.rstrip("/") + "/chat/completions"


def complete(url: str, body: bytes, *, timeout_s: float, largest: int) -> dict[str, Any]:
    """Send one request and return the reply, an object.

    Parameters
    ----------
    url : str
        As `chat_url` gives it.
    body : bytes
        JSON.
    timeout_s : float
        Seconds from the first to the last byte, headers and what a proxy says included. Only the time in which an
        address is looked up and several of them are tried is the system's.
    largest : int
        Bytes of a reply.

    Raises
    ------
    ReplyError
        There is none, in words that do not hold the key.
    TooLongError
    UserError
        The key cannot be sent.
    """
    key = _key()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    data, failure = b"", None
    with _Deadline(timeout_s) as deadline:
        opener = urllib.request.build_opener(_NoRedirect, _Http(deadline), _Https(deadline))
        try:
            with opener.open(request, timeout=timeout_s) as response:
                data = _read(response, largest)
        except (OSError, http.client.HTTPException, ValueError) as error:
            failure = _failure(error, url, key)
    if deadline.passed:
        raise ReplyError(f"TimeoutError: no end within {timeout_s:g} s", again=True)
    if failure is not None:
        raise failure  # outside the block, so that it is not chained to an error that may repeat the key
    return _object(_without(data, key))


def _key() -> str:
    """Read the key; one that no header can hold is refused here, because the library's error would repeat it."""
    key = os.environ.get(KEY, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"{KEY} holds characters that cannot be sent (a line break or a letter outside ASCII).")
    return key


def _without(data: bytes, key: str) -> bytes:
    """Replace the key."""
    return data.replace(key.encode(), b"[key]") if len(key) >= SHORTEST_SECRET else data


def _failure(error: OSError | http.client.HTTPException | ValueError, url: str, key: str) -> ReplyError:
    """Put an error in words without the key."""
    if not isinstance(error, urllib.error.HTTPError):
        text = _without(f"{type(error).__name__}: {error}".encode(errors="replace"), key)
        return ReplyError(text.decode(errors="replace")[:_SHOWN], again=True)
    with error:
        if 300 <= error.code < 400 and (target := error.headers.get("Location")):
            target = _without(urljoin(url, target).split("?")[0].encode(errors="replace"), key)
            shown = target.decode(errors="replace")[:_SHOWN]
            return ReplyError(
                f"HTTP {error.code}: redirects to {shown}, which is not followed. Ask that address if it is right.",
                again=False,
            )
        said = f"HTTP {error.code}: {_error_text(error, key)[:_SHOWN]}"
        return ReplyError(said, again=error.code in RETRY_STATUS)


def _error_text(error: urllib.error.HTTPError, key: str) -> str:
    """Read the start of an error's body, which may end within the key."""
    try:
        data = _without(error.read(_ERROR_BYTES), key)
    except (OSError, http.client.HTTPException, ValueError) as fault:
        return f"its text cannot be read ({type(fault).__name__})"
    cut = next((n for n in range(len(key) - 1, 3, -1) if data.endswith(key[:n].encode())), 0)
    return data[: len(data) - cut].decode(errors="replace")


def _read(response: Any, largest: int) -> bytes:
    parts, n = [], 0
    while part := response.read1(1 << 16):
        parts.append(part)
        n += len(part)
        if n > largest:
            raise TooLongError(f"the response is longer than {largest} bytes.", again=False)
    return b"".join(parts)


def _object(data: bytes) -> dict[str, Any]:
    """Parse a reply; half characters in its texts, which no file can hold, become question marks."""
    shown = repr(data[:200])
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"the response is no JSON ({type(error).__name__}): {shown}", again=True) from None
    if not isinstance(value, dict):
        raise ReplyError(f"the response is no object: {shown}", again=True)
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS):
        level = [
            item
            for node in level
            if isinstance(node, (dict, list))
            for item in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return _whole_texts(value) if b"\\u" in data else value
    raise ReplyError(f"the response nests more than {MOST_LEVELS} levels: {shown}", again=True)


def _whole_texts(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_whole_texts(name): _whole_texts(item) for name, item in value.items()}
    return [_whole_texts(item) for item in value] if isinstance(value, list) else value


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves a redirect as the error that it is: following one turns POST into GET and sends the key along."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


class _Deadline:
    """Ends a connection when the time is over, whatever it is doing; use as a context.

    The time limit of a socket holds for one read: a server that sends a byte of its headers now and then never meets
    it.
    """

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self.connection: _Plain | _Secure | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

    def watch(self, connection: _Plain | _Secure) -> Any:
        """Take the connection to end."""
        self.connection = connection
        connection.deadline = self
        return connection

    def check(self) -> None:
        """Stop here where the time ran out while there was no socket to end."""
        if self.passed:
            raise TimeoutError

    def _end(self) -> None:
        self.passed = True
        connection = self.connection
        opened = connection and (connection.opened or connection.sock)
        if opened:
            try:
                socket.socket.shutdown(opened, socket.SHUT_RDWR)  # the TCP end of it, also below TLS
            except OSError:
                return  # closed by itself meanwhile


class _Plain(http.client.HTTPConnection):
    deadline: _Deadline
    opened: socket.socket | None = None
    """The socket; `sock` is forgotten as soon as the headers are there."""

    def connect(self) -> None:
        super().connect()
        self.opened = self.sock
        self.deadline.check()


class _Secure(http.client.HTTPSConnection):
    deadline: _Deadline
    opened: socket.socket | None = None

    def connect(self) -> None:
        super().connect()
        self.opened = self.sock
        self.deadline.check()


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._watch = deadline.watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(lambda host, **options: self._watch(_Plain(host, **options)), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._watch = deadline.watch

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(lambda host, **options: self._watch(_Secure(host, **options)), req)


__all__ = ["KEY", "MOST_LEVELS", "RETRY_STATUS", "ReplyError", "TooLongError", "chat_url", "complete"]
