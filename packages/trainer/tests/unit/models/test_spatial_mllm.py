"""The dual encoder on both bases: what it adds, what it leaves alone, and that it survives saving."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

VGGT = {"type": "vggt", "image_size": 28, "dim": 16, "depth": 2, "heads": 2, "dino_depth": 1, "dino_heads": 2}
TINY = {"type": "tiny", "dim": 16}


@pytest.fixture(scope="module", params=["qwen3_vl", "qwen2_5_vl"])
def base(request, tiny_model, qwen2_5_model):
    return tiny_model if request.param == "qwen3_vl" else qwen2_5_model


def build(base, *, geometry=VGGT, connector="mlp_add", zero_init=False):
    from qa_trainer.models.spatial_mllm.assemble import assemble

    options = {"type": connector, "heads": 4, "zero_init": zero_init}
    model, processor = assemble(base, geometry=geometry, connector=options)
    return model.eval(), processor


def picture(seed, width=64, height=48):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def inputs_of(processor, samples):
    """Make a batch from lists of images."""
    texts = []
    for images in samples:
        content = [{"type": "image"}] * len(images) + [{"type": "text", "text": "How many beds?"}]
        texts.append(processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True))
    return processor(text=texts, images=[i for i in samples if i] or None, padding=True, return_tensors="pt")


def logits(model, inputs):
    import torch

    with torch.no_grad():
        return model(**inputs).logits


@pytest.mark.parametrize("connector", ["mlp_add", "mlp_cat", "cross_attention"])
def test_the_geometry_branch_starts_silent_and_then_counts(base, connector):
    from transformers import AutoModelForImageTextToText

    model, processor = build(base, connector=connector, zero_init=True)
    inputs = inputs_of(processor, [[picture(0), picture(1)]])
    plain = AutoModelForImageTextToText.from_pretrained(base).eval()
    assert logits(model, inputs).equal(logits(plain, inputs))
    fused, _ = build(base, connector=connector)
    assert (logits(fused, inputs) - logits(plain, inputs)).abs().max() > 1e-3
    with_text_only = inputs_of(processor, [[]])
    assert logits(fused, with_text_only).equal(logits(plain, with_text_only))


def test_samples_of_a_batch_do_not_see_each_other(base):
    # Three frames of one size, portrait frames, two sizes in one sample, and no frame.
    samples = [
        [picture(0), picture(1), picture(2)],
        [picture(3, 48, 64), picture(4, 48, 64)],
        [picture(5), picture(6, 96, 48)],
        [],
    ]
    model, processor = build(base)
    together = inputs_of(processor, samples)
    batch = logits(model, together)
    for row, images in enumerate(samples):
        alone = logits(model, inputs_of(processor, [images]))[0]
        # The tokenizer pads on the left.
        assert (batch[row, -len(alone) :] - alone).abs().max() < 2e-4, row
    # The frames of one sample do see each other: the first image's tokens change with the last image.
    other = inputs_of(processor, [[picture(0), picture(1), picture(9)]])
    first = {}
    for name, inputs in (("same", inputs_of(processor, samples[:1])), ("other", other)):
        clip = model.model
        grids = inputs["image_grid_thw"].tolist()
        patches = inputs["pixel_values"].split([t * h * w for t, h, w in grids])
        from qa_trainer.models.spatial_mllm.processing_spatial_mllm import Clip

        first[name] = clip._encode(patches, grids, [Clip((0, 1, 2), still=True)])[0][0]
    assert (first["same"] - first["other"]).abs().max() > 1e-5


def test_videos_with_an_odd_number_of_frames_are_clips(base):
    model, processor = build(base)
    video = np.stack([np.asarray(picture(seed)) for seed in range(5)])
    content = [{"type": "video"}, {"type": "text", "text": "How many beds?"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    inputs = processor(text=[text], videos=[video], do_sample_frames=False, return_tensors="pt")
    inputs.pop("video_metadata", None)
    assert inputs["video_grid_thw"][0, 0] == 3
    seen = []
    model.model.spatial_encoder.register_forward_hook(lambda module, args, output: seen.append(args[0].shape))
    assert logits(model, inputs).isfinite().all()
    # The processor repeats the last frame.
    assert [shape[:2] for shape in seen] == [(1, 6)]


def video_inputs(processor, videos):
    """Make a batch of one video each."""
    content = [{"type": "video"}, {"type": "text", "text": "How many beds?"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    options = {"do_sample_frames": False, "padding": True, "return_tensors": "pt"}
    inputs = processor(text=[text] * len(videos), videos=videos, **options)
    inputs.pop("video_metadata", None)
    return inputs


def test_videos_of_several_sizes_in_a_batch_do_not_see_each_other(base):
    model, processor = build(base)
    # Landscape and portrait, odd and even, two of one shape.
    shapes = [(5, 64, 48), (3, 48, 64), (4, 96, 48), (5, 64, 48)]
    videos = [
        np.stack([np.asarray(picture(10 * number + frame, width, height)) for frame in range(frames)])
        for number, (frames, width, height) in enumerate(shapes)
    ]
    seen = []
    hook = model.model.spatial_encoder.register_forward_hook(
        lambda module, args, output: seen.append(args[0].shape[:2])
    )
    batch = logits(model, video_inputs(processor, videos))
    # Clips of one shape go through the geometry encoder together.
    assert sorted(seen) == [(1, 4), (1, 4), (2, 6)]
    hook.remove()
    for row, video in enumerate(videos):
        alone = logits(model, video_inputs(processor, [video]))[0]
        assert (batch[row, -len(alone) :] - alone).abs().max() < 2e-4, row


@pytest.mark.parametrize("geometry", [VGGT, TINY])
def test_generation_encodes_once_and_equals_generation_without_a_cache(base, geometry):
    model, processor = build(base, geometry=geometry)
    inputs = inputs_of(processor, [[picture(0), picture(1)], [picture(2, 48, 64)]])
    calls = []
    model.model.spatial_encoder.register_forward_hook(lambda *_: calls.append("geometry"))
    model.model.visual.register_forward_hook(lambda *_: calls.append("vision"))
    options = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    cached = model.generate(**inputs, **options, use_cache=True)
    # Two shapes of clip, hence two geometry passes, all in the first step.
    assert calls.count("vision") == 1
    assert calls.count("geometry") == 2
    assert cached.equal(model.generate(**inputs, **options, use_cache=False))


def test_tokens_at_hand_take_the_place_of_the_geometry_encoder(base):
    import torch
    from qa_trainer.models.spatial_mllm.processing_spatial_mllm import Clip

    model, processor = build(base)
    inputs = inputs_of(processor, [[picture(0), picture(1)], [picture(2, 48, 64)]])
    grids = inputs["image_grid_thw"].tolist()
    patches = inputs["pixel_values"].split([t * h * w for t, h, w in grids])
    clips = [Clip((0, 1), still=True), Clip((2,), still=True)]
    with torch.no_grad():
        encoded = model.model._encode(patches, grids, clips)
    tokens = [tokens.unflatten(1, grids[clip.items[0]][1:]) for tokens, clip in zip(encoded, clips, strict=True)]
    expected = logits(model, inputs)
    options = {"max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False}
    answers = model.generate(**inputs, **options)
    calls = []
    model.model.spatial_encoder.register_forward_hook(lambda *_: calls.append("geometry"))
    assert logits(model, inputs | {"geometry_tokens": tokens}).equal(expected)
    assert model.generate(**inputs, **options, geometry_tokens=tokens).equal(answers)
    # Another grid of patches is interpolated.
    coarse = [torch.nn.functional.avg_pool2d(t.movedim(-1, 1), 2).movedim(1, -1) for t in tokens]
    assert (logits(model, inputs | {"geometry_tokens": coarse}) - expected).abs().max() > 1e-5
    assert not calls
    for wrong, message in (
        (tokens[:1], "1 arrays for 2 clips"),
        ([*tokens, tokens[0]], "1 arrays more than there are clips"),
        ([tokens[1], tokens[0]], r"expected \(2, rows, columns, 32\), found \(1, "),
    ):
        with pytest.raises(ValueError, match=message):
            logits(model, inputs | {"geometry_tokens": wrong})


def test_saved_models_reload_without_the_package(tiny_model, qwen2_5_model, tmp_path):
    import torch

    expected = {}
    for name, base, connector in (("a", tiny_model, "cross_attention"), ("b", qwen2_5_model, "mlp_cat")):
        model, processor = build(base, connector=connector)
        model.save_pretrained(tmp_path / name)
        processor.save_pretrained(tmp_path / name)
        inputs = inputs_of(processor, [[picture(0), picture(1)]])
        torch.save(dict(inputs), tmp_path / name / "inputs.pt")
        expected[name] = logits(model, inputs)
    code = (
        "import sys, torch\n"
        "from transformers import AutoModelForImageTextToText, AutoProcessor\n"
        f"for folder in {[str(tmp_path / name) for name in expected]}:\n"
        "    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)\n"
        "    model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True).eval()\n"
        "    with torch.no_grad(): logits = model(**torch.load(folder + '/inputs.pt')).logits\n"
        "    torch.save(logits, folder + '/logits.pt')\n"
        "assert 'qa_trainer' not in sys.modules"
    )
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    for name, wanted in expected.items():
        assert torch.load(tmp_path / name / "logits.pt").equal(wanted), name


def test_layers_of_vggt_are_dropped_early_and_those_after_the_wanted_one_are_not_run():
    import weakref

    import torch
    from qa_trainer.models.spatial_mllm.geometry_encoder import build_geometry_encoder

    aggregator = build_geometry_encoder(VGGT | {"depth": 6}).vggt_model.aggregator
    outputs, alive = [], []

    def keep(module, args, output):
        outputs.append(weakref.ref(output))
        alive.append(sum(reference() is not None for reference in outputs))

    for block in aggregator.global_blocks:
        block.register_forward_hook(keep)
    with torch.no_grad():
        aggregator(torch.rand(1, 2, 3, 28, 42), [4])
    # The sixth block does not run; a block's output is gone when the next but one has run.
    assert len(alive) == 5
    assert max(alive) <= 2


@pytest.mark.parametrize("part", ["vision", "geometry", "connector", "language"])
def test_every_part_can_be_frozen_alone(base, part):
    from qa_trainer.models.loading import freeze_parts, part_of

    model, processor = build(base, geometry=TINY)
    freeze_parts(model, [part])
    inputs = inputs_of(processor, [[picture(0), picture(1)]])
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    moved = {part_of(name) for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert moved == {"vision", "geometry", "connector", "language"} - {part}


def test_frozen_geometry_gets_no_gradient_and_the_connector_does(base):
    from qa_trainer.models.loading import freeze_parts

    model, processor = build(base)
    freeze_parts(model, ["vision", "geometry"])
    inputs = inputs_of(processor, [[picture(0)]])
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    grads = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert all(grad is None for name, grad in grads.items() if "spatial_encoder" in name)
    assert grads["model.connector.mlp.0.weight"].abs().max() > 0
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert not any(".visual.blocks" in name for name in trained)


def test_weights_of_another_vggt_are_refused(base, tmp_path):
    import torch
    from qa_trainer.errors import QATrainerError
    from qa_trainer.models.spatial_mllm.assemble import assemble
    from safetensors.torch import save_file

    save_file({"aggregator.camera_token": torch.zeros(1, 2, 1, 8)}, tmp_path / "vggt.safetensors")
    for geometry, message in ((VGGT, "not the weights of this VGGT"), (TINY, "the model has another one")):
        with pytest.raises(QATrainerError, match=message):
            assemble(base, geometry=geometry, connector={}, geometry_weights=tmp_path / "vggt.safetensors")
    with pytest.raises(ValueError, match="connector_config: unknown type 'mlp'"):
        assemble(base, geometry=TINY, connector={"type": "mlp"})


def test_sft_trains_it_round_after_round(sft, qwen2_5_model, tmp_path):
    model, processor = build(qwen2_5_model, zero_init=True)
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    ended = sft(tmp_path / "out", model=tmp_path / "model", steps=2, freeze="geometry")
    assert ended.code == 0, ended.stderr
    assert (tmp_path / "out/model/modeling_spatial_mllm.py").exists()
    again = sft(
        tmp_path / "next", model=tmp_path / "out/model", steps=1, freeze="geometry", state_from=tmp_path / "out"
    )
    assert again.code == 0, again.stderr


def test_commands_load_their_own_checkpoints_in_a_new_process(qwen2_5_model, questions, store, make, tmp_path):
    model, processor = build(qwen2_5_model, geometry=TINY)
    for part in (model, processor):
        part.save_pretrained(tmp_path / "model")
    common = ["--model", tmp_path / "model", "--device", "cpu"]
    asked = [questions, "--store", store, *common]
    calls = [
        ["plan", *common, "--frames", 2, "--frame-size", "64x32"],
        ["sft", *asked, "--out", tmp_path / "unused", "--dry-run"],
        ["score", *asked, "--out", tmp_path / "answers", "--sample", 2, "--max-new-tokens", 2],
    ]
    code = (
        "import sys\nfrom qa_trainer.cli import main\n"
        f"for words in {[[str(word) for word in words] for words in calls]!r}:\n"
        "    sys.argv = ['qa-trainer', *words]\n"
        "    try: main()\n"
        "    except SystemExit as stop: assert not stop.code, words\n"
    )
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "answers/predictions.parquet").exists()
