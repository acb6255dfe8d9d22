"""One request to servers that redirect, repeat the key, speak slowly, deeply, or without end."""

import json
import socket
import threading
import time
import traceback
from contextlib import contextmanager

import pytest
from qa_contract.chat import MOST_LEVELS, ReplyError, TooLongError, chat_url, complete
from qa_contract.errors import UserError

SECRET = "sk-SECRET-0123456789"


@contextmanager
def server(*parts, pause_s=0.0):
    """Answer every request by the bytes of `parts`, with a pause before each; gives the address and what it heard."""
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                said = b""
                while b"\r\n\r\n" not in said or len(said.partition(b"\r\n\r\n")[2]) < 2:
                    said += connection.recv(1 << 16)
                heard.append(said)
                try:
                    for part in parts:
                        if stopped.wait(pause_s):
                            return
                        connection.sendall(part)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1/chat/completions", heard
    finally:
        stopped.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def reply(body: bytes, status="200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask(url, timeout_s=5.0, largest=1 << 20):
    return complete(url, b"{}", timeout_s=timeout_s, largest=largest)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_reply_is_an_object_and_the_key_goes_to_the_server():
    with server(reply(b'{"a": [1]}')) as (url, heard):
        assert ask(url) == {"a": [1]}
    assert heard[0].startswith(b"POST /v1/chat/completions")
    assert f"Authorization: Bearer {SECRET}".encode() in heard[0]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_refused_and_no_other_address_hears_of_the_key(status):
    refused = pytest.raises(ReplyError, match=r"HTTP 30\d: redirects to http://localhost.* not followed")
    with server(reply(b"{}")) as (other, other_heard):
        elsewhere = other.replace("127.0.0.1", "localhost") + f"?key={SECRET}"
        with server(reply(b"", status, f"Location: {elsewhere}")) as (url, heard), refused as caught:
            ask(url)
    assert not caught.value.again
    assert SECRET not in str(caught.value)
    assert len(heard) == 1
    assert other_heard == []


@pytest.mark.parametrize("body", [f"no such key: {SECRET}", SECRET * 2000, "x" * 290 + SECRET, "x" * 8180 + SECRET])
def test_an_error_that_repeats_the_key_is_passed_on_without_it(body):
    with (
        server(reply(body.encode(), "401 Unauthorized")) as (url, _),
        pytest.raises(ReplyError, match="HTTP 401") as caught,
    ):
        ask(url)
    assert not any(SECRET[:n] in str(caught.value) for n in range(4, len(SECRET)))


@pytest.mark.parametrize(
    "said", [reply(json.dumps({"text": SECRET}).encode()), f"HTTP/9 {SECRET}\r\n\r\n".encode(), reply(SECRET.encode())]
)
def test_no_other_reply_passes_the_key_on(said):
    with server(said) as (url, _):
        try:
            result = json.dumps(ask(url))
        except ReplyError as error:
            result = "".join(traceback.format_exception(error))
    assert SECRET not in result
    assert result


def test_a_placeholder_is_no_secret(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "EMPTY")
    with server(reply(b'{"text": "EMPTY"}')) as (url, _):
        assert ask(url) == {"text": "EMPTY"}


def test_a_key_that_no_header_holds_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET + "\nX-Other: 1")
    with pytest.raises(UserError, match="OPENAI_API_KEY holds characters") as caught:
        ask("http://127.0.0.1:9/v1/chat/completions")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:1",
        "ftp://a/v1",
        "http://",
        "http://[::1/v1",
        "http://a:b/v1",
        f"http://me:{SECRET}@a/v1",
        f"http://a/v1?key={SECRET}",
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_being_shown(url):
    with pytest.raises(UserError, match="--base-url: expected an address") as caught:
        chat_url(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "parts",
    [
        [b"x"] * 100,
        [b"HTTP/1.1 200 OK\r\n", *[f"X-{k}: 1\r\n".encode() for k in range(90)]],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *[b" "] * 100],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n"] * 100],
        [b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n", *[b"x"] * 100],
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 100,
    ],
    ids=["status line", "headers", "body", "chunks", "error's body", "continue"],
)
def test_the_time_limit_holds_for_a_server_that_never_falls_silent(parts):
    with server(*parts, pause_s=0.1) as (url, _):
        began = time.monotonic()
        with pytest.raises(ReplyError, match=r"TimeoutError: no end within 0.5 s") as caught:
            ask(url, timeout_s=0.5)
        assert time.monotonic() - began < 2
    assert caught.value.again


def test_a_server_that_says_nothing_meets_the_limit_too():
    with server(b"", pause_s=30) as (url, _):
        began = time.monotonic()
        with pytest.raises(ReplyError, match="TimeoutError"):
            ask(url, timeout_s=0.3)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("depth", [MOST_LEVELS + 1, 900, 500_000])
def test_a_deep_reply_is_refused_and_worth_another_attempt(depth):
    body = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
    refused = pytest.raises(ReplyError, match=r"RecursionError|nests more than")
    with server(reply(body)) as (url, _), refused as caught:
        ask(url, largest=1 << 21)
    assert caught.value.again


def test_a_long_reply_is_not_read_to_its_end():
    with server(reply(b" " * 5000)) as (url, _), pytest.raises(TooLongError, match="longer than 1000 bytes"):
        ask(url, largest=1000)


def test_half_characters_become_question_marks():
    with server(reply(rb'{"a\ud800": ["\udfff b", "\u00e9"]}')) as (url, _):
        assert ask(url) == {"a?": ["? b", "é"]}


@pytest.mark.parametrize("body", [b"", b"no", b"[1]", b"1", b"\xff", b"9" * 5000])
def test_what_is_no_object_is_refused(body):
    with server(reply(body)) as (url, _), pytest.raises(ReplyError, match="the response is no"):
        ask(url)
