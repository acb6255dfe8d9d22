"""Exit codes, messages of wrong usage, --debug and --version."""

from __future__ import annotations

import importlib.metadata

import pytest
from typer.testing import CliRunner


def test_done_is_0_and_rows_that_were_lost_are_1(toy, tmp_path):
    table = tmp_path / "questions"
    table.write_text("a\nb\n", encoding="utf-8")
    assert toy("label", table, "--out", "o").returncode == 0
    table.write_text("a\n\n", encoding="utf-8")
    result = toy("label", table, "--out", "o")
    assert result.returncode == 1
    assert result.stderr.startswith("Wrote o/confidence.parquet: 1 rows (easy 1; rejects: no_logprob 1; lost: 1) in ")


def test_an_error_of_the_user_is_one_line_and_2(toy):
    result = toy("fail", "user")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: --how user: asked for an error. Choose another.\n"


@pytest.mark.parametrize("words", ["--debug fail user", "fail --debug user", "fail user --debug"])
def test_debug_is_taken_anywhere_and_adds_the_traceback(toy, words):
    result = toy(*words.split())
    assert result.returncode == 2
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: --how user: asked for an error. Choose another.\n")


def test_after_two_dashes_words_are_arguments(toy):
    result = toy("label", "--out", "o", "--", "--debug")
    assert result.returncode == 2
    assert result.stderr == "error: --debug: no such file or folder. Check the path.\n"


def test_a_fault_of_the_program_keeps_its_traceback_and_is_70(toy):
    result = toy("fail", "bug")
    assert result.returncode == 70
    assert "RuntimeError: a bug" in result.stderr
    assert "please report it" in result.stderr


@pytest.mark.parametrize(("how", "code"), [("named", 2), ("own", 70), ("inside", 70), ("full", 2)])
def test_a_missing_file_is_the_users_if_the_user_named_it(toy, tmp_path, how, code):
    path = tmp_path / "missing" if how == "named" else tmp_path
    result = toy("fail", how, "--path", path)
    assert result.returncode == code
    assert ("Traceback" in result.stderr) == (code == 70)
    if how == "named":
        assert result.stderr == f"error: {path}: no such file or folder. Check the path.\n"


def test_ctrl_c_is_130_and_says_how_to_go_on(toy):
    result = toy("fail", "interrupt", "--path", "run")
    assert result.returncode == 130
    assert result.stderr == "stopped; the same command goes on in run\n"


@pytest.mark.parametrize("how", ["wrapped", "query"])
def test_a_stop_that_a_library_turned_into_an_error_is_130(toy, how):
    result = toy("fail", how)
    assert (result.returncode, result.stderr) == (130, "stopped\n")


@pytest.mark.parametrize("words", [("--version",), ("sft", "--version")])
def test_version(toy, words):
    result = toy(*words)
    assert (result.returncode, result.stdout) == (0, f"qa-contract {importlib.metadata.version('qa-contract')}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lable"], "No such command 'lable'. Did you mean 'label'? See 'qa-contract --help'."),
        (["sft", "--step", "3"], "No such option '--step'. Did you mean '--steps'? See 'qa-contract sft --help'."),
        (["fail"], "HOW is missing: What goes wrong. See 'qa-contract fail --help'."),
        (
            ["label", "q", "--out", "o", "--score", "first_tokn"],
            "--score needs one of geometric_mean, first_token, min_token; found 'first_tokn'. Did you mean "
            "'first_token'? See 'qa-contract label --help'.",
        ),
        (
            ["label", "q", "--out", "o", "--minimum-number-of-visible-pixels", "0"],
            "--minimum-number-of-visible-pixels needs a whole number, at least 1, at most 10000; found '0'. "
            "See 'qa-contract label --help'.",
        ),
        (["work", "--seconds", "soon"], "--seconds needs a number; found 'soon'. See 'qa-contract work --help'."),
        (["work", "more"], "Got unexpected extra argument(s) (more). See 'qa-contract work --help'."),
        (["work", "--seconds"], "Option '--seconds' requires an argument. See 'qa-contract work --help'."),
        (
            ["label", "--out", "o"],
            "QUESTIONS is missing: Table 'questions': a Parquet file or its folder. See 'qa-contract label --help'.",
        ),
    ],
)
def test_messages_say_what_is_valid_and_where_to_look(toy_module, words, message):
    result = CliRunner().invoke(toy_module.app, words)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")


def test_json_is_the_only_thing_on_stdout(toy, tmp_path):
    import json

    table = tmp_path / "questions"
    table.write_text("a\n", encoding="utf-8")
    result = toy("label", table, "--out", "my out", "--no-screen", "--round", "3", "--json")
    summary = json.loads(result.stdout)
    assert summary.pop("seconds") >= 0
    assert summary == {
        "lost": 0,
        "next": "qa-confidence feedback 'my out'",
        "rejects": {},
        "round": 3,
        "score": "geometric_mean",
        "screen": False,
        "wrote": {"my out/confidence.parquet": 1},
    }
    assert result.stderr.endswith("s. Next: qa-confidence feedback 'my out'\n")


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("user", 2, "Choose another."),
        ("memory", 2, "The memory is full."),
        ("crash", 2, "the address space is limited to 8.0 GiB (ulimit -v)"),
        ("leave", 2, "the address space is limited to 8.0 GiB (ulimit -v)"),  # as OpenBLAS does
        ("killed", 137, ""),
    ],
)
def test_a_crash_for_lack_of_address_space_is_said(toy, how, code, said):
    result = toy("fail", how, space=2**33)
    assert result.returncode == code
    assert said in result.stderr
    assert result.stderr.count("error: ") == (code == 2)
