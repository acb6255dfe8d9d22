"""Ask a server that speaks OpenAI's chat completions; every reply is kept, so that nothing is asked twice."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qa_contract.chat import ReplyError, TooLongError, chat_url, complete
from qa_contract.files import atomic_path

from qa_engine.generation.llm.request import Connection

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
    """What a run cost: requests sent, replies from the cache, retries, failures, tokens as the server counts them.

    `unguided` are whole replies to guided requests that are no JSON: the server does not heed the guide.
    """

    requests: int = 0
    cached: int = 0
    retries: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    unguided: int = 0


@dataclass
class ChatClient:
    """Asks for chat completions; safe to use from several threads.

    The key comes from the environment variable OPENAI_API_KEY where a server wants one. The cache ignores the address
    and the name that the model has there, so that the same model on another port answers from it.
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
        chat_url(self.connection.base_url)

    def ask(self, messages: list[dict[str, Any]], *, seed: int, guide: Mapping[str, Any] | None = None) -> str:
        """Return the text of the reply; `guide` are further fields of the request that hold it to JSON.

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
                **(guide or {}),
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
        if guide and kept.get("finish") != "length" and not _is_json(kept["text"]):
            self._count(unguided=1)
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
        self._count(**{name: n for name, n in tokens.items() if type(n) is int})
        choice = response["choices"][0]
        return {"text": choice["message"]["content"], "usage": tokens, "finish": choice.get("finish_reason")}

    def _send(self, body: bytes) -> dict[str, Any]:
        connection = self.connection
        url = chat_url(connection.base_url)
        if connection.served_as not in (None, connection.model):
            body = json.dumps(json.loads(body) | {"model": connection.served_as}, sort_keys=True).encode()
        reason = ""
        for attempt in range(connection.retries + 1):
            if attempt:
                self._count(retries=1)
                time.sleep(min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S))
            self._wait_for_turn()
            self._count(requests=1)
            try:
                return _checked(complete(url, body, timeout_s=connection.timeout_s, largest=LARGEST_REPLY))
            except TooLongError as error:
                raise OversizedError(str(error)) from error
            except ReplyError as error:
                reason = str(error)
                if not error.again:
                    break
        raise ServerError(reason)

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


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _checked(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response that holds a text; without one it is worth another attempt."""
    try:
        text = response["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        text = None
    if not isinstance(text, str):
        raise ReplyError(f"the response holds no text: {json.dumps(response)[:200]}", again=True)
    return response
