"""The sections of `loop.toml`: keys with their defaults, bounds and meaning."""

from qa_loop.sections.asking import (
    OF_THE_ROUND,
    SCENE_FLAGS,
    DataSet,
    FramesSection,
    GatesSection,
    GenerateSection,
    ProposerSection,
    ScenesSection,
)
from qa_loop.sections.base import Options, Section
from qa_loop.sections.measuring import EvalSection, GuardSection, StopSection
from qa_loop.sections.running import RunSection, ServeSection
from qa_loop.sections.training import ConfidenceSection, GeneralData, TrainSection, TrainStage
from qa_loop.sections.whole import LETTERS, LoopConfig

__all__ = [
    "LETTERS",
    "OF_THE_ROUND",
    "SCENE_FLAGS",
    "ConfidenceSection",
    "DataSet",
    "EvalSection",
    "FramesSection",
    "GatesSection",
    "GeneralData",
    "GenerateSection",
    "GuardSection",
    "LoopConfig",
    "Options",
    "ProposerSection",
    "RunSection",
    "ScenesSection",
    "Section",
    "ServeSection",
    "StopSection",
    "TrainSection",
    "TrainStage",
]
