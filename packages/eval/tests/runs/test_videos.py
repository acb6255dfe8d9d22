"""Frames as a video, and questions about video files."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_contract.tableio import read_table
from qa_contract.tables import PREDICTIONS, REJECTS
from qa_eval.cli import main
from qa_eval.errors import QAEvalError
from qa_eval.report.collect import read_run
from qa_eval.runners import RunnerConfig
from qa_eval.runners.transformers import TransformersRunner
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.items import build_items, frame_shots
from qa_eval.runs.run import run
from qa_eval.runs.videos import decode_frames, find_videos, read_video, uniform_numbers, video_shots
from qa_eval.scoring.questions import read_questions

av = pytest.importorskip("av")


def write_video(path, n, *, fps=10, size=(64, 48), times=None):
    """Write a video whose frame i has the grey level 8 i."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for i in range(n):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 8 * i, np.uint8), format="rgb24")
            frame.pts = round(1000 * (times[i] if times else i / fps))
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.fixture
def videos(tmp_path):
    write_video(tmp_path / "videos/a/s1.mp4", 20)
    write_video(tmp_path / "videos/b/s2.mp4", 12)
    return tmp_path / "videos"


@pytest.fixture
def options(tiny_model):
    return RunOptions(model=str(tiny_model), batch_size=3, max_new_tokens=2, device="cpu")


def rows_of(out):
    table = read_table(out, "predictions", PREDICTIONS)
    return {row["question_id"]: row for row in table.to_dicts()}


@pytest.fixture(params=["tiny_model", "tiny_qwen25"])
def runner(request):
    return TransformersRunner(RunnerConfig(str(request.getfixturevalue(request.param)), "cpu", 4, frame_input="video"))


def video_items(questions, store):
    table = read_questions(questions)
    return [item for item in build_items(table, frame_shots(table, store, as_video=True)) if item.frames]


def test_cached_video_inputs_equal_those_of_the_processor(runner, questions, store):
    import torch

    runner.prefixes = None
    items = video_items(questions, store)[:3]
    mine = runner._inputs(items)
    theirs = runner.processor(
        text=[runner._chat_text(item) for item in items],
        videos=[[Image.open(path).convert("RGB") for path in item.frames] for item in items],
        video_metadata=[{"fps": 1000.0, "total_num_frames": 2000, "frames_indices": [0, 1000]} for _ in items],
        do_sample_frames=False,
        padding=True,
        return_tensors="pt",
    )
    assert set(mine) == set(theirs)
    for name in mine:
        assert torch.equal(mine[name], torch.as_tensor(theirs[name])), name


def test_a_batch_of_videos_answers_as_single_rows_do(runner, questions, store):
    items = video_items(questions, store)
    for item, answer in zip(items, runner.answer(items), strict=True):
        (alone,) = runner.answer([item])
        assert answer.token_logprobs == pytest.approx(alone.token_logprobs, abs=1e-4)


def test_the_times_of_a_store_reach_the_prompt(tiny_model, questions, store):
    """Qwen3-VL writes the mean time of every two frames, here 0 and 1 s after the first."""
    runner = TransformersRunner(RunnerConfig(str(tiny_model), "cpu", 4, frame_input="video"))
    ids = runner._inputs(video_items(questions, store)[:1])["input_ids"][0]
    assert "<0.5 seconds>" in runner.processor.tokenizer.decode(ids)


def test_rows_of_a_run_with_video(questions, store, tmp_path, options):
    run(questions, store, tmp_path / "video", replace(options, frame_input="video"))
    run(questions, store, tmp_path / "images", options)
    video, images = rows_of(tmp_path / "video"), rows_of(tmp_path / "images")
    row = video["n0"]
    assert (row["frame_input"], row["frame_ids"]) == ("video", ["0", "2"])
    # Two frames over a span of 1 s are one frame per second; the video's pixels are limited for both together.
    assert row["frame_fps"] == pytest.approx(1.0)
    assert row["frame_pixels"] == 32 * 32
    assert row["token_logprobs"] != images["n0"]["token_logprobs"]
    assert json.loads((tmp_path / "video/manifest.json").read_text())["frames"]["input"] == "video"


