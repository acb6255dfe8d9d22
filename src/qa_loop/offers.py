"""What the other packages offer, asked of their commands: data sets of the engine, models of the trainer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from qa_loop.errors import QALoopError, unknown_name
from qa_loop.process import find_program
from qa_loop.sections import SCENE_FLAGS, ScenesSection

ASK_TIMEOUT_S = 120


def check_scenes(scenes: ScenesSection, datasets: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a data set, or a key or setting of it, that the engine does not have, before anything is started.

    Parameters
    ----------
    scenes : ScenesSection
    datasets : mapping
        Of `engine_datasets`.

    Raises
    ------
    QALoopError
        With the valid names.

    Examples
    --------
    >>> known = {"scannet": {"options": ["--frames-dir"], "settings": {"labels": ["raw", "nyu40"]}}}
    >>> check_scenes(ScenesSection(dataset="scannet", frames_dir="f", options={"set": ["labels=nyu40"]}), known)
    >>> check_scenes(ScenesSection(dataset="scannet", size=64), known)
    Traceback (most recent call last):
    ...
    qa_loop.errors.QALoopError: scenes.size: data set 'scannet' has no such key. It has: frames_dir. Remove it.
    """
    if scenes.dataset not in datasets:
        raise unknown_name("dataset", scenes.dataset, datasets, "See 'qa-engine datasets'.")
    dataset = datasets[scenes.dataset]
    valid = [key for key, flag in SCENE_FLAGS.items() if flag in dataset["options"]]
    for key in SCENE_FLAGS:
        if getattr(scenes, key) is not None and key not in valid:
            raise QALoopError(
                f"scenes.{key}: data set '{scenes.dataset}' has no such key. It has: {', '.join(valid) or 'none'}. "
                "Remove it."
            )
    chosen = scenes.options.get("set", [])
    for setting in chosen if isinstance(chosen, list) else [chosen]:
        name, _, value = str(setting).partition("=")
        if name not in dataset["settings"]:
            raise unknown_name(f"setting of '{scenes.dataset}'", name, dataset["settings"], "See 'qa-engine datasets'.")
        if value not in dataset["settings"][name] and name not in dataset.get("free_settings", ()):
            raise unknown_name(f"value of '{name}'", value, dataset["settings"][name], "See 'qa-engine datasets'.")


def engine_datasets() -> dict[str, dict[str, Any]]:
    """Ask the engine for its data sets: name to what `qa-engine datasets --json` says of it."""
    return {item["name"]: item for item in _ask("qa-engine", "datasets", "--json")}


def choices_alone(tasks: Sequence[str]) -> bool:
    """Tell whether every question of some types is answered by a letter; empty: of those asked by default."""
    found = _ask("qa-engine", "tasks", "--json")
    asked = [one for one in found if (one["question_type"] in tasks if tasks else one["asked_by_default"])]
    return bool(asked) and all(one["answer_type"] == "choice" for one in asked)


@cache
def shipped_models() -> dict[str, str]:
    """Ask the trainer for the models that come with it: name to folder."""
    return {item["name"]: item["folder"] for item in _ask("qa-trainer", "models", "--json")}


def model_folder(model: str) -> str:
    """Give the folder of a shipped model; a folder and a hub id, which have a slash, stay as they are."""
    return model if "/" in model else shipped_models().get(model, model)


def with_folder(command: Sequence[str], *, served: bool = False) -> list[str]:
    """Replace the name of a shipped model by its folder for commands other than the trainer's, which knows it.

    `served` says that --model is not a name on somebody's server, but a model that the run serves itself.
    """
    found = list(command)
    named = ["--local-model"] + (["--model"] if found[0] == "qa-eval" or served else [])
    for flag in named if found[0] in ("qa-eval", "qa-engine") else ():
        if flag in found:
            at = found.index(flag) + 1
            found[at] = model_folder(found[at])
    return found


def _ask(program: str, *words: str) -> list[dict[str, Any]]:
    """Run a command that answers in JSON."""
    line = " ".join([program, *words])
    try:
        done = subprocess.run(
            [str(find_program(program)), *words],
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise QALoopError(f"'{line}' failed: {done.stderr.strip().splitlines()[-1:] or done.returncode}.")
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise QALoopError(
            f"'{line}' gave no answer ({error}). Do the installed packages fit together? uv sync"
        ) from error
