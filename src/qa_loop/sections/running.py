"""Sections about how a run runs: `[run]` and `[serve]`."""

from __future__ import annotations

import shlex
from typing import Literal

from pydantic import Field, field_validator

from qa_loop.sections.base import Section


class RunSection(Section):
    """`[run]`: what the run is called, its seed, how many rounds it has, and when a stage is ended.

    `heartbeat` is the longest silence of a stage in seconds: no CPU time and no new line in its log. `stage_timeout` is
    the longest time of a stage as a whole. A stage that was ended goes on when the run is started again.

    `keep` says which rounds keep their weights: `all`, `best` (the best by [stop] on, and the last), or a number of
    last rounds beside the best. Tables stay.
    """

    name: str = Field(min_length=1)
    seed: int = Field(default=0, ge=0)
    rounds: int = Field(ge=1)
    profile: Literal["paper"] | None = None
    heartbeat: float = Field(default=1800, gt=0, allow_inf_nan=False)
    stage_timeout: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    keep: str | int = "best"

    @field_validator("keep")
    @classmethod
    def _keep_is_known(cls, keep: str | int) -> str | int:
        if keep not in ("all", "best") and (isinstance(keep, str) or keep < 1):
            raise ValueError("must be 'all', 'best', or a number of last rounds, at least 1")
        return keep


class ServeSection(Section):
    """`[serve]`: a server that the loop starts for a model, watches and ends.

    `command` is started in the run's folder with {model} and {port} filled in; it is ready when `health`, asked at that
    port, answers 200. What `use` names is asked of it: evaluations, clean passes, proposers.
    """

    command: str
    port: int | None = Field(default=None, ge=1, le=65535)
    health: str = Field(default="/v1/models", pattern="^/[!-~]*$")
    timeout: float = Field(default=900, gt=0, allow_inf_nan=False)
    use: list[Literal["eval", "passes", "proposer"]] = Field(default=["eval", "passes", "proposer"], min_length=1)

    @field_validator("command")
    @classmethod
    def _command_has_a_port(cls, command: str) -> str:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ValueError(f"cannot be split into words ({error})") from None
        if "{port}" not in command or not words:
            raise ValueError("must say where {port} goes, as in 'vllm serve {model} --port {port}'")
        return command
