"""Settings of `qa-trainer plan`: those of the command that is planned, whichever it is."""

from __future__ import annotations

from typing import Any

from pydantic import create_model
from qa_contract.cli.settings import Settings

from qa_trainer.errors import QATrainerError
from qa_trainer.settings.grpo import GRPOSettings
from qa_trainer.settings.score import ScoreSettings
from qa_trainer.settings.sft import SFTSettings

COMMANDS: dict[str, type[SFTSettings] | type[GRPOSettings] | type[ScoreSettings]] = {
    "sft": SFTSettings,
    "grpo": GRPOSettings,
    "score": ScoreSettings,
    "eval": ScoreSettings,
}
"""Command to its settings; the evaluator has those of a clean pass that decide what it needs."""

_every: dict[str, Any] = {
    name: (field.annotation, field)
    for own in (ScoreSettings, GRPOSettings, SFTSettings)
    for name, field in own.model_fields.items()
}
PlanSettings: type[Settings] = create_model("PlanSettings", __base__=Settings, **_every)


def settings_for(command: str, given: Settings) -> SFTSettings | GRPOSettings | ScoreSettings:
    """Give the settings of a command, filled with what was said.

    Raises
    ------
    QATrainerError
        Something was said that the command does not know.
    """
    own = COMMANDS[command]
    values = given.model_dump(include=set(given.model_fields_set))
    if unknown := sorted(set(values) - set(own.model_fields)):
        raise QATrainerError(f"{', '.join(unknown)}: no setting of '{command}'. Say what is planned: --for NAME.")
    return own(**values)
