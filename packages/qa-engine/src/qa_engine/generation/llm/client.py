"""Ask a server that speaks OpenAI's chat completions; every reply is kept, so that nothing is asked twice."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from qa_contract.files import atomic_path

from qa_engine.errors import QAEngineError
from qa_engine.generation.llm.request import Connection

RETRY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0

LARGEST_REPLY = 1 << 20
"""Bytes of a response; a longer one is not read to its end."""

FAILURES_IN_A_ROW = 5
"""Requests that fail for good, one after the other, after which the server counts as gone."""


class ServerError(Exception):
    """A request failed for good."""


class OversizedError(ServerError):
    """The response is longer than `LARGEST_REPLY`."""


@dataclass
class Usage:
    """What a run cost: requests sent, replies from the cache, retries, failures, tokens as the server counts them."""

    requests: int = 0
    cached: int = 0
    retries: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class ChatClient:
    """Asks for chat completions; safe to use from several threads.

    The key comes from the environment variable OPENAI_API_KEY where a server wants one. The cache ignores the address,
    so that the same model on another port answers from it.
    """

    connection: Connection
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self._prepare()
        self._lock = threading.Lock()
        self._next_start = 0.0
        self._failures = 0

    def _prepare(self) -> None:
        """Check what the requests need."""
        if not self.connection.base_url.startswith(("http://", "https://")):
            raise QAEngineError("--base-url: expected an address such as http://127.0.0.1:8000/v1.")

    def ask(self, messages: list[dict[str, Any]], *, seed: int) -> str:
        """Return the text of the reply.

        Raises
        ------
        ServerError
            There is none, after all retries, or the server counts as gone.
        OversizedError
        """
        connection = self.connection
        body = json.dumps(
            {
                "model": connection.model,
                "messages": messages,
                "max_tokens": connection.max_tokens,
                "temperature": connection.temperature,
                "seed": seed,
            },
            sort_keys=True,
        ).encode()
        path = connection.cache / f"{hashlib.sha256(body).hexdigest()}.json"
        if path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            self._count(cached=1)
        else:
            kept = self._kept(body)
            with self._lock:
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_path(path) as temporary:
                    temporary.write_text(json.dumps(kept), encoding="utf-8")
        if kept.get("oversized"):
            raise OversizedError(f"the response is longer than {LARGEST_REPLY} bytes.")
        return kept["text"]

    def _kept(self, body: bytes) -> dict[str, Any]:
        """Ask, and return what the cache keeps of the response."""
        if self._failures >= FAILURES_IN_A_ROW:
            raise ServerError(f"not asked: {self._failures} requests in a row have failed.")
        try:
            response = self._send(body)
        except OversizedError:
            self._failures = 0
            return {"oversized": True}
        except ServerError:
            self._failures += 1
            self._count(failed=1)
            raise
        self._failures = 0
        said = response.get("usage")
        usage: dict[str, Any] = said if isinstance(said, dict) else {}
        tokens = {name: usage.get(name) for name in ("prompt_tokens", "completion_tokens")}
        self._count(**{name: n for name, n in tokens.items() if isinstance(n, int)})
        return {"text": response["choices"][0]["message"]["content"], "usage": usage}

    def _send(self, body: bytes) -> dict[str, Any]:
        connection = self.connection
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get("OPENAI_API_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        url = connection.base_url.rstrip("/") + "/chat/completions"
        reason = ""
        for attempt in range(connection.retries + 1):
            if attempt:
                self._count(retries=1)
                time.sleep(min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S))
            self._wait_for_turn()
            self._count(requests=1)
            request = urllib.request.Request(url, data=body, headers=headers, method="POST")
            try:
                return _checked(self._read(request))
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code}: {error.read(300).decode(errors='replace')}"
                if error.code not in RETRY_STATUS:
                    break
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = f"{type(error).__name__}: {error}"
        raise ServerError(reason)

    def _read(self, request: urllib.request.Request) -> bytes:
        """Read a response, for no longer than the time limit and no further than the size limit."""
        deadline = time.monotonic() + self.connection.timeout_s
        parts: list[bytes] = []
        with urllib.request.urlopen(request, timeout=self.connection.timeout_s) as response:
            while part := response.read1(1 << 16):
                parts.append(part)
                if sum(map(len, parts)) > LARGEST_REPLY:
                    raise OversizedError("too long.")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no end within {self.connection.timeout_s:g} s")
        return b"".join(parts)

    def _wait_for_turn(self) -> None:
        """Keep the rate: each request starts at least a share of a minute after the one before."""
        if not self.connection.requests_per_minute:
            return
        with self._lock:
            start = max(time.monotonic(), self._next_start)
            self._next_start = start + 60 / self.connection.requests_per_minute
        time.sleep(max(0.0, start - time.monotonic()))

    def _count(self, **changes: int) -> None:
        with self._lock:
            for name, n in changes.items():
                setattr(self.usage, name, getattr(self.usage, name) + n)


def _checked(data: bytes) -> dict[str, Any]:
    """Read a response that holds a text; anything else is a ValueError, which is worth another attempt."""
    response = json.loads(data)
    try:
        text = response["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        text = None
    if not isinstance(text, str):
        raise ValueError(f"the response holds no text: {data[:200]!r}")
    return response
