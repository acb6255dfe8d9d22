"""Features that a geometry encoder has made of the questions' frames beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from qa_contract.features import FeaturesError, SceneFeatures, check_encoder, find_features, read_features

from qa_trainer.data.questions import Samples
from qa_trainer.data.videos import Source, of_images
from qa_trainer.errors import QATrainerError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class GivenFeatures:
    """Features by the images that they are of.

    Attributes
    ----------
    of_images : mapping of tuple of str to SceneFeatures
        Paths of the images of a question to the file.
    """

    of_images: Mapping[tuple[str, ...], SceneFeatures]

    def tokens(self, shown: Sequence[Sequence[Source]]) -> list[torch.Tensor]:
        """Give the dual encoder's `geometry_tokens` for the images of a batch; a question without images has none."""
        return [read_features(self.of_images[tuple(map(str, of_images(one)))].path) for one in shown if one]


def with_features(samples: Samples, folder: Path) -> tuple[Samples, GivenFeatures]:
    """Find the features of the frames of all questions; those without become rejects.

    Raises
    ------
    QATrainerError
        No question is left.
    """
    found: dict[tuple[str, ...], SceneFeatures] = {}
    problems: dict[tuple[str, ...], FeaturesError] = {}
    columns = ("scene_name", "frame_ids", "images", "frame_sizes")
    for scene, frame_ids, images, sizes in samples.rows.select(columns).unique(maintain_order=True).iter_rows():
        paths = tuple(str(samples.store / path) for path in images)
        if not paths:
            continue
        try:
            if len({tuple(size) for size in sizes}) > 1:
                raise FeaturesError("other_features", f"scene {scene}: its frames differ in size")
            found[paths] = find_features(folder, scene, frame_ids, map(Path, paths))
        except FeaturesError as error:
            problems[paths] = error
    keys = [tuple(str(samples.store / path) for path in images) for images in samples.rows["images"].to_list()]
    rejects = [samples.rejects]
    for reason in ("missing_features", "other_features"):
        bad = [row for row, key in enumerate(keys) if key in problems and problems[key].reason == reason]
        details = [str(problems[keys[row]]) for row in bad]
        rejects.append(samples.refuse(samples.rows[bad], reason, details))
    kept = samples.rows.filter(pl.Series([key not in problems for key in keys], dtype=pl.Boolean))
    if not len(kept):
        raise QATrainerError(f"--features {folder}: none fit a question; the first: {next(iter(problems.values()))}.")
    return replace(samples, rows=kept, rejects=pl.concat(rejects)), GivenFeatures(found)


def check_given(features: GivenFeatures, model: Any, name: Path, *, frozen: Sequence[str] = ("geometry",)) -> None:
    """Refuse features that the model's geometry encoder did not make, or would not make after a step of training.

    Parameters
    ----------
    features : GivenFeatures
    model : PreTrainedModel
    name : Path
        Its folder, for messages.
    frozen : sequence of str
        Parts that are not trained.

    Raises
    ------
    QATrainerError, FileError
    """
    check_encoder(features.of_images.values(), model, str(name))
    if "geometry" not in frozen:
        raise QATrainerError(
            "--features stand in for the geometry encoder, so it cannot be trained with them. Pass --freeze geometry, "
            "or leave --features out."
        )
