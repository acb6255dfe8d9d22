"""Addresses of object stores on a command line: copies before a command begins, an upload when it has succeeded."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

import typer

from qa_contract.cli.progress import Progress
from qa_contract.errors import ExitCode
from qa_contract.remote import close_mirrors, finished_upload, is_address, local, shown, upload_changes


@contextmanager
def remote_paths(ctx: typer.Context) -> Iterator[bool]:
    """Put copies in the place of the addresses among the parameters, and upload what the command changes.

    It is uploaded where the command succeeds, also with rows lost. The block gets whether the same command had done its
    work before and only its upload was left.

    Raises
    ------
    typer.Exit
        With the command's own exit code, 0 aside.
    UserError
        An address cannot be read or written.
    """
    try:
        with Progress("files") as progress:
            command = _text(ctx)
            opened = _Opened(progress)
            ctx.params = {name: opened.of(value, name) for name, value in ctx.params.items()}
        code = finished_upload(command) if opened.any else None
        if code is not None:
            typer.echo("Uploaded what the same command had made before.", err=True)
            yield True
        else:
            code = ExitCode.DONE
            try:
                with _naming_addresses() if opened.any else nullcontext():
                    yield False
            except typer.Exit as end:
                code = end.exit_code
                if code not in (ExitCode.DONE, ExitCode.LOST):
                    raise
            if opened.any:
                with Progress("files") as progress:
                    for address, n in upload_changes(command, code, progress.stage("upload")).items():
                        progress.say(f"Uploaded {address}: {n:,} file{'' if n == 1 else 's'}.")
        if code:
            raise typer.Exit(code)
    finally:
        close_mirrors()


class _Naming:
    """Stream that writes addresses where a command names their copies."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(shown(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _naming_addresses() -> Iterator[None]:
    out: Any = _Naming(sys.stdout)
    err: Any = _Naming(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        yield


class _Opened:
    """Copies of the addresses among values."""

    def __init__(self, progress: Progress) -> None:
        self.any = False
        self._report = progress.stage("transfer")

    def of(self, value: Any, name: str) -> Any:
        """Give a value with copies in the place of addresses."""
        if isinstance(value, list | tuple):
            return type(value)(self.of(one, name) for one in value)
        if not isinstance(value, Path) or not is_address(value):
            return value
        self.any = True
        return local(value, output=name == "out", report=self._report)


def _text(ctx: typer.Context) -> str:
    """Write what a command was asked for so that the same command, in the same folder, is known again."""
    asked = (ctx.command_path, os.getcwd(), sorted(ctx.params.items(), key=str), ctx.obj)
    return hashlib.sha256(repr(asked).encode("utf-8", "surrogatepass")).hexdigest()
