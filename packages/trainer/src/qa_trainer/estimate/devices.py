"""Devices that a run is planned for: how many, how much memory each, how fast."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from qa_trainer.errors import QATrainerError

PEAK_FLOPS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A6000": 155e12,
    "L4": 121e12,
    "RTX5090": 210e12,
    "RTX4090": 165e12,
    "RTX3090": 71e12,
}
"""Dense bfloat16 arithmetic per second with float32 sums, from the data sheets."""
EFFICIENCY = 0.4
"""Share of a GPU's peak that training is expected to reach."""
MATMUL_EFFICIENCY = 0.5
"""Share of the measured speed of a large matrix product."""
_PATTERN = re.compile(r"(?:(\d+)x)?([A-Za-z0-9]+?)-(\d+(?:\.\d+)?)(?:G|GB)", re.IGNORECASE)


@dataclass(frozen=True)
class Devices:
    """Equal devices.

    Attributes
    ----------
    name : str
    count : int
    memory_bytes : int
        Of one.
    flops : float
        Arithmetic per second that training reaches on one.
    gpu : bool
    """

    name: str
    count: int
    memory_bytes: int
    flops: float
    gpu: bool


def parse_devices(text: str) -> Devices:
    """Read a description such as `8xH100-80G`; without a number it is one.

    A G counts as 10^9 bytes. A card has up to 7% more, which its context and the allocator's gaps take.

    Raises
    ------
    QATrainerError

    Examples
    --------
    >>> found = parse_devices("8xH100-80G")
    >>> found.count, found.memory_bytes, found.gpu
    (8, 80000000000, True)
    >>> parse_devices("cpu-64G").gpu
    False
    """
    match = _PATTERN.fullmatch(text.strip())
    name = "" if match is None else match[2].upper()
    if match is None or not (name in PEAK_FLOPS or name == "CPU") or match[1] == "0" or not float(match[3]):
        known = ", ".join(PEAK_FLOPS)
        raise QATrainerError(
            f"--devices {text}: expected NUMBERxNAME-MEMORY, for example 8xH100-80G, with a name of {known} or CPU."
        )
    gpu = name != "CPU"
    flops = PEAK_FLOPS[name] * EFFICIENCY if gpu else _measured("float32", gpu=False)
    return Devices(name, int(match[1] or 1), int(float(match[3]) * 1e9), flops, gpu)


def local_devices(device: str, dtype: str, *, count: int = 1) -> Devices:
    """Describe what a run on this machine uses, and measure how fast it is.

    Parameters
    ----------
    device : {"auto", "cpu"}
    dtype : {"float32", "bfloat16"}
        Of the matrix product that is measured.
    count : int
        Processes of the run.
    """
    import torch

    gpu = device == "auto" and torch.cuda.is_available()
    name = torch.cuda.get_device_name() if gpu else "CPU"
    return Devices(name, count, local_bytes(gpu=gpu), _measured(dtype, gpu=gpu), gpu)


def local_bytes(*, gpu: bool) -> int:
    """Give the memory of this machine's device."""
    if gpu:
        import torch

        return int(torch.cuda.mem_get_info()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _measured(dtype: str, *, gpu: bool) -> float:
    """Time a matrix product."""
    import torch

    side = 8192 if gpu else 768
    a = torch.ones(side, side, dtype=getattr(torch, dtype), device="cuda" if gpu else "cpu")
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - started)
    return MATMUL_EFFICIENCY * 2.0 * side**3 / best
