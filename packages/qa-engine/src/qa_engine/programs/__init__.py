"""Programs: expressions over the facts of a scene, run by an interpreter of our own."""

from qa_engine.programs.interpreter import OPERATORS, ProgramResult, Watch, run_program
from qa_engine.programs.language import LANGUAGE, Budget, ProgramCode, ProgramError, parse_program
from qa_engine.programs.operators import Operator

__all__ = [
    "LANGUAGE",
    "OPERATORS",
    "Budget",
    "Operator",
    "ProgramCode",
    "ProgramError",
    "ProgramResult",
    "Watch",
    "parse_program",
    "run_program",
]
