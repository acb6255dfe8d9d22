"""Identify inputs by content, so that a result does not depend on where a file lies."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from pathlib import Path

from qa_eval.errors import QAEvalError

FULL_HASH_BYTES = 256 * 1024**2
"""Larger files (weights of real models) are identified by name, size, and their first and last megabyte."""

MODEL_SUFFIXES = (".json", ".safetensors", ".bin", ".txt", ".jinja", ".model", ".py")


def file_hash(path: Path) -> str:
    """Hash the content of a file, the ends and the size of a large one."""
    if path.stat().st_size > FULL_HASH_BYTES:
        return ends_hash(path)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:16]


def ends_hash(path: Path) -> str:
    """Hash the size, the first and the last megabyte of a file: enough to tell videos and weights apart."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        digest = hashlib.sha256(str(size).encode() + stream.read(1 << 20))
        stream.seek(max(0, size - (1 << 20)))
        digest.update(stream.read())
    return digest.hexdigest()[:16]


def model_id(model: str) -> str:
    """Name a model: a hub id as it is, a folder by its model type and content.

    Raises
    ------
    QAEvalError
        The folder holds no model.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    config = folder / "config.json"
    if not config.is_file():
        raise QAEvalError(f"{model}: no model here (expected config.json).")
    files = sorted(p for p in folder.iterdir() if p.suffix in MODEL_SUFFIXES and p.is_file())
    digest = hashlib.sha256("".join(f"{p.name}:{file_hash(p)}\n" for p in files).encode()).hexdigest()
    try:
        kind = json.loads(config.read_text(encoding="utf-8")).get("model_type", "model")
    except (json.JSONDecodeError, AttributeError, UnicodeDecodeError) as error:
        raise QAEvalError(f"{config}: not a readable model configuration ({error}).") from error
    return f"{kind}@{digest[:8]}"


def tables_hash(files: list[Path]) -> str:
    """Hash the files of one table together."""
    return hashlib.sha256("".join(file_hash(path) for path in files).encode()).hexdigest()[:16]


def package_version(package: str) -> str | None:
    """Look up the version of an installed package, None where it is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
