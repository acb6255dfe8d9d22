"""What makes a run fit that does not, and a stop before one starts that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from qa_trainer.data.questions import Samples
from qa_trainer.errors import QATrainerError
from qa_trainer.estimate.devices import Devices, local_bytes
from qa_trainer.estimate.needs import Estimate, estimate_run
from qa_trainer.runs.reporter import Reporter
from qa_trainer.settings.shared import RunSettings, settled

T = TypeVar("T", bound=RunSettings)


def advice(found: Estimate, settings: Any, devices: Devices) -> list[str]:
    """Say what makes a run fit that does not, the cheapest change first; nothing where it fits.

    Examples
    --------
    >>> from qa_trainer.settings.sft import SFTSettings
    >>> from qa_trainer.estimate.devices import parse_devices
    >>> small = Estimate({}, 0, 1, 1, 1, 10, 0, 0, 80, 10, 0, 1.0, 1.0, 1.0, False, False, 64)
    >>> card = parse_devices("L4-24G")
    >>> advice(small, SFTSettings(), card)
    []
    >>> too_long = Estimate({}, 0, 1, 1, 1, 10**11, 0, 0, 80, 10, 0, 1.0, 1.0, 1.0, False, True, 1)
    >>> advice(too_long, SFTSettings(), card)[0]
    '--freeze vision: no gradients, moments and activations there'
    """
    if found.total_bytes <= devices.memory_bytes:
        return []
    if not isinstance(settings, RunSettings):
        return [
            "a smaller --batch-size: fewer questions at once",
            "fewer or smaller frames: fewer tokens per question",
        ]
    lines: list[str] = []
    if found.micro_batch > 1:
        half = next(n for n in range(found.micro_batch // 2, 0, -1) if found.micro_batch % n == 0)
        lines.append(f"--micro-batch-size {half}: the same training, half the activations")
    if not found.activation_checkpointing:
        lines.append("--activation-checkpointing: the same training, a third more time")
    if "vision" not in settings.freeze:
        lines.append("--freeze vision: no gradients, moments and activations there")
    if settings.lora_rank is None:
        lines.append("--lora-rank 16: gradients and moments of the adapters only")
        if devices.count == 1 and devices.gpu:
            lines.append("several devices: --devices 8x..., with configs/accelerate_fsdp2.yaml for the run")
    if settings.dtype == "float32" and devices.gpu:
        lines.append("--dtype bfloat16: half the activations")
    lines.append("fewer or smaller frames: fewer tokens per question")
    return lines


def settle_for_this_machine(
    model_folder: Path,
    settings: T,
    samples: Sequence[Samples],
    reporter: Reporter,
    *,
    processes: int,
    sharded: bool,
) -> tuple[T, Estimate | None]:
    """Fill in what the settings leave to the device, and refuse what it has no room for.

    Parameters
    ----------
    model_folder : Path
    settings : SFTSettings or GRPOSettings
    samples : sequence of Samples
        What is trained on; the largest question counts.
    reporter : Reporter
        Takes a line where the sizes cannot be read.
    processes : int
    sharded : bool
        The weights are cut over the processes.

    Returns
    -------
    settings, estimate
        No estimate where the memory is not checked.

    Raises
    ------
    QATrainerError
        It cannot fit.
    """
    import torch

    gpu = settings.device == "auto" and torch.cuda.is_available()
    if not settings.check_memory:
        return settled(settings, gpu=gpu, activation_checkpointing=gpu), None
    sizes = [source.largest for source in samples] or [(0, 1, 1)]
    frames, width, height = max(sizes, key=lambda size: size[0] * size[1] * size[2])
    try:
        found = refuse_what_cannot_fit(
            model_folder,
            settings,
            gpu=gpu,
            processes=processes,
            sharded=sharded,
            frames=frames,
            frame_size=(width, height),
        )
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        # A model may be trained whose sizes are written down in another way.
        reporter.say(f"memory not checked: the sizes of the model cannot be read ({error})")
        return settled(settings, gpu=gpu, activation_checkpointing=gpu), None
    return settled(settings, gpu=gpu, activation_checkpointing=found.activation_checkpointing), found


def refuse_what_cannot_fit(
    model_folder: Path,
    settings: Any,
    *,
    gpu: bool,
    processes: int,
    sharded: bool,
    frames: int,
    frame_size: tuple[int, int],
) -> Estimate:
    """Estimate a run on this machine, and stop before it loads a model for which there is no room.

    Raises
    ------
    QATrainerError
    """
    # The speed is not asked for here.
    devices = Devices("this machine", processes, local_bytes(gpu=gpu), 1.0, gpu)
    found = estimate_run(model_folder, settings, devices, frames=frames, frame_size=frame_size)
    if not gpu:
        # Processes on a CPU share its memory.
        devices = Devices("this machine", 1, devices.memory_bytes // max(processes, 1), 1.0, gpu)
    if sharded or found.total_bytes <= devices.memory_bytes:
        return found
    changes = "".join(f"\n  {line}" for line in advice(found, settings, devices))
    raise QATrainerError(
        f"This run needs about {found.total_bytes / 1e9:.1f} GB of {devices.memory_bytes / 1e9:.1f} GB "
        f"('qa-trainer plan' says for what). It would fit with one or several of:{changes}\n"
        "To try it all the same, pass --no-check-memory."
    )


def describe(found: Estimate, settings: RunSettings, *, processes: int) -> str:
    """Say in one line what a run trains, on what, and what it needs.

    Examples
    --------
    >>> parts = {"vision": 8, "language": 9}
    >>> found = Estimate(parts, 9, 40, 20, 16, 36, 36, 72, 9, 9, 0, 1.0, 1.0, 4.0, False, False, 4)
    >>> describe(found, RunSettings(freeze=("vision",), dtype="float32", device="cpu", steps=4), processes=1)
    'trains 0.0 of 0.0 M parameters (language) in float32 on a CPU, 1 process: 4 steps, 40 tokens a question, 0.0 GB'
    """
    parts = ", ".join(part for part in found.parameters if part not in settings.freeze)
    kind = "adapters in " if settings.lora_rank is not None else ""
    count = f"{processes} process{'es' if processes > 1 else ''}"
    return (
        f"trains {found.trained / 1e6:.1f} of {sum(found.parameters.values()) / 1e6:.1f} M parameters "
        f"({kind}{parts}) in {settings.dtype} on a {_where(settings)}, {count}: {settings.steps} steps, "
        f"{found.tokens:,} tokens a question, {found.total_bytes / 1e9:.1f} GB"
    )


def _where(settings: RunSettings) -> str:
    import torch

    return "GPU" if settings.device == "auto" and torch.cuda.is_available() else "CPU"
