"""Choose the frames of videos that a model is shown: even steps, or those that together see most of the space.

The output is a store: `frames` and `frame_sets` with the chosen frames as images below it; with VGGT's depth, also
depth and poses, and `scenes` that say of each that its vertical and its scale are unknown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from qa_contract.features import SUFFIX, SceneFeatures, digest_bytes, digest_files
from qa_contract.files import write_json
from qa_contract.tableio import table_metadata, with_every_column, write_table
from qa_contract.tables import FRAME_SETS, FRAMES, OBJECTS, REJECTS, SCENES

from qa_trainer.errors import QATrainerError
from qa_trainer.frames.predicted import Geometry, geometry_of, scene_row, write_geometry
from qa_trainer.frames.settings import BLOCK, SamplingSettings
from qa_trainer.frames.video import Video, VideoError, find_videos, open_video
from qa_trainer.models.loading import model_hash, resolve_model
from qa_trainer.runs.reporter import Reporter, Silent

if TYPE_CHECKING:
    import torch

    from qa_trainer.models.spatial_mllm.vggt import VGGT

PRODUCER = "qa-trainer sample-frames"
POINTS = {"depth": ("camera", "depth"), "point": ("point",)}
"""Where points come from, and the heads of VGGT for it."""


@dataclass(frozen=True)
class SamplingSummary:
    """The outcome: id of the frame set, videos with frames and without, seconds."""

    frame_set_id: str
    scenes: int
    rejects: int
    seconds: float


@dataclass(frozen=True)
class Choice:
    """Frames of one video.

    Attributes
    ----------
    indices : list of int
        Of the video, ascending.
    tokens : (k, patches, dim) Tensor, optional
        VGGT's last layer for each of them, computed together with all candidates.
    grid : (rows, columns)
        Patches of a frame.
    geometry : Geometry, optional
        Depth and cameras of each of them, where VGGT predicts these.
    """

    indices: list[int]
    tokens: torch.Tensor | None = None
    grid: tuple[int, int] = (0, 0)
    geometry: Geometry | None = None


def sample_frames(
    inputs: Sequence[Path],
    settings: SamplingSettings,
    out: Path,
    *,
    geometry: str | None,
    features: bool = False,
    reporter: Reporter | None = None,
) -> SamplingSummary:
    """Choose frames of every video and write them, with their tables, to `out`.

    Parameters
    ----------
    inputs : sequence of Path
        Videos, folders of videos, folders of images.
    settings : SamplingSettings
    out : Path
        Gets `frames`, `frame_sets`, `rejects`, `manifest.json`, `images/SCENE/FRAME.png` and, where asked for,
        `features/SCENE.safetensors`.
    geometry : str or None
        Folder or hub id of a VGGT with its heads; needed by `space-aware`.
    features : bool
        Also keep VGGT's tokens of the chosen frames.
    reporter : Reporter, optional
        Takes progress.

    Raises
    ------
    QATrainerError
        A wrong option, no VGGT, or no video that can be used.
    """
    started = time.perf_counter()
    space_aware = settings.method == "space-aware"
    if space_aware != (geometry is not None):
        problem = "needs --geometry DIR, a folder with VGGT's weights" if space_aware else "takes no --geometry"
        raise QATrainerError(f"--method {settings.method} {problem}.")
    if features and not space_aware:
        raise QATrainerError("--features: only --method space-aware computes features.")
    videos = find_videos(inputs)
    folder = None if geometry is None else resolve_model(geometry, option="--geometry")
    model = None if folder is None else _load(folder, settings)
    encoder = _digest(model) if model is not None and features else None
    config: dict[str, Any] = settings.content() | {"geometry": None if folder is None else model_hash(folder)}
    frames: list[dict[str, Any]] = []
    sets: list[dict[str, Any]] = []
    scenes: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    reporter = reporter or Silent()
    for done, (scene, path) in enumerate(videos.items()):
        reporter("sample", done, len(videos), scene)
        try:
            video = _opened(path, settings)
            choice = _uniform(video, settings) if model is None else choose(video, model, settings)
            rows = list(_write_images(video, choice.indices, scene, out))
            if choice.geometry is not None:
                rows = write_geometry(choice.geometry, rows, scene, out)
                scenes.append(scene_row(scene))
        except VideoError as error:
            refused.append({"item": str(path), "scene_name": scene, "reason": error.reason, "detail": str(error)})
            reporter.say(f"{path}: refused, {error}")
            continue
        if features:
            assert encoder is not None
            _write_features(choice, rows, scene, out, encoder=encoder)
        frames += rows
        ids = [row["frame_id"] for row in rows]
        row = {
            "scene_name": scene,
            "frame_set_id": settings.frame_set_id,
            "method": settings.method,
            "n": len(ids),
            "frame_ids": ids,
        }
        sets.append(row)
    reporter("sample", len(videos), len(videos))
    if not sets:
        raise QATrainerError(f"No video can be used; the first: {refused[0]['item']}: {refused[0]['detail']}.")
    tables = [("frames", FRAMES, frames), ("frame_sets", FRAME_SETS, sets)]
    tables += [("scenes", SCENES, scenes), ("objects", OBJECTS, [])] if scenes else []
    for table, schema, rows in tables:
        _write(table, schema, rows, config, out)
    _write("rejects", REJECTS, [{"stage": "sample-frames", **row} for row in refused], config, out)
    summary = SamplingSummary(settings.frame_set_id, len(sets), len(refused), round(time.perf_counter() - started, 3))
    places = {"inputs": [str(path) for path in inputs], "geometry_folder": None if folder is None else str(folder)}
    write_json(out / "manifest.json", {"producer": PRODUCER, "config": config, **places, **asdict(summary)})
    return summary


def choose(video: Video, model: VGGT, settings: SamplingSettings) -> Choice:
    """Choose the frames of a video that together see most of the space.

    Parameters
    ----------
    video : Video
        At least `settings.frames` frames.
    model : VGGT
        With the heads that `settings.points` needs.
    settings : SamplingSettings

    Raises
    ------
    VideoError
        A frame cannot be decoded, or images differ in size.
    """
    from qa_trainer.frames.space_aware import select_frames

    indices = video.evenly(settings.candidates)
    images = _candidates(video, indices, settings.longest_side)
    found = _predict(model, images)
    points, confidence = _points(found, images)
    chosen = select_frames(points, confidence, settings.frames)
    patch = model.config.patch_size
    grid = (images.shape[-2] // patch, images.shape[-1] // patch)
    geometry = geometry_of(found, chosen, images.shape[-2:]) if "depth" in found else None
    return Choice([indices[row] for row in chosen], found["tokens"][chosen].cpu(), grid, geometry)


def scene_points(model: VGGT, images: torch.Tensor) -> tuple[Any, Any, torch.Tensor]:
    """Predict the point of every pixel of a clip, in one frame of reference and up to one scale.

    Parameters
    ----------
    model : VGGT
        With the heads `camera` and `depth`, or `point`.
    images : (s, 3, H, W)
        RGB in 0..1.

    Returns
    -------
    points : (s, H, W, 3) float32 array
    confidence : (s, H, W) float32 array
        0 where there is no finite point.
    tokens : (s, patches, dim) Tensor
        Of the last layer.
    """
    found = _predict(model, images)
    return *_points(found, images), found["tokens"]


def _predict(model: VGGT, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run VGGT over a clip (s, 3, H, W)."""
    import torch

    device = next(model.parameters()).device
    with torch.no_grad():
        return {name: value[0] for name, value in model(images[None].to(device)).items()}


