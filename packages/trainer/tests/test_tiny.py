"""The tiny model: its inputs equal the processor's, its fast tower the plain one, a stopped run an undisturbed one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

SETTINGS = {"steps": 4, "batch_size": 3, "warmup": 2}


@pytest.fixture(scope="module")
def rooms_store(make, tmp_path_factory):
    """A store of two rooms with two posed frames each."""
    folder = tmp_path_factory.mktemp("rooms")
    rng = np.random.default_rng(1)
    pose = [1.0, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 1.6, 0, 0, 0, 1]
    scenes, objects, frames = [], [], []
    for scene, categories in (("room_0", ("bed", "lamp", "lamp")), ("room_1", ("sofa",))):
        scenes.append({"scene_name": scene, "room_size_m2": 12.0})
        for number, category in enumerate(categories):
            box = {"center": [1.0, 2.0 + number, 0.5], "size": [2.0, 0.9, 0.8]}
            objects.append({"scene_name": scene, "object_id": number, "category": category, **box})
        for index in range(2):
            path = f"{scene}_{index}.png"
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / path)
            frames.append({"scene_name": scene, "frame_id": f"f{index}", "image_path": path, "world_from_camera": pose})
    for table, rows in (("scenes", scenes), ("objects", objects), ("frames", frames)):
        make.write(rows, folder, table)
    return folder


@pytest.fixture(scope="module")
def rooms(rooms_store):
    from qa_trainer.tiny.rooms import load_rooms

    return load_rooms(rooms_store)


@pytest.fixture(scope="module")
def built():
    """Processor and model with random weights."""
    from qa_trainer.tiny.model import build_model, build_processor

    processor = build_processor()
    return processor, build_model(processor, seed=0).eval()


@pytest.fixture(scope="module")
def batch(rooms, built):
    """One batch of all rooms, none mirrored."""
    from qa_trainer.tiny.pretrain import ReportBatches

    class Plain(np.random.Generator):
        def random(self, size=None):
            return super().random() if size is None else np.ones(size)

    processor, model = built
    return ReportBatches(rooms, processor, model)(np.arange(2), Plain(np.random.PCG64(3)))


def test_rooms_are_read_with_frames_and_facts(rooms):
    assert rooms.frames.shape == (2, 2, 64, 64, 3)
    assert rooms.vocabulary == ("bed", "lamp", "sofa")
    assert rooms.facts[0].categories == ("bed", "lamp", "lamp")
    assert rooms.facts[0].longest_cm.tolist() == [200, 200, 200]
    assert rooms.facts[0].position_m.tolist() == [[1, 2], [1, 3], [1, 4]]


def test_a_batch_equals_what_the_processor_makes_of_its_text(rooms, built, batch):
    processor, model = built
    texts = processor.tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=False)
    pads = f"<|vision_start|>{'<|image_pad|>' * 4}<|vision_end|>"
    single = "<|vision_start|><|image_pad|><|vision_end|>"
    images = [[Image.fromarray(frame) for frame in frames] for frames in rooms.frames]
    for row, text in enumerate(texts):
        assert text.count(pads) == 2
        made = processor(
            text=[text.replace("<|endoftext|>", "").replace(pads, single)],
            images=images[row],
            return_tensors="pt",
        )
        length = int(batch["attention_mask"][row].sum())
        assert batch["input_ids"][row, :length].tolist() == made["input_ids"][0].tolist()
        pixels = batch["pixel_values"].reshape(2, -1, batch["pixel_values"].shape[1])[row]
        np.testing.assert_allclose(pixels, made["pixel_values"], atol=1e-6)
        kinds = made["mm_token_type_ids"]
        places = model.model.get_rope_index(made["input_ids"], kinds, made["image_grid_thw"])[0]
        assert batch["position_ids"][:, row, :length].tolist() == places[:, 0].tolist()


def test_labels_are_the_answers(built, batch):
    processor, _ = built
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        text = processor.tokenizer.decode(ids, skip_special_tokens=False)
        answer = processor.tokenizer.decode(labels[labels >= 0], skip_special_tokens=False)
        assert text.replace("<|endoftext|>", "").endswith(f"<|im_start|>assistant\n{answer}")


def test_the_fast_tower_equals_the_plain_one(built, batch):
    import torch
    from qa_trainer.tiny.fast_vision import fast_vision

    _, model = built
    with torch.inference_mode():
        plain = model(**batch).logits
        with fast_vision(model):
            fast = model(**batch).logits
        again = model(**batch).logits
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(again, plain, rtol=0, atol=0)


def test_a_stopped_run_goes_on_as_if_undisturbed(rooms, tmp_path):
    import torch
    from qa_trainer.tiny.pretrain import PretrainSettings, pretrain

    torch.set_num_threads(1)

    class Stopped(Exception):
        pass

    def stop(*_):
        raise Stopped

    def silent(*_):
        pass

    settings = PretrainSettings(**SETTINGS)
    whole, _ = pretrain(rooms, settings, checkpoint=tmp_path / "whole.pt", progress=silent, every=2)
    with pytest.raises(Stopped):
        pretrain(rooms, settings, checkpoint=tmp_path / "half.pt", progress=stop, every=2)
    resumed, _ = pretrain(rooms, settings, checkpoint=tmp_path / "half.pt", progress=silent, every=2)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_command_writes_a_model_and_its_card(command, rooms_store, tmp_path):
    out = tmp_path / "base"
    arguments = ["pretrain-tiny", "--store", rooms_store, "--heldout", rooms_store, "--out", out, "--steps", 1]
    ended = command(*arguments, "--batch-size", 2)
    assert ended.code == 0, ended.stderr
    card = json.loads((out / "model_card.json").read_text())
    assert card["rooms"] == 2
    assert card["heldout"]["n_rooms"] == 2
    assert card["heldout"]["room_m2_constant"] == 0
    assert (out / "model.safetensors").exists()
    again = command(*arguments)
    assert again.code == 2
    assert "holds a finished run" in again.stderr


def test_a_store_without_poses_is_an_error(command, store, tmp_path):
    ended = command("pretrain-tiny", "--store", store, "--out", tmp_path / "out")
    assert ended.code == 2
    assert not (tmp_path / "out").exists()


def test_a_random_model_is_written_and_never_replaced_unasked(command, tmp_path):
    assert command("init-tiny", "--out", tmp_path / "m").code == 0
    again = command("init-tiny", "--out", tmp_path / "m")
    assert again.code == 2
    assert "--force" in again.stderr
