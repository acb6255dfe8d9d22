"""`[serve]`: the server is started, healthy before it is asked, ended; and what happens where it is not."""

from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from qa_loop.config import load_config
from qa_loop.errors import QALoopError, StageError
from qa_loop.manifest import load_manifest
from qa_loop.offers import shipped_models
from qa_loop.report import write_report
from qa_loop.run import run_loop
from qa_loop.sections import ServeSection
from qa_loop.serving import Serving, served_words
from qa_loop.stages import plan

SERVER = Path(__file__).with_name("fake_server.py")
COMMAND = f"{sys.executable} -I -S {SERVER} {{model}} {{port}}"
LOCK = 2  # any open descriptor
SERVE = f"""
[serve]
command = "{COMMAND}"
[[generate.proposer]]
name = "template"
share = 0.5
[[generate.proposer]]
name = "llm"
share = 0.5
model = "current"
"""


@pytest.fixture
def served(fakes):
    shipped_models.cache_clear()  # the stand-in ships none
    fakes.config.write_text(fakes.config.read_text() + SERVE)
    return fakes


def servers(fakes) -> list[tuple[int, str]]:
    lines = (fakes.faults / "servers").read_text().splitlines()
    return [(int(line.split()[0]), line.split()[1]) for line in lines]


def gone(process: int) -> bool:
    """A process has ended; one that nobody waited for counts."""
    stat = Path(f"/proc/{process}/stat")
    for _ in range(50):
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_every_model_is_served_once_and_a_death_in_the_middle_loses_nothing(served):
    served.change("rounds = 2", "rounds = 1")
    config, out = load_config(served.config), served.folder / "out"
    served.fault("server", "dies")
    with pytest.raises(
        StageError, match=r"The server of tiny ended with exit code 4(.|\n)*\| the device is lost"
    ) as error:
        run_loop(config, out)
    assert error.value.exit_code == 1
    served.fault("round_01_eval", "kill")  # in the middle of an answer
    assert served.run("run", served.config, "--out", out).returncode == -signal.SIGKILL
    assert gone(servers(served)[-1][0])
    assert not run_loop(config, out).lossy
    models = [model for _, model in servers(served)]
    assert models == ["tiny", "tiny", "round_01/train/model", "round_01/train/model"]
    assert all(gone(process) for process, _ in servers(served))
    records = load_manifest(out).stages
    assert {record.state for record in records.values()} == {"done"}
    assert len(records) == len(plan(config))
    argv = records["round_01-eval"].argv
    assert argv[argv.index("--runner") + 1] == "openai"
    assert "--base-url" not in argv  # another port is no other stage
    page = write_report(out, others=False).read_text()
    assert "Proposers" in page
    assert "asked-2-llm" in page


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("dead", r"The server of a/b ended with exit code 3(.|\n)*\| no memory for the weights"),
        ("sick", r"did not answer /v1/models with 200 within 0\.3 s, as \[serve\] timeout says"),
    ],
)
def test_a_server_that_never_gets_healthy_is_named_with_its_log(fakes, what, message):
    fakes.fault("server", what)
    section = ServeSection(command=COMMAND, timeout=0.3 if what == "sick" else 60)
    with pytest.raises(StageError, match=message) as error, Serving(section, fakes.folder, LOCK) as serving:
        serving.ready("a/b")
    assert error.value.exit_code == 1
    assert all(gone(process) for process, _ in servers(fakes))


def test_what_cannot_be_started_is_a_user_error(fakes):
    with pytest.raises(QALoopError, match=r"serve\.command: 'vlllm' is not installed") as error:
        served_words(ServeSection(command="vlllm serve {model} --port {port}"))
    assert not isinstance(error.value, StageError)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        section = ServeSection(command=COMMAND, port=taken.getsockname()[1])
        with pytest.raises(QALoopError, match=r"serve\.port: \d+ cannot be used"):
            Serving(section, fakes.folder, LOCK).ready("a/b")


def test_use_leaves_the_rest_to_the_models_themselves(served):
    served.change("[serve]\n", '[serve]\nuse = ["proposer"]\n')
    stages = {stage.name: stage for stage in plan(load_config(served.config))}
    assert "transformers" in stages["round_01-eval"].argv
    assert stages["round_01-eval"].runs_model
    asked = stages["round_02-asked-2-llm"]
    assert asked.serves == asked.argv[asked.argv.index("--model") + 1] == "round_01/train/model"
    assert "round_01/train" in asked.inputs
    assert not asked.runs_model
