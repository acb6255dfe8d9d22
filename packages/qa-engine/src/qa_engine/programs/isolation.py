"""Take from a process what a program must never have: files, network, other processes, endless memory.

The interpreter already gives programs no way to any of these. These layers hold where it has a mistake: each is applied
where the system has it, and `isolate` says which are active.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import shutil
import struct
import sys
from dataclasses import dataclass

EXTRA_MEMORY = 512 * 2**20
"""Bytes of address space that a worker may take beyond what it has after loading its libraries."""

OPEN_FILES = 3
"""Descriptors of a worker: standard input, output and error, which are open already."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_SET_PDEATHSIG = 38, 22, 1
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Landlock version to the number of file rights that it knows; later versions as the last."""

_X86_64 = 0xC000003E
_ALLOWED_X86_64 = (
    *(0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15),  # read write close fstat poll lseek memory signals
    *(23, 24, 25, 28, 35, 39, 60, 96, 98, 131, 186),  # select yield mremap madvise sleep ids exit time
    *(202, 204, 219, 228, 230, 231, 234, 318, 324, 334),  # futex affinity clocks exit_group tgkill random
)
"""System calls of a worker that is at work; every other one fails with "not permitted"."""

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000


@dataclass(frozen=True)
class Layer:
    """One layer between a program and the machine: whether it is active here, and what it refuses or why it is off.

    Attributes
    ----------
    name : str
    active : bool
    about : str
    wanted : bool
        The engine uses it wherever the system has it.
    """

    name: str
    active: bool
    about: str
    wanted: bool = True


LAYERS = {
    "limits": ("new descriptors, file contents, more than 512 MiB of new memory", "the system has no rlimits"),
    "landlock": ("every file by name, TCP", "the kernel has no Landlock (Linux 5.13), or it is switched off"),
    "seccomp": ("system calls but those of computing", "not Linux on x86-64, or the kernel forbids filters"),
}
"""Layer to what it refuses, and why it may be missing."""


def layer_report() -> list[Layer]:
    """Start a worker as `run-programs` does, and list which layers it has.

    Returns
    -------
    list of Layer
        The interpreter first; bubblewrap last, which is looked for and not used: the layers inside the worker refuse
        the same, and need no program that the system may lack.
    """
    from qa_engine.programs.pool import ProgramPool

    with ProgramPool(1) as pool:
        active = set(pool.layers)
    report = [Layer("interpreter", True, "refuses everything that is not in the grammar")]
    for name, (refused, missing) in LAYERS.items():
        report.append(Layer(name, name in active, f"refuses {refused}" if name in active else missing))
    found = "installed" if shutil.which("bwrap") else "not installed"
    return [*report, Layer("bubblewrap", False, f"{found}; not used, the layers above refuse the same", wanted=False)]


def isolate() -> list[str]:
    """Lock this process for good, after everything that it needs is loaded.

    Returns
    -------
    list of str
        Active layers, out of `limits`, `landlock` and `seccomp`.
    """
    if sys.platform != "linux":
        return ["limits"] if _limit() else []
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, 9, 0, 0, 0)
    may_lock = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    active = {
        "limits": _limit(),  # looks at files, so it comes first
        "landlock": may_lock and _landlock(libc),
        "seccomp": may_lock and _seccomp(libc),
    }
    return [name for name, on in active.items() if on]


def _limit() -> bool:
    """Limit memory, and forbid new files, file contents and core dumps."""
    try:
        import resource
    except ImportError:
        return False
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_NOFILE": OPEN_FILES}
    with contextlib.suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        limits["RLIMIT_AS"] = int(file.read().split()[0]) * resource.getpagesize() + EXTRA_MEMORY
    try:
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))
    except (OSError, ValueError):
        return False
    return True


def _landlock(libc: ctypes.CDLL) -> bool:
    """Refuse all access to files by name, and TCP."""
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    files = (1 << _FILE_RIGHTS.get(version, _FILE_RIGHTS[max(_FILE_RIGHTS)])) - 1
    rights = struct.pack("<Q", files) if version < 4 else struct.pack("<QQ", files, 0b11)
    os.close(2)  # the rule set needs a descriptor, and the limits leave none
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, rights, ctypes.c_size_t(len(rights)), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    done = libc.syscall(_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) == 0
    os.close(ruleset)
    return done


def _seccomp(libc: ctypes.CDLL) -> bool:
    """Allow only the system calls of computing and of talking over open descriptors."""
    if platform.machine() != "x86_64":
        return False
    n = len(_ALLOWED_X86_64)
    rules = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _X86_64), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    rules += [(_EQUAL, n - i, 0, call) for i, call in enumerate(_ALLOWED_X86_64)]
    rules += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *rule) for rule in rules))
    program = struct.pack("<H6xQ", len(rules), ctypes.addressof(code))
    return libc.prctl(_PR_SET_SECCOMP, 2, program, 0, 0) == 0
