"""Workers for programs: isolation holds, a lost worker costs one program."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from qa_engine.programs import pool as pool_module
from qa_engine.programs.pool import ProgramPool
from qa_engine.scenes.scene import Scene

ESCAPES = {
    "read a file": "open('/etc/hostname').read()",
    "write a file": "open({canary!r}, 'w').write('x')",
    "write by a system call": "os.open({canary!r}, os.O_CREAT | os.O_WRONLY)",
    "remove a file": "os.unlink({victim!r})",
    "start a process": "subprocess.run(['true'], check=True)",
    "fork": "os.fork()",
    "connect": "socket.socket().connect(('127.0.0.1', 9))",
    "take memory": "bytearray(2 ** 31)",
    "import": "__import__('wave')",
}
"""What a program would do after breaking out of the interpreter."""

_LOCKED = """
import os, socket, subprocess, sys
from qa_engine.programs.isolation import isolate
layers = isolate()
try:
    {code}
except BaseException as error:
    os.write(1, ("refused " + " ".join(layers)).encode())
else:
    os.write(1, ("done " + " ".join(layers)).encode())
os._exit(0)
"""


@pytest.fixture
def scene():
    return Scene(
        scene_name="s",
        dataset="toy",
        category=np.array(["chair", "table"]),
        center=np.array([[0, 0, 0.5], [3, 0, 0.5]]),
        size=np.ones((2, 3)),
        rotation=np.repeat(np.eye(3)[None], 2, axis=0),
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the locks are Linux's")
@pytest.mark.parametrize("escape", ESCAPES)
def test_a_locked_process_can_do_nothing(escape, tmp_path):
    victim, canary = tmp_path / "victim", tmp_path / "canary"
    victim.write_text("here")
    code = _LOCKED.format(code=ESCAPES[escape].format(victim=str(victim), canary=str(canary)))
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    outcome, *layers = result.stdout.split()
    assert "limits" in layers, result.stderr
    if "seccomp" not in layers and escape in ("remove a file", "start a process", "fork", "connect"):
        pytest.skip("no seccomp on this machine")
    assert outcome == "refused"
    assert victim.read_text() == "here"
    assert not canary.exists()


def test_doctor_says_which_layers_are_active(call, capsys):
    with ProgramPool(1) as pool:
        layers = pool.layers
    assert call("doctor", "--json") == 0
    report = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)["layers"]}
    assert [name for name, layer in report.items() if layer["active"]] == ["interpreter", *layers]
    assert set(report) == {"interpreter", "limits", "landlock", "seccomp", "bubblewrap"}
    assert call("doctor") == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].startswith("interpreter  active")
    missing = [name for name in ("limits", "landlock", "seccomp") if name not in layers]
    assert all(name in captured.err for name in missing)


def test_results_are_the_same_for_any_number_of_workers(scene):
    work = [(scene, [f"distance_m(0, 1) + m({i})" for i in range(100)]), (scene, ["count('chair')"]), (scene, [])]
    found = []
    for workers in (1, 2):
        with ProgramPool(workers) as pool:
            outcomes = pool.run(work)
        found.append([[(o.status, o.value, o.type, o.unit, o.steps) for o in part] for part in outcomes])
    assert found[0] == found[1]
    assert [len(part) for part in found[0]] == [100, 1, 0]
    assert found[0][0][99] == ("ok", 101.0, "number", "m", 6)


def test_a_lost_worker_costs_only_its_program(scene, monkeypatch, tmp_path):
    # A worker that dies on one program, as a mistake in the interpreter would make it.
    script = tmp_path / "fragile.py"
    script.write_text(
        "import os\nfrom qa_engine.programs import worker\nanswer = worker.answer\n"
        "worker.answer = lambda p, f: os._exit(1) if 'kill' in p else b'x' if 'junk' in p else answer(p, f)\n"
        "worker.main()\n"
    )
    popen = subprocess.Popen
    monkeypatch.setattr(
        pool_module.subprocess,
        "Popen",
        lambda command, **options: popen([sys.executable, str(script)], **options | {"env": dict(os.environ)}),
    )
    programs = ["1", "2", "'kill'", "3", "'kill' == 'x'", "4"]
    with ProgramPool(1) as pool:
        outcomes = pool.run([(scene, programs)])[0]
    assert [o.status for o in outcomes] == ["ok", "ok", "worker_lost", "ok", "worker_lost", "ok"]
    assert [o.value for o in outcomes] == [1, 2, None, 3, None, 4]


def test_a_silent_worker_is_stopped(scene, monkeypatch, tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(
        "import time\nfrom qa_engine.programs import worker\nanswer = worker.answer\n"
        "worker.answer = lambda p, f: time.sleep(60) if 'sleep' in p else answer(p, f)\nworker.main()\n"
    )
    popen = subprocess.Popen
    monkeypatch.setattr(
        pool_module.subprocess,
        "Popen",
        lambda command, **options: popen([sys.executable, str(script)], **options | {"env": dict(os.environ)}),
    )
    monkeypatch.setattr(pool_module, "GRACE_S", -1.8)
    with ProgramPool(1) as pool:
        outcomes = pool.run([(scene, ["'sleep'", "5"])])[0]
    assert [o.status for o in outcomes] == ["timeout", "ok"]
