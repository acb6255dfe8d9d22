"""Running out of memory, as a message that says what helps."""

from __future__ import annotations

from pathlib import Path

from qa_trainer.errors import QATrainerError

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")


def raise_if_out_of_memory(error: Exception, out: Path) -> None:
    """Raise the message where an error is about memory; another error is left to the caller.

    Raises
    ------
    QATrainerError

    Examples
    --------
    >>> raise_if_out_of_memory(RuntimeError("shapes differ"), Path("run"))
    """
    text = str(error)
    if not isinstance(error, MemoryError) and not any(sign in text.lower() for sign in _SIGNS):
        return
    first = (text.strip().splitlines() or ["no more memory"])[0][:200]
    raise QATrainerError(
        f"{out}: training ran out of memory ({first}). The last whole checkpoint is kept. Start the same command with "
        "a smaller --micro-batch-size, with --activation-checkpointing, or with --freeze vision, --lora-rank 16 or "
        "fewer frames in a new --out; 'qa-trainer plan' says what each is worth."
    ) from error
