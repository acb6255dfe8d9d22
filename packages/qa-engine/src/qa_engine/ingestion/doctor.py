"""Look at a folder before it is ingested: which dataset it is, what is missing, whether the first scenes make sense."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from qa_engine.datasets import DATASETS, get_dataset
from qa_engine.datasets.base import Dataset, IngestOptions, SceneSource
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.ingestion.sanity import check_scene
from qa_engine.scenes.scene import Scene

MAX_FILES = 500_000
"""Files that are looked at; what lies beyond is not counted."""


@dataclass(frozen=True)
class Part:
    """One line of the checklist: what, how many files were found, what it is for, where to get it."""

    name: str
    found: int
    used_for: str
    source: str
    required: bool


@dataclass(frozen=True)
class Problem:
    """Something that has to be mended, in which scene, and how; `severe`: the scene would be refused."""

    scene_name: str
    problem: str
    fix: str
    severe: bool


@dataclass(frozen=True)
class Diagnosis:
    """What `doctor` found.

    Attributes
    ----------
    dataset : str
    n_scenes : int
        Scenes that were found.
    parts : tuple of Part
    scenes : tuple of Scene
        Those that were read.
    problems : tuple of Problem
        The first to mend first.
    formats : dict of str to str
        Formats of the files of the scenes that were read, by name, with what their numbers mean.
    untold : dict of str to tuple of str
        Name of a scene to the mistakes that its data neither shows nor excludes and that a switch of the dataset mends.
    """

    dataset: str
    n_scenes: int
    parts: tuple[Part, ...]
    scenes: tuple[Scene, ...]
    problems: tuple[Problem, ...]
    formats: dict[str, str] = field(default_factory=dict)
    untold: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def missing(self) -> list[Part]:
        """Parts without any file, the required ones first."""
        return sorted((part for part in self.parts if not part.found), key=lambda part: not part.required)


def diagnose(root: Path, *, dataset: str | None = None, options: IngestOptions, n_scenes: int = 3) -> Diagnosis:
    """Look at a folder.

    Parameters
    ----------
    root : Path
        File or folder, as for `ingest`.
    dataset : str, optional
        What it is; found out where not given.
    options : IngestOptions
        As for `ingest`.
    n_scenes : int
        Scenes to read and check.

    Raises
    ------
    QAEngineError
        The folder is missing, or like no dataset, or a setting is none of the dataset.
    """
    if not root.exists():
        raise QAEngineError(f"{root}: no such file or folder.")
    folders = [folder for folder in (root, options.annotations, options.frames_dir) if folder is not None]
    folders = [folder for folder in folders if folder == root or not folder.resolve().is_relative_to(root.resolve())]
    files = [name for folder in folders for name in _files(folder)]
    name = _guess(root, files, options) if dataset is None else get_dataset(dataset).name
    kind = DATASETS[name]
    if not kind.needs_root:
        raise QAEngineError(f"Dataset '{name}' is generated; there is nothing to look at.")
    parts = tuple(
        Part(need.name, _count(files, need.patterns), need.used_for, need.source, need.required)
        for need in kind.checklist
    )
    if options.settings:
        kind.chosen(options)
    try:
        sources = kind.discover(root, options)
    except QAEngineError as error:
        problem = Problem("", str(error), "See the missing parts.", severe=True)
        return Diagnosis(name, 0, parts, (), (problem,), dict(kind.survey(root)))
    # A scene that was found has what it needs, whatever the file is called.
    parts = tuple(replace(part, found=len(sources)) if part.required and not part.found else part for part in parts)
    formats: dict[str, str] = {}
    for source in sources[:n_scenes]:
        formats |= kind.formats(source)
    scenes, problems, untold = _read(kind, sources[:n_scenes])
    return Diagnosis(name, len(sources), parts, tuple(scenes), tuple(problems), formats, untold)


def _files(folder: Path) -> list[str]:
    """List the files of a folder with their paths relative to it; links to folders are not followed."""
    if folder.is_file():
        return [folder.name]
    names = (
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, children in os.walk(folder)
        for name in children
    )
    return list(islice(names, MAX_FILES))


def _count(files: Sequence[str], patterns: Sequence[str]) -> int:
    """Count the files that fit the first pattern that any file fits."""
    for pattern in patterns:
        fits = re.compile(fnmatch.translate(pattern)).match
        if n := sum(fits(name) is not None for name in files):
            return n
    return 0


def _guess(root: Path, files: Sequence[str], options: IngestOptions) -> str:
    """Find the dataset that a folder is: the one that finds most scenes, else the one with most of its parts."""
    scenes: dict[str, int] = {}
    for name, kind in DATASETS.items():
        if kind.needs_root:
            try:
                scenes[name] = len(kind.discover(root, replace(options, settings={})))
            except (QAEngineError, OSError):
                continue
    if scenes:
        return max(scenes, key=lambda name: scenes[name])
    parts = {
        name: sum(need.required and _count(files, need.patterns) > 0 for need in kind.checklist)
        for name, kind in DATASETS.items()
        if kind.named_by_parts
    }
    best = max(parts, key=lambda name: parts[name])
    if not parts[best]:
        if (surveyed := next((name for name, kind in DATASETS.items() if kind.survey(root)), None)) is not None:
            return surveyed
        known = "\n".join(f"  {name}: {kind.needs}" for name, kind in DATASETS.items() if kind.checklist)
        raise QAEngineError(f"{root}: like no dataset. Name it with --dataset; each needs:\n{known}")
    return best


def _read(
    kind: Dataset, sources: Sequence[SceneSource]
) -> tuple[list[Scene], list[Problem], dict[str, tuple[str, ...]]]:
    """Read some scenes and check them."""
    scenes: list[Scene] = []
    problems: list[Problem] = []
    untold: dict[str, tuple[str, ...]] = {}
    for source in sources:
        try:
            scene = kind.load(source)
        except (SceneError, OSError) as error:
            fix = error.reason.fix if isinstance(error, SceneError) else "Check that the file can be read."
            problems.append(Problem(source.scene_name, str(error), fix, severe=True))
            continue
        scenes.append(scene)
        problems += [
            Problem(scene.scene_name, str(error), error.reason.fix, severe=False)
            for error in scene.refused
            if error.reason is not IngestReason.SKIPPED
        ]
        inspection = check_scene(scene)
        problems += [
            Problem(scene.scene_name, str(f.error), f.error.reason.fix, severe=f.severe) for f in inspection.findings
        ]
        switches = {setting.name for setting in kind.settings}
        left = tuple(doubt.words for doubt in inspection.untold if doubt.switch.partition("=")[0] in switches)
        if left:
            untold[scene.scene_name] = left
    return scenes, sorted(problems, key=lambda problem: not problem.severe), untold