def _points(found: Mapping[str, torch.Tensor], images: torch.Tensor) -> tuple[Any, Any]:
    """Give the point of every pixel and its confidence, 0 where there is no finite point."""
    import numpy as np
    import torch

    from qa_trainer.models.spatial_mllm.geometry import cameras_from_pose_encoding, unproject_depth

    if "world_points" in found:
        points, confidence = found["world_points"].cpu(), found["world_points_conf"].cpu()
    else:
        depth, confidence = found["depth"][..., 0].cpu(), found["depth_conf"].cpu()
        height, width = images.shape[-2:]
        extrinsics, intrinsics = cameras_from_pose_encoding(found["pose_enc"].float().cpu(), (height, width))
        points = torch.empty(*depth.shape, 3)
        # A frame at a time, because the points come in float64.
        for row in range(len(depth)):
            part = slice(row, row + 1)
            _, points[part], valid = unproject_depth(depth[part], extrinsics[part], intrinsics[part])
            confidence[part] *= valid
    kept = points.numpy()
    return kept, np.where(np.isfinite(kept).all(axis=-1), confidence.numpy(), 0.0)


def _candidates(video: Video, indices: Sequence[int], longest_side: int) -> torch.Tensor:
    """Decode frames at the size for VGGT: (s, 3, H, W), RGB in 0..1."""
    import numpy as np
    import torch
    from PIL import Image

    found, first = [], None
    for index, image in video.images(indices):
        first = first or image.size
        if image.size != first:
            sizes = f"{first[0]}x{first[1]} and {image.size[0]}x{image.size[1]}"
            raise VideoError("mixed_frame_sizes", f"frame {video.frame_ids[index]}: sizes {sizes} in one folder")
        scale = longest_side / max(first)
        size = [max(1, int(side * scale / BLOCK)) * BLOCK for side in first]
        pixels = np.asarray(image.resize((size[0], size[1]), Image.Resampling.BICUBIC))
        found.append(torch.from_numpy(pixels.copy()).movedim(-1, 0))
    return torch.stack(found).float() / 255


