"""Questions that show the pictures which their benchmark publishes with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from qa_eval.errors import QAEvalError
from qa_eval.pictures import Held, PictureFolder, Unpacker
from qa_eval.runners.base import Item
from qa_eval.runners.images import image_size
from qa_eval.runs.fingerprint import ends_hash
from qa_eval.runs.items import PUBLISHED, Problem, Shot, Shots


def picture_shots(questions: Mapping[str, Held], images: Path | None, scratch: Path) -> Shots:
    """Find the pictures of questions; data and members of zip files are unpacked into `scratch`.

    Parameters
    ----------
    questions : mapping of question_id to what its file holds
    images : Path, optional
        Where the questions name pictures.
    scratch : Path

    Raises
    ------
    QAEvalError
        `images` holds no pictures, or not one question has all of its own.
    """
    folder = None if images is None else PictureFolder(images)
    shots: Shots = {}
    for name, found in Unpacker(folder, scratch).unpack(questions).items():
        key = (name, PUBLISHED)
        if isinstance(found, str):
            shots[key] = Problem("missing_frame", found)
        else:
            shots[key] = Shot(tuple(one.path for one in found), tuple(one.name for one in found))
    first = next(iter(shots.values()), None)
    if isinstance(first, Problem) and all(isinstance(shot, Problem) for shot in shots.values()):
        raise QAEvalError(
            f"Not one of {len(shots):,} questions has its pictures ({first.detail}). Pass the folder, or the zip file, "
            "that the benchmark publishes beside its questions with --images; to ask without pictures on purpose, pass "
            "--runner blind (openai-blind at a server)."
        )
    return shots


def pictures_hash(shots: Shots) -> str:
    """Identify which pictures the questions show, by content."""
    seen: dict[Path, str] = {}
    digest = hashlib.sha256()
    for (name, _), shot in sorted(shots.items()):
        for path in shot.paths if isinstance(shot, Shot) else ():
            seen.setdefault(path, ends_hash(path))
            digest.update(f"{name} {seen[path]}\n".encode())
    return digest.hexdigest()[:16]


def describe_pictures(items: Sequence[Item]) -> dict[str, Any]:
    """Describe what the questions show, as the manifest records it: pictures per question, and their sizes."""
    shown = [item.frames for item in items if item.frames]
    counts = pl.Series("n", [len(frames) for frames in shown], dtype=pl.Int64).value_counts(sort=True)
    sizes = pl.Series("size", [image_size(path) for path in dict.fromkeys(p for frames in shown for p in frames)])
    return {
        "input": "image list",
        "pictures": len(sizes),
        "frames_per_question": {str(n): count for n, count in counts.iter_rows()},
        "pixels": dict(sizes.value_counts(sort=True, name="n").iter_rows()),
    }
