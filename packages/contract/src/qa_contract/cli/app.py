"""The program of a package: one Typer setting, one rule of exit codes, `--debug` and `--version` anywhere."""

from __future__ import annotations

import functools
import inspect
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from qa_contract.cli.help import help_page
from qa_contract.cli.limits import in_limited_space
from qa_contract.cli.progress import close_all
from qa_contract.cli.remote import remote_paths
from qa_contract.cli.usage import machine_message, path_message, usage_message
from qa_contract.errors import ExitCode, FileError, UserError
from qa_contract.remote import shown

if TYPE_CHECKING:
    from qa_contract.cli.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = "qa_contract.settings"


class Command(TyperCommand):
    """A command with the common help page; an error about a path that the user named is the user's."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page."""
        formatter.write(help_page(ctx.command_path, self.help, self.get_params(ctx)))

    def invoke(self, ctx: Any) -> None:
        """Run the command; its result is its exit code and its files, not a value."""
        try:
            with remote_paths(ctx) as done_before:
                if not done_before:
                    super().invoke(ctx)
        except UserError:
            raise
        except Exception as error:
            message = machine_message(error)
            if message is None and isinstance(error, OSError):
                message = path_message(error, ctx.params | ctx.meta.get(_SETTINGS, {}))
            if message is None:
                raise
            raise FileError(message) from error


class SettingsCommand(Command):
    """A command whose options are also the fields of a settings model, which is imported when they are needed."""

    source: ClassVar[str]
    only: ClassVar[Sequence[str]]

    @functools.cached_property
    def model(self) -> type[Settings]:
        """The model."""
        module, _, name = self.source.partition(":")
        return getattr(import_module(module), name)

    @functools.cached_property
    def settings_params(self) -> list[Any]:
        """Parameters made from the fields, and --config."""
        from qa_contract.cli.adapter import settings_params

        return settings_params(self.model, self.only)

    def get_params(self, ctx: Any) -> list[Any]:
        """Give all parameters."""
        return [*super().get_params(ctx), *self.settings_params]

    def invoke(self, ctx: Any) -> None:
        """Build the settings, then run the command."""
        from qa_contract.cli.adapter import read_settings

        values = {param.name: ctx.params.pop(param.name) for param in self.settings_params}
        ctx.meta[_SETTINGS] = values
        ctx.obj = read_settings(self.model, values, ctx.command_path)
        super().invoke(ctx)


class Group(TyperGroup):
    """The commands of a program, and what ends it."""

    registries: ClassVar[Mapping[str, Sequence[str]]] = {}

    def invoke(self, ctx: Any) -> None:
        """Run a command; after Ctrl-C say that it was stopped."""
        try:
            super().invoke(ctx)
        except KeyboardInterrupt as stop:
            close_all()
            typer.echo(f"stopped{'; ' if stop.args else ''}{stop}", err=True)
            raise typer.Exit(getattr(stop, "exit_code", ExitCode.INTERRUPTED)) from None

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> NoReturn:
        """Run the program and exit; errors of the program itself pass through."""
        words, flags = _take_global(sys.argv[1:] if args is None else args)
        name = self.name or ""
        if "--version" in flags:
            typer.echo(f"{name} {_version(name)}")
            sys.exit(0)
        if "--describe" in flags:
            typer.echo(self.described(words))
            sys.exit(0)
        if words[:1] in ([], ["--help"]):
            typer.echo(help_page(name, self.help, [], self.commands), err=not words)
            sys.exit(0 if words else int(ExitCode.USER_ERROR))
        code: object = None
        try:
            code = super().main(words, name, standalone_mode=False)
        except (UserError, TyperException) as error:
            close_all()
            if "--debug" in flags:
                traceback.print_exception(error)
            path = " ".join([name, *(word for word in words[:1] if word in self.commands)])
            text = usage_message(error, path) if isinstance(error, TyperException) else shown(str(error))
            typer.echo(f"error: {text}", err=True)
            code = error.exit_code if isinstance(error, UserError) else ExitCode.USER_ERROR
        finally:
            close_all()
        sys.exit(int(code) if isinstance(code, int) else 0)

    def described(self, words: Sequence[str]) -> str:
        """Say as JSON which options a command takes, for programs that check a command line before they start it."""
        from qa_contract.cli.describe import described

        command = self.commands.get(words[0]) if words else None
        if command is None:
            typer.echo(f"error: --describe follows a command of {self.name}: {', '.join(self.commands)}.", err=True)
            sys.exit(int(ExitCode.USER_ERROR))
        return described(command, self.registries)


