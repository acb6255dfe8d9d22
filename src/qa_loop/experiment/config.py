"""Read an experiment's file: everything is checked before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qa_loop.config import LOCAL_MODEL, existing_path, problems_of, read_toml, refuse_unknown
from qa_loop.errors import QALoopError
from qa_loop.experiment.sections import ExperimentConfig
from qa_loop.sections import ScenesSection


def load_experiment(path: Path) -> ExperimentConfig:
    """Read the file of an experiment; relative paths in it are relative to the file.

    Raises
    ------
    QALoopError
        Naming the file and the key.
    """
    config = parse_experiment(read_toml(Path(path)), source=str(path))
    return _with_paths(config, Path(path).resolve().parent, source=str(path))


def parse_experiment(raw: dict[str, Any], *, source: str) -> ExperimentConfig:
    """Check the parsed sections of a file; paths stay as they are written.

    Examples
    --------
    >>> parse_experiment({"rules": {"budgetz": [64]}}, source="e.toml")
    Traceback (most recent call last):
    ...
    qa_loop.errors.QALoopError: e.toml: unknown key 'rules.budgetz'. Did you mean 'budgets'?
    """
    refuse_unknown(raw, ExperimentConfig, source=source)
    try:
        return ExperimentConfig.model_validate(raw)
    except ValidationError as error:
        raise QALoopError("\n".join(problems_of(error, source=source))) from None


def _with_paths(config: ExperimentConfig, folder: Path, *, source: str) -> ExperimentConfig:
    """Make every path absolute and check that it is there."""

    def there(value: str | None, key: str) -> str | None:
        return None if value is None else existing_path(value, folder, where=f"{source}: {key}")

    def of_scenes(scenes: ScenesSection, key: str) -> ScenesSection:
        names = ("root", "annotations", "frames_dir")
        return scenes.model_copy(update={name: there(getattr(scenes, name), f"{key}.{name}") for name in names})

    train = config.train
    if train.model.startswith(LOCAL_MODEL):
        train = train.model_copy(update={"model": there(train.model, "train.model")})
    tests = []
    for entry in config.test:
        update: dict[str, Any] = {key: there(getattr(entry, key), f"test.{key}") for key in ("questions", "store")}
        if entry.scenes is not None:
            update["scenes"] = of_scenes(entry.scenes, "test.scenes")
        tests.append(entry.model_copy(update=update))
    scenes = of_scenes(config.scenes, "scenes")
    return config.model_copy(update={"scenes": scenes, "train": train, "test": tests})
