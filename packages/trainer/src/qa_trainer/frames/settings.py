"""Settings of `qa-trainer sample-frames`."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from qa_contract.cli.settings import setting

from qa_trainer.settings.shared import ContentSettings, Device, Dtype

BLOCK = 28
"""Pixels; sides of what VGGT sees are multiples, so that 2 x 2 patches of 14 can be merged."""
CHOICE, GEOMETRY = "Choice", "Geometry"


class SamplingSettings(ContentSettings):
    """What decides which frames are chosen.

    Examples
    --------
    >>> SamplingSettings(method="uniform").frame_set_id
    'uniform-16'
    """

    execution_only = frozenset({"device"})

    method: Literal["space-aware", "uniform"] = setting("space-aware", topic=CHOICE)
    """space-aware: frames that together see most of the space, by the depth that VGGT predicts; uniform: even times."""
    frames: int = setting(16, topic=CHOICE, ge=1)
    """Frames per video, exactly."""
    candidates: int = setting(128, topic=CHOICE, ge=1)
    """Frames at even times that are chosen from."""
    points: Literal["depth", "point"] = setting("depth", topic=GEOMETRY)
    """Unprojected depth, or VGGT's point head."""
    longest_side: int = setting(518, topic=GEOMETRY, ge=BLOCK)
    """Of a frame as VGGT sees it, pixels."""
    dtype: Dtype = setting("float32", topic=GEOMETRY)
    """Of VGGT's transformer; its heads stay float32."""
    device: Device = setting("auto", topic=GEOMETRY)
    """'auto' takes a GPU where there is one."""

    @model_validator(mode="after")
    def _enough_candidates(self) -> SamplingSettings:
        if self.candidates < self.frames:
            raise ValueError(f"{self.candidates} candidates are fewer than {self.frames} frames")
        return self

    @property
    def frame_set_id(self) -> str:
        """Name of the frame set that is written."""
        return f"{self.method}-{self.frames}"
