"""Pictures out of a video, one after the other, as the sensor recorded them: marks that turn it are not applied.

Poses of a recording are those of the sensor. What a mark would turn for display, the poses turn for questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.extras import require
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.pictures import Header, Picture
from qa_engine.scenes.fields import MAX_PIXELS

MAX_FRAMES = 1_000_000


class Video:
    """A video of a recording.

    Parameters
    ----------
    path : Path
    roots : sequence of Path
        Folders that the file may lie in.

    Raises
    ------
    QAEngineError
        PyAV is not installed.
    SceneError
        The file is missing or no video.
    """

    def __init__(self, path: Path, roots: Sequence[Path]) -> None:
        check_inside(path, roots)
        if not path.is_file():
            raise SceneError(path.name, "no such file", reason=IngestReason.MISSING_FILE)
        self._av = require("av", extra="phone", purpose=f"The video {path.name}")
        self._path = path
        self._frames: Iterator[Any] = iter(())
        self._at = -1
        self.times_s, self.size = self._look()

    def _look(self) -> tuple[NDArray[np.float64], tuple[int, int]]:
        """Read the time of every frame, seconds from the first, without decoding any; and width and height."""
        try:
            with self._av.open(str(self._path)) as container:
                stream = container.streams.video[0]
                size = (stream.codec_context.width, stream.codec_context.height)
                if not 1 <= size[0] * size[1] <= MAX_PIXELS:
                    raise SceneError(self._path.name, f"{size[0]} x {size[1]} pixels", reason=IngestReason.TOO_LARGE)
                times: list[float] = []
                for packet in container.demux(stream):
                    if packet.pts is not None:
                        times.append(float(packet.pts * packet.time_base))
                    if len(times) > MAX_FRAMES:
                        problem = f"more than {MAX_FRAMES} frames"
                        raise SceneError(self._path.name, problem, reason=IngestReason.TOO_LARGE)
        except (OSError, ValueError, IndexError) as error:  # PyAV's errors are OSError or ValueError
            raise SceneError(self._path.name, f"no whole video ({error})", reason=IngestReason.BAD_FORMAT) from None
        found = np.sort(np.array(times))
        return found - found[:1].sum(), size

    def picture(self, index: int) -> Picture:
        """Take the frame of a number, from 0, as a picture."""
        name = f"{self._path.name}[{index}]"
        return Picture(name, Header(self.size), lambda turn: self._pixels(index, name), lossy=True)

    def _pixels(self, index: int, name: str) -> NDArray[np.uint8]:
        """Decode up to a frame; frames are asked for in their order, so that each is decoded once."""
        if index <= self._at:
            self._at = -1
        try:
            if self._at < 0:
                self._frames = self._av.open(str(self._path)).decode(video=0)
            for frame in self._frames:
                self._at += 1
                if self._at == index:
                    return frame.to_ndarray(format="rgb24")
        except (OSError, ValueError) as error:
            raise SceneError(name, f"cannot be decoded ({error})", reason=IngestReason.BAD_FRAME) from None
        raise SceneError(name, f"the video ends after {self._at + 1} frames", reason=IngestReason.BAD_FRAME)
