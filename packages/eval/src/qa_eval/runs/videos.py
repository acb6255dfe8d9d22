"""Questions about video files: the file of each scene, and frames of it, uniform in time, decoded by PyAV."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from qa_contract.clips import Clip

from qa_eval.errors import QAEvalError
from qa_eval.runners.base import Item
from qa_eval.runs.items import Problem, Shot, Shots

if TYPE_CHECKING:
    from av.container import InputContainer

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


@dataclass(frozen=True)
class VideoFile:
    """What is known of a video before it is decoded.

    Attributes
    ----------
    path : Path
    pts : tuple of int
        Presentation time of every frame, growing, in the stream's own unit.
    fps : float
        Frames per second.
    width, height : int
    """

    path: Path
    pts: tuple[int, ...]
    fps: float
    width: int
    height: int


def find_videos(folder: Path) -> dict[str, list[Path]]:
    """Map names to the video files in `folder` and below: the path from `folder`, the file's name, and its stem.

    Raises
    ------
    QAEvalError
        The folder is missing or holds no video.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise QAEvalError(f"{folder}: no such folder (expected --videos DIR with a video per scene).")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise QAEvalError(f"{folder}: holds no video ({', '.join(SUFFIXES)}).")
    found: dict[str, list[Path]] = {}
    for path in files:
        for name in {path.relative_to(folder).as_posix(), path.name, path.stem}:
            found.setdefault(name, []).append(path)
    return found


def read_video(path: Path) -> VideoFile:
    """Read the times of all frames without decoding them.

    Raises
    ------
    QAEvalError
        PyAV is not installed.
    ValueError
        The file holds no video stream, or no frame with a time.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        found = {p.pts for p in container.demux(stream) if p.pts is not None and not p.is_discard}
        pts = tuple(sorted(found))
        if not pts or stream.time_base is None:
            raise ValueError("no frame has a time")
        span_s = float((pts[-1] - pts[0]) * stream.time_base)
        fps = (len(pts) - 1) / span_s if span_s > 0 else float(stream.average_rate or 1)
        return VideoFile(path, pts, fps, stream.width, stream.height)


def uniform_numbers(pts: Sequence[int], n: int) -> tuple[int, ...]:
    """Choose frames at `n` moments spread evenly from the first to the last frame: the one on screen at each.

    Notes
    -----
    At a constant frame rate these are the frames of ``np.linspace(0, total - 1, n, dtype=int)``, the choice of
    VSI-Bench's and lmms-eval's loaders. A video of fewer frames gives all of them once. One moment is the first.

    Examples
    --------
    >>> uniform_numbers(range(0, 1000, 10), 4)
    (0, 33, 66, 99)
    >>> uniform_numbers([0, 10, 20, 90], 3)
    (0, 2, 3)
    """
    if n >= len(pts):
        return tuple(range(len(pts)))
    step = pts[-1] - pts[0]
    moments = pl.Series([pts[0] + step * k // max(1, n - 1) for k in range(n)])
    numbers = pl.Series(pts).search_sorted(moments, side="right") - 1
    return tuple(numbers.unique().sort().to_list())


def video_shots(
    questions: pl.DataFrame, folder: Path, n: int, scratch: Path, *, as_video: bool
) -> tuple[Shots, dict[str, VideoFile]]:
    """Choose the frames of every scene's video; they are decoded into `scratch` when a batch needs them.

    Parameters
    ----------
    questions : DataFrame
        With `scene_name`, `frame_set_id` and, where a file is named otherwise than the scene, `video`.
    folder : Path
    n : int
        Frames per video.
    scratch : Path
    as_video : bool
        Whether the frames are shown as a video with its times, or as single images.

    Returns
    -------
    dict of (scene_name, frame_set_id) to Shot or Problem, and the videos by scene
    """
    files = find_videos(folder)
    columns = [name for name in ("scene_name", "frame_set_id", "video") if name in questions.columns]
    shots: Shots = {}
    videos: dict[str, VideoFile] = {}
    for row in questions.select(columns).unique(maintain_order=True).to_dicts():
        scene, name = row["scene_name"], row.get("video") or row["scene_name"]
        key = (scene, row["frame_set_id"])
        paths = files.get(name, [])
        if len(paths) != 1:
            what = f"several videos: {', '.join(map(str, paths))}" if paths else "no video"
            shots[key] = Problem("missing_video", f"{folder}: {what} of {name}")
            continue
        try:
            video = read_video(paths[0])
        except (OSError, ValueError, IndexError) as error:
            shots[key] = Problem("unreadable_video", f"{paths[0]}: {error}")
            continue
        numbers = uniform_numbers(video.pts, n)
        place = scratch / hashlib.sha256(str(scene).encode()).hexdigest()[:24]
        clip = Clip(video.fps, numbers, len(video.pts)) if as_video else None
        if as_video and len(numbers) < 2:
            shots[key] = Problem("no_video", f"{paths[0]}: one frame is no video")
            continue
        shots[key] = Shot(tuple(place / f"{i}.png" for i in numbers), tuple(str(i) for i in numbers), clip, paths[0])
        videos[scene] = video
    return shots, videos


def describe_videos(items: Sequence[Item], videos: Mapping[str, VideoFile]) -> dict[str, Any]:
    """Describe what the questions show, as the manifest records it: frames per question, pixels, frames per second."""
    shown = [item for item in items if item.frames]
    counts = pl.Series("n", [len(item.frames) for item in shown], dtype=pl.Int64).value_counts(sort=True)
    used = {item.scene_name: len(item.frames) for item in shown}
    sizes = pl.Series("size", [f"{videos[s].width}x{videos[s].height}" for s in used]).value_counts(sort=True)
    rates = [n / len(videos[s].pts) * videos[s].fps for s, n in used.items()]
    return {
        "input": "video" if any(item.clip for item in shown) else "image list",
        "videos": len(used),
        "frames_per_question": {str(n): count for n, count in counts.iter_rows()},
        "pixels": dict(sizes.iter_rows()),
        "fps": round(statistics.median(rates), 4) if rates else None,
    }


def decode_frames(items: Sequence[Item]) -> dict[int, str]:
    """Write the frames that the items' videos are yet to give; positions of items whose video failed, and why."""
    failed: dict[int, str] = {}
    for i, item in enumerate(items):
        if item.video is not None and not all(path.is_file() for path in item.frames):
            try:
                _decode(item.video, {int(name): path for name, path in zip(item.frame_ids, item.frames, strict=True)})
            except (OSError, ValueError, IndexError) as error:
                failed[i] = f"{item.video}: {error}"
    return failed


def _decode(path: Path, wanted: Mapping[int, Path]) -> None:
    """Write some frames of a video, by number, as PNG."""
    pts = read_video(path).pts
    targets = {pts[number]: target for number, target in wanted.items()}
    with _opened(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            target = None if frame.pts is None else targets.pop(frame.pts, None)
            if target is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                partial = target.with_suffix(".partial")
                frame.to_image().save(partial, format="PNG")
                partial.replace(target)
            if not targets:
                return
    raise ValueError(f"{len(targets)} of {len(wanted)} frames cannot be decoded")


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise QAEvalError("Videos need PyAV. Install it with: pip install 'qa-eval[video]'") from error
    try:
        with av.open(str(path)) as container:
            yield container
    except FFmpegError as error:
        raise ValueError(f"not a readable video ({error})") from error
