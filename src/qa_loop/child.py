"""Run one command and take it down, with everything it started, when the loop is gone.

The loop starts this file as the leader of a new process group and holds the other end of a pipe. However the loop
ends, SIGKILL included, the pipe closes and the group is killed, so that no stage goes on writing behind a restart.
Imports only the standard library: it is started once per stage.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys


def main(arguments: list[str]) -> int:
    """Run `arguments[1:]`; `arguments[0]` is the number of the pipe's reading end."""
    lifeline, command = int(arguments[0]), arguments[1:]
    # SIGTERM goes to the whole group: the command ends by it, and this process waits until it has.
    signal.signal(signal.SIGTERM, lambda *_: None)
    # The end of the command wakes the select below.
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while process.poll() is None:
        ready = select.select([lifeline, ended], [], [])[0]
        if lifeline in ready:
            os.killpg(0, signal.SIGKILL)
        if ended in ready:
            os.read(ended, 64)
    if process.returncode < 0:
        # Die of the same signal, so that the loop can tell it from an exit code.
        with contextlib.suppress(ValueError, OSError):
            signal.signal(-process.returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -process.returncode)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
