import math
from dataclasses import replace

import pytest
from qa_eval.errors import QAEvalError
from qa_eval.runners.base import RunnerConfig
from qa_eval.runners.transformers import TransformersRunner, pick_device
from qa_eval.runners.vision import VisionCache, keys_of
from qa_eval.runs.items import build_items, frame_shots
from qa_eval.scoring.questions import read_questions


@pytest.fixture(scope="module")
def runner(tiny_model):
    return TransformersRunner(RunnerConfig(str(tiny_model), "cpu", 8))


@pytest.fixture(scope="module")
def plain(tiny_model):
    """The same model asked for every question with all its frames."""
    runner = TransformersRunner(RunnerConfig(str(tiny_model), "cpu", 8))
    runner.prefixes = None
    return runner


@pytest.fixture
def items(questions, store):
    table = read_questions(questions)
    *shown, text_only = build_items(table, frame_shots(table, store))
    return [*shown, replace(text_only, frames=(), frame_ids=())]


def test_a_batch_answers_as_single_rows_do(runner, items):
    together = runner.answer(items)
    for item, answer in zip(items, together, strict=True):
        (alone,) = runner.answer([item])
        assert answer.token_ids == alone.token_ids
        assert answer.token_logprobs == pytest.approx(alone.token_logprobs, abs=1e-4)
        assert answer.token_entropy == pytest.approx(alone.token_entropy, abs=1e-3)
    assert len({answer.completion for answer in together}) > 1


def test_logprobs_equal_a_forward_pass_over_prompt_and_answer(runner, plain, items):
    import torch

    (answer,) = runner.answer(items[:1])
    inputs = plain._inputs(items[:1])
    ids = torch.cat([inputs["input_ids"], torch.tensor([answer.token_ids])], dim=1)
    types = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, len(answer.token_ids)))
    with torch.no_grad():
        logits = runner.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=types,
            pixel_values=inputs["pixel_values"],
            image_grid_thw=inputs["image_grid_thw"],
        ).logits[0]
    steps = torch.log_softmax(logits[inputs["input_ids"].shape[1] - 1 : -1].float(), dim=-1)
    expected = [float(step[token]) for step, token in zip(steps, answer.token_ids, strict=True)]
    assert answer.token_logprobs == pytest.approx(expected, abs=1e-4)
    assert all(answer.token_is_top1)
    assert answer.token_entropy == pytest.approx((-(steps.exp() * steps).sum(-1)).tolist(), abs=1e-3)


def test_cached_inputs_equal_those_of_the_processor(plain, items):
    import torch
    from PIL import Image

    mine = plain._inputs(items[:3])
    texts = [plain._chat_text(item) for item in items[:3]]
    images = [[Image.open(path).convert("RGB") for path in item.frames] for item in items[:3]]
    theirs = plain.processor(text=texts, images=images, padding=True, return_tensors="pt")
    assert set(mine) == set(theirs)
    for name in mine:
        assert torch.equal(mine[name], theirs[name]), name


def test_frames_matter_and_a_text_only_item_has_none(runner, questions, store, items):
    table = read_questions(questions)
    found = frame_shots(table, store)
    blind, middle = (build_items(table, found, shown=shown) for shown in ("none", "middle"))
    answers = [runner.answer(group[:1])[0].token_logprobs for group in (items, middle, blind)]
    assert len({tuple(values) for values in answers}) == 3
    assert [len(group[0].frames) for group in (items, middle, blind)] == [2, 1, 0]
    assert set(runner._inputs(blind[:1])) == {"input_ids", "attention_mask"}


def test_mask_leaves_out_end_token_and_white_space(runner):
    tokenizer = runner.processor.tokenizer
    ids = [*tokenizer.encode("4"), *tokenizer.encode("\n"), tokenizer.eos_token_id, tokenizer.pad_token_id]
    answer = runner._answer(ids, [-1.0] * 4, [True] * 4, [0.5] * 4)
    assert answer.completion == "4\n"
    assert answer.token_ids == ids[:3]
    assert answer.token_mask == [True, False, False]


def test_bad_frames_are_answers_with_a_reason(runner, items, store):
    (store / "images/s1/2.png").unlink()
    (store / "images/s2/0.png").write_bytes(b"no image")
    runner.vision = VisionCache(runner.processor)
    answers = runner.answer(items)
    errors = {item.question_id: answer.error for item, answer in zip(items, answers, strict=True)}
    assert errors["n0"] == "missing_frame"
    assert errors["n1"] == "unreadable_frame"
    assert errors["z1"] is None


def test_frame_cache_keeps_to_its_size(runner, items):
    first, second = keys_of(items[0])
    one = sum(t.nbytes for t in VisionCache(runner.processor).get(first).features.values())
    cache = VisionCache(runner.processor, max_bytes=one)
    cache.get(first)
    cache.get(second)
    assert list(cache.entries) == [second]
    assert cache.n_bytes == one


@pytest.mark.parametrize("model", ["tiny_model", "tiny_qwen25"])
def test_images_processed_together_are_those_processed_alone(request, model, items, store):
    torch = pytest.importorskip("torch")
    processor = TransformersRunner(RunnerConfig(str(request.getfixturevalue(model)), "cpu", 1)).processor
    keys = [key for item in items for key in keys_of(item)]
    together, alone = VisionCache(processor), VisionCache(processor)
    together.load(keys)
    assert set(together.entries) == set(keys)
    for key in together.entries:
        one, other = together.entries[key], alone.get(key)
        assert (one.text, one.pixels) == (other.text, other.pixels)
        assert all(torch.equal(one.features[name], other.features[name]) for name in other.features)
    (store / "images/s2/0.png").write_bytes(b"no image")
    damaged = VisionCache(processor)
    damaged.load(keys)
    assert not damaged.entries


def test_clear_errors(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(QAEvalError, match="Valid: auto, cpu, cuda"):
        pick_device("gpu")
    with pytest.raises(QAEvalError, match=r"config\.json"):
        TransformersRunner(RunnerConfig(str(tmp_path), "cpu"))


def test_entropy_is_within_its_bounds(runner, items):
    (answer,) = runner.answer(items[:1])
    assert all(0 <= value <= math.log(len(runner.processor.tokenizer)) for value in answer.token_entropy)


def test_greedy_knows_no_penalty_of_the_saved_configuration(runner, items, tiny_model, tmp_path):
    import json
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "model")
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"repetition_penalty": 9.0, "no_repeat_ngram_size": 1}))
    penalised = TransformersRunner(RunnerConfig(str(folder), "cpu", 8))
    answers = runner.answer(items)
    assert [answer.token_ids for answer in penalised.answer(items)] == [answer.token_ids for answer in answers]
    assert any(len(set(answer.token_ids)) < len(answer.token_ids) for answer in answers)
