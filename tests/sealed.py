"""Runs a command that the kernel kills if it asks for a socket of the internet.

    python tests/sealed.py zscr query --text "a red bird"

A seccomp filter (linux/seccomp.h) sees every system call, those of C++ threads, too; children
inherit it. Local sockets, of the family AF_UNIX, are let through.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

SOCKET = {"x86_64": 41, "aarch64": 198}  # the number of the system call
INTERNET = (2, 10)  # AF_INET and AF_INET6, its first argument
_NUMBER, _FAMILY = 0, 16  # where `struct seccomp_data` holds both
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # of classic BPF: linux/filter.h
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2  # of prctl(2)


def seal() -> None:
    """Kill this process, its threads or its children when one opens a socket of the internet."""
    steps = [
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 4, SOCKET[platform.machine()]),
        (_LOAD, 0, 0, _FAMILY),
        (_EQUAL, 1, 0, INTERNET[0]),
        (_EQUAL, 0, 1, INTERNET[1]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    filtered = (_SECCOMP, _FILTER, ctypes.addressof(program), 0, 0)
    if prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or prctl(*filtered):
        raise OSError(ctypes.get_errno(), "the kernel takes no filter")


if __name__ == "__main__":
    seal()
    os.execvp(sys.argv[1], sys.argv[1:])
