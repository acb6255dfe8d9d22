"""A run of profile `calibrated` over stand-ins: killed anywhere it ends the same; the report shows what steers it."""

from __future__ import annotations

import signal

import pytest

from qa_loop.config import load_config
from qa_loop.manifest import load_manifest
from qa_loop.report import write_report
from qa_loop.run import run_loop
from qa_loop.stages import plan

MORE = """
[confidence]
profile = "calibrated"
panel = 7
sample = 9
[generate]
sampler = "progress"
[guard]
questions = "general.parquet"
"""


@pytest.fixture
def calibrated(fakes, tables):
    (fakes.folder / "general.parquet").write_bytes((tables / "eval_questions.parquet").read_bytes())
    text = fakes.config.read_text().replace("[eval]\nper_scene = 3", "[[eval]]\nper_scene = 3")
    validation = '\n[[eval]]\nname = "val"\nsplit = "val"\ncount = 3\n'
    fakes.config.write_text(text + validation + MORE)
    return fakes


def test_killed_in_every_kind_of_stage_ends_as_undisturbed(calibrated):
    config = load_config(calibrated.config)
    undisturbed, out = calibrated.folder / "one", calibrated.folder / "out"
    run_loop(config, undisturbed)
    stages = {stage.kind: stage for stage in plan(config)}
    for stage in stages.values():
        calibrated.fault(stage.out.removesuffix(".parquet").replace("/", "_"), "kill")
    kills = 0
    while (process := calibrated.run("run", calibrated.config, "--out", out)).returncode == -signal.SIGKILL:
        kills += 1
    assert process.returncode == 0, process.stderr
    assert kills == len(stages)

    def traces(run):
        return {str(path.relative_to(run)): path.read_text() for path in run.rglob("trace.txt")}

    assert traces(out) == traces(undisturbed)


def test_report_shows_passes_gates_and_further_evaluations(calibrated):
    out = calibrated.folder / "out"
    run_loop(load_config(calibrated.config), out)
    page = write_report(out, others=False).read_text()
    for text in ("Clean passes", "ECE before", "fit again", "Gates", "duplicate", "Further evaluations", "guard"):
        assert text in page
    records = load_manifest(out).stages
    assert records["round_01-train"].flops == 3 * records["round_01-clean-pass"].flops
    assert "FLOPs" in page
