"""The tiny model: packed questions equal single ones, dense targets lie where the objects do, a stopped run goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

SETTINGS = {"steps": 4, "decay": 2, "batch_size": 2, "slots": 2, "warmup": 2}
POSE = [1.0, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0, 1.6, 0, 0, 0, 1]
"""A camera at the origin that looks along +y; +x is to its right."""


@pytest.fixture(scope="module")
def rooms_store(make, tmp_path_factory):
    """Two rooms with two posed frames; in each, object i covers the rows 16 i to 16 i + 15 of the left half."""
    folder = tmp_path_factory.mktemp("rooms")
    rng = np.random.default_rng(1)
    scenes, objects, frames, seen = [], [], [], []
    for scene, categories in (("room_0", ("bed", "lamp", "lamp", "tv")), ("room_1", ("sofa", "bed", "tv"))):
        scenes.append({"scene_name": scene, "room_size_m2": 12.0})
        for number, category in enumerate(categories):
            box = {"center": [1.0 + number % 2, 2.0 + number, 0.5], "size": [2.0, 0.9, 0.8]}
            box["rotation"] = [1.0, 0, 0, 0, 1, 0, 0, 0, 1]
            objects.append({"scene_name": scene, "instance_id": number, "category": category, **box})
        for index in range(2):
            path, masks = f"{scene}_{index}.png", f"{scene}_{index}_masks.png"
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / path)
            shown = np.zeros((64, 64), np.uint16)
            for number in range(len(categories)):
                shown[16 * number : 16 * number + 16, :32] = number + 1
                box = [0.0, 16.0 * number, 32.0, 16.0 * number + 16]
                row = {"scene_name": scene, "frame_id": f"f{index}", "instance_id": number, "visible_px": 512}
                # The second lamp of the first room is hidden in both frames.
                hidden = scene == "room_0" and number == 2
                seen.append({**row, "visible_fraction": 0.1 if hidden else 1.0, "box_2d": box})
            Image.fromarray(shown).save(folder / masks)
            frame = {"scene_name": scene, "frame_id": f"f{index}", "image_path": path, "instance_path": masks}
            frames.append({**frame, "width": 64, "height": 64, "world_from_camera": POSE})
    for table, rows in (("scenes", scenes), ("objects", objects), ("frames", frames), ("observations", seen)):
        make.write(rows, folder, table)
    return folder


@pytest.fixture(scope="module")
def rooms(rooms_store):
    from qa_trainer.tiny.rooms import load_rooms

    return load_rooms(rooms_store)


@pytest.fixture(scope="module")
def student(rooms):
    """Student with random weights."""
    from qa_trainer.tiny.pretrain import PretrainSettings, Student

    made = Student(PretrainSettings(**SETTINGS), len(rooms.vocabulary))
    made.model.eval()
    return made


@pytest.fixture(scope="module")
def packer(rooms, student):
    from qa_trainer.tiny.packing import Packer

    return Packer(rooms, student.processor, student.model, slots=2)


def test_rooms_are_read_with_frames_and_what_they_show(rooms, rooms_store, tmp_path):
    from qa_trainer.tiny.rooms import load_rooms

    assert rooms.frames.shape == (2, 2, 64, 64, 3)
    assert rooms.vocabulary == ("bed", "lamp", "sofa", "tv")
    assert rooms.facts[0].seen.tolist() == [[True, True, False, True]] * 2
    assert rooms.instance[0, 0, :, 0].tolist() == [number for number in range(4) for _ in range(8)]
    assert (rooms.instance[0, 0, :, 16:] == -1).all()
    for _ in range(2):  # the second time from the cache
        again = load_rooms(rooms_store, cache=tmp_path / "frames.npy")
        np.testing.assert_array_equal(again.frames, rooms.frames)


def test_a_mirrored_sight_has_right_and_left_exchanged(rooms):
    from qa_trainer.tiny.views import distances_m, sight

    plain, mirrored = (sight(rooms.facts[0], np.array([0, 1]), mirrored=flip) for flip in (False, True))
    assert plain.place.tolist() == [[1, 2], [2, 3], [1, 4], [2, 5]]
    assert mirrored.place.tolist() == [[-1, 2], [-2, 3], [-1, 4], [-2, 5]]
    np.testing.assert_allclose(distances_m(plain.footprint), distances_m(mirrored.footprint), atol=1e-12)
    assert distances_m(plain.footprint)[0, 2] == pytest.approx(1.1)


def test_questions_are_about_visible_objects(rooms):
    from qa_trainer.tiny.reports import KINDS, Quiz
    from qa_trainer.tiny.views import sight

    quiz = Quiz(sight(rooms.facts[0], np.array([0, 1]), mirrored=False), rooms.vocabulary)
    rng = np.random.default_rng(0)
    drawn = [quiz.ask(kind, rng, sentence=False) for kind in KINDS for _ in range(40)]
    said = {item.question: item.answer for item in drawn if item}
    assert said["count lamp"] == "1"
    assert said["count sofa"] == "0"
    assert said["place lamp"] == "2.0,3.0"
    assert said["longest bed"] == "200"
    assert said["area"] == "12.0"
    assert said["distance bed, tv"] == "2.1"
    # From the bed (1, 2), facing the lamp (2, 3), the television (2, 5) is to the left.
    assert said["side bed, lamp, tv"] == said["turn bed, lamp, tv"] == "left"
    assert said["quadrant bed, lamp, tv"] == "front-left"


def test_options_stand_for_what_the_short_form_answers(rooms):
    from qa_trainer.tiny.reports import Quiz, bearing_deg, direction, in_words
    from qa_trainer.tiny.views import sight

    quiz = Quiz(sight(rooms.facts[0], np.array([0, 1]), mirrored=False), rooms.vocabulary)
    rng = np.random.default_rng(0)
    asked = [quiz.ask(kind, rng, sentence=True) for kind in ("side", "turn", "quadrant") for _ in range(30)]
    asked = [item for item in asked if item is not None]
    assert len({item.question.partition("Options:")[0] for item in asked}) > 20
    for item in asked:
        name = direction(item.kind, bearing_deg(quiz.sight.place, *item.rows))
        assert f"\n{item.answer}. {name}\n" in item.question
        assert in_words(item).answer == name
        assert "letter" not in in_words(item).question
    for sentence in (True, False):
        letter = quiz.ask("letter", rng, sentence=sentence)
        options = dict(line.split(". ") for line in letter.question.splitlines() if line[1:3] == ". ")
        assert options[letter.answer] in letter.question.partition("Options:")[0]


def test_a_packed_question_gets_what_it_gets_alone(student, packer):
    import torch
    from qa_trainer.tiny.fast_vision import fast_vision
    from qa_trainer.tiny.packed_attention import packed_attention
    from qa_trainer.tiny.packing import SLOT

    batch = packer(np.arange(2), np.arange(2), np.random.default_rng(5))
    inner, image = student.model.model, student.model.config.image_token_id
    pads = batch.input_ids == image
    with torch.inference_mode(), fast_vision(student.model):
        visual = inner.visual(batch.pixel_values, grid_thw=batch.image_grid_thw)
        embeds = inner.language_model.embed_tokens(batch.input_ids)
        embeds = embeds.masked_scatter(pads[..., None], visual.pooler_output)
        with packed_attention(student.model, batch.question, SLOT):
            packed = inner.language_model(
                inputs_embeds=embeds,
                position_ids=batch.position_ids,
                visual_pos_masks=pads,
                deepstack_visual_embeds=visual.deepstack_features,
                use_cache=False,
            ).last_hidden_state
    patches = batch.pixel_values.reshape(2, -1, batch.pixel_values.shape[1])
    start = int((batch.question[0] == 0).sum())
    checked = 0
    for row in range(2):
        for number in range(1, int(batch.question[row].max()) + 1):
            at = (batch.question[row] == number).nonzero()[:, 0]
            ids = torch.cat([batch.input_ids[row, :start], batch.input_ids[row, at]])[None]
            with torch.inference_mode():
                alone = inner(
                    input_ids=ids,
                    pixel_values=patches[row],
                    image_grid_thw=batch.image_grid_thw[:2],
                    mm_token_type_ids=(ids == image).int(),
                ).last_hidden_state
            torch.testing.assert_close(packed[row, at], alone[0, start:], rtol=1e-4, atol=1e-4)
            checked += 1
    assert checked == sum(len(kinds) for kinds in batch.kinds) > 8


def test_a_batch_equals_what_the_processor_makes_of_its_text(rooms, student, packer):
    processor = student.processor
    start, _ = packer.opening(2)
    single = "<|vision_start|><|image_pad|><|vision_end|>"
    images = [Image.fromarray(frame) for frame in rooms.frames[1]]
    made = processor(text=[f"<|im_start|>user\n{single * 2}"], images=images, return_tensors="pt")
    assert start == made["input_ids"][0].tolist()
    np.testing.assert_allclose(packer.pixels(rooms.frames[1:2]), made["pixel_values"], atol=1e-6)


def test_labels_are_the_answers(student, packer):
    batch = packer(np.arange(2), np.arange(2), np.random.default_rng(5))
    tokenizer = student.processor.tokenizer
    for row in range(2):
        for number in range(1, len(batch.kinds[row]) + 1):
            at = batch.question[row] == number
            text = tokenizer.decode(batch.input_ids[row, at])
            labels = batch.labels[row, at]
            answer = tokenizer.decode(labels[labels >= 0])
            assert text.endswith(f"<|im_start|>assistant\n{answer}")
            assert answer.endswith("<|im_end|>\n")


def test_dense_targets_lie_where_the_objects_do(rooms):
    from qa_trainer.tiny.dense import dense_targets

    orders = np.array([[0, 1], [0, 1]])
    targets = dense_targets(rooms, np.arange(2), orders, np.array([False, True]), 8)
    names = np.array([*rooms.vocabulary, "none"])
    tokens = names[targets.token_category.argmax(-1).numpy()].reshape(2, 2, 4, 4)
    assert tokens[0, 0, :, 0].tolist() == ["bed", "lamp", "lamp", "tv"]
    assert (tokens[0, 0, :, 2:] == "none").all()
    assert tokens[1, 0, :, 3].tolist() == ["sofa", "bed", "tv", "none"]  # mirrored
    patches = names[targets.patch_category.argmax(-1).numpy()].reshape(2, 2, 64)[0, 0]
    assert patches[:8].tolist() == ["bed"] * 8  # four patches of a merged token, then those of the next one
    facts = targets.token_facts.reshape(2, 2, 4, 4, 8)
    assert (facts[0, 0, 0, 0, :2] * 2).tolist() == [1, 2]
    assert (facts[1, 0, 0, 3, :2] * 2).tolist() == [-1, 2]
    new = targets.token_new.reshape(2, 2, 16, 4)
    assert new[0, 0].sum(0).tolist() == [1, 1, 0, 1]  # the hidden lamp is not among them
    assert new[:, 1].sum() == 0  # the second frame shows nothing new


def test_the_steps_to_an_answer_are_targets_of_the_last_token_that_asks(rooms, packer):
    from qa_trainer.tiny.reports import Asked, Quiz
    from qa_trainer.tiny.steps import PLACES, UNIT_M, step_targets
    from qa_trainer.tiny.views import sight

    quiz = Quiz(sight(rooms.facts[0], np.array([0, 1]), mirrored=False), rooms.vocabulary)
    bed, lamp, tv = 0, 1, 3
    side = step_targets(quiz, Asked("side", "", "left", (bed, lamp, tv)))
    assert (side[:6] * UNIT_M).tolist() == [1, 2, 2, 3, 2, 5]
    assert np.isnan(side[6:PLACES]).all()
    assert np.isnan(side[PLACES:-2]).all()
    # From (1, 2) to (2, 3) and to (2, 5): 45 degrees and 71.57 degrees from the right-hand direction.
    np.testing.assert_allclose(side[-2:], [np.cos(np.arctan(3) - np.pi / 4), np.sin(np.arctan(3) - np.pi / 4)])
    far = step_targets(quiz, Asked("distance", "", "2.1", (bed, tv)))
    assert far[PLACES] * UNIT_M == pytest.approx(quiz.distance[bed, tv])
    assert np.isnan(far[PLACES + 1 :]).all()
    assert np.isnan(step_targets(quiz, Asked("count", "", "1"))).all()

    batch = packer(np.array([0, 1]), np.array([0, 1]), np.random.default_rng(1))
    labels = batch.labels[batch.steps.row, batch.steps.token + 1]
    assert (labels >= 0).all()  # the next token is the first of the answer
    assert (batch.labels[batch.steps.row, batch.steps.token] < 0).all()
    assert len(batch.steps.row) == sum(len(kinds) for kinds in batch.kinds) == len(batch.steps.places)


def test_a_batch_without_named_objects_has_no_loss_of_steps():
    import torch
    from qa_trainer.tiny.steps import CONCLUSIONS, PLACES, StepTargets, build_step_heads, step_losses

    first = torch.zeros(1, dtype=torch.long)
    unknown = StepTargets(first, first, torch.full((1, PLACES), torch.nan), torch.full((1, CONCLUSIONS), torch.nan))
    hidden = torch.ones(1, 1, 4)
    losses = step_losses(build_step_heads(4), hidden, hidden, unknown)
    assert {name: float(loss.detach()) for name, loss in losses.items()} == {"places": 0.0, "conclusions": 0.0}


def test_a_stopped_run_goes_on_as_if_undisturbed(rooms, tmp_path):
    import torch
    from qa_trainer.tiny.pretrain import PretrainSettings, pretrain

    torch.set_num_threads(1)

    class Stopped(Exception):
        pass

    def stop(step, *_):
        if step == 3:
            raise Stopped

    def silent(*_):
        pass

    settings = PretrainSettings(**SETTINGS)
    for name in ("whole", "half"):
        (tmp_path / name).mkdir()
    whole = pretrain(rooms, settings, out=tmp_path / "whole", progress=silent, every=1)
    with pytest.raises(Stopped):
        pretrain(rooms, settings, out=tmp_path / "half", progress=stop, every=1)
    resumed = pretrain(rooms, settings, out=tmp_path / "half", progress=silent, every=1)
    # Ended earlier: from the last checkpoint before the learning rate fell, which is still there.
    steps = []
    earlier = PretrainSettings(**{**SETTINGS, "steps": 3, "decay": 1})
    pretrain(rooms, earlier, out=tmp_path / "half", progress=lambda step, *_: steps.append(step), every=1)
    assert steps == [3]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_figures_of_answers():
    from qa_trainer.tiny.heldout import _figures

    assert _figures("side", [("left", "left"), ("left", "right"), ("right", "right")]) == {
        "side": pytest.approx(2 / 3),
        "side_constant": pytest.approx(2 / 3),
        "side_n": 3,
    }
    places = _figures("place", [("0.0,3.0", "3.0,3.0"), ("0.0,5.0", "0.0,5.0"), ("0.0,4.0", "none")])
    assert places == {"place_m": 3.0, "place_m_constant": 1.0}
    assert _figures("room", [("10.0", "11.0")])["room"] == pytest.approx(0.1)


def test_the_command_writes_a_model_and_its_card(command, rooms_store, tmp_path):
    out = tmp_path / "base"
    arguments = ["pretrain-tiny", "--store", rooms_store, "--heldout", rooms_store, "--out", out, "--steps", 1]
    ended = command(*arguments, "--decay", 1, "--batch-size", 2)
    assert ended.code == 0, ended.stderr
    card = json.loads((out / "model_card.json").read_text())
    assert card["rooms"] == 2
    assert card["heldout"]["2 frames, short"]["rooms"] == 2
    assert card["heldout"]["2 frames, short"]["room_constant"] == 0
    assert (out / "model.safetensors").exists()
    assert not (out / "constant.pt").exists()
    again = command(*arguments, "--decay", 1)
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
