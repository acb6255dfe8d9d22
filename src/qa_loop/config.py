"""The configuration of a run: `loop.toml`, checked before anything is started."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from qa_contract.chat import chat_url
from qa_contract.errors import suggest
from qa_contract.remote import is_address

from qa_loop.errors import QALoopError
from qa_loop.sections import EvalSection, GuardSection, LoopConfig, ProposerSection

PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    # The recipe of Ouroboros-Spatial (arXiv 2606.11719).
    "paper": {
        "run": {"rounds": 4},
        "frames": {"method": "uniform", "frames": 32},
        "train": {"steps": 100, "batch_size": 64, "learning_rate": 1e-6},
        "confidence": {"profile": "paper"},
    },
}
"""Values that `run.profile` fills in where the file is silent."""


HINTS: dict[str, str] = {
    "confidence.clean_pass": "Clean passes come with profile = 'calibrated'; panel and sample are their sizes.",
    "grpo": "Reinforcement is a stage of training: [[train.stage]] with method = 'grpo'.",
    "score": "Clean passes come with confidence.profile = 'calibrated'; confidence.sample is their size.",
    "run.stop_gain": "It is [stop] min_gain, beside on = the name of an [[eval]] on split 'val'.",
    "run.patience": "It is [stop] patience, beside on = the name of an [[eval]] on split 'val'.",
    "train.processes": "Write the launcher: train.launch = 'accelerate launch --num_processes 8'.",
    "train.launcher": "Write the whole launcher: train.launch = 'accelerate launch --num_processes 8'.",
    "train.lr_schedule": "It is train.schedule.",
    "scenes.datasets": "Write [[scenes]] with a dataset and a share for each.",
    "eval.model": "The model of the round is evaluated.",
    "eval.runner": "A server in place of 'transformers' is the section [serve].",
    "generate.proposers": "Write [[generate.proposer]] with a name and a share for each.",
}
"""What to do in place of keys and sections that published recipes suggest."""


def load_config(path: Path) -> LoopConfig:
    """Read a configuration file.

    Relative paths are relative to the file. `${NAME}` in a path stands for an environment variable.

    Raises
    ------
    QALoopError
        Naming the file and the key: unknown keys, wrong values, an unset variable, a path that does not exist.
    """
    path = Path(path)
    config = parse_config(read_toml(path), source=str(path))
    return _with_paths(config, path.resolve().parent, source=str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    QALoopError
        It cannot be read, or is no TOML file.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise QALoopError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QALoopError(f"{path}: not a valid TOML file: {error}.") from error


def parse_config(raw: dict[str, Any], *, source: str) -> LoopConfig:
    """Check the parsed sections of a file; paths stay as they are written.

    Examples
    --------
    >>> parse_config({"run": {"name": "x", "roundz": 3}}, source="loop.toml")
    Traceback (most recent call last):
    ...
    qa_loop.errors.QALoopError: loop.toml: unknown key 'run.roundz'. Did you mean 'rounds'?
    """
    refuse_unknown(raw, LoopConfig, source=source)
    try:
        return LoopConfig.model_validate(_with_profile(raw))
    except ValidationError as error:
        found = problems_of(error, source=source)
        for name in ("scenes", "eval"):
            if isinstance(raw.get(name), dict):  # a single section has no number
                found = [text.replace(f": {name}.0", f": {name}", 1) for text in found]
        raise QALoopError("\n".join(found)) from None


def refuse_unknown(raw: dict[str, Any], whole: type[BaseModel], *, source: str) -> None:
    """Refuse sections and keys that the model of a file does not have, with the closest that it has."""
    if unknown := _unknown_keys(raw, whole):
        raise QALoopError("\n".join(f"{source}: {text}" for text in unknown))


def problems_of(error: ValidationError, *, source: str) -> list[str]:
    """Say in words what is wrong with the values of a file."""
    return [f"{source}: {_describe(item)}" for item in error.errors()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Collect the models that an annotation names, inside lists and unions too."""
    if inspect.isclass(annotation) and not get_args(annotation) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for part in get_args(annotation):
        found += _models(part)
    return found


def _unknown_keys(raw: dict[str, Any], whole: type[BaseModel]) -> list[str]:
    sections = {name: _models(known.annotation)[0] for name, known in whole.model_fields.items()}
    lists = [name for name, known in whole.model_fields.items() if get_origin(known.annotation) is list]
    tables = [name for name, known in whole.model_fields.items() if get_origin(known.annotation) is dict]
    found: list[str] = []
    for name, values in raw.items():
        if name not in sections:
            hint = HINTS.get(name)
            found.append(
                f"unknown section [{name}]. {hint}"
                if hint
                else f"unknown section [{name}].{suggest(name, sections)} Valid: {', '.join(sections)}."
            )
        elif isinstance(values, list) and name in lists and all(isinstance(entry, dict) for entry in values):
            found += [text for entry in values for text in _unknown_of(name, entry, sections[name])]
        elif not isinstance(values, dict):
            found.append(f"'{name}' must be a section, [{name}].")
        elif name in tables:
            inner = {key: entry for key, entry in values.items() if isinstance(entry, dict)}
            found += [
                text for key, entry in inner.items() for text in _unknown_of(f"{name}.{key}", entry, sections[name])
            ]
        else:
            found += _unknown_of(name, values, sections[name])
    return found


