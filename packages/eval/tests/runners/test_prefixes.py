"""Questions about one scene: its frames are read once, and the answers are those of each question alone."""

from dataclasses import replace

import pytest
from qa_eval.pictures import MARK
from qa_eval.runners.base import RunnerConfig
from qa_eval.runners.prefixes import can_share
from qa_eval.runners.transformers import TransformersRunner
from qa_eval.runs.items import build_items, frame_shots
from qa_eval.runs.run import make_batches
from qa_eval.scoring.questions import read_questions


@pytest.fixture(params=["tiny_model", "tiny_qwen25"])
def runner(request):
    return TransformersRunner(RunnerConfig(str(request.getfixturevalue(request.param)), "cpu", 6))


@pytest.fixture
def items(questions, store):
    """Ten questions about two scenes whose frames have different sizes, sorted as a run sorts them."""
    table = read_questions(questions).drop_nulls("frame_set_id")
    return build_items(table, frame_shots(table, store))


def answered(runner, items, size):
    """Answers by question, and how often the vision tower ran over how many frames."""
    seen, given = [], {}
    tower = runner.model.base_model.visual

    def count(module, args, kwargs, output):
        seen.append(len(kwargs["grid_thw"]))

    hook = tower.register_forward_hook(count, with_kwargs=True)
    for batch in make_batches(items, range(len(items)), runner, size):
        chosen = [items[i] for i in batch]
        given |= {item.question_id: answer for item, answer in zip(chosen, runner.answer(chosen), strict=True)}
    hook.remove()
    return given, sum(seen)


@pytest.mark.parametrize("size", [3, 10])
def test_shared_frames_give_the_answers_of_questions_asked_alone(runner, items, size):
    shared, n_frames = answered(runner, items, size)
    assert n_frames == 4  # two of each scene, although the scenes fill several batches
    runner.prefixes = None
    alone, n_frames = answered(runner, items, 1)
    assert n_frames == 2 * len(items)
    assert len({answer.completion for answer in alone.values()}) > 2
    for name, answer in alone.items():
        assert shared[name].token_ids == answer.token_ids, name
        assert shared[name].token_logprobs == pytest.approx(answer.token_logprobs, abs=1e-4)
        assert shared[name].option_logprobs == pytest.approx(answer.option_logprobs, abs=1e-4)


def test_frames_as_a_video_are_shared_too(tiny_model, questions, store):
    runner = TransformersRunner(RunnerConfig(str(tiny_model), "cpu", 6, frame_input="video"))
    table = read_questions(questions).drop_nulls("frame_set_id")
    items = build_items(table, frame_shots(table, store, as_video=True))
    shared, n_videos = answered(runner, items, 4)
    runner.prefixes = None
    alone, _ = answered(runner, items, 1)
    assert n_videos == 2
    assert {name: a.token_ids for name, a in shared.items()} == {name: a.token_ids for name, a in alone.items()}


def test_an_answer_does_not_depend_on_where_a_run_went_on(runner, items):
    """What lies at the end of a batch is read alone, so its last digits are the same after a stop."""
    batches = make_batches(items, range(len(items)), runner, 3)
    assert items[batches[1][0]].frames == items[batches[0][-1]].frames
    for batch in batches[:1]:
        runner.answer([items[i] for i in batch])
    second = [items[i] for i in batches[1]]
    whole = runner.answer(second)
    runner.prefixes.kept = {}
    assert runner.answer(second) == whole


def test_two_sets_of_frames_of_one_scene_are_two_things(runner, items):
    other = replace(items[0], question_id="other", frames=items[0].frames[:1], frame_ids=items[0].frame_ids[:1])
    shared, _ = answered(runner, [items[0], other], 2)
    assert shared["other"].token_logprobs != shared[items[0].question_id].token_logprobs


def test_models_that_drop_what_they_saw_or_bring_code_are_asked_the_plain_way(runner):
    model = runner.model
    assert can_share(model)
    family = type(model)
    kind = type("Own", (family,), {"__module__": "transformers_modules.own"})
    model.__class__ = kind
    assert not can_share(model)
    model.__class__ = family
    model.config.get_text_config().layer_types = ["sliding_attention"] * 2
    model.config.get_text_config().sliding_window = 8
    assert not can_share(model)


def test_pictures_inside_a_text_give_the_answers_of_questions_asked_alone(runner, items):
    texts = ("{0} or {0}?", "Is it {0} or {0}? A", "Is it {0} or {0}? B", "{0}{0}Which?")
    marked = [
        replace(item, prompt=text.format(MARK), question_id=f"{item.question_id}{i}")
        for item in items[::4]
        for i, text in enumerate(texts)
    ]
    shared, _ = answered(runner, marked, 5)
    runner.prefixes = None
    alone, _ = answered(runner, marked, 1)
    for name, answer in alone.items():
        assert shared[name].token_ids == answer.token_ids
        assert shared[name].token_logprobs == pytest.approx(answer.token_logprobs, abs=1e-4)
