"""Training, the clean pass and the evaluator show a model the same, as images and as video, of any size."""

from __future__ import annotations

import importlib.util
import json

import polars as pl
import pytest
from qa_contract.prompts import format_prompt


@pytest.fixture(scope="module")
def timed(store, make, tmp_path_factory):
    """The small store with times; one scene has none."""
    import shutil

    folder = shutil.copytree(store, tmp_path_factory.mktemp("timed") / "store")
    frames = pl.read_parquet(folder / "frames.parquet")
    # In the order of the frame set, half a second apart.
    times = (1.0 - pl.col("frame_id").str.slice(1).cast(pl.Float64)) / 2
    times = pl.when(pl.col("scene_name") == "room_2").then(None).otherwise(times)
    make.write(frames.with_columns(time_s=times).to_dicts(), folder, "frames")
    return folder


def evaluator_inputs(model, item, **options):
    """Give what the evaluator's runner passes to `generate`, from the first token to the last."""
    from qa_eval.runners.base import RunnerConfig
    from qa_eval.runners.transformers import TransformersRunner

    runner = TransformersRunner(RunnerConfig(model=str(model), device="cpu", **options))
    runner.prefixes = None
    return runner._inputs([item])


@pytest.mark.skipif(importlib.util.find_spec("qa_eval") is None, reason="needs the evaluator")
@pytest.mark.parametrize("options", [{}, {"max_pixels": 1024}, {"frame_input": "video", "max_pixels": 2048}])
def test_one_question_is_the_same_input_in_training_the_clean_pass_and_the_evaluator(
    timed, make, qwen2_5_model, tmp_path, options
):
    from qa_contract.clips import clip_of
    from qa_eval.runners.base import Item
    from qa_trainer.data.collator import sft_collator
    from qa_trainer.data.inputs import prompt_inputs
    from qa_trainer.data.questions import load_samples
    from qa_trainer.models.loading import load_processor
    from qa_trainer.settings.sft import SFTSettings

    asked = make.write([make.question(1)], tmp_path, "questions")
    settings = SFTSettings(**options)
    as_video = settings.frame_input == "video"
    samples = load_samples(asked, timed, as_video=as_video)
    processor = load_processor(qwen2_5_model, settings)
    clean = prompt_inputs(processor, samples.examples([0])["prompt"], samples.examples([0])["images"])
    row = make.question(1)
    paths = tuple(timed / f"images/room_1/{i}.png" for i in (1, 0))
    clip = clip_of([0.0, 0.5]) if as_video else None
    text = format_prompt(row["question"], row["options"], "vsi-bench")
    item = Item("q001", row["question_type"], text, frames=paths, clip=clip)
    seen = evaluator_inputs(qwen2_5_model, item, **options)
    assert set(clean) == set(seen)
    assert all(clean[name].equal(seen[name]) for name in seen)
    examples = samples.examples([0])
    batch = sft_collator(processor, image_cache_bytes=0)([{name: examples[name][0] for name in examples} | {"row": 0}])
    length = seen["input_ids"].shape[1]
    for name, value in seen.items():
        trained = batch[name][:, :length] if value.shape == seen["input_ids"].shape else batch[name]
        assert trained.equal(value), name
    kind = "pixel_values_videos" if as_video else "pixel_values"
    assert kind in seen
    # 32 x 32 pixels become 28 x 28 where fewer are allowed.
    assert len(seen[kind]) == (4 if as_video else 8)


@pytest.mark.parametrize("kind", ["sft", "score", pytest.param("grpo", marks=pytest.mark.slow)])
def test_commands_show_a_video_and_say_so(libraries, command, make, timed, qwen2_5_model, tmp_path, kind):
    asked = make.write([make.question(i) for i in (0, 1, 2)], tmp_path, "questions")
    options = {"store": timed, "model": qwen2_5_model, "device": "cpu", "frame_input": "video", "max_pixels": 4096}
    if kind != "score":
        options |= {"steps": 1, "batch_size": 2}
    if kind == "grpo":
        options |= {"group_size": 2, "max_completion_length": 4, "reward": "length"}
    out = tmp_path / "out"
    ended = command(kind, asked, "--out", out, *make.flags(options))
    assert ended.code == 1, ended.stderr
    rejects = pl.read_parquet(out / "rejects.parquet")
    assert rejects.select("item", "reason").rows() == [("q002", "no_video")]
    rows = pl.read_parquet(out / "predictions.parquet")
    assert set(rows["frame_input"]) == {"video"}
    assert set(rows["frame_fps"]) == {2.0}
    assert set(rows["frame_pixels"]) == {28 * 28}
    if kind == "sft":
        saved = json.loads((out / "model/processor_config.json").read_text())
        assert saved["video_processor"]["size"]["longest_edge"] == 4096
        # Half as many tokens: two frames make one.
        tokens = pl.read_parquet(out / "metrics.parquet")["tokens"][0]
        ended = command(kind, asked, "--out", tmp_path / "images", *make.flags(options | {"frame_input": "images"}))
        assert pl.read_parquet(tmp_path / "images/metrics.parquet")["tokens"][0] > tokens


def test_frames_that_make_no_video_and_processors_that_take_none_are_refused(
    command, make, timed, llava_model, questions, tmp_path
):
    options = {"store": timed, "model": llava_model, "device": "cpu"}
    for more, message in (
        ({"frame_input": "video"}, "this model's processor takes no video. Use --frame-input images"),
        ({"max_pixels": 64}, "does not size images by their pixels"),
    ):
        ended = command("score", questions, "--out", tmp_path / "out", *make.flags(options | more))
        assert ended.code == 2
        assert message in ended.stderr
