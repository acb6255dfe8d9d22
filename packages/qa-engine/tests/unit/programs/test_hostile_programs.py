"""Programs written to break out or to exhaust: each is refused with its code, and nothing happens."""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from qa_engine.facts.scene import Facts
from qa_engine.programs import ProgramError, run_program
from qa_engine.programs.pool import ProgramPool
from qa_engine.scenes.scene import Scene

CORPUS = [json.loads(line) for line in (Path(__file__).parents[2] / "data" / "hostile_programs.jsonl").open()]

QUIET = {"compile", "object.__getattr__", "sys._getframe"}
"""Audit events of parsing; everything else would be an action on the outside."""

_seen: list[str] | None = None


def _hook(event, arguments):
    if _seen is not None:
        _seen.append(event)


@pytest.fixture(scope="module")
def scene():
    categories = ["chair", "chair", "table", "lamp", "sofa", "bed", "shelf", "door", "plant"]
    n = len(categories)
    place = np.arange(n)
    return Scene(
        scene_name="s",
        dataset="toy",
        category=np.array(categories),
        center=np.stack([place % 3 * 2.0, place // 3 * 2.0, np.full(n, 0.25)], axis=1),
        size=np.full((n, 3), 0.5),
        rotation=np.repeat(np.eye(3)[None], n, axis=0),
        room_size_m2=30.0,
    )


def test_the_corpus_has_every_kind_of_attack():
    assert len(CORPUS) >= 200
    assert len({row["program"] for row in CORPUS}) == len(CORPUS)
    assert len({row["category"] for row in CORPUS}) >= 15


def test_each_is_refused_by_its_code_and_opens_nothing(scene, tmp_path):
    global _seen
    facts = Facts(scene)
    for program in ("covered_m2(objects())", "distance_m(0, 1)", "ｍ(1)", "1 +"):
        try:  # libraries that load late
            run_program(program, facts)
        except ProgramError:
            continue
    sys.addaudithook(_hook)
    wrong, events = [], set()
    for row in CORPUS:
        began, _seen = time.process_time(), []
        try:
            code = f"value {run_program(row['program'], facts).value}"
        except ProgramError as error:
            code = str(error.code)
        events.update(_seen)
        _seen = None
        if code != row["code"] or time.process_time() - began > 2:
            wrong.append((row["program"][:80], row["code"], code))
    assert not wrong
    assert events <= QUIET


def test_a_locked_worker_survives_all_of_them(scene):
    with ProgramPool(1) as pool:
        process = pool._workers[0].process.pid
        outcomes = pool.run([(scene, [row["program"] for row in CORPUS] + ["distance_m(0, 1)"])])[0]
        assert pool._workers[0].process.pid == process
    assert [outcome.status for outcome in outcomes[:-1]] == [row["code"] for row in CORPUS]
    assert outcomes[-1].value == pytest.approx(1.5)
    assert max(outcome.seconds for outcome in outcomes) < 2
