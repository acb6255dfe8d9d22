"""Frames of videos without poses: decoded by time, chosen by VGGT's points, written as a store."""

from __future__ import annotations

import json
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image

SIZES = {"image_size": 28, "dim": 16, "depth": 4, "heads": 2, "dino_depth": 1, "dino_heads": 2, "camera_depth": 1}
SIZES |= {"camera_heads": 2, "head_layers": [0, 1, 2, 3], "head_features": 8, "head_channels": [4, 4, 8, 8]}
COLUMNS = 5
"""Bits of a frame's number, as black and white columns of its picture."""


def picture(number, width=80, height=48):
    """A picture that tells its number after lossy coding, with a white bar along its upper edge."""
    bits = [(number >> bit) & 1 for bit in range(COLUMNS)]
    pixels = np.repeat(np.array(bits, np.uint8)[None] * 255, height, axis=0).repeat(width // COLUMNS, axis=1)
    pixels = np.stack([pixels] * 3, axis=-1)
    pixels[: height // 6] = (255, 0, 0)
    return Image.fromarray(pixels)


def number_of(image):
    pixels = np.asarray(image)[image.height // 2, :, 1]
    wide = image.width // COLUMNS
    return sum(int(pixels[bit * wide + wide // 2] > 127) << bit for bit in range(COLUMNS))


def write_video(path, n=30, times=None):
    """Write a video of 10 frames per second, or with the times (tenths of a second) of every frame."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 80, 48, "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(n):
            frame = av.VideoFrame.from_image(picture(number))
            frame.pts = number if times is None else times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def vggt(tmp_path_factory):
    """Folder of a tiny VGGT with random weights and all heads."""
    import torch
    from qa_trainer.models.spatial_mllm.vggt import VGGT, VGGTConfig
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vggt")
    model = VGGT(VGGTConfig.from_dict(SIZES | {"built_heads": ["camera", "point", "depth"]}))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    save_file(model.state_dict(), folder / "model.safetensors")
    released = {"img_size": SIZES["image_size"], "embed_dim": SIZES["dim"]}
    sizes = {name: value for name, value in SIZES.items() if name not in ("image_size", "dim")}
    (folder / "config.json").write_text(json.dumps(sizes | released))
    return folder


@pytest.fixture
def sample(command, make, vggt):
    def run(*inputs, out, **options):
        chosen = {"geometry": vggt, "frames": 4, "candidates": 8, "longest_side": 56, "device": "cpu"} | options
        chosen = {name: value for name, value in chosen.items() if value is not None}
        return command("sample-frames", *inputs, "--out", out, *make.flags(chosen))

    return run


@pytest.mark.parametrize("points", ["depth", "point"])
def test_exactly_k_frames_with_their_indices_times_and_features(sample, vggt, tmp_path, points):
    import torch
    from qa_contract.features import find_features, read_features
    from qa_trainer.frames.sample import _candidates, scene_points
    from qa_trainer.frames.video import open_video
    from qa_trainer.models.spatial_mllm.release import load_vggt
    from safetensors import safe_open

    video = write_video(tmp_path / "kitchen.mp4")
    ended = sample(video, out=tmp_path / "out", points=points, features=True)
    assert ended.code == 0, ended.stderr
    chosen = pl.read_parquet(tmp_path / "out/frame_sets.parquet").row(0, named=True)
    assert (chosen["scene_name"], chosen["frame_set_id"], chosen["n"]) == ("kitchen", "space-aware-4", 4)
    frames = pl.read_parquet(tmp_path / "out/frames.parquet")
    assert frames["frame_id"].to_list() == chosen["frame_ids"]
    indices = [int(frame_id) for frame_id in chosen["frame_ids"]]
    # Of eight evenly spaced times between 0 and 2.9 s.
    assert set(indices) < {0, 4, 8, 12, 17, 21, 25, 29}
    assert len(set(indices)) == 4
    for row, index in zip(frames.iter_rows(named=True), indices, strict=True):
        assert row["time_s"] == pytest.approx(index / 10)
        assert number_of(Image.open(tmp_path / "out" / row["image_path"])) == index
    # The tokens are those of the pass over all candidates.
    candidates = [0, 4, 8, 12, 17, 21, 25, 29]
    images = _candidates(open_video(video), candidates, 56)
    assert images.shape == (8, 3, 28, 56)
    model = load_vggt(vggt, heads=["camera", "depth"] if points == "depth" else ["point"])
    tokens = scene_points(model, images)[2][[candidates.index(index) for index in indices]]
    with safe_open(tmp_path / "out/features/kitchen.safetensors", "pt") as file:
        assert file.metadata()["grid"] == "[2, 4]"
        assert torch.allclose(file.get_tensor("tokens"), tokens, atol=1e-5)
    features = read_features(tmp_path / "out/features/kitchen.safetensors")
    assert torch.allclose(features, tokens.unflatten(1, (2, 4)), atol=1e-5)
    shown = [tmp_path / "out" / path for path in frames["image_path"]]
    assert find_features(tmp_path / "out/features", "kitchen", chosen["frame_ids"], shown).grid == (2, 4)
    again = sample(video, out=tmp_path / "again", points=points)
    assert again.code == 0
    for table in ("frames", "frame_sets"):
        one, two = ((tmp_path / name / f"{table}.parquet").read_bytes() for name in ("out", "again"))
        assert one == two


def test_a_wall_gives_frames_and_arithmetic_may_be_bfloat16(sample, tmp_path):
    from qa_trainer.frames.space_aware import select_frames

    points = np.random.default_rng(0).random((6, 4, 4, 3))
    points[..., 2] *= 1e-30
    assert len(select_frames(points, np.ones((6, 4, 4)), 3)) == 3
    ended = sample(write_video(tmp_path / "wall.mp4"), out=tmp_path / "out", dtype="bfloat16")
    assert ended.code == 0, ended.stderr
    assert pl.read_parquet(tmp_path / "out/frame_sets.parquet")["n"].to_list() == [4]


def test_the_store_feeds_the_trainer(sample, command, make, tiny_model, tmp_path):
    assert sample(write_video(tmp_path / "hall.mp4"), out=tmp_path / "out", frames=2).code == 0
    asked = make.question(0, scene_name="hall", frame_set_id="space-aware-2")
    questions = make.write([asked], tmp_path, "questions")
    flags = make.flags({"store": tmp_path / "out", "model": tiny_model, "device": "cpu", "max_new_tokens": 2})
    ended = command("score", questions, "--out", tmp_path / "answers", *flags)
    assert ended.code == 0, ended.stderr


def test_times_decide_not_numbers_of_frames(tmp_path):
    from qa_trainer.frames.video import open_video

    # Twenty frames in two seconds, then ten in eight.
    times = [*range(20), *range(20, 100, 8)]
    video = open_video(write_video(tmp_path / "slow.mkv", times=times))
    assert len(video) == 30
    chosen = video.evenly(4)
    assert chosen == [0, 21, 25, 29]
    assert [video.times_s[index] for index in chosen] == pytest.approx([0.0, 2.8, 6.0, 9.2])
    assert [number_of(image) for _, image in video.images(chosen)] == chosen
    # More times than the sparse part has frames: even steps, none twice.
    assert len(set(video.evenly(20))) == 20


def test_a_phone_held_upright_gives_portrait_frames(tmp_path):
    from qa_trainer.frames.video import open_video

    path = write_video(tmp_path / "phone.mp4", n=3)
    data = bytearray(path.read_bytes())
    # The track's header holds a matrix; this one turns the picture by 90 degrees clockwise.
    start = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    matrix = [0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30]
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(data)
    (_, image), *_ = open_video(path).images([1])
    assert image.size == (48, 80)
    red = np.asarray(image).astype(int)
    red = red[..., 0] - red[..., 1] > 100
    # The upper edge has become the right one.
    assert red[:, -4:].mean() > 0.9
    assert red[:, :24].mean() < 0.1


def test_images_of_a_folder_are_one_scene_in_the_order_of_their_numbers(sample, tmp_path):
    folder = tmp_path / "office"
    folder.mkdir()
    for number in range(12):
        picture(number).save(folder / f"view{number}.png")
    ended = sample(folder, out=tmp_path / "out", geometry=None, method="uniform", frames=3)
    assert ended.code == 0, ended.stderr
    frames = pl.read_parquet(tmp_path / "out/frames.parquet")
    assert frames["frame_id"].to_list() == ["view0", "view6", "view11"]
    assert frames["time_s"].is_null().all()
    assert [number_of(Image.open(tmp_path / "out" / path)) for path in frames["image_path"]] == [0, 6, 11]
    picture(3, width=160).save(folder / "view4.png")
    ended = sample(folder, out=tmp_path / "other", candidates=12)
    assert ended.code == 2
    assert "sizes 80x48 and 160x48 in one folder" in ended.stderr


def test_bad_videos_are_rejects_and_the_others_go_on(sample, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_video(folder / "good.mp4")
    write_video(folder / "short.mp4", n=3)
    (folder / "text.mp4").write_text("no video")
    whole = write_video(folder / "cut.ts").read_bytes()
    (folder / "cut.ts").write_bytes(whole[: len(whole) // 3])
    ended = sample(folder, out=tmp_path / "out", geometry=None, method="uniform", frames=20, candidates=20)
    assert ended.code == 1
    rejects = pl.read_parquet(tmp_path / "out/rejects.parquet")
    reasons = dict(zip(rejects["scene_name"], rejects["reason"], strict=True))
    assert reasons == {"cut": "too_few_frames", "short": "too_few_frames", "text": "unreadable_video"}
    assert pl.read_parquet(tmp_path / "out/frame_sets.parquet")["scene_name"].to_list() == ["good"]


def test_wrong_options_are_user_errors(sample, vggt, tmp_path, monkeypatch):
    video = write_video(tmp_path / "room.mp4", n=5)
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "other" / name).write_bytes((vggt / name).read_bytes())
    (tmp_path / "other/config.json").write_text(json.dumps(SIZES | {"dim": 32}))
    for inputs, options, message in (
        ([video], {"geometry": None}, "--method space-aware needs --geometry"),
        ([video], {"method": "uniform"}, "--method uniform takes no --geometry"),
        (
            [video],
            {"method": "space"},
            "--method needs one of space-aware, uniform; found 'space'.",
        ),
        ([video], {"frames": 9}, "8 candidates are fewer than 9 frames"),
        ([video], {"geometry": tmp_path / "absent/there/"}, "no such folder"),
        ([video], {"geometry": tmp_path / "other"}, "not the weights of a VGGT with camera and depth head"),
        ([video, video], {}, "a scene of that name is there already"),
        ([tmp_path / "empty"], {}, "holds no video and no image"),
        ([tmp_path / "absent.mp4"], {}, "no such file or folder"),
    ):
        ended = sample(*inputs, out=tmp_path / "out", **options)
        assert ended.code == 2, message
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr
    monkeypatch.setitem(sys.modules, "av", None)
    ended = sample(video, out=tmp_path / "out")
    assert ended.code == 2
    assert "pip install 'qa-trainer[video]'" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_predicted_depth_and_cameras_are_a_store_of_unknown_scale(vggt, tmp_path, monkeypatch):
    from qa_contract.tableio import read_table
    from qa_contract.tables import FRAMES, OBJECTS, SCENES
    from qa_trainer.frames import sample as module
    from qa_trainer.frames.predicted import Geometry
    from qa_trainer.frames.settings import SamplingSettings

    # Random weights give cameras that are none, so these are made.
    depth = np.full((4, 28, 56), 1.5, np.float32)
    camera = np.array([[50.0, 0, 28], [0, 50, 14], [0, 0, 1]])
    made = Geometry(depth, np.stack([camera] * 4), np.stack([np.eye(4)] * 4))
    monkeypatch.setattr(module, "geometry_of", lambda found, chosen, size: made)
    video, out = write_video(tmp_path / "kitchen.mp4"), tmp_path / "out"
    settings = SamplingSettings(frames=4, candidates=8, longest_side=56, device="cpu")
    module.sample_frames([video], settings, out, geometry=str(vggt))
    scene = read_table(out, "scenes", SCENES).row(0, named=True)
    assert (scene["scene_name"], scene["gravity_error_deg"], scene["scale_error"]) == ("kitchen", 180, 9)
    assert read_table(out, "objects", OBJECTS).is_empty()
    for row in read_table(out, "frames", FRAMES).iter_rows(named=True):
        image = Image.open(out / row["depth_path"])
        assert (image.mode, image.size) == ("I;16", (80, 48))
        assert np.unique(np.asarray(image)).tolist() == [1500]
        # It is borders of pixels that scale.
        x, y = 80 / 56, 48 / 28
        expected = [50 * x, 0, 28.5 * x - 0.5, 0, 50 * y, 14.5 * y - 0.5, 0, 0, 1]
        assert row["intrinsics"] == pytest.approx(expected)


def test_geometry_of_a_clip_is_scaled_and_without_what_is_unsure():
    import torch
    from qa_trainer.frames.predicted import MEDIAN_DEPTH_M, geometry_of

    # Depth 1 and 3, the least sure fifth in the first; the second camera stands 0.5 to the right of the first.
    depth = torch.tensor([1.0, 3.0]).repeat_interleave(50).reshape(2, 5, 10, 1)
    confidence = torch.linspace(1, 2, 100).reshape(2, 5, 10)
    encoding = torch.tensor([[0.0, 0, 0, 0, 0, 0, 1, 1.5708, 1.5708], [-0.5, 0, 0, 0, 0, 0, 1, 1.5708, 1.5708]])
    clip = {"depth": depth, "depth_conf": confidence, "pose_enc": encoding}
    found = geometry_of(clip, [0, 1], (5, 10))
    unit = MEDIAN_DEPTH_M / 3
    assert (found.depth[0] == 0).sum() == 20
    assert found.depth[1] == pytest.approx(3 * unit)
    assert found.world_from_camera[1, :3, 3] == pytest.approx([0.5 * unit, 0, 0])
    assert geometry_of(clip | {"depth": -depth}, [0, 1], (5, 10)) is None
