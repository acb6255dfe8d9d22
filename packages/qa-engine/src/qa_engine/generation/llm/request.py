"""What is asked of a model, and how it is reached; no heavy import, so that a command line can show the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GUIDES = ("none", "json-schema", "gbnf", "lark")
"""What a server is told to hold replies to: nothing, a JSON schema (vLLM, llama.cpp, hosted models), the grammar of the
program language in GBNF (llama.cpp) or in Lark's notation (vLLM)."""

CONCURRENCY = 4
"""Scenes that are asked about at a time."""


@dataclass(frozen=True)
class ProposeRequest:
    """What to ask for; everything here decides the content of the output, together with what the model replies.

    Attributes
    ----------
    model : str
    split : str or None
    collections : tuple of (str, float)
        Shares of the collections of the store's scenes; the others are left out. None: all scenes alike.
    count : int or None
        Questions in all, at most; every scene is asked about where it is None.
    per_scene : int
        Questions to ask for per scene.
    seed, round : int
    profile : str
    frame_set_id : str or None
    max_frames : int
        Frames shown, evenly chosen from the frame set.
    exemplars : int
        Per scene and label.
    temperature : float
    guide : str
        One of `GUIDES`.
    allow_benchmark_scenes, recheck : bool
    """

    model: str
    split: str | None = None
    collections: tuple[tuple[str, float], ...] = ()
    count: int | None = None
    per_scene: int = 5
    seed: int = 0
    round: int = 0
    profile: str = "exact"
    frame_set_id: str | None = None
    max_frames: int = 32
    exemplars: int = 3
    temperature: float = 0.7
    guide: str = "none"
    allow_benchmark_scenes: bool = False
    recheck: bool = False


@dataclass(frozen=True)
class Connection:
    """How to ask.

    Attributes
    ----------
    base_url, model : str
    cache : Path
        Folder of replies, one file per request, named by the request's hash.
    timeout_s : float
    retries : int
        After the first attempt, with growing waits.
    requests_per_minute : int or None
    temperature : float
    max_tokens : int
    served_as : str or None
        The model's name on the server; `model` where it is None.
    local_model : str or None
        Folder or hub id of a model to run in this process, in place of a server.
    """

    base_url: str
    model: str
    cache: Path
    timeout_s: float = 120.0
    retries: int = 3
    requests_per_minute: int | None = None
    temperature: float = 0.7
    max_tokens: int = 4096
    local_model: str | None = None
    served_as: str | None = None
