import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest
import qa_eval.runners.openai_compatible as module
from qa_eval.errors import QAEvalError
from qa_eval.runners import Connection, RunnerConfig
from qa_eval.runners.openai_compatible import OpenAIRunner
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.items import build_items, frame_shots
from qa_eval.runs.run import run
from qa_eval.scoring.questions import read_questions


class Server(ThreadingHTTPServer):
    """Answers with the number of images; fails as told."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict] = []
        self.failures: list[int] = []
        self.broken_type = ""
        self.refuses_logprobs = False
        self.letters = {}

    def verify_request(self, request, client_address):
        return True


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        text = body["messages"][0]["content"][-1]["text"]
        status = self.server.failures.pop() if self.server.failures else 200
        if self.server.broken_type and self.server.broken_type in text:
            status = 500
        images = sum(part["type"] == "image_url" for part in body["messages"][0]["content"])
        others = {"x": -0.1, **self.server.letters}
        top = [{"token": name, "logprob": value} for name, value in others.items()]
        token = {"token": str(images), "logprob": -0.25, "top_logprobs": top[: body.get("top_logprobs", 0)]}
        reply = {"choices": [{"message": {"content": str(images)}}]}
        if "logprobs" in body:
            reply["choices"][0]["logprobs"] = {"content": [token]}
            status = 400 if self.server.refuses_logprobs else status
        reason = "logprobs is not supported" if self.server.refuses_logprobs else "busy"
        data = json.dumps(reply if status == 200 else {"error": reason}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def connection(server, **kwargs):
    return Connection(f"http://127.0.0.1:{server.server_port}/v1", **kwargs)


@pytest.fixture
def items(questions, store):
    table = read_questions(questions)
    *shown, text_only = build_items(table, frame_shots(table, store))
    return [*shown, replace(text_only, frames=(), frame_ids=())]


def test_answers_keep_their_order_and_carry_logprobs(server, items):
    runner = OpenAIRunner(RunnerConfig("m", connection=connection(server, concurrency=4)))
    answers = runner.answer(items)
    assert [answer.completion for answer in answers] == ["2"] * 10 + ["0"]
    assert answers[0].token_logprobs == [-0.25]
    assert answers[0].token_is_top1 == [False]
    assert server.requests[0]["temperature"] == 0


def test_a_busy_server_is_asked_again_and_a_refusal_is_not(server, items):
    server.failures = [503, 429]
    runner = OpenAIRunner(RunnerConfig("m", connection=connection(server, concurrency=1)))
    assert runner.answer(items[:1])[0].completion == "2"
    assert len(server.requests) == 3
    server.failures = [400]
    answer = runner.answer(items[:1])[0]
    assert answer.error == "server_error"
    assert answer.detail.startswith("HTTP 400")
    assert len(server.requests) == 4


def test_an_unreachable_server_is_an_error_row(items):
    runner = OpenAIRunner(RunnerConfig("m", connection=Connection("http://127.0.0.1:9/v1", retries=0)))
    assert runner.answer(items[:1])[0].error == "server_error"


def test_cache_answers_without_the_server(server, items, tmp_path):
    runner = OpenAIRunner(RunnerConfig("m", connection=connection(server, cache=tmp_path / "cache")))
    first = runner.answer(items)
    n = len(server.requests)
    assert runner.answer(items) == first
    assert len(server.requests) == n


def test_failed_rows_are_rejects_of_the_run(server, questions, store, tmp_path):
    server.broken_type = "bed"
    options = RunOptions("openai", "m", batch_size=4)
    result = run(questions, store, tmp_path / "out", options, connection=connection(server, retries=1))
    assert result.summary["unscored"] == {"server_error": 1}
    assert result.summary["model_id"] == "openai:m"


def test_option_logprobs_where_the_server_sends_all_letters(server, items):
    runner = OpenAIRunner(RunnerConfig("m", connection=connection(server)))
    server.letters = {"B": -2.5, "A": -0.5, "C": -9.0}
    number, choice = runner.answer([items[0], items[4]])
    assert choice.option_logprobs == [-0.5, -2.5]
    assert number.option_logprobs is None
    server.letters = {"B": -2.5, " A": -0.5}
    assert runner.answer(items[4:5])[0].option_logprobs is None
    assert {body["top_logprobs"] for body in server.requests} == {1, 20}


def test_a_server_without_logprobs_answers_all_the_same(server, items):
    server.refuses_logprobs = True
    runner = OpenAIRunner(RunnerConfig("m", connection=connection(server, concurrency=1)))
    (answer,) = runner.answer(items[4:5])
    assert (answer.completion, answer.token_logprobs, answer.option_logprobs) == ("2", None, None)
    assert ["logprobs" in body for body in server.requests] == [True, False]


def test_rows_say_what_was_sent(server, questions, store, tmp_path):
    options = RunOptions("openai", "m", max_new_tokens=8)
    run(questions, store, tmp_path / "out", options, connection=connection(server))
    rows = {row["question_id"]: row for row in pl.read_parquet(tmp_path / "out/predictions.parquet").to_dicts()}
    assert [rows["n0"][name] for name in ("frame_input", "frame_ids", "frame_pixels")] == [
        "images",
        ["0", "2"],
        64 * 48,
    ]
    assert rows["n0"]["decoding"] == "temperature 0, seed 0, 8 new tokens"


def test_base_url_is_needed():
    with pytest.raises(QAEvalError, match="--base-url"):
        OpenAIRunner(RunnerConfig("m"))
