"""What a run is made of before it starts: questions, frames, and the configuration that names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.features import features_digest, features_in
from qa_contract.tableio import read_table, table_files, table_metadata
from qa_contract.tables import FRAME_SETS

from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import QAEvalError, unknown_name
from qa_eval.pictures import Held
from qa_eval.runners import Item, RunnerKind
from qa_eval.runners.base import DTYPES
from qa_eval.runners.models import find_model
from qa_eval.runs.fingerprint import ends_hash, model_id, package_version, tables_hash
from qa_eval.runs.items import (
    PUBLISHED,
    Problem,
    Shots,
    build_items,
    depth_paths,
    frame_shots,
    shot_keys,
    shown_frames,
    with_features,
)
from qa_eval.runs.published import describe_pictures, picture_shots, pictures_hash
from qa_eval.runs.videos import describe_videos, video_shots
from qa_eval.scoring.questions import question_files, questions_revision, read_pictures, read_questions

PRODUCER = "qa-eval run"
LOCAL_PACKAGES = ("torch", "torchvision", "transformers", "pillow")
"""Packages whose version can move the answer of a local model."""


@dataclass(frozen=True)
class RunOptions:
    """Options of a run that decide its content (`trust_remote_code`: whether it can start at all)."""

    runner: str = "transformers"
    model: str | None = None
    batch_size: int = 8
    max_new_tokens: int = 16
    round: int | None = None
    seed: int = 0
    device: str = "auto"
    benchmark: str = "questions"
    parser: str = "official"
    degrade: str | None = None
    frame_set: str | None = None
    frame_input: str = "images"
    n_frames: int | None = None
    trust_remote_code: bool = False
    limit: int | None = None
    attention: str | None = None
    dtype: str = "auto"
    min_pixels: int | None = None
    max_pixels: int | None = None
    system_prompt: str | None = None


@dataclass(frozen=True)
class Sources:
    """Where a run reads.

    Attributes
    ----------
    questions : Path
    store : Path, optional
        Holds the frames that the questions refer to.
    videos : Path, optional
        Folder with a video per scene, instead of a store.
    images : Path, optional
        Folder or zip file with the pictures that the questions name.
    features : Path, optional
        Folder with what a geometry encoder has made of the frames of the store.
    majority_from : Path, optional
        Questions that baselines are fitted on; by default `questions` itself.
    answers : Path, optional
        Stored answers of the replay and oracle runners.
    """

    questions: Path
    store: Path | None = None
    videos: Path | None = None
    images: Path | None = None
    features: Path | None = None
    majority_from: Path | None = None
    answers: Path | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run left behind; `already` = nothing was to be done."""

    summary: dict[str, Any]
    n_questions: int
    n_rejected: int
    n_resumed: int
    already: bool


@dataclass(frozen=True)
class RunInputs:
    """All that a run needs before it starts.

    Attributes
    ----------
    questions : DataFrame
    items : list of Item
    problems : dict of int to Problem
        Row to why it cannot be asked.
    reference : tuple of Item
        Questions that baselines are fitted on.
    depths : dict of Path to Path
        Frame to depth map.
    shown : dict
        What the frames are: sets, number, size, rate.
    revision : dict
        What identifies the questions.
    versions : dict
        Packages that decide the answers.
    model : str, optional
        Where a local model is: a folder, or an id of the hub.
    config, metadata : dict
    """

    questions: pl.DataFrame
    items: list[Item]
    problems: dict[int, Problem]
    reference: tuple[Item, ...]
    depths: dict[Path, Path]
    shown: dict[str, Any]
    revision: dict[str, str]
    versions: dict[str, str]
    model: str | None
    config: dict[str, Any]
    metadata: dict[str, str]


@dataclass(frozen=True)
class _Frames:
    """Frames of all questions, and what of them goes into the configuration and the manifest."""

    shots: Shots = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=lambda: {"input": "text only"})
    hashes: Mapping[str, Any] = field(default_factory=dict)
    depths: dict[Path, Path] = field(default_factory=dict)


