"""What a dataset is: how to find its scenes and how to read one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from qa_engine.errors import QAEngineError, unknown_name
from qa_engine.scenes.scene import Scene


@dataclass(frozen=True)
class Setting:
    """A switch of one dataset for what its published description leaves open: `--set NAME=VALUE`.

    Parameters
    ----------
    name, help : str
        Name on the command line, and one line on what it decides.
    values : tuple of str
        What it may be; the first is the default.
    other : str
        What else it may be, in words.
    parse : callable, optional
        Reads such a value; raises ValueError with what is wrong.

    Examples
    --------
    >>> Setting("axes", "what normalizedAxes holds as axes", ("rows", "columns")).default
    'rows'
    """

    name: str
    help: str
    values: tuple[str, ...]
    other: str = ""
    parse: Callable[[str], object] | None = None

    @property
    def default(self) -> str:
        """The value where none is given."""
        return self.values[0]


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """Options of `qa-engine ingest` that a dataset may understand; None = not given, the dataset has its default.

    Parameters
    ----------
    seed : int
        Seed of generated scenes.
    annotations, frames_dir : Path, optional
        Folders that hold the annotations and the images where these lie apart from ROOT; `--frames-dir` gives the
        second one.
    scenes, frames, size, first_scene : int, optional
        For generated scenes: how many, frames per scene, pixels per side, number of the first scene.
    settings : mapping of str to str
        Switches of the dataset by name, as in `Dataset.settings`.

    Examples
    --------
    >>> IngestOptions(scenes=3).given()
    ['scenes']
    """

    seed: int = 0
    annotations: Path | None = None
    frames_dir: Path | None = None
    scenes: int | None = None
    frames: int | None = None
    size: int | None = None
    first_scene: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    def given(self) -> list[str]:
        """Name the options that were given, without the seed, which every dataset may ignore, and the settings."""
        names = [f.name for f in fields(self) if f.name not in ("seed", "settings")]
        return [name for name in names if getattr(self, name) is not None]


def flag(name: str) -> str:
    """Name an ingest option as the command line does.

    Examples
    --------
    >>> flag("first_scene"), flag("frames"), flag("frames_dir")
    ('--first-scene', '--frames-per-scene', '--frames-dir')
    """
    return "--frames-per-scene" if name == "frames" else f"--{name.replace('_', '-')}"


@dataclass(frozen=True, kw_only=True)
class SceneSource:
    """Where one scene comes from, before it is read.

    Parameters
    ----------
    scene_name : str
        As the source has it; not yet checked.
    item : str
        File, and place in it, for the user: the `item` of a reject.
    data : Any
        What `Dataset.load` needs.
    roots : tuple of Path
        Resolved folders; a frame that is a link to a file elsewhere is refused.
    """

    scene_name: str
    item: str
    data: Any
    roots: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Need:
    """A part of a dataset: what `doctor` looks for.

    Attributes
    ----------
    name : str
        What it is.
    patterns : tuple of str
        Names with `*`, relative to ROOT; `*` also stands for folders. Any of them will do.
    used_for : str
        What is missing without it.
    source : str
        Where to get it.
    required : bool
        Nothing can be ingested without it.
    """

    name: str
    patterns: tuple[str, ...]
    used_for: str
    source: str
    required: bool = False


def no_formats(_: SceneSource | Path) -> Mapping[str, str]:
    """Name no format: the data set has but its own."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A kind of source that `qa-engine ingest` reads.

    Parameters
    ----------
    name, description, needs : str
        Name on the command line, one line on what it is, and what ROOT must hold.
    discover : callable
        `discover(root, options)` lists the scenes cheaply, in a fixed order. It raises QAEngineError when `root` is no
        such dataset. `root` is None where `needs_root` is false.
    load : callable
        `load(source)` reads or makes one scene. It raises SceneError for a scene that cannot be used, nothing else.
        `Scene.frames` name files to copy (`image_path`) or hold pixels to write (`rgb`). The caller sets the split.
    needs_root : bool
        False for a dataset that is generated.
    options : frozenset of str
        Fields of IngestOptions that it understands besides the seed.
    settings : tuple of Setting
        Its switches.
    checklist : tuple of Need
        Its parts, the most important first.
    formats : callable
        `formats(source)` tells the formats of the files of a scene, by name, without reading them: what `doctor` names.
    survey : callable
        `survey(root)` names formats that lie in a folder without making a scene, and what to do with them.
    named_by_parts : bool
        False where its parts have names so common that they do not tell that a folder is this dataset.
    """

    name: str
    description: str
    needs: str
    discover: Callable[[Path | None, IngestOptions], Sequence[SceneSource]]
    load: Callable[[SceneSource], Scene]
    needs_root: bool = True
    options: frozenset[str] = frozenset()
    settings: tuple[Setting, ...] = ()
    checklist: tuple[Need, ...] = ()
    formats: Callable[[SceneSource], Mapping[str, str]] = no_formats
    survey: Callable[[Path], Mapping[str, str]] = no_formats
    named_by_parts: bool = True

    def chosen(self, options: IngestOptions) -> dict[str, str]:
        """Give every setting its value.

        Raises
        ------
        QAEngineError
            A setting or a value does not exist.

        Examples
        --------
        >>> axes = Setting("axes", "what normalizedAxes holds as axes", ("rows", "columns"))
        >>> dataset = Dataset(name="d", description="", needs="", discover=None, load=None, settings=(axes,))
        >>> dataset.chosen(IngestOptions(settings={"axes": "columns"}))
        {'axes': 'columns'}
        """
        settings = {setting.name: setting for setting in self.settings}
        for name, value in options.settings.items():
            if name not in settings:
                if not settings:
                    raise QAEngineError(f"Dataset '{self.name}' has no settings (found --set {name}={value}).")
                raise unknown_name(f"setting of '{self.name}'", name, settings, "See 'qa-engine datasets'.")
            _check_value(settings[name], value)
        return {name: options.settings.get(name, setting.default) for name, setting in settings.items()}


def _check_value(setting: Setting, value: str) -> None:
    """Refuse a value that a setting does not have."""
    if value in setting.values:
        return
    if setting.parse is None:
        raise unknown_name(f"value of --set {setting.name}", value, setting.values, "See 'qa-engine datasets'.")
    try:
        setting.parse(value)
    except ValueError as error:
        known = ", ".join(setting.values)
        raise QAEngineError(f"--set {setting.name}={value}: {error}. Give {known}, or {setting.other}.") from None
