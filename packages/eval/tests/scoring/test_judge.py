"""A judge reads what the parser could not, is recorded, and is asked once."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import qa_eval.runners.openai_compatible as module
from qa_eval.cli import app
from qa_eval.scoring.judge import PROMPT_ID
from typer.testing import CliRunner

ROWS = [
    ("1", "object_rel_distance", "B", "Probably the sofa, all in all", ["A. bed", "B. sofa"]),
    ("2", "object_rel_distance", "A", "A", ["A. bed", "B. sofa"]),
    ("3", "object_counting", "4", "There are four of them", None),
    ("4", "object_counting", "4", "Hard to say", None),
    ("5", "object_counting", "4", "", None),
]
REPLIES = {"sofa, all": "B", "four": "4", "Hard": "NONE"}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        text = body["messages"][0]["content"][-1]["text"]
        reply = next(said for part, said in REPLIES.items() if part in text)
        data = json.dumps({"choices": [{"message": {"content": reply}}]}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.01)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.status = [], 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def score(server, tmp_path):
    """Score the rows above with a judge; give the result of the command and the rows that it wrote."""
    source = tmp_path / "p.jsonl"
    names = ("id", "question_type", "ground_truth", "prediction", "options")
    source.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in ROWS))

    def call(*more):
        out = tmp_path / "s.jsonl"
        words = ["score", str(source), "--out", str(out), "--force", "--json", *more]
        done = CliRunner().invoke(app, words)
        rows = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        return done, {row["id"]: row for row in rows}

    return call


def test_unread_answers_are_put_to_the_judge_once(score, server, tmp_path):
    judge = ["--judge", "m", "--judge-url", f"http://127.0.0.1:{server.server_port}/v1"]
    judge += ["--judge-cache", str(tmp_path / "cache")]
    done, rows = score(*judge)
    assert done.exit_code == 0, done.output
    assert [rows[i]["score"] for i in "12345"] == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert [rows[i]["parse_failed"] for i in "12345"] == [False, False, False, True, True]
    assert rows["1"]["prediction"] == ROWS[0][3]
    assert {row["parser"] for row in rows.values()} == {f"official, judge m ({PROMPT_ID})"}
    assert '"asked": 3' in done.output
    assert len(server.requests) == 3
    assert all(body["temperature"] == 0 and body["model"] == "m" for body in server.requests)
    again, _ = score(*judge)
    assert again.exit_code == 0
    assert len(server.requests) == 3


def test_without_a_judge_nothing_is_asked(score, server):
    done, rows = score()
    assert done.exit_code == 0
    assert [rows[i]["score"] for i in "12345"] == [0.0, 1.0, 0.0, 0.0, 0.0]
    assert server.requests == []


def test_a_server_that_fails_leaves_answers_unread_and_exits_with_1(score, server, tmp_path):
    server.status = 400
    judge = ["--judge", "m", "--judge-url", f"http://127.0.0.1:{server.server_port}/v1"]
    done, rows = score(*judge, "--judge-cache", str(tmp_path / "cache"))
    assert done.exit_code == 1
    assert rows["1"]["score"] == 0.0
    assert "no reply to 3 of them" in done.output


def test_model_and_address_belong_together(score):
    assert score("--judge", "m")[0].exit_code != 0