def test_frames_without_times_are_no_video(questions, store, tmp_path, options):
    path = store / "frames.parquet"
    meta = {k: v for k, v in pl.read_parquet_metadata(path).items() if k != "ARROW:schema"}
    is_first = pl.col("scene_name") == "s1"
    table = pl.read_parquet(path).with_columns(time_s=pl.when(~is_first).then("time_s"))
    table.write_parquet(path, metadata=meta)
    run(questions, store, tmp_path / "out", replace(options, frame_input="video"))
    assert set(read_table(tmp_path / "out", "rejects", REJECTS)["reason"]) == {"no_video"}


def test_video_is_refused_where_it_cannot_be_shown(questions, store, tmp_path, options):
    for runner in ("openai", "single-frame", "blind"):
        with pytest.raises(QAEvalError, match="--frame-input video works with 'transformers'"):
            run(questions, store, tmp_path / "out", replace(options, runner=runner, frame_input="video"))
    with pytest.raises(QAEvalError, match=r"Unknown frame input 'vidoe'\. Did you mean 'video'"):
        run(questions, store, tmp_path / "out", replace(options, frame_input="vidoe"))


@pytest.mark.parametrize(("total", "n"), [(100, 8), (101, 32), (7, 2), (64, 64), (1000, 1)])
def test_uniform_frames_are_those_of_public_loaders(total, n):
    expected = np.linspace(0, total - 1, n, dtype=int).tolist()
    assert list(uniform_numbers(range(0, total * 512, 512), n)) == expected


def test_a_short_video_is_shown_whole():
    assert uniform_numbers([0, 5, 10], 8) == (0, 1, 2)


def test_times_decide_and_not_the_number_of_a_frame(tmp_path):
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 1.0, 2.0]
    video = read_video(write_video(tmp_path / "v.mp4", 7, times=times))
    assert uniform_numbers(video.pts, 3) == (0, 5, 6)


def test_decoded_frames_are_the_chosen_ones(videos, tmp_path):
    table = pl.DataFrame({"scene_name": ["s1"], "frame_set_id": ["video-4"]})
    shots, found = video_shots(table, videos, 4, tmp_path / "scratch", as_video=True)
    shot = shots["s1", "video-4"]
    assert shot.ids == ("0", "6", "12", "19")
    assert found["s1"].fps == pytest.approx(10)
    assert shot.clip.rate == pytest.approx(2.0)
    assert shot.clip.metadata()["frames_indices"] == [0, 6, 12, 19]
    (item,) = build_items(one_question("s1", "video-4"), shots)
    assert decode_frames([item]) == {}
    levels = [np.asarray(Image.open(path)).mean() for path in item.frames]
    assert levels == pytest.approx([0, 48, 96, 152], abs=4)


def one_question(scene, frame_set):
    row = {"question_id": "q", "scene_name": scene, "question_type": "t", "question": "?", "options": None}
    row |= {"ground_truth": "1", "frame_set_id": frame_set, "prompt_id": "vsi-bench"}
    return pl.DataFrame([row], schema_overrides={"options": pl.List(pl.String)})


def vsi_rows(path, **more):
    rows = [
        {"id": i, "scene_name": scene, "question_type": "object_counting", "question": "How many?", "ground_truth": "4"}
        for i, scene in enumerate(["s1", "s2", "s1", "gone"])
    ]
    pl.DataFrame(rows).with_columns(options=pl.lit(None, pl.List(pl.String)), **more).write_parquet(path)
    return path


