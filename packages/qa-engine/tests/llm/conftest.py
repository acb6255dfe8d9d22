"""A scripted server of the OpenAI kind, a store to ask about, and the command that asks."""

import json
import threading
import time
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from qa_engine.generation.llm import client as llm_client
from qa_engine.generation.llm import files as llm_files
from qa_engine.programs.pool import ProgramPool


class Server:
    """Answers the n-th request by `reply(n, body)`: a text, or (status, text or bytes, seconds to wait)."""

    def __init__(self, reply):
        self.bodies = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.bodies.append(body)
                said = reply(len(outer.bodies) - 1, body)
                status, data, wait = said if isinstance(said, tuple) else (200, said, 0)
                data = completion(data) if isinstance(data, str) else data
                time.sleep(wait)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    return

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


def completion(text):
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return json.dumps({"choices": [{"message": {"content": text}}], "usage": usage}).encode()


@pytest.fixture
def serve():
    started = []

    def start(reply):
        started.append(Server(reply))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def make_store(call, write_vsi, make_box, tmp_path):
    def make(*names):
        boxes = {
            "chair": [make_box((x, 0, 0.45), (0.6, 0.6, 0.9)) for x in (0, 3)],
            "sofa": [make_box((0, 4, 0.4), (2, 1, 0.8))],
            "table": [make_box((4.75, 4, 0.4), (1.5, 0.9, 0.8))],
            "lamp": [make_box((0, 6, 0.75), (0.3, 0.3, 1.5))],
        }
        entry = {"dataset": "scannet", "room_size": 40.5, "room_center": [0.0, 0.0, 1.0], "object_bbox": boxes}
        entry["object_counts"] = {name: len(rows) for name, rows in boxes.items()}
        path = write_vsi(dict.fromkeys(names, entry))
        assert call("ingest", "vsi-bench", path, "--out", tmp_path / "store") == 0
        return tmp_path / "store"

    return make


@pytest.fixture(scope="module")
def pool():
    with ProgramPool(1) as started:
        yield started


@pytest.fixture(autouse=True)
def fast(monkeypatch, pool):
    """Wait briefly before asking again, and start the workers for programs once for all tests."""
    monkeypatch.setattr(llm_client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(llm_files, "ProgramPool", lambda workers, **options: nullcontext(pool))


@pytest.fixture
def propose(call):
    """Run `qa-engine propose` and return the exit code."""

    def run(store, server, out, *words):
        url = server if isinstance(server, str) else server.url
        words = ("--workers", 1, "--concurrency", 1, *words)
        return call("propose", store, "--base-url", url, "--model", "m", "--out", out, *words)

    return run
