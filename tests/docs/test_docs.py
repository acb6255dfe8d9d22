"""The documentation speaks of what is there: commands, files, tables, configuration keys."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from qa_loop.config import parse_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("qa-loop", "qa-engine", "qa-trainer", "qa-confidence", "qa-eval")


def blocks(page: Path, language: str = "") -> list[str]:
    """Code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def mentioned() -> list[tuple[str, str]]:
    """Every command line of ours in a page, from code blocks and from inline code."""
    found = []
    for page in PAGES:
        text = page.read_text()
        lines = [line for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", text)
        for line in lines:
            words = line.strip().removeprefix("uv run ").strip()
            if re.match(rf"({'|'.join(PROGRAMS)}) +[a-z]", words):
                found.append((page.name, words))
    return found


@pytest.mark.parametrize("package", PROGRAMS)
def test_every_command_is_documented(package, cli_commands):
    text = (ROOT / "docs/cli.md").read_text() + (ROOT / "README.md").read_text()
    missing = [name for name in cli_commands[package] if f"`{package} {name}" not in text]
    assert not missing, f"docs/cli.md lacks {missing}"


def test_every_command_line_in_the_pages_exists(cli_commands):
    wrong = []
    for page, line in mentioned():
        program, command, *rest = re.split(r"\s+", line.split(" > ")[0].split(" #")[0].split("|")[0].strip())
        known = cli_commands[program].get(command)
        flags = [re.split(r"[=\]]", word.lstrip("["))[0] for word in rest if word.lstrip("[").startswith("--")]
        if known is None or [flag for flag in flags if flag not in [*known, "--help"]]:
            wrong.append((page, line))
    assert mentioned(), "no command line found at all"
    assert not wrong


def test_every_uv_run_names_a_program_of_the_environment():
    programs = {*PROGRAMS, "pytest", "ruff", "pyright", "lint-imports", "python"}
    for page in PAGES:
        named = re.findall(r"\buv run (?:--\S+ )*([\w-]+)", page.read_text())
        assert set(named) <= programs, page.name


def test_links_lead_somewhere():
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if not target.startswith(("http://", "https://")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_configuration_files_named_in_the_pages_exist():
    for page in PAGES:
        for path in re.findall(r"\b(configs/\w+\.toml)\b", page.read_text()):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_example_configuration_is_valid():
    example = blocks(ROOT / "docs/loop.md", "toml")[0]
    config = parse_config(tomllib.loads(example), source="docs/loop.md")
    assert config.questions_per_round == 640


def test_table_page_is_that_of_the_declarations():
    script = ROOT / "tests/docs/tables_page.py"
    page = runpy.run_path(str(script))["page"]()
    assert (ROOT / "docs/tables.md").read_text() == page, f"write it again: uv run python {script.relative_to(ROOT)}"
