"""What runners get and give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Item:
    """One question as a model sees it.

    Attributes
    ----------
    question_id, question_type, scene_name, ground_truth : str
    options : tuple of str
        ``"A. text"`` per option; empty for a number.
    prompt : str
        Text that follows the frames.
    frames : tuple of Path
        Image files in order; empty for a text-only question.
    """

    question_id: str
    question_type: str
    prompt: str
    ground_truth: str = ""
    scene_name: str = ""
    options: tuple[str, ...] = ()
    frames: tuple[Path, ...] = ()


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
    error : str, optional
        Reason code where the question got no answer; `detail` says more.
    """

    completion: str = ""
    token_ids: list[int] | None = None
    token_logprobs: list[float] | None = None
    token_mask: list[bool] | None = None
    token_is_top1: list[bool] | None = None
    token_entropy: list[float] | None = None
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
    connection : Connection
    """

    model: str | None = None
    device: str = "auto"
    max_new_tokens: int = 16
    reference: tuple[Item, ...] = field(default=(), repr=False)
    answers: Path | None = None
    seed: int = 0
    connection: Connection = field(default_factory=Connection)


class Runner(Protocol):
    """Answers questions in batches.

    Attributes
    ----------
    facts : mapping
        What the manifest records about the model: decoding, precision, size of the images it sees.
    """

    facts: Mapping[str, Any]

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """Items are batched in the order of this key, and never across different first elements."""
        ...

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Answer one batch; one answer per item, in order."""
        ...
