"""Options that a command no longer has: the error says where they went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qa_contract.cli.app import Command

from qa_engine.errors import QAEngineError


def without(moved: Mapping[str, str]) -> type[Command]:
    """Make the class of a command that refuses some options with advice.

    Parameters
    ----------
    moved : mapping of str to str
        Option to what to do in its place.
    """

    class Without(Command):
        """A command that knows what it had."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Read the words, unless one of them is an option that moved."""
            for word in args[: args.index("--")] if "--" in args else args:
                name = word.partition("=")[0]
                if name in moved:
                    raise QAEngineError(f"{ctx.command_path} has no {name}. {moved[name]}")
            return super().parse_args(ctx, args)

    return Without
