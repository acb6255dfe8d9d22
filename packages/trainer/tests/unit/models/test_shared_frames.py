"""Frames that are encoded once: the same loss and gradients, less work."""

from __future__ import annotations

import pytest
from qa_trainer.data.collator import FRAMES, ROW, sft_collator
from qa_trainer.data.questions import load_samples
from qa_trainer.models.faster_vision import quicken_vision
from qa_trainer.models.loading import freeze_parts, load_model
from qa_trainer.models.shared_frames import SharedFrames, can_share, has_geometry

FROZEN = ((), ("vision",), ("vision", "connector"))


def _batch(processor, samples, rows):
    collator = sft_collator(processor, image_cache_bytes=2**20)
    examples = samples.examples(rows)
    columns = [{name: values[i] for name, values in examples.items()} | {ROW: i} for i in range(len(rows))]
    batch = dict(collator(columns))
    del batch[ROW]
    return batch.pop(FRAMES), batch


def _learned(model, batch):
    """Loss and gradients of one pass."""
    model.zero_grad()
    loss = model(**batch).loss
    loss.backward()
    return float(loss.detach()), {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }


@pytest.fixture(scope="module")
def dual_model(qwen2_5_model, tmp_path_factory):
    import torch
    from qa_trainer.models.spatial_mllm.assemble import assemble

    torch.manual_seed(0)
    geometry = {"type": "tiny", "dim": 16, "patch_size": 14}
    folder = tmp_path_factory.mktemp("dual")
    for part in assemble(qwen2_5_model, geometry=geometry, connector={"type": "mlp_add", "zero_init": False}):
        part.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("family", "frozen"),
    [
        *((family, frozen) for family in ("tiny_model", "qwen2_5_model") for frozen in FROZEN),
        *(("dual_model", frozen) for frozen in ((), ("vision", "geometry"))),
    ],
)
def test_the_loss_and_the_gradients_stay_and_no_frame_is_encoded_twice(family, frozen, questions, store, request):
    folder = request.getfixturevalue(family)
    samples = load_samples(questions, store)
    plain, processor = load_model(folder)
    quick, _ = load_model(folder)
    names, batch = _batch(processor, samples, [0, 2, 3, 6])  # rooms 0, 2, 0, 0; those of room 2 are wider
    patches = []
    for model in (plain, quick):
        freeze_parts(model, frozen)
        model.train()
    quicken_vision(quick)
    shared = SharedFrames(quick, limit_bytes=2**24)
    quick.model.visual.patch_embed.register_forward_hook(lambda _, given, made: patches.append(len(given[0])))
    clips = []
    if has_geometry(quick):
        quick.model.spatial_encoder.register_forward_hook(lambda _, given, made: clips.append(len(given[0])))
    expected = _learned(plain, dict(batch))
    for _ in range(2):
        shared.expect(names)
        loss, gradients = _learned(quick, dict(batch))
        assert loss == pytest.approx(expected[0], abs=1e-5)
        assert gradients.keys() == expected[1].keys()
        for name, value in gradients.items():
            assert (value - expected[1][name]).abs().max() < 2e-4 * max(1.0, float(expected[1][name].abs().max())), name
    all_patches = int(batch["image_grid_thw"].prod(-1).sum())
    once = int(batch["image_grid_thw"][:4].prod(-1).sum())
    assert once < all_patches
    assert patches == ([once] if "vision" in frozen else [once, once])
    if clips:
        assert sum(clips) == (2 if "geometry" in frozen else 4)


def test_a_model_of_another_layout_is_left_alone(llava_model):
    model, _ = load_model(llava_model)
    assert not can_share(model)
    assert not quicken_vision(model)


def test_a_patch_of_a_still_image_needs_the_pixels_of_one_frame(tiny_model):
    import torch

    model, _ = load_model(tiny_model)
    embed, (one,) = model.model.visual.patch_embed, torch.randn(1, 5, 3, 1, 64)
    both = one.expand(-1, -1, 2, -1).flatten(1)
    expected = embed(both)
    assert quicken_vision(model)
    torch.testing.assert_close(embed(both), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(embed(one.flatten(1)), expected, atol=1e-5, rtol=1e-5)