class App(typer.Typer):
    """A program; `command` also takes a settings model and a topic."""

    def command(
        self,
        name: str | None = None,
        *,
        settings: str | None = None,
        fields: Sequence[str] = (),
        topic: str | None = None,
        **more: Any,
    ) -> Callable[[F], F]:
        """Register a command.

        Parameters
        ----------
        name : str, optional
            Default: the function's name with dashes.
        settings : str, optional
            `module:Class` of a `Settings` model. Its fields become options, `--config` reads them from a TOML file,
            and the function gets the result as its argument `settings`.
        fields : sequence of str, optional
            Only these fields become options. Default: all.
        topic : str, optional
            Heading under which the program's help lists the command.
        **more
            As of `typer.Typer.command`.
        """
        more = {"rich_help_panel": topic, "cls": Command} | more
        if settings is None:
            return super().command(name, **more)
        # Typer makes commands from a class alone, so the class carries what differs between them.
        more["cls"] = type("SettingsCommand", (SettingsCommand,), {"source": settings, "only": tuple(fields)})
        register = super().command(name, **more)

        def decorate(function: F) -> F:
            register(_with_settings(function))
            return function

        return decorate


def make_app(name: str, help: str, *, registries: Mapping[str, Sequence[str]] = MappingProxyType({})) -> App:
    """Make the program of a package.

    Parameters
    ----------
    name : str
        Of the program and of the distribution that it comes with, whose version `--version` prints.
    help : str
        What the program is for, one sentence.
    registries : mapping of str to sequence of str
        Option to the dicts, `module:NAME`, whose keys it takes; `--describe` alone imports them.
    """
    app = App(
        name=name,
        cls=type("Group", (Group,), {"registries": registries}),
        help=help,
        add_help_option=False,  # Typer would import pydantic to read it; `Group.main` takes it
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich doubles the start-up
    )
    app.callback()(_no_options)  # makes a program with one command a group, too
    return app


def run(app: App) -> NoReturn:
    """Run a program on the words of the command line, and exit.

    Exit codes: 0 done; 1 done, but rows were lost; 2 the user's error, said in one line `error: ...`; 70 an error of
    the program, with its traceback; 130 stopped by Ctrl-C.
    """
    try:
        in_limited_space(app)
    except Exception as error:
        if (code := _stopped(error)) is not None:
            close_all()
            typer.echo("stopped", err=True)
            sys.exit(code)
        traceback.print_exc()
        typer.echo("This is a fault of the program, not of the input: please report it with the lines above.", err=True)
        sys.exit(ExitCode.FAULT)
    sys.exit(0)


def _stopped(error: BaseException) -> int | None:
    """Give the exit code where an error is a stop in disguise, else None.

    A stop may meet a library that makes an error of its own of it: an import that runs `__set_name__` raises from it,
    and DuckDB forgets it and says that its query was interrupted.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            return getattr(seen, "exit_code", ExitCode.INTERRUPTED)
        seen = seen.__cause__ or seen.__context__
    return ExitCode.INTERRUPTED if str(error) == "Query interrupted" else None


@contextmanager
def resumable(hint: str) -> Iterator[None]:
    """Say how to go on after Ctrl-C.

    Parameters
    ----------
    hint : str
        Follows 'stopped; ': `the same command goes on from the last checkpoint in OUT`.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.args = (hint,)
        raise


def _no_options() -> None:
    """Stand for the options of the program, which `Group.main` takes."""


def _take_global(words: Sequence[str]) -> tuple[list[str], set[str]]:
    """Take --debug, --describe and --version out of the words, wherever they stand before `--`."""
    words = list(words)
    end = words.index("--") if "--" in words else len(words)
    flags = {word for word in words[:end] if word in ("--debug", "--describe", "--version")}
    return [word for word in words[:end] if word not in flags] + words[end:], flags


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def _with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Hide the argument `settings` from Typer and fill it from the context."""
    # The annotation of `settings` is often importable for type checkers alone, so the others are resolved without it.
    bare = types.FunctionType(function.__code__, function.__globals__)
    bare.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if name != "settings"}
    hints = typing.get_type_hints(bare, include_extras=True)
    parameters = [
        parameter.replace(annotation=hints.get(name, inspect.Parameter.empty), kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "settings"
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    def call(ctx: typer.Context, **values: Any) -> None:
        function(settings=ctx.obj, **values)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__annotations__ = hints | {"ctx": typer.Context}
    call.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    return call