@pytest.mark.parametrize("frame_input", ["images", "video"])
def test_questions_about_videos(videos, tmp_path, options, frame_input):
    questions = vsi_rows(tmp_path / "test-00000-of-00001.parquet")
    chosen = replace(options, n_frames=4, frame_input=frame_input, benchmark="vsi-bench")
    result = run(questions, None, tmp_path / "out", chosen, videos=videos)
    assert result.summary["unscored"] == {"missing_video": 1}
    rows = rows_of(tmp_path / "out")
    assert rows["1"]["frame_ids"] == ["0", "3", "7", "11"]
    assert {row["frame_set_id"] for row in rows.values()} == {"video-4"}
    assert rows["0"]["frame_fps"] == (pytest.approx(2.0) if frame_input == "video" else None)
    shown = json.loads((tmp_path / "out/manifest.json").read_text())["frames"]
    assert shown["frames_per_question"] == {"4": 3}
    assert shown["pixels"] == {"64x48": 2}
    assert not (tmp_path / "out/work").exists()


def test_a_column_names_the_video(videos, tmp_path, options):
    questions = vsi_rows(tmp_path / "q.parquet", video=pl.lit("b/s2.mp4"))
    result = run(questions, None, tmp_path / "out", replace(options, n_frames=2), videos=videos)
    assert result.n_rejected == 0
    assert {tuple(row["frame_ids"]) for row in rows_of(tmp_path / "out").values()} == {("0", "11")}


def test_broken_videos_are_rejects_and_other_rows_are_answered(videos, tmp_path, options):
    whole = (videos / "a/s1.mp4").read_bytes()
    (videos / "a/s1.mp4").write_bytes(whole[: len(whole) // 2])
    write_video(videos / "c/s2.mp4", 3)
    write_video(videos / "gone.mp4", 3)
    result = run(vsi_rows(tmp_path / "q.parquet"), None, tmp_path / "out", replace(options, n_frames=2), videos=videos)
    assert result.summary["unscored"] == {"missing_video": 1, "unreadable_video": 2}
    assert list(rows_of(tmp_path / "out")) == ["3"]
    rejects = read_table(tmp_path / "out", "rejects", REJECTS)
    assert any("several videos" in detail for detail in rejects["detail"])


def test_degraded_video_frames(videos, tmp_path, options):
    rows = {}
    for degrade in (None, "occlusion:5"):
        out = tmp_path / str(degrade)
        run(vsi_rows(tmp_path / "q.parquet"), None, out, replace(options, n_frames=2, degrade=degrade), videos=videos)
        rows[degrade] = rows_of(out)["0"]["token_logprobs"]
    assert rows[None] != rows["occlusion:5"]


def test_options_of_videos_belong_together(questions, store, videos, tmp_path, options):
    with pytest.raises(QAEvalError, match="--videos DIR and --frames N belong together"):
        run(questions, None, tmp_path / "out", options, videos=videos)
    with pytest.raises(QAEvalError, match="pass one of them"):
        run(questions, store, tmp_path / "out", replace(options, n_frames=2), videos=videos)
    with pytest.raises(QAEvalError, match="holds no video"):
        find_videos(store)


def test_videos_from_the_command_line(videos, tmp_path, tiny_model, monkeypatch, capsys):
    questions = vsi_rows(tmp_path / "q.parquet").rename(tmp_path / "test.parquet")
    args = ["run", questions, "--videos", videos, "--frames", 2, "--frame-input", "video", "--model", tiny_model]
    args += ["--device", "cpu", "--max-new-tokens", 2, "--benchmark", "vsi-bench", "--out", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["qa-eval", *map(str, args)])
    with pytest.raises(SystemExit) as stop:
        main()
    # The scene without a video is a row without a score.
    assert stop.value.code == 1
    assert "WITHOUT 1 UNSCORED ROWS" in capsys.readouterr().out
    report = read_run(tmp_path / "out", "out", tmp_path)
    assert {example.question for example in (*report.wins, *report.losses)} == {"How many?"}