def _unknown_of(name: str, values: dict[str, Any], model: type[BaseModel]) -> list[str]:
    """Name the unknown keys of a section, and of the lists of tables in it."""
    found: list[str] = []
    for key, value in values.items():
        if key not in model.model_fields:
            hint = HINTS.get(f"{name}.{key}")
            found.append(f"unknown key '{name}.{key}'.{f' {hint}' if hint else suggest(key, model.model_fields)}")
            continue
        inner = _models(model.model_fields[key].annotation)
        if inner and isinstance(value, list):
            tables = [entry for entry in value if isinstance(entry, dict)]
            found += [text for entry in tables for text in _unknown_of(f"{name}.{key}", entry, inner[0])]
    return found


def _with_profile(raw: dict[str, Any]) -> dict[str, Any]:
    """Fill in what `run.profile` says and the file does not."""
    profile = raw.get("run", {}).get("profile")
    defaults = PROFILES.get(profile, {}) if isinstance(profile, str) else {}
    return {**raw, **{name: {**values, **raw.get(name, {})} for name, values in defaults.items()}}


def _describe(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    text = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{where} is missing."
    found = f" (found {item['input']!r})" if not isinstance(item["input"], dict | BaseModel) else ""
    return f"{where + ': ' if where else ''}{text}{found}."


_VARIABLE = re.compile(r"\$\{(\w+)\}")
LOCAL_MODEL = ("./", "../", "/", "~", "$")  # a model that starts so is a folder, not a hub id


def _with_paths(config: LoopConfig, folder: Path, *, source: str) -> LoopConfig:
    """Make every path absolute and check that it is there."""

    def there(value: str | None, key: str) -> str | None:
        return None if value is None else existing_path(value, folder, where=f"{source}: {key}")

    keys = ("root", "annotations", "frames_dir")
    scenes = [
        one.model_copy(update={key: there(getattr(one, key), f"scenes.{key}") for key in keys}) for one in config.scenes
    ]
    train: dict[str, Any] = {"launch": _with_files(config.train.launch, folder)}
    if config.train.model.startswith(LOCAL_MODEL):
        train["model"] = there(config.train.model, "train.model")
    train["stage"] = [
        stage.model_copy(update={"launch": _with_files(stage.launch, folder)}) for stage in config.train.stage
    ]
    train["general"] = [
        entry.model_copy(update={key: there(getattr(entry, key), f"train.general.{key}") for key in ("data", "images")})
        for entry in config.train.general
    ]

    def writing(proposer: ProposerSection) -> ProposerSection:
        if proposer.by_address:
            chat_url(str(proposer.model), "generate.proposer.model")
        if proposer.model is None or not proposer.model.startswith(LOCAL_MODEL):
            return proposer
        model = there(proposer.model, "generate.proposer.model")
        files = Path(str(model)).iterdir() if Path(str(model)).is_dir() else ()
        found = {path.name if path.name == "config.json" else path.suffix for path in files}
        if not config.served("proposer") and not ("config.json" in found and found & {".safetensors", ".bin"}):
            raise QALoopError(
                f"{source}: generate.proposer.model: {model} holds no model that transformers loads (expected "
                "config.json and weights, .safetensors or .bin)."
            )
        return proposer.model_copy(update={"model": model})

    def asked(entry: EvalSection | GuardSection, name: str) -> Any:
        paths = {key: there(getattr(entry, key), f"{name}.{key}") for key in ("questions", "store")}
        options = {
            key: there(value, f"{name}.options.{key}") if key in _PATH_OPTIONS and isinstance(value, str) else value
            for key, value in entry.options.items()
        }
        return entry.model_copy(update={**paths, "options": options})

    return config.model_copy(
        update={
            "scenes": scenes,
            "generate": config.generate.model_copy(update={"proposer": [*map(writing, config.generate.proposer)]}),
            "train": config.train.model_copy(update=train),
            "eval": [asked(entry, "eval") for entry in config.eval],
            "guard": None if config.guard is None else asked(config.guard, "guard"),
            "serve": config.serve
            and config.serve.model_copy(update={"command": _with_files(config.serve.command, folder)}),
        }
    )


_PATH_OPTIONS = ("videos", "images", "answers", "majority_from", "majority-from")
"""Options of `qa-eval run` that name files of the user; stages run in the run's folder."""


def _with_files(launch: str | None, folder: Path) -> str | None:
    """Make the words of a launcher absolute that are files beside the configuration."""
    if launch is None:
        return None
    words = [
        # A link stays one: the Python of a virtual environment is known by it.
        os.path.abspath(folder / word) if not word.startswith("-") and (folder / word).is_file() else word
        for word in shlex.split(launch)
    ]
    return shlex.join(words)


def existing_path(text: str, folder: Path, *, where: str) -> str:
    """Make a path of a file absolute: relative to `folder`, with environment variables filled in.

    Raises
    ------
    QALoopError
        Nothing is there, or a variable is not set.
    """
    for name in _VARIABLE.findall(text):
        if not os.environ.get(name):
            raise QALoopError(
                f"{where} is '{text}', but the environment variable {name} is not set. "
                f"Set it to the folder that holds the data: export {name}=/path/to/data"
            )
    if is_address(text):
        raise QALoopError(
            f"{where} is '{text}': files name paths of this machine. Copy the folder, or give the address to a command."
        )
    expanded = _VARIABLE.sub(lambda match: os.environ[match[1]], text)
    path = folder / Path(expanded).expanduser()
    if not path.exists():
        raise QALoopError(f"{where}: {path} does not exist (written as '{text}').")
    return str(path.resolve())
