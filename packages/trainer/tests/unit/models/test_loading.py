from __future__ import annotations

import shutil

import pytest
from qa_trainer.errors import QATrainerError
from qa_trainer.models.loading import freeze_parts, load_model, model_hash, resolve_model


def test_missing_models_are_named(tmp_path):
    with pytest.raises(QATrainerError, match="no such folder, and not a hub id"):
        resolve_model(str(tmp_path / "absent"))
    with pytest.raises(QATrainerError, match=r"no config\.json"):
        resolve_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(QATrainerError, match="no weights"):
        resolve_model(str(tmp_path))


def test_a_hub_id_that_is_not_in_the_cache_says_what_works_offline():
    with pytest.raises(QATrainerError, match=r"--model nobody/nothing.*Offline, give a folder"):
        resolve_model("nobody/nothing")


def test_the_hash_follows_the_weights_and_not_the_place(tiny_model, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    assert model_hash(copy) == model_hash(tiny_model)
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert model_hash(copy) != model_hash(tiny_model)


def test_a_folder_without_a_vision_language_model_is_an_error(tiny_model, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    (broken / "processor_config.json").unlink()
    with pytest.raises(QATrainerError, match="broken"):
        load_model(broken)
    shutil.copy(tiny_model / "processor_config.json", broken)
    (broken / "chat_template.jinja").unlink()
    with pytest.raises(QATrainerError, match="no chat template"):
        load_model(broken)


def test_attention_is_blamed_only_where_it_was_chosen(tiny_model, monkeypatch):
    from transformers import AutoModelForImageTextToText

    def fail(*args, **options):
        raise ImportError("these weights need a library that loads them automatically")

    monkeypatch.setattr(AutoModelForImageTextToText, "from_pretrained", fail)
    with pytest.raises(QATrainerError, match="not a loadable vision-language model"):
        load_model(tiny_model)
    with pytest.raises(QATrainerError, match="--attention sdpa: not for this model"):
        load_model(tiny_model, attention="sdpa")


def test_parts_are_frozen_alone(tiny_model):
    model, _ = load_model(tiny_model)
    freeze_parts(model, ("vision",))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert "model.visual.patch_embed.proj.weight" not in trained
    assert {"model.visual.merger.norm.weight", "model.language_model.embed_tokens.weight"} <= trained
    freeze_parts(model, ("language",))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert "model.visual.patch_embed.proj.weight" in trained
    assert not any("language_model" in name for name in trained)
    with pytest.raises(QATrainerError, match="nothing is left to train"):
        freeze_parts(model, ("vision", "connector", "language"))


def of_family(name):
    """A model of a family at its real size, without memory for its weights."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(CONFIG_MAPPING[name]())


@pytest.mark.parametrize(
    "family",
    [
        "qwen2_5_vl",
        "qwen3_vl",
        "internvl",
        "llava_onevision",
        "smolvlm",
        "idefics3",
        "gemma3",
        "glm4v",
        "minicpmv4_6",
        "kimi_k25",
    ],
)
def test_freezing_the_language_model_leaves_nothing_of_it_to_train(family):
    model = of_family(family)
    freeze_parts(model, ("language",))
    language = {id(parameter) for parameter in model.get_decoder().parameters()}
    language |= {id(parameter) for parameter in model.get_output_embeddings().parameters()}
    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert language
    assert trained
    assert not language & trained
    freeze_parts(model, ("vision", "connector"))
    assert {id(parameter) for parameter in model.parameters() if parameter.requires_grad} == language


def test_a_family_with_parameters_of_no_known_part_is_not_frozen_silently():
    model = of_family("fuyu")
    with pytest.raises(QATrainerError, match=r"--freeze language: 2 of \d+ parameters of Fuyu.*vision_embed_tokens"):
        freeze_parts(model, ("language",))
    freeze_parts(model, ())
    assert all(parameter.requires_grad for parameter in model.parameters())
