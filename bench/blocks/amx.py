"""Intel's tile units for small matrices (AMX), refused to this process so that libraries do without.

Linux hands them out on request, process by process, and only while each thread's signal stack has
room for the state of the tiles. So one that is too small is a switch, and needs no privilege.

Source: Documentation/arch/x86/xstate.rst of the Linux kernel.
"""

import ctypes
import errno
import platform

from bench.errors import Unsupported


class _Stack(ctypes.Structure):
    """`stack_t` of signal.h."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


SMALL = ctypes.create_string_buffer(2048)
"""The smallest that Linux takes; nothing is ever run on it, as no signal of ours asks for a stack of its own."""
ARCH_PRCTL, REQUEST_PERMISSION, TILES = 158, 0x1023, 18


def refuse() -> None:
    """See to it that this process gets no AMX; raise Unsupported where there is none, or it has it already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise Unsupported("amx=False is for Linux on x86-64")
    stack = _Stack(ctypes.addressof(SMALL), 0, len(SMALL))
    if libc.sigaltstack(ctypes.byref(stack), None):
        raise Unsupported("amx=False: Linux does not take a small signal stack here")
    if libc.syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILES) == 0:
        raise Unsupported("amx=False: a library has asked for AMX already, when it was imported")
    if ctypes.get_errno() != errno.ENOSPC:
        raise Unsupported("amx=False: this processor or kernel has no AMX; litert without it is the same")
