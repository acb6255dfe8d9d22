"""Frames that are shown as one video, as the evaluator shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qa_contract.clips import Clip

from qa_trainer.data.images import read_image


@dataclass(frozen=True)
class Video:
    """Frames and their times.

    Attributes
    ----------
    images : tuple of (str or bytes)
        Paths, or the bytes of files, in order.
    clip : Clip
    """

    images: tuple[str | bytes, ...]
    clip: Clip


Source = str | bytes | Video
"""What stands in a prompt's place of an image or video."""


def video_inputs(videos: Sequence[Video]) -> dict[str, Any]:
    """Build the arguments that show videos to a processor; nothing where there are none."""
    if not videos:
        return {}
    return {
        "videos": [[read_image(image) for image in video.images] for video in videos],
        "video_metadata": [video.clip.metadata() for video in videos],
        # The frames of the set are shown, all of them: the processor must not choose among them.
        "do_sample_frames": False,
    }


class WithVideos:
    """A processor that shows some videos beside the images that it is called with.

    Stands in for a processor in code that knows images only; what has no images (an answer) gets no videos.
    """

    def __init__(self, processor: Any, videos: Sequence[Video]) -> None:
        self._processor = processor
        self._videos = videos

    def __getattr__(self, name: str) -> Any:
        return getattr(self._processor, name)

    def __call__(self, **options: Any) -> Any:
        """Call the processor, with the videos where there is a place for images."""
        shown = video_inputs(self._videos) if "images" in options else {}
        return self._processor(**options, **shown)


def of_images(sources: Sequence[Source]) -> tuple[str | bytes, ...]:
    """List the images of a prompt, one by one or of its video."""
    return tuple(image for source in sources for image in (source.images if isinstance(source, Video) else (source,)))
