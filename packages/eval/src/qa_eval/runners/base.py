"""What runners get and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from qa_contract.clips import Clip
from qa_contract.features import SceneFeatures

from qa_eval.pictures import MARK


@dataclass(frozen=True)
class Item:
    """One question as a model sees it.

    Attributes
    ----------
    question_id, question_type, scene_name, ground_truth : str
    options : tuple of str
        ``"A. text"`` per option; empty for a number.
    prompt : str
        Text that follows the frames, or marks with `MARK` where each one stands in it.
    frames : tuple of Path
        Image files in order; empty for a text-only question.
    frame_ids : tuple of str
        Name of each frame in its scene.
    clip : Clip, optional
        Shown as a video with these times; None = as single images.
    video : Path, optional
        File that the frames are decoded from before they are shown.
    features : SceneFeatures, optional
        What a geometry encoder has made of the frames.
    """

    question_id: str
    question_type: str
    prompt: str
    ground_truth: str = ""
    scene_name: str = ""
    options: tuple[str, ...] = ()
    frames: tuple[Path, ...] = ()
    frame_ids: tuple[str, ...] = ()
    clip: Clip | None = None
    video: Path | None = None
    features: SceneFeatures | None = None

    @property
    def frame_input(self) -> str:
        """How the frames are shown: ``images``, ``video`` or ``none``."""
        if not self.frames:
            return "none"
        return "images" if self.clip is None else "video"

    @property
    def content(self) -> tuple[str | None, ...]:
        """Text in order, None where a frame (or the video) stands.

        Examples
        --------
        >>> Item("q", "t", "Which?", frames=(Path("a.png"),)).content
        (None, 'Which?')
        >>> Item("q", "t", f"Is {MARK} left of {MARK}?", frames=(Path("a.png"), Path("b.png"))).content
        ('Is ', None, ' left of ', None, '?')
        """
        texts = self.prompt.split(MARK)
        n = len(self.frames) if self.clip is None else 1
        if len(texts) == 1:
            return (*[None] * n, self.prompt)
        parts = [part for text in texts for part in (text, None)][:-1]
        return tuple(part for part in parts if part != "")


@dataclass(frozen=True)
class Answer:
    """One completion. The token lists are aligned; they are None where the runner has no tokens.

    Attributes
    ----------
    completion : str
    token_ids : list of int, optional
    token_logprobs : list of float, optional
        Natural log of the probability of each generated token, from the unmodified logits.
    token_mask : list of bool, optional
        True where the token belongs to the answer: no end token, no white space.
    token_is_top1 : list of bool, optional
    token_entropy : list of float, optional
        Nats.
    option_logprobs : list of float, optional
        Natural log of the probability, over the whole vocabulary, of each option's letter as the first token.
    frame_pixels : int, optional
        Width times height of the first frame as it went into the model.
    stored : mapping, optional
        Columns of `predictions` that a stored answer brings along; they replace what this run would write.
    error : str, optional
        Reason code where the question got no answer; `detail` says more.
    """

    completion: str = ""
    token_ids: list[int] | None = None
    token_logprobs: list[float] | None = None
    token_mask: list[bool] | None = None
    token_is_top1: list[bool] | None = None
    token_entropy: list[float] | None = None
    option_logprobs: list[float] | None = None
    frame_pixels: int | None = None
    stored: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Connection:
    """How a server is reached; none of it decides the answers.

    Attributes
    ----------
    base_url : str, optional
        Up to and including ``/v1``.
    concurrency : int
        Requests in flight.
    retries : int
        After the first attempt, with growing waits.
    timeout_s : float
        Per request.
    cache : Path, optional
        Folder in which responses are kept by the hash of their request.
    """

    base_url: str | None = None
    concurrency: int = 8
    retries: int = 4
    timeout_s: float = 120.0
    cache: Path | None = None


DTYPES = ("auto", "float32", "bfloat16", "float16")
"""Numbers that a local model computes with; auto = float32 on a processor, the checkpoint's own on a GPU."""


@dataclass(frozen=True)
class RunnerConfig:
    """Options that runners share; a runner ignores what it does not need.

    Attributes
    ----------
    model : str, optional
        Folder, hub id, or name at a server.
    device : str
        cpu, cuda or auto.
    max_new_tokens : int
    reference : tuple of Item
        Questions that baselines are fitted on.
    answers : Path, optional
        Stored answers.
    seed : int
    frame_input : str
        images or video.
    trust_remote_code : bool
        Whether code that a model's folder holds is run.
    attention : str, optional
        Implementation of transformers: eager, sdpa, flash_attention_2, ...; None = the model's own choice.
    dtype : str
        One of `DTYPES`.
    min_pixels, max_pixels : int, optional
        Of an image, or of a whole video, as it goes into the model; None = the processor's own.
    system_prompt : str, optional
        None = the chat template's own, or none.
    features : tuple of SceneFeatures
        What a geometry encoder has made of the items' frames, where it is not to run again.
    connection : Connection
    """

    model: str | None = None
    device: str = "auto"
    max_new_tokens: int = 16
    reference: tuple[Item, ...] = field(default=(), repr=False)
    answers: Path | None = None
    seed: int = 0
    frame_input: str = "images"
    trust_remote_code: bool = False
    attention: str | None = None
    dtype: str = "auto"
    min_pixels: int | None = None
    max_pixels: int | None = None
    system_prompt: str | None = None
    features: tuple[SceneFeatures, ...] = ()
    connection: Connection = field(default_factory=Connection)


class Runner(Protocol):
    """Answers questions in batches.

    Attributes
    ----------
    facts : mapping
        What the manifest records about the model: `decoding` (which every row repeats), precision, size of the images.
    """

    facts: Mapping[str, Any]

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """Items are batched in the order of this key, and never across different first elements."""
        ...

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Answer one batch; one answer per item, in order."""
        ...
