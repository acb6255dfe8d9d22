"""Launchers parse, and the array of the engine calls its stages in order and goes on where it was."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

LAUNCHERS = Path(__file__).parents[2] / "launchers"
ENGINE = """#!/bin/bash
echo "$@" >> calls
case $1 in
  ingest) mkdir -p out/2/store/frames; touch out/2/store/scenes.parquet; exit 1 ;;
  observe) touch out/2/store/observations.parquet ;;
  sample-frames) [ -e broken ] && exit 2; touch out/2/store/frame_sets.parquet ;;
  generate) mkdir -p out/2/questions; touch out/2/questions/manifest.json ;;
esac
exit 0
"""


@pytest.mark.parametrize("path", sorted(LAUNCHERS.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse(path):
    subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.parametrize("path", sorted(LAUNCHERS.glob("*.yaml")), ids=lambda path: path.name)
def test_jobs_are_jobs_whose_volumes_are_there(path):
    job = yaml.safe_load(path.read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert all(
        rule["onExitCodes"]["containerName"] == container["name"] for rule in job["spec"]["podFailurePolicy"]["rules"]
    )


@pytest.fixture
def array(tmp_path):
    (tmp_path / "list").write_text("scannet /data/scannet\nrooms --first-scene 50 --scenes 50\n")
    (tmp_path / "engine").write_text(ENGINE)
    (tmp_path / "engine").chmod(0o755)

    def run(**variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "JOB_"))}
        words = ["bash", LAUNCHERS / "engine_array.sh", "list", "out"]
        (tmp_path / "calls").unlink(missing_ok=True)
        env = kept | {"ENGINE": "./engine"} | variables
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
        calls = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
        return done.returncode, calls

    return run


def test_a_task_takes_its_line_and_goes_on_where_it_was(array, tmp_path):
    (tmp_path / "broken").touch()
    code, calls = array(SLURM_ARRAY_TASK_ID="2", SLURM_CPUS_PER_TASK="3")
    assert code == 2  # a mistake of the user ends the task; lost rows, exit code 1 of `ingest`, did not
    assert calls == [
        "ingest rooms --first-scene 50 --scenes 50 --out out/2/store --workers 3",
        "observe out/2/store --workers 3",
        "sample-frames out/2/store --frames 32 --workers 3",
    ]
    (tmp_path / "broken").unlink()
    code, calls = array(JOB_COMPLETION_INDEX="1")
    assert code == 0
    assert [call.split()[0] for call in calls] == ["sample-frames", "generate", "verify"]


def test_a_task_without_a_line_or_a_number_is_refused(array):
    assert array(SLURM_ARRAY_TASK_ID="3") == (2, [])
    assert array()[0] != 0
