"""Gates: what may be trained on; one file and one line each."""

from __future__ import annotations

from collections.abc import Sequence

from qa_engine.errors import unknown_name
from qa_engine.generation.gates.base import Gate, Known, Verdicts
from qa_engine.generation.gates.blind import Blind
from qa_engine.generation.gates.duplicate import Duplicate
from qa_engine.generation.gates.shortcut import Shortcut
from qa_engine.generation.gates.suspect import Suspect
from qa_engine.generation.gates.trivial import Trivial
from qa_engine.generation.gates.unanswerable import Unanswerable

GATES: dict[str, type[Gate]] = {
    "duplicate": Duplicate,
    "unanswerable": Unanswerable,
    "shortcut": Shortcut,
    "suspect": Suspect,
    "trivial": Trivial,
    "blind": Blind,
}
"""Name to class, in the order in which they apply."""


def select_gates(names: Sequence[str] | None = None) -> dict[str, Gate]:
    """Make the named gates, or all, in the order in which they apply.

    Raises
    ------
    QAEngineError
        There is none of a name; the message suggests the closest.

    Examples
    --------
    >>> list(select_gates(["blind", "duplicate"]))
    ['duplicate', 'blind']
    """
    for name in names or ():
        if name not in GATES:
            raise unknown_name("gate", name, GATES, "See 'qa-engine gates'.")
    return {name: gate() for name, gate in GATES.items() if names is None or name in names}


__all__ = ["GATES", "Gate", "Known", "Verdicts", "select_gates"]
