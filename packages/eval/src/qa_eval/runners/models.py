"""Names of local models: a folder, one that the trainer ships, or an id of the Hugging Face hub."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from qa_eval.errors import QAEvalError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
PROBE_S = 10.0
"""Seconds in which the hub has to answer before a run starts."""
SHIPPED = ("tiny", "small")
"""Names that `qa-trainer models` knows."""


def find_model(name: str) -> str:
    """Find a local model at once, so that a wrong name does not end in minutes of attempts to download it.

    Returns
    -------
    str
        The folder, or the id of a model that is in the local cache of the hub or that the hub has.

    Raises
    ------
    QAEvalError
        There is no such folder and no such model, or the hub does not answer.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return name
    if name in SHIPPED:
        return _shipped(name)
    if not HUB_ID.fullmatch(name):
        raise QAEvalError(
            f"--model {name}: no such folder, and not the id of a model on the Hugging Face hub (owner/name). "
            f"{' and '.join(map(repr, SHIPPED))} come with qa-trainer."
        )
    _need_hub(name)
    return name


def _shipped(name: str) -> str:
    """Ask the trainer's command where it keeps a model; the packages do not import each other."""
    beside = Path(sys.executable).with_name("qa-trainer")
    program = str(beside) if beside.is_file() else shutil.which("qa-trainer")
    if program is None:
        raise QAEvalError(f"--model {name}: this model comes with qa-trainer (pip install qa-trainer); name a folder.")
    done = subprocess.run([program, "models", "--json"], capture_output=True, text=True, check=False)
    try:
        found = {model["name"]: model["folder"] for model in json.loads(done.stdout)}
    except (ValueError, TypeError, KeyError):
        found = {}
    if name not in found:
        raise QAEvalError(f"--model {name}: 'qa-trainer models' does not name it ({done.stderr.strip()[-300:]}).")
    return str(found[name])


def _need_hub(name: str) -> None:
    """Raise unless a model is in the local cache of the hub, or the hub answers that it has it."""
    try:
        from huggingface_hub import HfApi, try_to_load_from_cache
    except ImportError as error:
        raise QAEvalError("A local model needs transformers: pip install 'qa-eval[transformers]'") from error
    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return
    try:
        HfApi().model_info(name, timeout=PROBE_S)  # a download would try for half a minute
    except Exception as error:  # its HTTP library, and with it the errors, is another one in each major version
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise QAEvalError(
            f"--model {name}: no such folder, not in the local cache of the Hugging Face hub, and the hub has no "
            f"answer ({text[:200]}). Offline, name a folder, or {' or '.join(map(repr, SHIPPED))}."
        ) from error
