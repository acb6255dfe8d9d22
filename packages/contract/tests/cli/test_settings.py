"""Settings: command line before file before default, and messages about what is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qa_contract.cli.adapter import settings_params
from qa_contract.cli.settings import Settings, load_settings, setting
from qa_contract.errors import UserError
from typer.testing import CliRunner


class Small(Settings):
    name: str = "rooms"
    steps: int = setting(100, ge=1)
    rate: float = setting(1e-6, gt=0)
    rank: int | None = setting(8, ge=1)
    weights: tuple[float, ...] = ()
    deep: bool = False
    cache: Path | None = None


@pytest.fixture
def sft(toy_module):
    def call(*words):
        return CliRunner().invoke(toy_module.app, ["sft", "--model", "m", "--out", "o", *map(str, words)])

    return call


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "sft.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default(sft, file):
    path = file('steps = 7\nbatch_size = 32\nfreeze = ["vision"]\nactivation_checkpointing = true\n')
    words = ("--steps", 3, "--freeze", "language,connector", "--no-activation-checkpointing")
    found = tomllib.loads(sft("--config", path, *words).stdout)
    assert (found["steps"], found["batch_size"], found["learning_rate"]) == (3, 32, 1e-6)
    assert found["freeze"] == ["language", "connector"]
    assert found["activation_checkpointing"] is False


def test_what_is_written_reads_the_same(sft, file):
    first = sft("--reward", "a", "--reward", "b,c", "--lora-rank", "none", "--cache", "a,b", "--precision", "bfloat16")
    assert tomllib.loads(first.stdout)["rewards"] == ["a", "b", "c"]
    assert sft("--config", file(first.stdout)).stdout == first.stdout


def test_none_takes_back_what_the_file_says(sft, file):
    path = file('reward_weights = [1, 2]\nfreeze = ["vision"]\n')
    found = tomllib.loads(sft("--config", path, "--reward-weights", "none", "--freeze", "none").stdout)
    assert "reward_weights" not in found
    assert found["freeze"] == []


SEE = "See 'qa-contract sft --help'."


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--steps", 0), f"--steps needs a whole number, at least 1; found '0'. {SEE}"),
        (("--steps", "1.5"), f"--steps needs a whole number, at least 1; found '1.5'. {SEE}"),
        (("--learning-rate", "nan"), f"--learning-rate needs a number, above 0; found 'nan'. {SEE}"),
        (("--seed", 2**32), f"--seed needs a whole number, at least 0, below 4294967296; found '{2**32}'. {SEE}"),
        (
            ("--schedule", "cosin"),
            "--schedule needs one of constant, linear, cosine, polynomial, inverse_sqrt; found 'cosin'. "
            f"Did you mean 'cosine'? {SEE}",
        ),
        (
            ("--freeze", "vison"),
            f"--freeze needs any of vision, connector, language; found 'vison'. Did you mean 'vision'? {SEE}",
        ),
        (("--reward-weights", "1,x"), f"--reward-weights needs numbers, or none; found 'x'. {SEE}"),
        (
            ("--batch-size", 6, "--micro-batch-size", 4),
            f"settings do not fit together: batch_size 6 is not a multiple of micro_batch_size 4. {SEE}",
        ),
        (
            ("--steps", 0, "--lora-rank", "x"),
            "2 settings are wrong.\n  --steps needs a whole number, at least 1; found '0'.\n"
            f"  --lora-rank needs a whole number, at least 1, or none; found 'x'.\n{SEE}",
        ),
    ],
)
def test_a_wrong_option_says_what_is_valid(sft, words, message):
    result = sft(*words)
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz = 3", "unknown setting 'stepz'. Did you mean 'steps'? Correct or remove it."),
        ("batch-size = 3", "unknown setting 'batch-size'. Did you mean 'batch_size'? Correct or remove it."),
        ("steps = 0", "steps needs a whole number, at least 1; found 0."),
        ('steps = "many"', "steps needs a whole number, at least 1; found 'many'."),
        (
            "steps = ",
            "not a TOML file (Invalid value (at end of document)). Correct it; lines look like 'steps = 100'.",
        ),
    ],
)
def test_a_wrong_file_is_named(sft, file, text, message):
    path = file(text)
    assert sft("--config", path).stderr == f"error: {path}: {message} {SEE}\n"


def test_a_file_that_is_not_there(sft, tmp_path):
    path = tmp_path / "none.toml"
    message = f"{path}: cannot read the settings (No such file or directory). Check the path."
    assert sft("--config", path).stderr == f"error: {message} {SEE}\n"


def test_a_command_may_show_a_part_of_the_fields(toy_module, file):
    path = file("steps = 3\nbatch_size = 8\n")
    run = CliRunner().invoke
    assert run(toy_module.app, ["estimate", "--config", str(path), "--precision", "bfloat16"]).stdout == "8 bfloat16\n"
    assert run(toy_module.app, ["estimate", "--steps", "3"]).exit_code == 2
    with pytest.raises(ValueError, match=r"has no fields \['speed'\]"):
        settings_params(Small, ("speed",))


def test_a_field_without_a_default_is_asked_for():
    class Needed(Settings):
        steps: int = setting(ge=1)

    with pytest.raises(UserError, match=r"steps is missing: pass --steps, or write 'steps = \.\.\.' in the"):
        load_settings(Needed)
    assert load_settings(Needed, given={"steps": 3}).steps == 3


def test_values_from_python_are_named_by_field():
    with pytest.raises(UserError, match=r"^steps needs a whole number, at least 1; found 0\.$"):
        load_settings(Small, given={"steps": 0})
    with pytest.raises(UserError, match=r"unknown setting 'step'\. Did you mean 'steps'"):
        load_settings(Small, given={"step": 0})


@given(
    st.builds(
        Small,
        name=st.text(),
        steps=st.integers(1),
        rate=st.floats(min_value=0, exclude_min=True, allow_nan=False),
        rank=st.none() | st.integers(1),
        weights=st.lists(st.floats(allow_nan=False)).map(tuple),
        deep=st.booleans(),
        cache=st.none() | st.text("abc/. \"'\\", min_size=1).map(Path),
    )
)
def test_toml_keeps_every_value(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("toml") / "settings.toml"
    path.write_text(values.to_toml(), encoding="utf-8", newline="")
    assert load_settings(Small, path) == values
