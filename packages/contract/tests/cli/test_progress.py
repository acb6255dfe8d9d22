"""Progress on a pseudo-terminal, in a pipe, and under a test's capture."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from qa_contract.cli import progress as module
from qa_contract.cli.progress import Progress

PROGRAM = Path(__file__).parent / "program"
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"


@pytest.fixture
def on_terminal(environment):
    """Run the program with stderr on a pseudo-terminal; give its exit code, stdout, and what the terminal got."""

    def start(*words):
        ours, theirs = pty.openpty()
        command = [sys.executable, str(PROGRAM / "toy.py"), *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        stdout = process.stdout.read()
        os.close(ours)
        return process.wait(), stdout, shown

    return start


class Clock:
    """Seconds that a test sets."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_terminal_gets_bars_that_end_whole_and_stdout_gets_the_data(on_terminal):
    code, stdout, shown = on_terminal("work", "--seconds", "1")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert (code, stdout) == (0, b"data\n")
    assert shown.count(b"\x1b[2K") > 4  # redrawn
    assert re.search(r"read +━+ 50 of 50 rows in 0:0\d", text)
    assert re.search(r"write +━+ 200 of 200 rows in 0:0\d", text)
    assert re.search(r"write .* \d+ of 200 rows, [\d.,]+/s, 0:0\d left, loss 0.5", text)
    assert "…" not in text
    assert text.rstrip().endswith("a line")
    assert shown.count(HIDE) == shown.count(SHOW) == 2
    assert shown.rindex(SHOW) > shown.rindex(HIDE)


def test_ctrl_c_leaves_the_terminal_clean(on_terminal):
    code, _, shown = on_terminal("work", "--interrupt")
    assert code == 130
    assert shown.rindex(SHOW) > shown.rindex(HIDE)
    assert shown.endswith(b"stopped\r\n")


def test_a_pipe_gets_one_line_a_stage_without_control_characters(toy):
    result = toy("work", "--seconds", "0")
    assert result.stdout == "data\n"
    assert result.stderr == "read: 50 of 50 rows in 0:00\nwrite: 200 of 200 rows in 0:00\na line\n"


def test_a_pipe_gets_at_most_one_line_a_minute(clock):
    stream = io.StringIO()
    report = Progress("questions", stream=stream)
    for done in range(0, 1001):
        report("ask", done, 1000, note="loss 0.1")
        clock.now += 0.25
    lines = stream.getvalue().splitlines()
    assert lines[0] == "ask: 240 of 1,000 questions, 4.0/s, 3:10 left, loss 0.1"
    assert lines[-1] == "ask: 1,000 of 1,000 questions in 4:10"
    assert len(lines) == 5


def test_what_an_earlier_run_did_does_not_count_for_the_rate(clock):
    stream = io.StringIO()
    report = Progress(stream=stream)
    report("ask", 900, 1000)
    clock.now = 60
    report("ask", 950, 1000)
    assert stream.getvalue() == "ask: 950 of 1,000 rows, 1.2 s each, 1:00 left\n"


def test_the_share_of_the_work_decides_the_time_left(clock):
    stream = io.StringIO()
    report = Progress(stream=stream)
    report("ask", 100, 1000, share=0.02)
    clock.now = 60
    report("ask", 500, 1000, share=0.12)
    assert stream.getvalue() == "ask: 500 of 1,000 rows, 6.7/s, 8:48 left\n"


def test_an_unknown_total_and_an_unfinished_stage_end_with_the_block(clock):
    stream = io.StringIO()
    with Progress("scenes", stream=stream) as report:
        report("ask", 0)
        clock.now = 2
        report("ask", 30)
        report("check", 1, 3)
    assert stream.getvalue() == "ask: 30 scenes, 15/s\ncheck: 1 of 3 scenes\n"


def test_a_callback_of_one_stage_and_a_repeated_end(clock):
    stream = io.StringIO()
    report = Progress(stream=stream).stage("verify")
    for done in (0, 2, 2):
        report(done, 2)
    assert stream.getvalue() == "verify: 2 of 2 rows in 0:00\n"


def test_an_empty_stage_ends_at_once():
    stream = io.StringIO()
    Progress(stream=stream)("verify", 0, 0)
    assert stream.getvalue() == "verify: 0 of 0 rows in 0:00\n"


def test_captured_stderr_is_not_a_terminal(capsys):
    with Progress() as report:
        report("ask", 1, 1)
    assert capsys.readouterr().err == "ask: 1 of 1 rows in 0:00\n"


def test_nothing_is_imported_where_nothing_is_drawn(environment):
    code = (
        "import sys\nfrom qa_contract.cli import Progress\n"
        "Progress()('ask', 1, 1)\nprint('rich' in sys.modules, 'polars' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "False False\n"
