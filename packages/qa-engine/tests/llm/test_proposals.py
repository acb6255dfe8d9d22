"""`propose` against a scripted server: good, bad, slow, malformed, oversized and hostile replies."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import CHOICES, CONFIDENCE, FEEDBACK, QUESTIONS, REJECTS
from qa_engine.generation.llm import client as llm_client

KEY = "sk-SECRET-0123456789"

DISTANCE = {
    "question": "Measuring from the closest points, how far is the sofa from the table, in meters?",
    "question_type": "object_abs_distance",
    "answer_type": "number",
    "options": None,
    "program": "distance_m(2, 3)",
    "operands": [2, 3],
}
NEARER = {
    "question": "Which of these stands closer to the sofa?",
    "question_type": "open",
    "answer_type": "choice",
    "options": ["table", "lamp"],
    "program": "'table' if distance_m(2, 3) < distance_m(2, 4) else 'lamp'",
    "operands": [2, 3, 4],
}
CHAIRS = {
    "question": "How many chairs are there?",
    "question_type": "object_counting",
    "answer_type": "integer",
    "options": None,
    "program": "count('chair')",
    "operands": [],
}
GOOD = [DISTANCE, NEARER, CHAIRS]

REFUSED = {
    "bad_reply": [
        {"question": "How many?"},
        CHAIRS | {"program": 7},
        CHAIRS | {"question": "x" * 600},
        CHAIRS | {"question": "How many\x07 chairs?"},
        CHAIRS | {"answer_type": "essay"},
        NEARER | {"options": ["a"]},
        NEARER | {"options": ["table", "table"]},
        DISTANCE | {"options": ["1", "2"]},
        "no object",
    ],
    "bad_program": [
        CHAIRS | {"program": "().__class__.__subclasses__()"},
        CHAIRS | {"program": "__import__('os').system('touch canary')"},
        CHAIRS | {"program": "len(objects())"},
        CHAIRS | {"program": "1 +"},
    ],
    "type_or_unit": [
        DISTANCE | {"question": "How far is the sofa from the table?"},
        DISTANCE | {"program": "distance_m(2, 3) + 1"},
        NEARER | {"program": "'desk' if distance_m(2, 3) > m(1) else 'door'"},
        NEARER | {"program": "distance_m(2, 3) < m(1)"},
        CHAIRS | {"program": "category(0)"},
    ],
    "execution": [CHAIRS | {"program": "count('unicorn')"}, DISTANCE | {"program": "distance_m(2, 99)"}],
    "degenerate": [CHAIRS | {"program": "2 + 2"}, DISTANCE | {"program": "distance_m(2, 2)"}],
    "unstable": [
        NEARER | {"options": ["yes", "no"], "program": "'yes' if height_cm(2) > height_cm(3) else 'no'"},
    ],
    "not_unique": [
        DISTANCE | {"question": "How many meters is object 2 from object 3?"},
        DISTANCE | {"program": "distance_m(2, 0)", "question": "How many meters is the sofa from the chair?"},
        DISTANCE | {"question": "How many meters wide is the gap?"},
    ],
    "duplicate": [DISTANCE | {"program": "distance_m(3,2)"}],
    "shortcut": [
        CHAIRS | {"question": "There are 2 chairs; how many chairs are there?", "program": "length(instances('chair'))"}
    ],
}


def rejects(out):
    return read_table(out, "rejects", REJECTS)


def test_good_replies_become_questions_that_verify(propose, call, make_store, serve, tmp_path, capfd):
    store = make_store("one", "two")
    server = serve(lambda n, body: f"<think>[1]</think>Here:\n```json\n{json.dumps(GOOD)}\n```")
    assert propose(store, server, tmp_path / "q", "--round", 2) == 0
    table = read_table(tmp_path / "q", "questions", QUESTIONS)
    assert len(table) == 6
    assert table["question_id"].n_unique() == 6
    near = table.filter(question=NEARER["question"]).row(0, named=True)
    assert dict(option.split(". ") for option in near["options"])[near["ground_truth"]] == "lamp"
    far = table.filter(question=DISTANCE["question"]).row(0, named=True)
    assert (far["ground_truth"], far["unit"], far["question_type"]) == ("3.0", "m", "object_abs_distance")
    assert far["answer_low"] < 3 < far["answer_high"]
    assert far["proposer"].startswith("llm/propose-1:")
    assert far["proposer"].endswith("/m")
    assert table.filter(question=CHAIRS["question"])["ground_truth"].to_list() == ["2", "2"]
    error = capfd.readouterr().err
    assert "2 sent" in error
    assert "20 in, 10 out" in error
    prompt = server.bodies[0]["messages"][0]["content"][-1]["text"]
    assert "2 sofa 0.00 4.00 0.40 2.00" in prompt
    assert "distance_m(a: instance, b: instance) -> number, m" in prompt
    assert "{{" not in prompt

    assert call("generate", store, "--out", tmp_path / "t", "--seed", 1) == 0
    mixed = pl.concat([table, read_table(tmp_path / "t", "questions", QUESTIONS)])
    write_table(mixed, tmp_path / "mixed.parquet", QUESTIONS, table_metadata("questions", "test", {}, 0))
    assert call("verify", store, tmp_path / "mixed.parquet") == 0
    assert "0 differences" in capfd.readouterr().err

    assert propose(store, server, tmp_path / "next", "--exclude", tmp_path / "q") == 0
    assert set(rejects(tmp_path / "next")["reason"]) == {"asked_before"}


@pytest.mark.parametrize("code", REFUSED)
def test_bad_objects_are_refused_by_their_code(propose, make_store, serve, tmp_path, code):
    store = make_store("one")
    objects = [DISTANCE, *REFUSED[code]]

    def reply(n, body):
        if len(body["messages"]) == 1:
            return json.dumps(objects)
        return json.dumps(REFUSED[code])  # the repair is no better

    server = serve(reply)
    assert propose(store, server, tmp_path / "q") == 0
    table = rejects(tmp_path / "q")
    assert table["reason"].to_list() == [code] * len(REFUSED[code]), table["detail"].to_list()
    assert all(table["detail"])
    assert len(read_table(tmp_path / "q", "questions", QUESTIONS)) == 1
    assert len(server.bodies) == (2 if code in ("bad_reply", "bad_program", "type_or_unit", "execution") else 1)
    assert not list(tmp_path.glob("**/canary"))


def test_a_repair_is_told_the_error_and_can_save_the_question(propose, make_store, serve, tmp_path):
    store = make_store("one")

    def reply(n, body):
        if len(body["messages"]) == 1:
            return json.dumps([CHAIRS | {"program": "cuont('chair')"}, DISTANCE])
        said = body["messages"][-1]["content"]
        assert "Did you mean 'count'?" in json.dumps(said)
        return json.dumps([CHAIRS])

    assert propose(store, serve(reply), tmp_path / "q") == 0
    assert len(read_table(tmp_path / "q", "questions", QUESTIONS)) == 2
    assert len(rejects(tmp_path / "q")) == 0


HOSTILE = {
    "nothing": ("", "bad_reply"),
    "nonsense": ("table chair 7 the the", "bad_reply"),
    "deep": ("[" * 100_000, "bad_reply"),
    "cut off": (json.dumps(GOOD)[:-30], "bad_reply"),
    "empty": ("[]", "bad_reply"),
    "many": (json.dumps([CHAIRS] * 60), "bad_reply"),
    "numbers": ("[1e999, NaN, null]", "bad_reply"),
    "surrogate": (json.dumps([CHAIRS | {"question": "How many chairs \ud800?"}]), "bad_reply"),
    "oversized": ("x" * (llm_client.LARGEST_REPLY + 10), "oversized_reply"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_replies_are_counted(propose, make_store, serve, tmp_path, name):
    text, code = HOSTILE[name]
    server = serve(lambda n, body: text)
    assert propose(make_store("one"), server, tmp_path / "q") == 0
    assert set(rejects(tmp_path / "q")["reason"]) == {code}
    asked = len(server.bodies)
    assert propose(tmp_path / "store", server, tmp_path / "q2", "--cache", tmp_path / "q.cache") == 0
    assert len(server.bodies) == asked


@pytest.mark.parametrize(
    ("said", "retries"),
    [
        ((200, b"no json", 0), 1),
        ((200, b'{"choices": []}', 0), 1),
        ((200, b'{"choices": [{"message": {"content": null}}]}', 0), 1),
        ((500, b"broken", 0), 1),
        ((400, b"no such model", 0), 0),
        ((200, "[]", 1.0), 1),
    ],
)
def test_a_server_that_fails_loses_the_scene_and_says_so(propose, make_store, serve, tmp_path, capfd, said, retries):
    store = make_store("one")
    server = serve(lambda n, body: said)
    assert propose(store, server, tmp_path / "q", "--retries", 1, "--timeout-s", 0.3) == 1
    assert rejects(tmp_path / "q")["reason"].to_list() == ["server_error"]
    assert "1 of 1 scenes were lost to the server" in capfd.readouterr().err
    assert len(server.bodies) == retries + 1
    assert not list((tmp_path / "q.cache").glob("*"))


def test_a_server_that_recovers_is_asked_again(propose, make_store, serve, tmp_path):
    server = serve(lambda n, body: (503, b"busy", 0) if n == 0 else json.dumps(GOOD))
    assert propose(make_store("one"), server, tmp_path / "q") == 0
    usage = json.loads((tmp_path / "q" / "manifest.json").read_text())["usage"]
    assert usage == {
        "requests": 2, "cached": 0, "retries": 1, "failed": 0, "prompt_tokens": 10, "completion_tokens": 5,
        "unguided": 0,
    }  # fmt: skip


def test_a_server_killed_midway_loses_nothing(propose, make_store, serve, tmp_path):
    names = [f"scene {i}" for i in range(9)]
    store = make_store(*names)

    def reply(n, body):
        return json.dumps(
            [DISTANCE, CHAIRS | {"program": "cuont('chair')"}] if len(body["messages"]) == 1 else [CHAIRS]
        )

    dying = serve(lambda n, body: (500, b"dead", 0) if n >= 7 else reply(n, body))
    assert propose(store, dying, tmp_path / "a", "--retries", 0) == 1
    assert len(dying.bodies) == 7 + llm_client.FAILURES_IN_A_ROW  # then it counts as gone
    new = serve(reply)
    assert propose(store, new, tmp_path / "a", "--force") == 0
    undisturbed = serve(reply)
    assert propose(store, undisturbed, tmp_path / "b") == 0
    assert len(new.bodies) == len(undisturbed.bodies) - 7
    for name in ("questions.parquet", "rejects.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert propose(store, "http://127.0.0.1:9/v1", tmp_path / "c", "--cache", tmp_path / "b.cache") == 0


def test_concurrency_and_rate_change_nothing_but_time(propose, make_store, serve, tmp_path):
    store = make_store(*(f"scene {i}" for i in range(6)))
    server = serve(lambda n, body: json.dumps(GOOD))
    assert propose(store, server, tmp_path / "a") == 0
    began = time.monotonic()
    assert propose(store, server, tmp_path / "b", "--concurrency", 3, "--requests-per-minute", 600) == 0
    assert time.monotonic() - began > 0.5
    assert (tmp_path / "a" / "questions.parquet").read_bytes() == (tmp_path / "b" / "questions.parquet").read_bytes()
    assert propose(store, server, tmp_path / "c", "--count", 4) == 0
    assert len(read_table(tmp_path / "c", "questions", QUESTIONS)) == 4
    assert propose(store, server, tmp_path / "d", "--count", 99) == 1
    assert propose(store, server, tmp_path / "e", "--count", 99, "--may-fall-short") == 0
    whys = read_table(tmp_path / "e", "choices", CHOICES)
    assert whys["question_id"].to_list() == read_table(tmp_path / "e", "questions", QUESTIONS)["question_id"].to_list()
    assert set(whys["why"]) == {"written by a model that was shown no questions of the last round about the scene"}


def test_exemplars_of_the_last_round_stand_in_the_prompt(propose, make_store, serve, tmp_path):
    store = make_store("one")
    assert propose(store, serve(lambda n, body: json.dumps(GOOD)), tmp_path / "q") == 0
    ids = read_table(tmp_path / "q", "questions", QUESTIONS).sort("question")["question_id"]
    labels = pl.DataFrame(
        {
            "question_id": ids,
            "label": ["easy", "frontier", "suspect"],
            "gold_confidence": [0.95, 0.5, None],
            "confidence": [0.9, None, 0.97],
            "corrected": [0.8, None, None],
            "blind_confidence": [0.4, None, None],
        }
    )
    metadata = table_metadata("confidence", "test", {}, 0)
    write_table(with_every_column(labels, CONFIDENCE), tmp_path / "confidence.parquet", CONFIDENCE, metadata)
    server = serve(lambda n, body: json.dumps(GOOD))
    cell = {"round": 0, "question_type": "object_counting", "n_easy": 0, "n_frontier": 0, "n_hard": 0, "n_suspect": 0}
    cells = [
        cell | {"scene_name": name, "n": n, "n_clean": n, "mean_headroom": x}
        for name, n, x in (("a", 1, 0.4), ("b", 3, 0.0))
    ]
    table = with_every_column(pl.DataFrame(cells), FEEDBACK)
    write_table(table, tmp_path / "feedback.parquet", FEEDBACK, table_metadata("feedback", "test", {}, 0))
    words = ("--exclude", tmp_path / "q", "--confidence", tmp_path / "confidence.parquet", "--round", 1)
    words += ("--feedback", tmp_path / "feedback.parquet")
    assert propose(store, server, tmp_path / "next", *words) == 0
    prompt = server.bodies[0]["messages"][0]["content"][-1]["text"]
    place = prompt.index("were frontier for the model (write more like these)")
    assert f"- {DISTANCE['question']} -> 3.0, confidence 0.50" in prompt[place:]
    assert "were easy for the model (fewer like these)" in prompt
    assert "were suspect" in prompt
    assert "expected score 0.90 (0.80 above chance, 0.40 without frames)" in prompt
    assert "- object_counting: 0.10 gained by looking" in prompt
    whys = read_table(tmp_path / "next", "choices", CHOICES)
    assert set(whys["sampler"]) <= {"llm"}


@pytest.mark.parametrize("guide", ["none", "json-schema", "gbnf", "lark"])
def test_a_guide_is_sent_for_the_scene_and_one_that_is_not_heeded_is_told(
    propose, make_store, serve, tmp_path, capfd, guide
):
    def reply(n, body):
        return json.dumps([CHAIRS]) if len(body["messages"]) > 1 else f"Sure! {json.dumps([CHAIRS | {'program': 'x'}])}"

    server = serve(reply)
    assert propose(make_store("one"), server, tmp_path / "q", "--guide", guide, "--per-scene", 2) == 0
    first, second = server.bodies
    fields = {name: value for name, value in first.items() if name in ("response_format", "grammar", "guided_grammar")}
    error = capfd.readouterr().err
    assert ("1 replies are no JSON" in error) == (guide != "none")
    if guide == "json-schema":
        schema, repair = (body["response_format"]["json_schema"]["schema"] for body in (first, second))
        assert (schema["maxItems"], repair["maxItems"]) == (2, 1)
        assert {*schema["items"]["properties"]} == {*CHAIRS}
    elif guide == "gbnf":
        assert "\"'sofa'\"" in fields["grammar"]
        assert "first_frame" not in fields["grammar"]
    elif guide == "lark":
        assert first["structured_outputs"]["grammar"] == fields["guided_grammar"]
        assert "\nstart: " in fields["guided_grammar"]
    else:
        assert not fields


@pytest.mark.parametrize(
    ("verdict", "kept"),
    [('{"needs_frames": true, "plausible": true}', 1), ('{"needs_frames": false, "plausible": true}', 0), ("?", 0)],
)
def test_the_model_can_judge_its_own_questions(propose, make_store, serve, tmp_path, verdict, kept):
    server = serve(lambda n, body: verdict if "needs_frames" in json.dumps(body) else json.dumps([CHAIRS]))
    assert propose(make_store("one"), server, tmp_path / "q", "--recheck") == 0
    assert len(read_table(tmp_path / "q", "questions", QUESTIONS)) == kept
    assert rejects(tmp_path / "q")["reason"].to_list() == ["recheck"] * (1 - kept)


def test_scenes_of_benchmarks_are_left_out_unless_told(propose, call, make_store, serve, tmp_path, capfd):
    store = make_store("41069025", "mine")
    server = serve(lambda n, body: json.dumps(GOOD))
    assert propose(store, server, tmp_path / "q") == 0
    assert len(server.bodies) == 1
    table = rejects(tmp_path / "q").filter(reason="benchmark_scene")
    assert table["scene_name"].to_list() == ["41069025"]
    assert "--allow-benchmark-scenes" in table["detail"][0]
    assert propose(store, server, tmp_path / "all", "--allow-benchmark-scenes") == 0
    assert len(read_table(tmp_path / "all", "questions", QUESTIONS)) == 6
    capfd.readouterr()
    assert call("generate", store, "--out", tmp_path / "t") == 0
    assert "1 of 2 scenes are in vsi-bench" in capfd.readouterr().err


def test_objects_that_the_frames_do_not_show_are_not_asked_about(propose, call, serve, tmp_path):
    store = tmp_path / "store"
    assert (
        call("ingest", "rooms", "--out", store, "--scenes", 1, "--frames-per-scene", 2, "--size", 64, "--seed", 3) == 0
    )
    assert call("sample-frames", store, "--frames", 1) == 0
    assert call("observe", store) == 0
    names = read_table(store, "objects", {"category": pl.String})["category"].unique().sort()
    objects = [CHAIRS | {"question": f"How many {name}s are there?", "program": f"count('{name}')"} for name in names]
    server = serve(lambda n, body: json.dumps(objects))
    assert propose(store, server, tmp_path / "q") == 0
    content = server.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert content[0]["image_url"]["url"].startswith("data:image/")
    assert "not_visible" in set(rejects(tmp_path / "q")["reason"])
    table = read_table(tmp_path / "q", "questions", QUESTIONS)
    assert all(len(frames) == 1 for frames in table["evidence_frames"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("generate", "--proposer", "llm"), "'qa-engine propose STORE --base-url URL --out DIR'"),
        (("generate", "--base-url=http://127.0.0.1:1/v1"), "'qa-engine propose STORE --base-url URL --out DIR'"),
        (("propose",), "needs --base-url"),
        (("propose", "--base-url", "localhost:1"), "expected an address"),
    ],
)
def test_mistakes_are_named(call, make_store, tmp_path, capfd, words, message):
    store = make_store("one")
    assert call(words[0], store, "--out", tmp_path / "q", *words[1:]) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "q").exists()


class Elsewhere:
    """Another host: takes any request and remembers what it heard."""

    def __init__(self):
        self.heard = heard = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                heard.append((self.command, self.headers.get("Authorization")))
                self.send_error(404)

            do_GET = do_POST

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()


def files_with(folder, text):
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_redirect_takes_neither_the_question_nor_the_key_along(propose, make_store, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    elsewhere = Elsewhere()

    class Redirecting(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{elsewhere.http.server_port}/other")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{http.server_port}/v1"
    try:
        assert propose(make_store("one"), url, tmp_path / "q", "--retries", 0) == 1
    finally:
        for server in (http, elsewhere.http):
            server.shutdown()
            server.server_close()
    assert elsewhere.heard == []
    row = rejects(tmp_path / "q").row(0, named=True)
    assert row["reason"] == "server_error"
    assert "HTTP 302: redirects to http://localhost:" in row["detail"]
    assert not files_with(tmp_path, KEY)


@pytest.mark.parametrize("status", [200, 401, 500])
def test_a_key_that_the_server_repeats_is_written_nowhere(
    propose, make_store, serve, tmp_path, monkeypatch, capfd, status
):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    said = f"your key is {KEY}"
    server = serve(lambda n, body: (status, said if status == 200 else said.encode(), 0))
    assert propose(make_store("one"), server, tmp_path / "q", "--retries", 0) == (0 if status == 200 else 1)
    assert "[key]" in rejects(tmp_path / "q")[0, "item" if status == 200 else "detail"]
    assert not files_with(tmp_path, KEY[:8])
    printed = capfd.readouterr()
    assert KEY[:8] not in printed.out + printed.err


@pytest.mark.parametrize("depth", [70, 900, 200_000])
def test_a_deeply_nested_response_costs_its_scene_alone(propose, make_store, serve, tmp_path, depth):
    deep = b'{"usage": ' + b"[" * depth + b"]" * depth + b', "choices": [{"message": {"content": "[]"}}]}'
    server = serve(lambda n, body: (200, deep, 0) if n == 0 else json.dumps(GOOD))
    assert propose(make_store("one", "two"), server, tmp_path / "q", "--retries", 0) == 1
    assert rejects(tmp_path / "q")["reason"].to_list() == ["server_error"]
    assert len(read_table(tmp_path / "q", "questions", QUESTIONS)) == 3