def _opened(path: Path, settings: SamplingSettings) -> Video:
    """Open a video with enough frames."""
    video = open_video(path)
    if len(video) < settings.frames:
        detail = f"{len(video)} frames, {settings.frames} are to be chosen"
        raise VideoError("too_few_frames", f"{path.name}: {detail}")
    return video


def _uniform(video: Video, settings: SamplingSettings) -> Choice:
    return Choice(video.evenly(settings.frames))


def _load(folder: Path, settings: SamplingSettings) -> VGGT:
    """Load VGGT onto the device of the run."""
    import torch

    from qa_trainer.models.spatial_mllm.release import load_vggt

    model = load_vggt(folder, heads=POINTS[settings.points])
    if settings.dtype == "bfloat16":
        model.aggregator.to(torch.bfloat16)
    return model.to("cuda" if settings.device == "auto" and torch.cuda.is_available() else "cpu")


def _write_images(video: Video, indices: Sequence[int], scene: str, out: Path) -> Iterator[dict[str, Any]]:
    """Write the chosen frames at their own size, and give their rows of `frames`."""
    (out / "images" / scene).mkdir(parents=True, exist_ok=True)
    for index, image in video.images(indices):
        path = f"images/{scene}/{video.frame_ids[index]}.png"
        image.save(out / path)
        yield {
            "scene_name": scene,
            "frame_id": video.frame_ids[index],
            "time_s": video.times_s[index],
            "image_path": path,
            "width": image.width,
            "height": image.height,
        }


def _digest(model: VGGT) -> str:
    from qa_trainer.models.spatial_mllm.geometry_encoder import weights_digest

    return weights_digest(model.aggregator)


def _write_features(choice: Choice, rows: Sequence[Mapping[str, Any]], scene: str, out: Path, *, encoder: str) -> None:
    """Write the tokens of the chosen frames; the header says what they were made of."""
    import torch
    from safetensors.torch import save_file

    assert choice.tokens is not None
    tokens = choice.tokens.contiguous()
    path = out / "features" / f"{scene}{SUFFIX}"
    path.parent.mkdir(exist_ok=True)
    header = SceneFeatures(
        path=path,
        frame_ids=tuple(row["frame_id"] for row in rows),
        grid=choice.grid,
        encoder=encoder,
        images=digest_files(out / row["image_path"] for row in rows),
        tokens=digest_bytes([tokens.view(torch.uint8).numpy().data]),
    )
    save_file({"tokens": tokens}, path, metadata=header.metadata())


def _write(table: str, schema: Any, rows: Sequence[Mapping[str, Any]], config: Mapping[str, Any], out: Path) -> None:
    frame = pl.DataFrame(rows, schema={name: schema[name] for name in rows[0]}) if rows else pl.DataFrame(schema=schema)
    metadata = table_metadata(table, PRODUCER, config, 0)
    write_table(with_every_column(frame, schema), out / f"{table}.parquet", schema, metadata)
