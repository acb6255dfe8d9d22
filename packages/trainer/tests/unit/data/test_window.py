"""Questions that a model has no room for."""

from __future__ import annotations

import polars as pl
import pytest
from qa_trainer.data.collator import sft_collator
from qa_trainer.data.conversations import load_conversations
from qa_trainer.data.questions import load_samples
from qa_trainer.data.window import within_window
from qa_trainer.errors import QATrainerError
from qa_trainer.models.loading import load_processor


@pytest.mark.parametrize("family", ["tiny_model", "qwen2_5_model", "llava_model"])
def test_the_count_is_that_of_the_collator_to_the_token(family, make, store, request, tmp_path):
    processor = load_processor(request.getfixturevalue(family))
    rows = [make.question(2), make.question(5, ground_truth="far away " * 9), make.question(1, frame_set_id=None)]
    samples = load_samples(make.write(rows, tmp_path, "questions"), store)
    collator = sft_collator(processor, image_cache_bytes=0)
    lengths = []
    for row in range(3):
        example = {name: values[0] for name, values in samples.examples([row]).items()}
        lengths.append(int(collator([example | {"row": row}])["attention_mask"].sum()))
    longest = max(lengths)
    assert within_window(samples, processor, longest).rejects.is_empty()
    kept = within_window(samples, processor, longest - 1)
    assert kept.rejects.select("item", "reason", "detail").rows() == [
        (
            rows[lengths.index(longest)]["question_id"],
            "too_long",
            f"{longest} tokens with frames and answer, the model has {longest - 1} positions",
        )
    ]
    assert len(kept) == 2


def test_without_an_answer_room_is_kept_for_one(questions, store, tiny_model):
    processor = load_processor(tiny_model)
    samples = load_samples(questions, store)
    assert within_window(samples, processor, None) is samples
    with pytest.raises(QATrainerError, match=r"160 questions is too long \(q000: .* 80 positions"):
        within_window(samples, processor, 80, room=60)
    some = within_window(samples, processor, 129, room=60)
    fewer = within_window(samples, processor, 129, room=60, request="and think")
    assert len(fewer) < len(some) < 160


def test_general_data_is_counted_too(store, tiny_model, tmp_path):
    path = tmp_path / "general.jsonl"
    turns = [[{"role": "user", "content": "why? " * n}, {"role": "assistant", "content": "so"}] for n in (1, 90)]
    lines = pl.DataFrame({"messages": turns, "images": [["images/room_0/0.png"]] * 2})
    lines.write_ndjson(path)
    found = within_window(load_conversations("general", path, store), load_processor(tiny_model), 64)
    assert found.rows["number"].to_list() == [0]
    assert found.rejects.select("stage", "item", "reason").rows() == [("sft", "general:1", "too_long")]
