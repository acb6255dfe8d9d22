from __future__ import annotations

import pytest
from qa_contract.cli.settings import load_settings
from qa_contract.errors import UserError
from qa_trainer.cli import app
from qa_trainer.rewards import REWARDS
from qa_trainer.settings.grpo import GRPOSettings
from qa_trainer.settings.score import ScoreSettings
from qa_trainer.settings.sft import SFTSettings
from typer.testing import CliRunner


def test_file_is_overridden_by_the_command_line(tmp_path):
    path = tmp_path / "sft.toml"
    path.write_text('steps = 7\nlearning_rate = 1e-4\nfreeze = ["vision"]\n')
    settings = load_settings(SFTSettings, path, {"steps": 9})
    assert (settings.steps, settings.learning_rate, settings.freeze, settings.seed) == (9, 1e-4, ("vision",), 0)


def test_written_settings_are_read_back(tmp_path):
    settings = SFTSettings(steps=3, learning_rate=1e-7, freeze=("vision", "connector"), round=2)
    path = tmp_path / "config.toml"
    path.write_text(settings.to_toml())
    assert load_settings(SFTSettings, path) == settings


def test_unknown_key_names_the_file_and_the_nearest_key(tmp_path):
    path = tmp_path / "sft.toml"
    path.write_text("stepps = 7\n")
    with pytest.raises(UserError, match=r"sft\.toml: unknown setting 'stepps'\. Did you mean 'steps'"):
        load_settings(SFTSettings, path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = 0", "steps needs a whole number, at least 1; found 0"),
        ("learning_rate = nan", "learning_rate"),
        ('dtype = "float16"', "dtype needs one of auto, float32, bfloat16"),
        ("batch_size = 6\nmicro_batch_size = 4", "batch_size 6 is not a multiple of micro_batch_size 4"),
        ("steps = ", "not a TOML file"),
        ("warmup_steps = 2\nwarmup_share = 0.1", "warmup_steps and warmup_share say the same thing"),
        ('part_learning_rate = ["conector=1e-5"]', "'conector' is no part. Did you mean 'connector'"),
        ('part_learning_rate = ["vision=fast"]', "'vision=fast' needs a number of at least 0"),
        ('part_weight_decay = ["vision=0", "vision=1"]', "a part is named twice"),
        ('freeze = ["vision"]\npart_weight_decay = ["vision=0"]', "vision has a learning rate or weight decay"),
    ],
)
def test_wrong_values_are_named(tmp_path, text, message):
    path = tmp_path / "sft.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_settings(SFTSettings, path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.toml: cannot read"):
        load_settings(SFTSettings, tmp_path / "absent.toml")


def test_speed_settings_do_not_change_the_identity_of_a_run():
    assert SFTSettings(save_steps=3, image_cache_mb=1).content() == SFTSettings().content()
    assert SFTSettings(micro_batch_size=8).content() != SFTSettings().content()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rewards": ("reasoning",)}, "need ask_steps"),
        ({"rewards": ("reasoning_length",), "ask_steps": True}, "320 tokens or more, and max_completion_length is 64"),
        ({"rewards": ("cognitive_map",), "ask_steps": True}, "take one"),
    ],
)
def test_rewards_and_what_is_asked_for_fit_together(values, message):
    with pytest.raises(UserError, match=message):
        load_settings(GRPOSettings, given=values)


@pytest.mark.parametrize(("command", "model"), [("sft", SFTSettings), ("grpo", GRPOSettings), ("score", ScoreSettings)])
def test_every_setting_is_an_option_with_its_default_in_80_columns(command, model):
    page = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"}).stdout
    assert max(map(len, page.splitlines())) <= 80
    assert "…" not in page
    text = " ".join(page.split())
    for name, field in model.model_fields.items():
        flag = field.json_schema_extra.get("option") or f"--{name.replace('_', '-')}"
        entry = text[text.index(f" {flag} ") :].partition("]")[0]
        assert "default: " in entry, name
        if isinstance(field.default, int | float | str) and not isinstance(field.default, bool):
            assert f"default: {field.default}" in entry, name


def test_help_names_every_reward():
    page = CliRunner().invoke(app, ["grpo", "--help"], env={"COLUMNS": "80"}).stdout
    assert set(REWARDS) <= set(page.replace(".", " ").replace(",", " ").split())
