"""The state that a run leaves for the next one: what optimizer and scheduler are about, and where they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qa_trainer.errors import QATrainerError
from qa_trainer.settings.shared import RunSettings

FIXED_BY_STATE = (
    *("learning_rate", "part_learning_rate", "schedule", "weight_decay", "part_weight_decay"),
    *("freeze", "lora_rank", "lora_alpha"),
)
"""Settings that live in the state of optimizer and scheduler: another value would silently be ignored."""


def read_state(state_from: Path, settings: RunSettings, model: str | None, *, command: str) -> dict[str, Any]:
    """Read what the earlier run left, and check that this run continues it.

    Parameters
    ----------
    state_from : Path
        Folder of the earlier run.
    settings : RunSettings
        Of this run.
    model : str
        Hash of the model that this run starts from.
    command : str
        `sft` or `grpo`; the state of another command is refused.

    Raises
    ------
    QATrainerError
    """
    path = Path(state_from) / "state" / "state.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise QATrainerError(
            f"--state-from {state_from}: no state/state.json; give the --out folder of a complete "
            f"'qa-trainer {command}' run."
        ) from error
    if (found := state.get("command", "sft")) != command:
        raise QATrainerError(
            f"--state-from {state_from}: the state of '{found}', whose gradients are of another size than those of "
            f"'{command}'. Leave --state-from out to start a new optimizer."
        )
    if state["model"] != model:
        raise QATrainerError(
            f"--state-from {state_from}: the optimizer state belongs to other weights than --model. "
            f"Pass --model {Path(state_from) / 'model'} (with --lora-rank: the model that the adapter is for), "
            "or leave --state-from out."
        )
    wanted = settings.content()
    for name in FIXED_BY_STATE:
        if state.get(name, wanted[name]) != wanted[name]:
            raise QATrainerError(
                f"--state-from {state_from}: its optimizer runs with {name} {state[name]}, asked for {wanted[name]}. "
                f"Pass the same {name}, or leave --state-from out to start a new optimizer."
            )
    total = schedule_steps(settings, state["global_step"] + settings.steps)
    if (rises := state.get("warmup_steps", settings.warmup(total))) != settings.warmup(total):
        raise QATrainerError(
            f"--state-from {state_from}: its warm-up takes {rises} steps, asked for {settings.warmup(total)}. "
            "Pass the same --warmup-steps, or the same --warmup-share and --schedule-steps in every round."
        )
    if settings.falls and state.get("schedule_steps") != total:
        raise QATrainerError(
            f"--state-from {state_from}: its {settings.schedule} schedule runs over {state.get('schedule_steps')} "
            f"steps, asked for {total}. Pass the number of steps of all rounds as --schedule-steps, in every round."
        )
    return state


def new_state(settings: RunSettings, *, command: str, run_id: str, last_step: int, model: str) -> dict[str, Any]:
    """Describe the state of a run that has ended, for `read_state`."""
    found = {"command": command, "run_id": run_id, "global_step": last_step, "model": model}
    found |= {name: settings.content()[name] for name in FIXED_BY_STATE}
    total = schedule_steps(settings, last_step)
    return found | {"schedule_steps": total, "warmup_steps": settings.warmup(total)}


def schedule_steps(settings: RunSettings, last_step: int) -> int:
    """Give the length of the schedule.

    Examples
    --------
    >>> schedule_steps(RunSettings(), 8), schedule_steps(RunSettings(schedule_steps=20), 8)
    (8, 20)
    """
    return settings.schedule_steps or last_step


def check_schedule(settings: RunSettings, last_step: int) -> None:
    """Refuse steps after the end of a schedule, where nothing would be learned.

    Raises
    ------
    QATrainerError
    """
    total = schedule_steps(settings, last_step)
    if settings.falls and last_step > total:
        raise QATrainerError(
            f"The {settings.schedule} schedule ends at step {total} and the run at step {last_step}. "
            f"Pass --schedule-steps {last_step} or more."
        )
