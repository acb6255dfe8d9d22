"""A released VGGT from a folder: its sizes from `config.json`, its weights by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import torch

from qa_trainer.errors import QATrainerError
from qa_trainer.models.loading import weight_files
from qa_trainer.models.spatial_mllm.vggt import VGGT, VGGTConfig

_RELEASED = {"img_size": "image_size", "embed_dim": "dim"}
"""Names in the release's configuration to ours."""


def load_vggt(folder: Path, *, heads: Sequence[str]) -> VGGT:
    """Load a VGGT with some of its heads, in evaluation mode.

    Parameters
    ----------
    folder : Path
        `config.json` with sizes (`VGGTConfig`'s names, or the release's; what it does not name is VGGT-1B's) and
        safetensors files.
    heads : sequence of {"camera", "point", "depth"}

    Raises
    ------
    QATrainerError
        The files cannot be read, or are not the weights of such a VGGT.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        known = {field.name for field in fields(VGGTConfig)}
        sizes = {_RELEASED.get(name, name): value for name, value in values.items()}
        sizes = {name: value for name, value in sizes.items() if name in known}
        with torch.device("meta"):
            model = VGGT(VGGTConfig.from_dict(sizes | {"built_heads": list(heads)}))
        weights: dict[str, torch.Tensor] = {}
        for path in weight_files(folder):
            weights |= load_file(path)
        model.load_released(weights, assign=True)
    except (OSError, ValueError, TypeError, SafetensorError, RuntimeError) as error:
        first = " ".join(str(error).split())[:300]
        raise QATrainerError(
            f"{folder}: not the weights of a VGGT with {' and '.join(heads)} head ({first})."
        ) from error
    return model.eval().requires_grad_(False)
