"""Runner over a server that speaks OpenAI's chat completions (vLLM, SGLang, llama.cpp, hosted models)."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from qa_contract.chat import ReplyError, chat_url, complete
from qa_contract.tokens import letter_logprobs, text_counts

from qa_eval.errors import QAEvalError
from qa_eval.runners.base import Answer, Item, RunnerConfig
from qa_eval.runners.images import image_pixels

TOP_LOGPROBS = 20
"""Alternatives asked for where there are options, the most that servers allow."""

LARGEST_REPLY = 1 << 26
"""Bytes of a response; a longer one is not read to its end. Alternatives of every token make it long."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


class ServerError(Exception):
    """A request failed for good."""


class OpenAIRunner:
    """Sends each question as one chat completion with its frames as images; temperature 0.

    The key comes from the environment variable OPENAI_API_KEY where a server wants one. Log-probs are asked for;
    a server that gives none, or refuses to, leaves the token columns empty.

    Raises
    ------
    UserError
        There is no --base-url, or it is no http address.
    """

    def __init__(self, config: RunnerConfig) -> None:
        url = config.connection.base_url
        if not url:
            raise QAEvalError("Runner 'openai' needs --base-url, for example http://localhost:8000/v1.")
        self.url = chat_url(url)
        self.config = config
        self.facts: Mapping[str, Any] = {
            "decoding": f"temperature 0, seed {config.seed}, {config.max_new_tokens} new tokens",
            "images": "as stored, base64",
            "system_prompt": config.system_prompt or "none",
        }

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """Sort by scene, so that a server with a prefix cache meets the same frames again."""
        return (0, 0, item.scene_name, 0)

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Ask for all items at once; one that fails for good has the error `server_error`."""
        with ThreadPoolExecutor(self.config.connection.concurrency) as pool:
            return list(pool.map(self._one, items))

    def _one(self, item: Item) -> Answer:
        try:
            frames = iter([_image_part(path) for path in item.frames])
            pixels = image_pixels(item.frames[0]) if item.frames else None
        except FileNotFoundError as error:
            return Answer(error="missing_frame", detail=str(error.filename))
        except OSError as error:
            return Answer(error="unreadable_frame", detail=str(error))
        content = [next(frames) if part is None else {"type": "text", "text": part} for part in item.content]
        prompt = self.config.system_prompt
        system = [] if prompt is None else [{"role": "system", "content": prompt}]
        body = {
            "model": self.config.model,
            "messages": [*system, {"role": "user", "content": content}],
            "max_tokens": self.config.max_new_tokens,
            "temperature": 0,
            "seed": self.config.seed,
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS if item.options else 1,
        }
        try:
            answer = read_answer(self._request(body), item.options)
        except ServerError as error:
            return Answer(error="server_error", detail=str(error))
        return replace(answer, frame_pixels=pixels)

    def _request(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Answer from the cache, or send with retries; once more without log-probs where the server refuses those."""
        body = json.dumps(fields, sort_keys=True).encode()
        folder = self.config.connection.cache
        path = None if folder is None else Path(folder) / f"{hashlib.sha256(body).hexdigest()}.json"
        if path is not None and path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
        try:
            response = self._send(body)
        except ServerError as error:
            if "logprobs" not in str(error) or "logprobs" not in fields:
                raise
            plain = {name: value for name, value in fields.items() if "logprobs" not in name}
            response = self._send(json.dumps(plain, sort_keys=True).encode())
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}-{time.monotonic_ns()}.partial")
            partial.write_text(json.dumps(response), encoding="utf-8")
            partial.replace(path)
        return response

    def _send(self, body: bytes) -> dict[str, Any]:
        connection = self.config.connection
        reason = ""
        for attempt in range(connection.retries + 1):
            if attempt:
                time.sleep(min(FIRST_WAIT_S * 2 ** (attempt - 1), LONGEST_WAIT_S))
            try:
                return complete(self.url, body, timeout_s=connection.timeout_s, largest=LARGEST_REPLY)
            except ReplyError as error:
                reason = str(error)
                if not error.again:
                    break
        raise ServerError(reason)


def read_answer(response: dict[str, Any], options: Sequence[str] = ()) -> Answer:
    """Turn a chat completion into an answer; with `options`, its first token gives their log-probs.

    Raises
    ------
    ServerError
        The response holds no message.

    Examples
    --------
    >>> read_answer({"choices": [{"message": {"content": "B"}}]}).completion
    'B'
    """
    try:
        choice = response["choices"][0]
        text = choice["message"]["content"]
        tokens = (choice.get("logprobs") or {}).get("content") or []
        if not isinstance(text, str):
            raise ServerError(f"the response holds no text: {json.dumps(response)[:300]}")
        if not tokens:
            return Answer(text)
        return Answer(
            completion=text,
            token_logprobs=[float(token["logprob"]) for token in tokens],
            token_mask=[text_counts(token["token"]) for token in tokens],
            token_is_top1=[_is_top(token) for token in tokens],
            option_logprobs=letter_logprobs(_first_tokens(tokens[0]), options),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ServerError(f"unexpected response ({type(error).__name__}): {json.dumps(response)[:300]}") from error


def _is_top(token: dict[str, Any]) -> bool:
    """Whether the token has the highest of the probabilities that were sent along."""
    return all(other["logprob"] <= token["logprob"] for other in token.get("top_logprobs") or [])


def _first_tokens(token: dict[str, Any]) -> dict[str, float]:
    """Log-probs of the first token and of the alternatives that the server sent."""
    return {other["token"]: float(other["logprob"]) for other in (token, *(token.get("top_logprobs") or []))}


def _image_part(path: Path) -> dict[str, Any]:
    """Embed an image file as it is."""
    kind = mimetypes.guess_type(path.name)[0] or "image/png"
    data = base64.b64encode(path.read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
