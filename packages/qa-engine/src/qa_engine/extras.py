"""Parts that are installed on demand: a missing one is an error that names the extra."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from qa_engine.errors import QAEngineError

CORE = "open3d.cpu.pybind"

HINTS = {
    "open3d": " Where it is installed but does not load, system libraries are missing: on Debian libgl1 and libgomp1."
}
"""What else may be wrong, by extra."""


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import a module of an extra.

    Parameters
    ----------
    module, extra : str
        Name of the import, and of the extra of `qa-engine` that brings it.
    purpose : str
        What needs it, for the message.

    Raises
    ------
    QAEngineError
        It is not installed, or does not load.

    Examples
    --------
    >>> require("json", extra="none", purpose="this example").dumps([])
    '[]'
    >>> require("no_such_module", extra="viewer", purpose="A recording")
    Traceback (most recent call last):
    ...
    qa_engine.errors.QAEngineError: A recording needs no_such_module: install it with 'pip install qa-engine[viewer]'.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        name = module.partition(".")[0]
        found = "" if isinstance(error, ModuleNotFoundError) and error.name == name else f" ({error})"
        message = f"{purpose} needs {name}: install it with 'pip install qa-engine[{extra}]'{found}."
        raise QAEngineError(message + HINTS.get(extra, "")) from None


def open3d_core(purpose: str) -> Any:
    """Load Open3D's core alone: geometry, tensors and rays, without its viewers and learning tools.

    Parameters
    ----------
    purpose : str
        What needs it, for the message.

    Raises
    ------
    QAEngineError
        It is not installed, or does not load.

    Notes
    -----
    `import open3d` loads plots, notebooks and a server as well, which takes ten times as long as its core. The core is
    registered under its own name, so that a later `import open3d` finds it.
    """
    if "open3d" in sys.modules:
        return require("open3d", extra="open3d", purpose=purpose)
    if CORE in sys.modules:
        return sys.modules[CORE]
    found = importlib.util.find_spec("open3d")
    folders = [] if found is None else [Path(folder) / "cpu" for folder in found.submodule_search_locations or ()]
    path = next((path for folder in folders for path in sorted(folder.glob("pybind*")) if path.suffix != ".pyi"), None)
    spec = None if path is None else importlib.util.spec_from_file_location(CORE, path)
    if spec is None or spec.loader is None or sys.platform == "win32":  # which finds its libraries by the whole package
        return require("open3d", extra="open3d", purpose=purpose)
    os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "True")  # as the package itself does, for torch beside it
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (ImportError, OSError):
        return require("open3d", extra="open3d", purpose=purpose)
    sys.modules[CORE] = module
    return module
