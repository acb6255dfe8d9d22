"""`propose --local-model`: the filters, repairs and cache of a server; the weights are faked here."""

import base64
import io
import json

import pytest
from PIL import Image
from qa_contract.tableio import read_table
from qa_contract.tables import QUESTIONS, REJECTS
from qa_engine.errors import QAEngineError
from qa_engine.generation.llm import local as llm_local
from qa_engine.generation.llm.client import ServerError

CHAIRS = {
    "question": "How many chairs are there?",
    "question_type": "object_counting",
    "answer_type": "integer",
    "options": None,
    "program": "count('chair')",
    "operands": [],
}


@pytest.fixture
def weights(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def speak(monkeypatch):
    """Let a function of the request stand for the model; returns the requests."""

    def start(say):
        asked = []

        def reply(processor, model, request):
            asked.append(request)
            content = say(len(asked) - 1, request)
            return {
                "choices": [{"message": {"content": content}}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3},
            }

        monkeypatch.setattr(llm_local.LocalClient, "_load", lambda self: (None, None))
        monkeypatch.setattr(llm_local, "_reply", reply)
        return asked

    return start


def generate(call, store, weights, out, *words):
    words = ("--local-model", weights, "--workers", 1, "--concurrency", 2, *words)
    return call("propose", store, "--out", out, *words)


def test_replies_are_repaired_filtered_counted_and_cached(
    call, make_store, weights, speak, tmp_path, monkeypatch, capfd
):
    store = make_store("one", "two")

    def say(n, request):
        first = len(request["messages"]) == 1
        return json.dumps(
            [CHAIRS | {"program": "cuont('chair')"}, CHAIRS | {"program": "2 + 2"}] if first else [CHAIRS]
        )

    asked = speak(say)
    assert generate(call, store, weights, tmp_path / "q", "--seed", 3) == 0
    table = read_table(tmp_path / "q", "questions", QUESTIONS)
    assert table["ground_truth"].to_list() == ["2", "2"]
    name = table["proposer"][0].rpartition("/")[2]
    assert name.startswith("my-model@")
    assert read_table(tmp_path / "q", "rejects", REJECTS)["reason"].to_list() == ["degenerate"] * 2
    assert len(asked) == 4
    assert {request["model"] for request in asked} == {name}
    assert "28 in, 12 out" in capfd.readouterr().err
    manifest = json.loads((tmp_path / "q" / "manifest.json").read_text())
    assert manifest["local_model"] == str(weights)
    assert call("verify", store, tmp_path / "q") == 0

    def no_model(self):
        raise AssertionError("every reply is in the cache")

    monkeypatch.setattr(llm_local.LocalClient, "_load", no_model)
    again = ("--cache", tmp_path / "q.cache", "--seed", 3)
    assert generate(call, store, weights, tmp_path / "again", *again) == 0
    assert (tmp_path / "again/questions.parquet").read_bytes() == (tmp_path / "q/questions.parquet").read_bytes()


def test_a_model_that_fails_loses_the_scene(call, make_store, weights, speak, tmp_path, capfd):
    def say(n, request):
        raise ServerError("CUDA out of memory")

    speak(say)
    assert generate(call, make_store("one"), weights, tmp_path / "q") == 1
    assert read_table(tmp_path / "q", "rejects", REJECTS)["reason"].to_list() == ["server_error"]
    assert not list((tmp_path / "q.cache").glob("*"))


def test_other_weights_are_another_model(weights):
    before = llm_local.local_name(str(weights))
    (weights / "model.safetensors").write_bytes(b"others")
    after = llm_local.local_name(str(weights))
    assert before != after
    assert llm_local.local_name("Qwen/Qwen3-VL-4B-Instruct") == "Qwen/Qwen3-VL-4B-Instruct"
    with pytest.raises(QAEngineError, match=r"expected config\.json"):
        llm_local.local_name(str(weights / "none"))
    assert llm_local.local_name(str(weights)) == after
    (weights / "model.safetensors").unlink()
    with pytest.raises(QAEngineError, match=r"a model without weights \(expected \*\.safetensors or \*\.bin"):
        llm_local.local_name(str(weights))


def test_a_served_folder_is_recorded_by_its_weights_and_asked_for_by_its_name(
    propose, make_store, serve, weights, tmp_path
):
    store = make_store("one")
    server = serve(lambda n, body: json.dumps([CHAIRS]))
    words = ("--model", weights, "--cache", tmp_path / "cache")
    assert propose(store, server, tmp_path / "a", *words) == 0
    assert server.bodies[0]["model"] == str(weights)
    named = read_table(tmp_path / "a", "questions", QUESTIONS)["proposer"][0]
    assert named.rpartition("/")[2].startswith("my-model@")
    (weights / "model.safetensors").write_bytes(b"others")  # trained further: no reply of the old one counts
    assert propose(store, server, tmp_path / "b", *words) == 0
    assert len(server.bodies) == 2


def test_images_reach_the_model_as_images():
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (255, 0, 0)).save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "hi"}]
    said = llm_local._message({"role": "user", "content": content})
    assert [part["type"] for part in said["content"]] == ["image", "text"]
    assert said["content"][0]["image"].size == (3, 2)
    assert said["content"][0]["image"].getpixel((0, 0)) == (255, 0, 0)
    assert llm_local._message({"role": "assistant", "content": "[]"})["content"] == [{"type": "text", "text": "[]"}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--local-model", "./nowhere"), "./nowhere: no model here"),
        (("--local-model", "a/b", "--guide", "gbnf"), "--guide is for servers"),
        (("--local-model", "a/b", "--base-url", "http://127.0.0.1:9/v1"), "one of them"),
        ((), "needs --base-url"),
    ],
)
def test_mistakes_are_named(call, make_store, tmp_path, capfd, words, message):
    assert call("propose", make_store("one"), "--out", tmp_path / "q", *words) == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "q").exists()


def test_a_folder_that_is_no_model_is_a_user_error(call, make_store, weights, tmp_path, capfd):
    pytest.importorskip("transformers")
    assert generate(call, make_store("one"), weights, tmp_path / "q") == 2
    assert "cannot be loaded" in capfd.readouterr().err
    assert not (tmp_path / "q").exists()
