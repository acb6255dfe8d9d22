from __future__ import annotations

import click
import pytest
import typer
from qa_trainer.cli import app
from qa_trainer.config import SFTSettings, load_settings
from qa_trainer.errors import QATrainerError


def test_file_is_overridden_by_the_command_line(tmp_path):
    path = tmp_path / "sft.toml"
    path.write_text('steps = 7\nlearning_rate = 1e-4\nfreeze = ["vision"]\n')
    settings = load_settings(path, {"steps": 9, "seed": None}, SFTSettings)
    assert (settings.steps, settings.learning_rate, settings.freeze, settings.seed) == (9, 1e-4, ("vision",), 0)


def test_written_settings_are_read_back(tmp_path):
    settings = SFTSettings(steps=3, learning_rate=1e-7, freeze=("vision", "connector"), round=2)
    path = tmp_path / "config.toml"
    path.write_text(settings.to_toml())
    assert load_settings(path, {}, SFTSettings) == settings


def test_unknown_key_names_the_file_and_the_nearest_key(tmp_path):
    path = tmp_path / "sft.toml"
    path.write_text("stepps = 7\n")
    with pytest.raises(QATrainerError, match=r"sft\.toml 'stepps'\. Did you mean 'steps'"):
        load_settings(path, {}, SFTSettings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = 0", "steps: Input should be greater than or equal to 1"),
        ("learning_rate = nan", "learning_rate"),
        ('dtype = "float16"', "dtype: Input should be 'float32' or 'bfloat16'"),
        ("batch_size = 6\nmicro_batch_size = 4", "batch_size 6 is not a multiple of micro_batch_size 4"),
        ("steps = ", "not a TOML file"),
    ],
)
def test_wrong_values_are_named(tmp_path, text, message):
    path = tmp_path / "sft.toml"
    path.write_text(text)
    with pytest.raises(QATrainerError, match=message):
        load_settings(path, {}, SFTSettings)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(QATrainerError, match=r"absent\.toml: cannot read"):
        load_settings(tmp_path / "absent.toml", {}, SFTSettings)


def test_speed_settings_do_not_change_the_identity_of_a_run():
    assert SFTSettings(save_steps=3, image_cache_mb=1).content() == SFTSettings().content()
    assert SFTSettings(micro_batch_size=8).content() != SFTSettings().content()


def test_help_states_the_defaults_of_the_settings():
    command = typer.main.get_command(app)
    assert isinstance(command, click.Group) or hasattr(command, "commands")
    options = {parameter.name: getattr(parameter, "help", "") for parameter in command.commands["sft"].params}
    for name, value in SFTSettings().model_dump().items():
        if value not in (None, ()) and not isinstance(value, bool):
            assert f"[default: {value}]" in options[name], name
    assert {"round" if name == "round_number" else name for name in options} >= set(SFTSettings.model_fields)
