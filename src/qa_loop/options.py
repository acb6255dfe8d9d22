"""Options of all stages against what their commands take, before the first one starts."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from qa_contract.errors import suggest

from qa_loop.config import HINTS
from qa_loop.errors import QALoopError
from qa_loop.process import find_program
from qa_loop.stage import Stage

ASK_TIMEOUT_S = 120
THREADS = 4

Described = Mapping[str, Mapping[str, Any]]
"""Flag to what it takes, as `COMMAND --describe` says."""


def check_options(stages: Sequence[Stage]) -> None:
    """Refuse options that a command does not have, or values that it does not take.

    Raises
    ------
    QALoopError
        Naming section and key, the command, and what is valid; all that is wrong at once.
    """
    calls = dict.fromkeys(stage.called[:2] for stage in stages)
    with ThreadPoolExecutor(THREADS) as pool:
        known = dict(zip(calls, pool.map(lambda call: _describe(*call), calls), strict=True))
    found = [
        f"{stage.section or stage.name}: {text}{_hint(stage.section, text)}"
        for stage in stages
        for text in problems(stage.called, known[stage.called[:2]])
    ]
    if found:
        raise QALoopError("\n".join(dict.fromkeys(found)))


def _hint(section: str, text: str) -> str:
    """Say what to do in place of an option that published recipes suggest."""
    key = text.split("'")[1] if text.startswith("'") else ""
    hint = HINTS.get(f"{section.partition('.')[0]}.{key}")
    return f" {hint}" if hint else ""


def problems(called: tuple[str, str, tuple[str, ...]], known: Described) -> list[str]:
    """Say what is wrong with the options of one command line.

    Parameters
    ----------
    called : (program, command, words)
    known : mapping
        Flag to its description.

    Examples
    --------
    >>> steps = {"flags": ["--steps"], "kind": "integer", "choices": [], "min": 1, "max": None, "open": [],
    ...          "many": False, "none": False}
    >>> problems(("qa-trainer", "sft", ("Q", "--stepz", "3", "--steps", "0")), {"--steps": steps})
    ["'stepz' is no option of 'qa-trainer sft'. Did you mean 'steps'?", 'steps = 0: needs a whole number, at least 1']
    """
    program, command, words = called
    found, at = [], 0
    while at < len(words):
        flag = words[at]
        at += 1
        if not flag.startswith("--") or not known:
            continue
        key = flag.removeprefix("--").replace("-", "_")
        option = known.get(flag)
        if option is None:
            valid = [name.removeprefix("--").replace("-", "_") for name in known]
            near = suggest(key, valid)
            found.append(f"'{key}' is no option of '{program} {command}'.{near or f' See {program} {command} --help.'}")
            at += at < len(words) and not words[at].startswith("--")
        elif option["kind"] != "switch":
            value = words[at] if at < len(words) else ""
            at += 1
            if wanted := _wanted(value, option):
                found.append(f"{key} = {value}: needs {wanted}")
        elif at < len(words) and not words[at].startswith("--"):
            found.append(f"{key} = {words[at]}: is a switch; write true or false")
            at += 1
    return found


def _wanted(value: str, option: Mapping[str, Any]) -> str:
    """Say what an option takes; empty where the value is fine."""
    if option["none"] and value == "none":
        return ""
    parts = [part.strip() for part in value.split(",")] if option["many"] else [value]
    if option["choices"] and any(part not in option["choices"] for part in parts):
        return f"{'any' if option['many'] else 'one'} of {', '.join(option['choices'])}"
    if option["kind"] not in ("integer", "number"):
        return ""
    return "" if all(_fits(part, option) for part in parts) else _numbers(option)


def _fits(value: str, option: Mapping[str, Any]) -> bool:
    try:
        number = int(value) if option["kind"] == "integer" else float(value)
    except ValueError:
        return False
    low, high = option["min"], option["max"]
    above = low is None or (number > low if "gt" in option["open"] else number >= low)
    below = high is None or (number < high if "lt" in option["open"] else number <= high)
    return above and below and not math.isnan(number)


def _numbers(option: Mapping[str, Any]) -> str:
    text = "a whole number" if option["kind"] == "integer" else "a number"
    if option["min"] is not None:
        text += f", {'above' if 'gt' in option['open'] else 'at least'} {option['min']:g}"
    if option["max"] is not None:
        text += f", {'below' if 'lt' in option['open'] else 'at most'} {option['max']:g}"
    return text


def _describe(program: str, command: str) -> Described:
    """Ask a command for its options; nothing is known of one that does not tell."""
    return _asked(str(find_program(program)), program, command)


@cache
def _asked(path: str, program: str, command: str) -> Described:
    try:
        done = subprocess.run(
            [path, command, "--describe"],
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
        options = json.loads(done.stdout) if done.returncode == 0 else []
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise QALoopError(f"'{program} {command} --describe' gave no answer ({error}).") from error
    if done.returncode == 2:
        raise QALoopError(f"'{program} {command}' is not there: {done.stderr.strip()} Do the packages fit together?")
    return {flag: option for option in options for flag in option["flags"]}
