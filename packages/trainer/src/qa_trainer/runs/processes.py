"""The processes of a run: one, or those that `accelerate launch` has started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class Team:
    """One process among those of the run.

    Attributes
    ----------
    index, count : int
        Number of this process (0 writes the files), and how many there are.

    Examples
    --------
    >>> alone = Team()
    >>> alone.is_main, alone.share(3), alone.gather("a"), alone.sum([1.0, 2.0])
    (True, 3, ['a'], [1.0, 2.0])
    """

    index: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Tell whether this process writes the files."""
        return self.index == 0

    def share(self, value: Value | None = None) -> Value:
        """Give every process the value of the main one."""
        held: list[Any] = [value]
        if self.count > 1:
            import torch.distributed as dist

            dist.broadcast_object_list(held, src=0)
        return held[0]

    def gather(self, value: Value) -> list[Value]:
        """Collect the values of all processes, in their order, in the main one; the others get an empty list."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        held: list[Any] | None = [None] * self.count if self.is_main else None
        dist.gather_object(value, held, dst=0)
        return held or []

    def sum(self, values: Sequence[float], device: Any = "cpu") -> list[float]:
        """Add numbers up over all processes; `device` is where the processes talk."""
        if self.count == 1:
            return list(values)
        import torch
        import torch.distributed as dist

        total = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(total)
        return total.tolist()

    def leave(self) -> None:
        """Wait for the others and close the connection."""
        if self.count > 1:
            import torch.distributed as dist

            dist.barrier()
            dist.destroy_process_group()


def join(*, device: str) -> Team:
    """Meet the other processes of a launcher; without one there is only this one.

    Parameters
    ----------
    device : {"auto", "cpu"}
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Team()
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available())
    return Team(state.process_index, state.num_processes)


def is_sharded() -> bool:
    """Tell whether the launcher cuts weights over the processes."""
    return any(os.environ.get(f"ACCELERATE_USE_{name}") == "true" for name in ("FSDP", "DEEPSPEED"))
