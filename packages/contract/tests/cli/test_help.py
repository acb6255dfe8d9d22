"""Help: readable in 80 columns, whole, quick to import."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from qa_contract.cli import make_app
from qa_contract.cli.help import help_page
from typer.testing import CliRunner

PAGES = [(), ("label",), ("sft",), ("estimate",), ("fail",), ("work",)]


@pytest.mark.parametrize("words", PAGES)
def test_no_line_is_longer_than_80_columns_and_nothing_is_cut(toy, words):
    page = toy(*words, "--help")
    assert (page.returncode, page.stderr) == (0, "")
    assert max(map(len, page.stdout.splitlines())) <= 80
    assert "…" not in page.stdout
    assert "..." not in page.stdout.replace(",...", "").replace("MORE...", "")


@pytest.fixture
def page(toy_module):
    """Give the help of a command, made in this process."""
    return lambda *words: CliRunner().invoke(toy_module.app, [*words, "--help"], env={"COLUMNS": "80"}).stdout


def test_every_option_of_a_command_is_whole_and_listed_once(page):
    listed = re.findall(r"^  (--[a-z-]+)", page("sft"), re.MULTILINE)
    fields = "steps batch-size micro-batch-size learning-rate weight-decay schedule activation-checkpointing precision"
    more = "freeze lora-rank reward reward-weights cache seed"
    expected = [f"--{name}" for name in f"{fields} {more} model out json config debug version help".split()]
    assert sorted(listed) == sorted(expected)


def test_topics_are_in_order_and_the_common_options_come_last(page):
    lines = page("sft").splitlines()
    titles = [line for line in lines if line and line[0] != " " and ". " not in line + " "]
    assert titles[1:] == ["Options", "Optimisation", "Memory", "What is trained", "Common"]
    assert lines[0] == "Usage: qa-contract sft --model MODEL --out PATH [options]"


@pytest.mark.parametrize(
    "text",
    [
        "--learning-rate X           The highest of the schedule.  [default: 1e-06; above 0]",
        "--weight-decay X            Of AdamW.  [default: 0.0; at least 0]",
        "--freeze NAME,...           Parts of the model that are left as they are. "
        "[vision, connector, language; default: none]",
        "--reward TEXT,...           Names of rewards.  [default: mra,choice]",
        "--precision NAME            Arithmetic of the forward pass.  [float32, bfloat16; default: float32]",
        "--seed N                    Seed of everything random.  [default: 0; at least 0, below 4294967296]",
        "--activation-checkpointing / --no-activation-checkpointing Recompute activations in the backward pass: less "
        "memory, more time.  [default: no-activation-checkpointing]",
        "to wrap.  [default: all of a step; at least 1]",
    ],
)
def test_defaults_choices_and_bounds_come_from_the_field(page, text):
    assert " ".join(text.split()) in " ".join(page("sft").split())


@pytest.mark.parametrize(
    "text",
    [
        "--score SCORE Score of an answer. [geometric_mean, first_token, min_token; default: geometric_mean]",
        "--exclude PATH Questions asked before. [repeatable]",
        "--screen / --no-screen Ask what the frames show. [default: screen]",
        "--round N Round. [default: the questions']",
        "--force Replace what --out holds. --json",
        "An option with a very long name indeed. [default: 100; at least 1, at most 10000]",
    ],
)
def test_options_of_a_function_read_the_same(page, text):
    assert text in " ".join(page("label").split())


def test_the_program_lists_its_commands_by_topic_with_whole_summaries(page):
    shown = page()
    assert "one line of a summary of commands can hold." in shown
    assert "says more" not in shown
    assert shown.index("Questions\n  label") < shown.index("Training\n  sft") < shown.index("Commands\n  fail")


def test_without_words_the_help_is_an_error(toy, page):
    result = toy()
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == page()


def test_help_follows_a_narrow_and_a_wide_terminal(monkeypatch, toy_module):
    for columns, widest in (("50", 50), ("240", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        lines = CliRunner().invoke(toy_module.app, ["label", "--help"], env={"COLUMNS": columns}).stdout.splitlines()
        assert max(map(len, lines)) <= widest
    assert max(map(len, lines)) > 80


def test_an_option_without_a_text_is_listed():
    app = make_app("qa-contract", "A program.")

    @app.command()
    def show(limit: int | None = None) -> None:
        """Show."""

    assert "\n  --limit N\n" in CliRunner().invoke(app, ["show", "--help"]).stdout


def test_a_word_longer_than_the_line_stays_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    word = "x" * 60
    assert word in help_page("p", f"About {word}.", [])


@pytest.mark.parametrize(
    ("words", "absent"), [(["label"], ["pydantic", "rich"]), (["sft"], ["rich"]), ([], ["pydantic"])]
)
def test_help_imports_only_what_it_needs(environment, words, absent):
    code = (
        "import sys, toy\n"
        f"try: toy.app({[*words, '--help']!r})\n"
        "except SystemExit: pass\n"
        f"print([name for name in {absent!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stderr == "[]\n"
    assert result.stdout.startswith("Usage: qa-contract")