def make_inputs(sources: Sources, options: RunOptions, kind: RunnerKind, scratch: Path) -> RunInputs:
    """Read the questions, find their frames, and fix the configuration that names the run.

    Frames of videos will be decoded into `scratch`; pictures that files hold are unpacked into it.

    Raises
    ------
    QAEvalError
        Options do not fit each other, or an input is missing.
    """
    _check(options, sources, kind)
    benchmark = find_benchmark(options.benchmark)
    table = read_questions(sources.questions, benchmark)[: options.limit]
    held = read_pictures(sources.questions, benchmark) if _shows_pictures(table, sources, options, kind) else {}
    frame_set = f"video-{options.n_frames}" if sources.videos is not None else options.frame_set
    if any(held.values()):
        frame_set = PUBLISHED
    if frame_set is not None:
        table = table.with_columns(frame_set_id=pl.lit(frame_set))
    revision = tables_hash(question_files(sources.questions))
    config: dict[str, Any] = {k: v for k, v in asdict(options).items() if k not in ("model", "trust_remote_code")}
    frames = _frames(table, held, sources, options, kind, scratch)
    model = find_model(str(options.model)) if kind.is_local else options.model
    config |= {"questions": revision, "model_id": _model_id(options, kind, model), **frames.hashes}
    versions = {name: version for name in LOCAL_PACKAGES if (version := package_version(name))} if kind.is_local else {}
    config |= {"versions": versions} if versions else {}
    reference: tuple[Item, ...] = ()
    if kind.is_fitted:
        source = Path(sources.majority_from or sources.questions)
        reference = tuple(build_items(read_questions(source, benchmark), {}))
        config["majority_from"] = tables_hash(question_files(source))
    if sources.answers is not None:
        config["answers"] = tables_hash(table_files(Path(sources.answers), "predictions"))
    return RunInputs(
        questions=table,
        items=build_items(table, frames.shots, shown=kind.frames),
        problems={i: p for i, key in enumerate(shot_keys(table)) if isinstance(p := frames.shots.get(key), Problem)},
        reference=reference,
        depths=frames.depths,
        shown=frames.shown,
        revision=questions_revision(sources.questions) | {"sha256": revision},
        versions={"qa-eval": package_version("qa-eval") or "unknown", **versions},
        model=model,
        config=config,
        metadata=table_metadata("predictions", PRODUCER, config, options.seed),
    )


def _check(options: RunOptions, sources: Sources, kind: RunnerKind) -> None:
    """Refuse options that the runner does not read, and those that it lacks."""
    name = f"Runner '{options.runner}'"
    if kind.is_model and options.model is None:
        raise QAEvalError(f"{name} needs --model (a folder, a hub id, or a name at the server).")
    if options.runner == "replay" and sources.answers is None:
        raise QAEvalError("Runner 'replay' needs --answers (predictions that carry ids and completions).")
    if sources.answers is not None and not kind.reads_answers:
        raise QAEvalError(f"{name} does not read --answers; 'replay' and 'oracle' do.")
    if kind.frames == "none":
        given = {"--frame-set": options.frame_set, "--videos": sources.videos, "--frames": options.n_frames}
        given |= {"--images": sources.images}
        idle = next((flag for flag, value in given.items() if value is not None), None)
        if idle is not None:
            raise QAEvalError(f"{name} shows no frames; {idle} has no effect.")
        if options.degrade:
            raise QAEvalError(f"{name} shows no frames; there is nothing to degrade.")
    if options.dtype not in DTYPES:
        raise unknown_name("dtype", options.dtype, DTYPES)
    local = {"--attention": options.attention, "--dtype": None if options.dtype == "auto" else options.dtype}
    local |= {"--min-pixels": options.min_pixels, "--max-pixels": options.max_pixels}
    idle = next((flag for flag, value in local.items() if value is not None), None)
    if idle is not None and not kind.is_local:
        raise QAEvalError(f"{name} runs no local model; {idle} has no effect. A server sets it for itself.")
    if sources.features is not None and (
        not kind.is_local or sources.store is None or options.degrade or kind.frames == "middle"
    ):
        raise QAEvalError(
            "--features go with a local model that sees all frames of a --store as they are: not with a server, "
            "--videos, --images or --degrade."
        )
    if options.system_prompt is not None and not kind.is_model:
        raise QAEvalError(f"{name} asks no model; --system-prompt has no effect.")
    if options.frame_input not in ("images", "video"):
        raise unknown_name("frame input", options.frame_input, ("images", "video"))
    if options.frame_input == "video" and not kind.takes_video:
        raise QAEvalError(f"{name} shows single images; --frame-input video works with 'transformers'.")
    if (sources.videos is None) != (options.n_frames is None):
        raise QAEvalError("--videos DIR and --frames N belong together: N frames of the video of each scene.")
    places = {"--videos": sources.videos, "--images": sources.images, "--store": sources.store or options.frame_set}
    if len(given := [flag for flag, value in places.items() if value is not None]) > 1:
        raise QAEvalError(
            "Frames come from --store and its frame sets, from --videos, or from --images; pass one of them, not "
            f"{' and '.join(given)}."
        )


