"""The process that runs programs: told scenes and programs on standard input, it answers a line of JSON to each.

`python -m qa_engine.programs.worker`, started by `ProgramPool`. What it is told is pickled by its own parent; what it
says is JSON, so that a worker gone wrong cannot do anything to the parent.
"""

from __future__ import annotations

import json
import pickle
import struct
import sys
import time
from typing import Any, BinaryIO

import numpy as np

from qa_engine.facts.scene import Facts
from qa_engine.programs.interpreter import ProgramResult, run_program
from qa_engine.programs.isolation import isolate
from qa_engine.programs.language import ProgramCode, ProgramError
from qa_engine.scenes.scene import Scene
from qa_engine.views.evidence import Evidence
from qa_engine.views.recording import Recording
from qa_engine.views.sightings import Sightings

LONGEST_SILENCE_S = 0.05
"""Seconds after which answers are sent before the next program runs."""

_WARM_UP = (
    "[distance_m(0, 1), nearest_distance_m(0, 'b'), center_distance_m(0, 1), m(height_cm(0))]",
    "covered_m2(objects()) + footprint_m2(0)",
    "direction_quadrant(0, 1, 2)",
    "[free_area_m2(), path_clear(0, 1), path_length_m(0, 1)]",
    "ｃount('\\N{DIGIT ONE}')",
    "count('\u200b')",
)
"""Programs that make every library load what it loads late, while files can still be opened."""


def main() -> None:
    """Answer until standard input ends."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _warm_up()
    _say(sink, {"layers": isolate()})
    sink.flush()
    facts: Facts | None = None
    while (message := read_message(source)) is not None:
        kind, content = pickle.loads(message)
        if kind == "scene":
            facts = _facts(*content)
        else:
            _run_all(sink, content, facts)


def _facts(
    scene: Scene,
    profile: str,
    seen: tuple[Any, ...] | None,
    evidence: dict[str, Evidence],
    recording: Recording | None,
) -> Facts:
    """Take a scene; `seen` holds the columns of `Sightings`, `evidence` what each frame set shows."""
    sightings = None if seen is None else lambda _: Sightings(*seen)
    return Facts(scene, profile, sightings, lambda _, frame_set_id: evidence.get(frame_set_id), lambda _: recording)


def _run_all(sink: BinaryIO, programs: list[str], facts: Facts | None) -> None:
    """Run programs; answers leave in one piece, or early where the next may take long."""
    spoken = time.perf_counter()
    for program in programs:
        began = time.perf_counter()
        if began - spoken > LONGEST_SILENCE_S:
            sink.flush()
            spoken = began
        _say(sink, answer(program, facts) | {"seconds": time.perf_counter() - began})
    sink.flush()


def answer(program: str, facts: Facts | None) -> dict[str, Any]:
    """Run one program; the answer can be written as JSON."""
    try:
        if facts is None:
            raise ProgramError(ProgramCode.UNKNOWN_SCENE, "there is no scene.")
        result = run_program(program, facts)
    except ProgramError as error:
        return {"status": str(error.code), "detail": str(error)}
    except (MemoryError, RecursionError) as error:
        return {"status": str(ProgramCode.OVER_BUDGET), "detail": f"{type(error).__name__}."}
    kind = value_type(result)
    return {"status": "ok", "value": result.value, "type": kind, "unit": result.unit, "steps": result.steps}


def value_type(result: ProgramResult) -> str:
    """Name the type of a result as `docs/programs.md` does.

    Examples
    --------
    >>> value_type(ProgramResult(90.0, "number", "deg", 1))
    'angle'
    """
    return "angle" if result.unit == "deg" and result.kind == "number" else result.kind


def read_message(source: BinaryIO) -> bytes | None:
    """Read one message: its length in 4 bytes, then as many; None at the end."""
    head = source.read(4)
    return source.read(struct.unpack("<I", head)[0]) if len(head) == 4 else None


def _say(sink: BinaryIO, value: dict[str, Any]) -> None:
    sink.write(json.dumps(value).encode() + b"\n")


def _warm_up() -> None:
    center = np.array([[0.0, 0, 0.5], [3, 0, 0.5], [0, 3, 0.5]])
    scene = Scene(
        scene_name="warm-up",
        dataset="none",
        category=np.array(["a", "b", "c"]),
        size=np.ones((3, 3)),
        center=center,
        rotation=np.repeat(np.eye(3)[None], 3, axis=0),
        room_size_m2=9.0,
        floor_polygon=np.array([[-2.0, -2], [5, -2], [5, 5], [-2, 5]]),
    )
    for profile in ("exact", "vsi-bench"):
        facts = Facts(scene, profile)
        for program in _WARM_UP:
            answer(program, facts)


if __name__ == "__main__":
    main()
