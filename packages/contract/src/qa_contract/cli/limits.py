"""Commands under a limit on address space (`ulimit -v`): libraries that are refused memory crash without a word."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable

from qa_contract.errors import ExitCode

try:
    import resource
except ImportError:  # Windows
    resource = None

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1) if resource else ()


def in_limited_space(program: Callable[[], object]) -> None:
    """Run a program that ends by `sys.exit`; where the address space is limited, in a process that is watched.

    Under such a limit compiled libraries end the process: by a signal, by `abort`, by an exit code of their own. The
    first process has loaded none of them, sees that the program did not come to its end, and says so.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    if resource is None or limit == resource.RLIM_INFINITY:
        program()
        return
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            program()
        finally:
            os.write(writer, b".")
        return
    os.close(writer)
    for number in _PASSED_ON:
        signal.signal(number, lambda number, frame: _send(child, number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if os.read(reader, 1):
        sys.exit(code)
    if -code in (signal.SIGKILL, signal.SIGTERM, *_PASSED_ON):
        sys.exit(128 - code)
    sys.stderr.write(
        f"error: The memory is full: the address space is limited to {limit / 2**30:.1f} GiB (ulimit -v), and "
        "libraries reserve more than they use. Raise that limit, and limit memory by a control group; or use fewer "
        "--workers.\n"
    )
    sys.exit(ExitCode.USER_ERROR)


def _send(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
