"""Questions in the file formats of other tools."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from qa_engine.errors import QAEngineError
from qa_engine.exports.embedded import write_hf, write_openai
from qa_engine.exports.lines import IMAGES, write_llava, write_qwen, write_trl
from qa_engine.exports.lmms_eval import write_lmms_eval
from qa_engine.exports.reasoning_gym import write_reasoning_gym
from qa_engine.exports.rows import Selection, select
from qa_engine.exports.verifiers import write_verifiers
from qa_engine.exports.verl import write_verl

__all__ = ["CALLING", "EMBEDDED", "ENVIRONMENTS", "FORMATS", "SCORING", "Selection", "export", "select"]

FORMATS: dict[str, Callable[[Selection, Path, Path], None]] = {
    "trl": write_trl,
    "llava": write_llava,
    "qwen": write_qwen,
    "openai": write_openai,
    "hf": write_hf,
    "lmms-eval": write_lmms_eval,
    "verifiers": write_verifiers,
    "reasoning-gym": write_reasoning_gym,
    "verl": write_verl,
}
"""Name on the command line to the function that writes a selection to a folder, which will stand at the last path."""
EMBEDDED = frozenset({"openai", "hf", "verl"})
"""Formats that hold the frames inside; the others have them beside them in `images/`."""
CALLING = frozenset({"trl", "openai"})
"""Formats that have a place for tool calls."""
ENVIRONMENTS = frozenset({"verifiers", "reasoning-gym", "verl"})
"""Formats with a reward function, in which every question needs a score."""
SCORING = ENVIRONMENTS | {"lmms-eval"}
"""Formats that score what a model answers; they have no place for the steps before an answer."""


def export(selection: Selection, name: str, folder: Path, out: Path) -> None:
    """Write the questions of a selection, and their frames, with what questions say is marked drawn on them.

    Parameters
    ----------
    selection : Selection
    name : str
        A name in `FORMATS`.
    folder : Path
        Is written to.
    out : Path
        Where the folder will stand in the end.

    Raises
    ------
    QAEngineError
        A frame cannot be read.
    """
    try:
        with tempfile.TemporaryDirectory() as drawn:
            if selection.table["marks"].is_not_null().any():
                selection = selection.with_marks(Path(drawn))
            if name not in EMBEDDED:
                for path in selection.images():
                    _place(selection.file(path), folder / IMAGES / path)
            FORMATS[name](selection, folder, out)
    except OSError as error:
        raise QAEngineError(f"{error.filename}: cannot be read or copied ({error.strerror}).") from error


def _place(source: Path, target: Path) -> None:
    """Put a file at a second place, without copying its bytes where the file system can share them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source = source.resolve()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
