"""Sources, shares and order of what a run is fed."""

from __future__ import annotations

import io
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from qa_trainer.data.conversations import load_conversations
from qa_trainer.data.feed import interleave, mixed
from qa_trainer.data.mixture import read_mixture
from qa_trainer.data.questions import load_samples
from qa_trainer.errors import REASONS, QATrainerError

PICTURE = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
ANSWER = {"role": "assistant", "content": "A bed."}


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 300))
def test_every_prefix_holds_each_share_to_within_one_row(weights, count):
    shares = np.array(weights) / sum(weights)
    order = interleave(shares.tolist(), count)
    counts = np.cumsum(order[:, None] == np.arange(len(shares)), axis=0)
    wanted = shares * np.arange(1, count + 1)[:, None]
    assert (np.abs(counts - wanted) < 1).all()


@pytest.fixture
def general(tmp_path):
    rows = [{"messages": [user(f"Say {i}."), ANSWER]} for i in range(7)]
    return load_conversations("general", jsonl(tmp_path / "g.jsonl", rows), tmp_path)


def feeds(samples, general, **options):
    chosen = {"first": 0, "count": 40, "batch_size": 8, "seed": 3} | options
    return mixed([("ours", 0.7, samples), ("general", 0.3, general)], **chosen)


def test_the_same_seed_gives_the_same_items_and_another_run_of_the_seed_another_order(questions, store, general):
    samples = load_samples(questions, store)
    one, two = feeds(samples, general), feeds(samples, general)
    assert one.names(range(40)) == two.names(range(40))
    assert one.used() == {"ours": 28, "general": 12}
    other = feeds(samples, general, seed=4)
    assert one.names(range(40)) != other.names(range(40))
    # Whatever the seed, a step holds the same rows of ours, and their order is that of the file.
    for feed in (one, other):
        ours = [name for name in feed.names(range(40)) if name.startswith("q")]
        assert ours == [f"q{i:03d}" for i in range(28)]
        for step in range(1, 6):
            assert abs(np.sum(feed.source[: 8 * step] == 1) - 0.3 * 8 * step) < 1


def test_general_data_is_shuffled_in_every_pass_and_goes_on_in_the_next_round(questions, store, general):
    samples = load_samples(questions, store)
    whole = feeds(samples, general, count=160)
    rows = [name for name in whole.names(range(160)) if name.startswith("general")]
    assert len(rows) == 48
    passes = [rows[i : i + 7] for i in range(0, 42, 7)]
    assert all(sorted(part) == [f"general:{i}" for i in range(7)] for part in passes)
    assert len({tuple(part) for part in passes}) > 1
    second = feeds(samples, general, first=80, count=80)
    assert second.names(range(80, 160))[:8] != whole.names(range(80, 160))[:8]  # the questions start anew
    assert [n for n in second.names(range(80, 160)) if n.startswith("general")] == rows[len(rows) // 2 :]
    assert next(n for n in second.names(range(80, 160)) if n.startswith("q")) == "q000"


def test_an_example_is_the_same_whichever_items_are_asked_with_it(questions, store, general):
    feed = feeds(load_samples(questions, store), general)
    together = feed.examples(range(40))
    for item in (0, 13, 39):
        alone = feed.examples([item])
        assert {name: values[0] for name, values in alone.items()} == {
            name: values[item] for name, values in together.items()
        }


def test_conversations_of_every_form_are_read_and_bad_ones_refused(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (32, 32), "red").save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows = [
        {"messages": [user("Look."), ANSWER], "images": ["a.png", "b.png"]},
        {"prompt": [user(PICTURE)], "completion": [ANSWER], "images": ["a.png"]},
        {"messages": [user("One?"), ANSWER, user("Two?"), {"role": "assistant", "content": "No."}]},
        {"messages": [user(PICTURE), ANSWER], "image": "b.png"},
        {"messages": [user("No answer.")]},
        {"messages": [user(PICTURE), ANSWER], "images": ["a.png", "b.png"]},
        {"messages": [user("Hi <|image_pad|>"), ANSWER]},
        {"messages": [user("Hi"), {"role": "assistant", "content": " "}]},
        {"messages": [user("Hi"), ANSWER], "images": ["broken.png"]},
        {"messages": [user("Hi"), ANSWER], "images": ["../a.png"]},
        {"messages": [user("Hi"), ANSWER], "images": ["c.png"]},
        {"prompt": "text", "completion": "text"},
        {"messages": [user([{"type": "video"}]), ANSWER]},
        "text",
    ]
    found = load_conversations("general", jsonl(tmp_path / "general.jsonl", rows), tmp_path)
    assert found.rows["number"].to_list() == [0, 1, 2, 3]
    reasons = dict(found.rejects.select("item", "reason").rows())
    assert [reasons[f"general:{i}"] for i in range(4, 14)] == [
        *("bad_conversation", "image_count", "special_token", "no_ground_truth", "unreadable_frame"),
        *("frame_outside_store", "missing_frame", "bad_conversation", "bad_conversation", "bad_conversation"),
    ]
    assert set(reasons.values()) <= set(REASONS)
    batch = found.examples([0, 2])
    assert batch["images"] == [[str(tmp_path / "a.png"), str(tmp_path / "b.png")], []]
    assert [part["type"] for part in batch["prompt"][0][0]["content"]] == ["image", "image", "text"]
    assert [message["role"] for message in batch["prompt"][1]] == ["user", "assistant", "user"]
    assert batch["completion"][1][0]["content"][0]["text"] == "No."
    assert found.names([2]) == ["general:2"]


def test_images_inside_a_parquet_file_are_read(tmp_path):
    from qa_trainer.data.images import open_image

    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "blue").save(buffer, "PNG")
    row = {"messages": [{"role": "user", "content": "Hi"}, ANSWER]}
    frame = pl.DataFrame([row | {"images": [{"bytes": buffer.getvalue(), "path": "x.png"}]}])
    frame.write_parquet(tmp_path / "general.parquet")
    found = load_conversations("general", tmp_path / "general.parquet", tmp_path)
    (image,) = found.examples([0])["images"][0]
    opened = open_image(image)
    assert opened.size == (16, 16)
    assert len(opened.filename) == 64


