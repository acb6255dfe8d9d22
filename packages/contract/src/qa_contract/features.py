"""Features of frames that a geometry encoder has computed beforehand: a safetensors file per scene.

A file holds `tokens` (frames, patches, channels). Its header says of which frames and images and by which encoder,
so that they are not shown to a model, or with a question, for which they were not made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_contract.errors import FileError
from qa_contract.files import path_inside

if TYPE_CHECKING:
    import torch

SUFFIX = ".safetensors"
_MOST_HEADER_BYTES = 100_000_000
"""As in the safetensors library."""


class FeaturesError(FileError):
    """Features are missing, or belong to something else; `reason` is a code for a row of `rejects`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class SceneFeatures:
    """The header of a file.

    Attributes
    ----------
    path : Path
    frame_ids : tuple of str
        In the order of the tokens.
    grid : (rows, columns)
        Patches of a frame.
    encoder : str
        Digest of the weights that made the tokens.
    images : str
        Digest of the image files, in order.
    tokens : str
        Digest of the bytes of the tokens.
    """

    path: Path
    frame_ids: tuple[str, ...]
    grid: tuple[int, int]
    encoder: str
    images: str
    tokens: str

    def metadata(self) -> dict[str, str]:
        """Write the header as safetensors takes it."""
        return {
            "frame_ids": json.dumps(self.frame_ids),
            "grid": json.dumps(self.grid),
            "encoder": self.encoder,
            "images": self.images,
            "tokens": self.tokens,
        }


def find_features(folder: Path, scene: str, frame_ids: Sequence[str], images: Iterable[Path]) -> SceneFeatures:
    """Find the features of the frames that a question shows.

    Parameters
    ----------
    folder : Path
        With a file per scene, as `qa-trainer sample-frames --features` writes it.
    scene : str
    frame_ids : sequence of str
        Of the question's frame set, in its order.
    images : iterable of Path
        Their files.

    Raises
    ------
    FeaturesError
        There are none (`missing_features`), or they are of other frames or images (`other_features`).
    """
    try:
        path = path_inside(Path(folder), scene + SUFFIX)
    except FileError as error:
        raise FeaturesError("missing_features", str(error)) from error
    if not path.is_file():
        raise FeaturesError("missing_features", f"no file {path}")
    found = _read_header(path)
    if found.frame_ids != tuple(frame_ids):
        raise FeaturesError(
            "other_features", f"{path}: of the frames {_few(found.frame_ids)}, the question shows {_few(frame_ids)}"
        )
    if found.images != digest_files(images):
        raise FeaturesError("other_features", f"{path}: the images have changed since the features were made")
    return found


def features_in(folder: Path) -> list[SceneFeatures]:
    """Read the headers of all files of a folder.

    Raises
    ------
    FeaturesError
        There is none, or one is no file of features.
    """
    paths = sorted(Path(folder).glob(f"*{SUFFIX}"))
    if not paths:
        raise FeaturesError(
            "missing_features",
            f"--features {folder}: no file SCENE{SUFFIX} in it; 'qa-trainer sample-frames --features' writes them to "
            "'features' in its output.",
        )
    return [_read_header(path) for path in paths]


def read_features(path: Path) -> torch.Tensor:
    """Read tokens as the dual encoder's `geometry_tokens` takes them.

    Parameters
    ----------
    path : Path
        File of a scene.

    Returns
    -------
    (frames, rows, columns, channels) Tensor

    Raises
    ------
    FeaturesError
        The file is damaged (`other_features`).
    """
    from safetensors import SafetensorError, safe_open

    header = _read_header(path)
    try:
        if _digest_data(path, path.stat().st_mtime_ns) != header.tokens:
            raise FeaturesError("other_features", f"{path}: the tokens are not those of its header; make it again")
        with safe_open(path, "pt") as file:
            return file.get_tensor("tokens").unflatten(1, header.grid)
    except (OSError, SafetensorError) as error:
        raise FeaturesError("other_features", f"{path}: cannot be read ({error})") from error


def check_encoder(found: Iterable[SceneFeatures], model: Any, name: str) -> None:
    """Refuse features that the geometry encoder of a model did not make.

    Parameters
    ----------
    found : iterable of SceneFeatures
    model : PreTrainedModel
        Says by `geometry_digest` which weights its encoder has.
    name : str
        Of the model, for messages.

    Raises
    ------
    FileError

    Examples
    --------
    >>> check_encoder([], object(), "tiny")
    Traceback (most recent call last):
    ...
    qa_contract.errors.FileError: --features: tiny has no geometry encoder whose weights it names, ...
    """
    digest = getattr(model, "geometry_digest", None)
    if digest is None:
        raise FileError(
            f"--features: {name} has no geometry encoder whose weights it names, so nothing could take their place. "
            "Leave the option out, or make the model with 'qa-trainer init-spatial'."
        )
    own = digest()
    for one in found:
        if one.encoder != own:
            raise FileError(
                f"--features: {one.path} was made by the geometry encoder {one.encoder}, {name} has {own}. "
                "Make the features with 'qa-trainer sample-frames --geometry' and the weights that the model has."
            )


def digest_files(paths: Iterable[Path]) -> str:
    """Give a digest of the contents of files, in order."""
    digests: list[bytes] = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").digest())
    return digest_bytes(digests)


def digest_bytes(parts: Iterable[bytes | memoryview]) -> str:
    """Give a digest of bytes.

    Examples
    --------
    >>> digest_bytes([b"a", b"b"]) == digest_bytes([b"ab"])
    True
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def features_digest(found: Iterable[SceneFeatures]) -> str:
    """Name features by what their headers say, for the identity of a run."""
    rows = sorted(json.dumps({"scene": one.path.stem, **one.metadata()}, sort_keys=True) for one in found)
    return digest_bytes(row.encode() for row in rows)


def _read_header(path: Path) -> SceneFeatures:
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > _MOST_HEADER_BYTES:
                raise ValueError("no safetensors file")
            found: Mapping[str, str] = json.loads(file.read(size))["__metadata__"]
        rows, columns = json.loads(found["grid"])
        ids = tuple(json.loads(found["frame_ids"]))
        return SceneFeatures(path, ids, (int(rows), int(columns)), found["encoder"], found["images"], found["tokens"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FeaturesError(
            "other_features", f"{path}: no features of 'qa-trainer sample-frames --features' of this version ({error})"
        ) from error


@lru_cache(maxsize=4096)
def _digest_data(path: Path, changed: int) -> str:
    """Give the digest of what stands behind the header; `changed` is the file's time, so that a new file is read."""
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
