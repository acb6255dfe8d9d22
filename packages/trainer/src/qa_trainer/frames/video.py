"""Frames of a video, or of a folder of images, by their index; every frame keeps its time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from qa_trainer.errors import QATrainerError

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".ts")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class VideoError(Exception):
    """A video cannot be used; `reason` is a code of `REASONS`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Video:
    """The frames of a video file or of a folder of images, not yet decoded.

    Attributes
    ----------
    path : Path
    frame_ids : list of str
        In the order of time: the index in the video, or the name of the image without its suffix.
    times_s : list of (float or None)
        From the first frame on; None for images.
    keys : list
        By which a frame is found again: the presentation time in the stream's own unit, or the path of the image.
    """

    path: Path
    frame_ids: list[str]
    times_s: list[float | None]
    keys: list[Any]

    def __len__(self) -> int:
        return len(self.keys)

    def evenly(self, n: int) -> list[int]:
        """Choose the frames next to `n` evenly spaced times, the first and the last among them.

        Images are taken as evenly spaced. Where two times share their nearest frame, indices at even steps are
        taken instead, so that `min(n, len(self))` frames are given, none twice.

        Examples
        --------
        >>> Video(Path("v"), ["0", "1", "2", "3"], [0.0, 0.1, 0.2, 1.0], [0, 1, 2, 10]).evenly(3)
        [0, 2, 3]
        """
        import numpy as np

        n = min(n, len(self))
        steps = np.rint(np.linspace(0, len(self) - 1, n)).astype(int)
        if None in self.times_s:
            return steps.tolist()
        times = np.array(self.times_s, dtype=np.float64)
        wanted = np.linspace(times[0], times[-1], n)
        nearest = np.abs(times[None] - wanted[:, None]).argmin(axis=1)
        return (nearest if len(set(nearest.tolist())) == n else steps).tolist()

    def images(self, indices: Sequence[int]) -> Iterator[tuple[int, Image.Image]]:
        """Decode some frames, upright, in the order of time.

        Yields
        ------
        (int, RGB image)

        Raises
        ------
        VideoError
            One of them cannot be decoded.
        """
        wanted = sorted(set(indices))
        if self.path.is_dir():
            for index in wanted:
                yield index, _opened(self.keys[index])
            return
        index_of = {self.keys[index]: index for index in wanted}
        with _opened_video(self.path) as (container, stream):
            for frame in container.decode(stream):
                index = index_of.pop(frame.pts, None)
                if index is not None:
                    image = frame.to_image()
                    yield index, image.rotate(frame.rotation, expand=True) if frame.rotation else image
                if not index_of:
                    return
        missing = min(index_of.values())
        raise VideoError("unreadable_video", f"{self.path.name}: frame {missing} cannot be decoded")


def open_video(path: Path) -> Video:
    """List the frames of a video file or of a folder of images.

    Parameters
    ----------
    path : Path
        Images of a folder are in the order of their names, numbers as numbers.

    Raises
    ------
    VideoError
        Nothing in it can be shown.
    QATrainerError
        PyAV is not installed.
    """
    if path.is_dir():
        images = sorted(_files(path, IMAGE_SUFFIXES), key=lambda image: _natural(image.name))
        names = [image.stem for image in images]
        if twice := {name for name in names if names.count(name) > 1}:
            raise VideoError("unreadable_frame", f"{path.name}: several images of the name '{min(twice)}'")
        return Video(path, names, [None] * len(images), list(images))
    with _opened_video(path) as (container, stream):
        # Reading the packets without decoding them gives every frame's time at the speed of the disk.
        times = {packet.pts for packet in container.demux(stream) if packet.pts is not None and not packet.is_discard}
        unit = stream.time_base
    if not times or unit is None:
        raise VideoError("unreadable_video", f"{path.name}: no frame with a time")
    keys = sorted(times)
    seconds: list[float | None] = [float((key - keys[0]) * unit) for key in keys]
    return Video(path, [f"{index:06d}" for index in range(len(keys))], seconds, keys)


def find_videos(inputs: Sequence[Path]) -> dict[str, Path]:
    """Map scene names to video files and folders of images.

    Parameters
    ----------
    inputs : sequence of Path
        A video, a folder of images (one scene), or a folder of videos (one scene each).

    Raises
    ------
    QATrainerError
        Nothing is there, a folder holds neither or both, or two have the same name.
    """
    found: dict[str, Path] = {}
    for source in inputs:
        for path in _videos_of(source):
            name = path.name if path.is_dir() else path.stem
            if name in found:
                raise QATrainerError(f"{path}: a scene of that name is there already ({found[name]}); rename one.")
            found[name] = path
    return found


def _videos_of(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise QATrainerError(f"{source}: no such file or folder.")
    videos, images = sorted(_files(source, VIDEO_SUFFIXES)), _files(source, IMAGE_SUFFIXES)
    if bool(videos) == bool(images):
        what = "both videos and images" if videos else "no video and no image"
        raise QATrainerError(f"{source}: holds {what}; give a video, a folder of videos, or the images of one scene.")
    return videos or [source.resolve()]


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file()]


def _natural(name: str) -> list[tuple[int, str]]:
    """Split a name so that its numbers sort as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise VideoError("unreadable_frame", f"{path.name}: {error}") from error


@contextmanager
def _opened_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open the first video stream of a file; PyAV's errors become ours."""
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise QATrainerError("Videos need 'av'. Install it with: pip install 'qa-trainer[video]'") from error
    try:
        # A playlist inside the file must not lead elsewhere.
        with av.open(str(path.resolve()), options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise VideoError("unreadable_video", f"{path.name}: no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except (FFmpegError, OSError, ValueError) as error:
        raise VideoError("unreadable_video", f"{path.name}: {error}") from error
