"""What the packages agree on: tables, prompts, scoring of answers, command lines and pages.

The public names below are imported when they are first used, so that the package itself costs nothing.

Examples
--------
>>> import qa_contract
>>> qa_contract.benchmark_of("41069025")
'vsi-bench'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa_contract.answers import choice_accuracy, first_number, first_token, mean_relative_accuracy
    from qa_contract.database import connect, find_tables, query
    from qa_contract.errors import ExitCode, FileError, TableError, UserError, suggest, unknown_name
    from qa_contract.files import atomic_path, output_folder, write_json
    from qa_contract.identity import config_hash, differing_keys
    from qa_contract.leakage import benchmark_of, benchmark_scenes
    from qa_contract.prompts import PROMPTS, format_prompt
    from qa_contract.queries import QUERIES
    from qa_contract.tableio import check_unique, read_metadata, read_table, table_metadata, write_table
    from qa_contract.tables import DECLARATIONS, TABLES

_MODULES: dict[str, tuple[str, ...]] = {
    "answers": ("choice_accuracy", "first_number", "first_token", "mean_relative_accuracy"),
    "database": ("connect", "find_tables", "query"),
    "errors": ("ExitCode", "FileError", "TableError", "UserError", "suggest", "unknown_name"),
    "files": ("atomic_path", "output_folder", "write_json"),
    "identity": ("config_hash", "differing_keys"),
    "leakage": ("benchmark_of", "benchmark_scenes"),
    "prompts": ("PROMPTS", "format_prompt"),
    "queries": ("QUERIES",),
    "tableio": ("check_unique", "read_metadata", "read_table", "table_metadata", "write_table"),
    "tables": ("DECLARATIONS", "TABLES"),
}
_OWNER = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import the module of a public name."""
    if name not in _OWNER:
        raise AttributeError(f"module 'qa_contract' has no attribute '{name}'")
    return getattr(import_module(f"qa_contract.{_OWNER[name]}"), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_OWNER})


__all__ = [
    "DECLARATIONS", "PROMPTS", "QUERIES", "TABLES", "ExitCode", "FileError", "TableError", "UserError", "atomic_path",
    "benchmark_of", "benchmark_scenes", "check_unique", "choice_accuracy", "config_hash", "connect", "differing_keys",
    "find_tables", "first_number", "first_token", "format_prompt", "mean_relative_accuracy", "output_folder", "query",
    "read_metadata", "read_table", "suggest", "table_metadata", "unknown_name", "write_json", "write_table",
]  # fmt: skip