def test_files_that_are_none_are_errors(tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"messages": []}\n{"messages":\n')
    with pytest.raises(QATrainerError, match=r"bad\.jsonl, line 2: not JSON"):
        load_conversations("general", bad, tmp_path)
    with pytest.raises(QATrainerError, match=r"no conversation to train on \(1 refused\)"):
        load_conversations("general", jsonl(bad, [{}]), tmp_path)
    with pytest.raises(QATrainerError, match=r"absent\.jsonl: cannot be read"):
        load_conversations("general", tmp_path / "absent.jsonl", tmp_path)
    (tmp_path / "bad.parquet").write_text("no table")
    with pytest.raises(QATrainerError, match="not a readable Parquet file"):
        load_conversations("general", tmp_path / "bad.parquet", tmp_path)


OURS = '[[source]]\nname = "ours"\nshare = {}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 2\n" + OURS.format(1.0), "version: Input should be 1"),
        (OURS.format(1.0), "version: Field required"),
        ("version = 1\n" + OURS.format(0.5), "the shares add up to 0.5, not to 1"),
        ("version = 1\n" + OURS.format(0.5) * 2, "two sources have the same name"),
        ("version = 1\n" + OURS.format(1.0) + 'questions = "q"\n', "needs questions and store, both"),
        ("version = 1\n" + OURS.format(1.0) + 'images = "q"\n', "images without data"),
        ("version = 1\n" + OURS.format(1.0) + 'dats = "q"\n', r"source\.0\.dats: unknown key\. Did you mean 'data'"),
        ("version = 1\nsources = []\n", r"sources: unknown key\. Did you mean 'source'"),
        ("version = 1\nsource = []\n", "at least 1 item"),
        ("version = ", "not a TOML file"),
    ],
)
def test_a_wrong_mixture_is_named(tmp_path, text, message):
    path = tmp_path / "mixture.toml"
    path.write_text(text)
    with pytest.raises(QATrainerError, match=message):
        read_mixture(path)


def test_paths_are_relative_to_the_mixture_file_and_a_change_of_data_is_seen(tmp_path):
    path = tmp_path / "mixture.toml"
    path.write_text('version = 1\n[[source]]\nname = "g"\nshare = 1.0\ndata = "g.jsonl"\n')
    jsonl(tmp_path / "g.jsonl", [{"messages": [user("Hi"), ANSWER]}])
    mixture = read_mixture(path)
    assert len(mixture.load()["g"]) == 1
    before = mixture.identity()
    jsonl(tmp_path / "g.jsonl", [{"messages": [user("Ho"), ANSWER]}])
    assert mixture.identity() != before
    (tmp_path / "g.jsonl").unlink()
    with pytest.raises(QATrainerError, match=r"g\.jsonl: no such file"):
        mixture.identity()


def test_a_place_in_a_text_is_where_the_image_is_shown(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    rows = [
        {"messages": [user("<image>\nWhat is it?"), ANSWER], "images": ["a.png"]},
        {"messages": [user("Left <image> or right <image>?"), ANSWER], "images": ["a.png", "a.png"]},
        {"messages": [user("What does <image> mean?"), ANSWER]},
        {"messages": [user("<image> and <image>?"), ANSWER], "images": ["a.png"]},
        {"messages": [user("Draw it."), {"role": "assistant", "content": "<image>"}], "images": ["a.png"]},
    ]
    found = load_conversations("general", jsonl(tmp_path / "g.jsonl", rows), tmp_path)
    shown = [example[0]["content"] for example in found.examples([0, 1])["prompt"]]
    image = {"type": "image"}
    assert shown[0] == [image, {"type": "text", "text": "What is it?"}]
    left, between, end = ({"type": "text", "text": text} for text in ("Left ", " or right ", "?"))
    assert shown[1] == [left, image, between, image, end]
    assert found.rejects["item"].to_list() == ["general:2", "general:3", "general:4"]
    assert found.rejects["reason"].to_list() == ["image_count", "image_count", "bad_conversation"]
