"""The mixture file: what a run trains on besides its questions, and in which shares."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from qa_contract.errors import suggest

from qa_trainer.data.conversations import load_conversations
from qa_trainer.data.feed import Source
from qa_trainer.data.questions import file_hash, load_samples, table_hash
from qa_trainer.errors import QATrainerError


class SourceSpec(BaseModel):
    """`[[source]]`: questions with their store, a file of conversations, or (with neither) the run's own questions.

    Attributes
    ----------
    name : str
    share : float
        Of all rows trained on; the shares of a file add up to 1.
    questions, store : Path, optional
        Table `questions` and the store with its frames.
    data : Path, optional
        `.jsonl` or `.parquet` in TRL's conversational format.
    images : Path, optional
        Folder that the image paths in `data` are relative to. Default: the folder of the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    share: float = Field(gt=0, le=1)
    questions: Path | None = None
    store: Path | None = None
    data: Path | None = None
    images: Path | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> SourceSpec:
        if self.data is not None and (self.questions is not None or self.store is not None):
            raise ValueError(f"source '{self.name}' has both questions and data; make two sources of it")
        if (self.questions is None) != (self.store is None):
            raise ValueError(f"source '{self.name}' needs questions and store, both")
        if self.images is not None and self.data is None:
            raise ValueError(f"source '{self.name}' has images without data")
        return self

    @property
    def own(self) -> bool:
        """Tell whether the source stands for the questions of the command line."""
        return self.questions is None and self.data is None


class Mixture(BaseModel):
    """A mixture file.

    Attributes
    ----------
    version : 1
        Of the format.
    source : tuple of SourceSpec

    Examples
    --------
    >>> ours, general = {"name": "spatial", "share": 0.7}, {"name": "general", "share": 0.3, "data": "general.jsonl"}
    >>> Mixture(version=1, source=[ours, general]).needs_questions
    True
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    source: tuple[SourceSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _adds_up(self) -> Mixture:
        names = [source.name for source in self.source]
        if len(set(names)) < len(names):
            raise ValueError("two sources have the same name")
        if sum(source.own for source in self.source) > 1:
            raise ValueError("two sources stand for the questions of the command line; give one of them a path")
        total = sum(source.share for source in self.source)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the shares add up to {total:g}, not to 1")
        return self

    @property
    def needs_questions(self) -> bool:
        """Tell whether a source stands for the questions of the command line."""
        return any(source.own for source in self.source)

    def identity(self) -> list[dict[str, Any]]:
        """Give what decides the rows trained on: names, shares, and hashes of the files.

        Raises
        ------
        QATrainerError, TableError
            A file is missing.
        """
        return [
            {"name": source.name, "share": source.share, **({} if source.own else _hashes(source))}
            for source in self.source
        ]

    def load(self) -> dict[str, Source]:
        """Read the sources that have paths of their own.

        Raises
        ------
        QATrainerError, TableError
        """
        found: dict[str, Source] = {}
        for source in self.source:
            if source.data is not None:
                folder = source.images or source.data.parent
                found[source.name] = load_conversations(source.name, source.data, folder)
            elif source.questions is not None and source.store is not None:
                found[source.name] = load_samples(source.questions, source.store)
        return found


def read_mixture(path: Path) -> Mixture:
    """Read a mixture file; its paths are relative to its folder.

    Raises
    ------
    QATrainerError
        The file cannot be read, or says something that is not allowed.
    """
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise QATrainerError(f"{path}: cannot read the mixture ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QATrainerError(f"{path}: not a TOML file ({error}).") from error
    try:
        mixture = Mixture.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(map(_problem, error.errors()))
        raise QATrainerError(f"{path}: {problems}{'' if problems.endswith('?') else '.'}") from None
    folder = Path(path).resolve().parent
    return mixture.model_copy(update={"source": tuple(_absolute(source, folder) for source in mixture.source)})


def _problem(found: Any) -> str:
    """Say what is wrong with a mixture, from an error of pydantic."""
    where = ".".join(map(str, found["loc"])) or "file"
    if found["type"] != "extra_forbidden":
        return f"{where}: {found['msg']}"
    valid = SourceSpec.model_fields if len(found["loc"]) > 1 else Mixture.model_fields
    near = suggest(str(found["loc"][-1]), valid)
    return f"{where}: unknown key." + (near or f" Valid: {', '.join(valid)}")


def _absolute(source: SourceSpec, folder: Path) -> SourceSpec:
    """Make the paths of a source absolute."""
    paths = {name: getattr(source, name) for name in ("questions", "store", "data", "images")}
    return source.model_copy(update={name: folder / path for name, path in paths.items() if path is not None})


def _hashes(source: SourceSpec) -> dict[str, str | None]:
    """Hash the files of a source."""
    if source.data is not None:
        if not source.data.is_file():
            raise QATrainerError(f"{source.data}: no such file (data of source '{source.name}').")
        return {"data": file_hash(source.data)[:16]}
    assert source.questions is not None
    assert source.store is not None
    found = {"questions": table_hash(source.questions, "questions")}
    return found | {table: table_hash(source.store, table, optional=True) for table in ("frames", "frame_sets")}
