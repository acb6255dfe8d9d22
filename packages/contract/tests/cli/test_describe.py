"""`--describe`: what a command takes, for programs that check a command line before they start it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pytest
import typer
from qa_contract.cli import make_app


class Size(StrEnum):
    small = "small"
    large = "large"


@pytest.fixture
def ask(monkeypatch, capsys):
    app = make_app("walk", "Go somewhere.")

    @app.command()
    def go(
        place: Path,
        steps: Annotated[int, typer.Option(min=1, max=9)] = 1,
        speed: float = 1.0,
        size: Size = Size.small,
        bag: list[Path] | None = None,
        run: Annotated[bool, typer.Option("--run/--no-run")] = False,
    ) -> None:
        """Go."""

    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            typer.main.get_command(app).main([*words])
        return stopped.value.code, capsys.readouterr()

    return call


def test_options_with_kind_bounds_and_choices(ask):
    code, said = ask("go", "--describe")
    assert code == 0
    found = {option["flags"][0]: option for option in json.loads(said.out)}
    assert (found["--steps"]["kind"], found["--steps"]["min"], found["--steps"]["max"]) == ("integer", 1, 9)
    assert found["--speed"]["kind"] == "number"
    assert found["--size"]["choices"] == ["small", "large"]
    assert found["--bag"]["many"] is False  # repeated, not separated by commas
    assert found["--run"]["flags"] == ["--run", "--no-run"]
    assert found["--run"]["kind"] == "switch"
    assert "place" not in found


def test_an_option_that_names_of_a_registry_go_to_lists_them():
    app = make_app("qa-example", "Try.", registries={"--keys": ("string:__all__",), "--kind": ("keyword:softkwlist",)})

    @app.command()
    def go(keys: str | None = None, kind: str = "match") -> None:
        """Go."""

    from qa_contract.cli.describe import described

    command = typer.main.get_command(app)
    found = {one["flags"][0]: one for one in json.loads(described(command.commands["go"], command.registries))}
    assert "Template" in found["--keys"]["choices"]
    assert found["--keys"]["many"] is True
    assert ("match" in found["--kind"]["choices"], found["--kind"]["many"]) == (True, False)


def test_a_command_that_is_not_there_is_named(ask):
    code, said = ask("stay", "--describe")
    assert code == 2
    assert "go" in said.err


def test_settings_tell_open_bounds_and_several_values():
    from qa_contract.cli.describe import _described
    from qa_contract.cli.values import Value

    param = type("Param", (), {"opts": ["--rate"], "secondary_opts": [], "is_flag": False})
    rate = _described(param, Value(float, bounds={"gt": 0, "lt": 1}), several=False)
    assert (rate["min"], rate["max"], rate["open"]) == (0, 1, ["gt", "lt"])
    parts = _described(param, Value(str, ("a", "b"), many=True), several=True)
    assert (parts["choices"], parts["many"], parts["none"]) == (["a", "b"], True, True)