def _model_id(options: RunOptions, kind: RunnerKind, model: str | None) -> str:
    """Name what answers: a local model by its content, a model of a server by its name, else the runner."""
    if not kind.is_model:
        return options.runner
    return model_id(str(model)) if kind.is_local else f"{options.runner}:{model}"


def _shows_pictures(table: pl.DataFrame, sources: Sources, options: RunOptions, kind: RunnerKind) -> bool:
    """Whether the pictures that come with the questions are what a run shows."""
    elsewhere = sources.videos is not None or options.frame_set is not None
    return kind.frames != "none" and not elsewhere and table["frame_set_id"].null_count() == table.height


def _frames(
    table: pl.DataFrame,
    held: Mapping[str, Held],
    sources: Sources,
    options: RunOptions,
    kind: RunnerKind,
    scratch: Path,
) -> _Frames:
    """Find the frames of all questions: their own pictures, or those of a store or of videos."""
    as_video = options.frame_input == "video"
    if kind.frames == "none":
        return _Frames()
    if any(held.values()):
        if as_video:
            raise QAEvalError(f"{sources.questions}: pictures have no times; --frame-input video needs them.")
        shots = picture_shots({name: held[name] for name in table["question_id"]}, sources.images, scratch)
        shown = describe_pictures(build_items(table, shots, shown=kind.frames))
        return _Frames(shots, shown, {"images": pictures_hash(shots)})
    if sources.images is not None:
        raise QAEvalError(f"{sources.questions}: the questions name no pictures of their own; --images has no effect.")
    if frameless := table["frame_set_id"].null_count():
        which = (
            f"{frameless:,} of {table.height:,} questions name no"
            if frameless < table.height
            else "no question names a"
        )
        raise QAEvalError(
            f"{sources.questions}: {which} frame set, so runner '{options.runner}' would answer them without a single "
            "picture. Pass --store STORE --frame-set ID ('qa-engine sample-frames STORE' makes frame sets) or "
            "--videos DIR --frames N, or name pictures in a column 'images' and pass --images DIR; to ask without "
            "frames on purpose, pass --runner blind (openai-blind at a server)."
        )
    if sources.videos is not None:
        shots, videos = video_shots(table, sources.videos, options.n_frames or 1, scratch, as_video=as_video)
        shown = describe_videos(build_items(table, shots, shown=kind.frames), videos)
        hashes = {scene: ends_hash(video.path) for scene, video in videos.items()}
        return _Frames(shots, shown, {"videos": hashes})
    if sources.store is None:
        raise QAEvalError(
            f"{sources.questions}: the questions refer to frames; pass the store with --store, or their videos with "
            "--videos DIR --frames N."
        )
    store = Path(sources.store)
    if options.frame_set is not None:
        known = read_table(store, "frame_sets", FRAME_SETS, columns=["frame_set_id"])["frame_set_id"].unique()
        if options.frame_set not in known:
            raise unknown_name("frame set", options.frame_set, known.to_list())
    shown = shown_frames(table, store, shown=kind.frames)
    hashes: dict[str, Any] = {"frames": {n: tables_hash(table_files(store, n)) for n in ("frame_sets", "frames")}}
    shots = frame_shots(table, store, as_video=as_video)
    if sources.features is not None:
        shots = with_features(shots, sources.features)
        hashes["features"] = features_digest(features_in(sources.features))
    return _Frames(
        shots=shots,
        shown=shown | {"input": "video"} if as_video else shown,
        hashes=hashes,
        depths=depth_paths(store) if options.degrade else {},
    )
