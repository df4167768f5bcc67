"""A filter on system calls: no new processes, no sockets, no signals to others, no looking into other processes.

Threads stay allowed, since parallel kernels need them. The filter works for ordinary users and inside Docker.
Source: the kernel's Documentation/userspace-api/seccomp_filter.rst; numbers from asm/unistd.h.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_ARCHITECTURES = {
    # machine: (AUDIT_ARCH, number of clone, {denied call: number})
    "x86_64": (
        0xC000003E,
        56,
        dict(socket=41, socketpair=53, fork=57, vfork=58, execve=59, kill=62, ptrace=101, tkill=200, tgkill=234)
        | dict(execveat=322, rt_sigqueueinfo=129, rt_tgsigqueueinfo=297, process_vm_readv=310, process_vm_writev=311)
        | dict(unshare=272, setns=308, mount=165, umount2=166, chroot=161, pivot_root=155, bpf=321, keyctl=250)
        | dict(add_key=248, request_key=249, perf_event_open=298, userfaultfd=323, memfd_create=319, shmget=29)
        | dict(msgget=68, semget=64, mq_open=240, kcmp=312, prlimit64=302, setpriority=141, sched_setaffinity=203),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        dict(socket=198, socketpair=199, execve=221, kill=129, ptrace=117, tkill=130, tgkill=131, execveat=281)
        | dict(rt_sigqueueinfo=138, rt_tgsigqueueinfo=240, process_vm_readv=270, process_vm_writev=271, unshare=97)
        | dict(setns=268, mount=40, umount2=39, chroot=51, pivot_root=41, bpf=280, keyctl=219, add_key=217)
        | dict(request_key=218, perf_event_open=241, userfaultfd=282, memfd_create=279, shmget=194, msgget=186)
        | dict(semget=190, mq_open=180, kcmp=272, prlimit64=261, setpriority=140, sched_setaffinity=122),
    ),
}
_SINCE_THEN_THE_SAME = dict(pidfd_send_signal=424, io_uring_setup=425, open_tree=428, pidfd_open=434, pidfd_getfd=438)
_CLONE3 = 435
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000  # calls of the x32 ABI carry this bit

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def available() -> bool:
    """Whether this kind of machine has a filter here. Whether it works is for the probe to find out."""
    return sys.platform == "linux" and platform.machine() in _ARCHITECTURES


def restrict() -> None:
    """Filter this process's system calls from now on. Raises OSError where that is not possible."""
    architecture, clone, denied = _ARCHITECTURES[platform.machine()]
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    program += [(_LOAD, 0, 0, _NUMBER)]
    if platform.machine() == "x86_64":
        program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    # glibc tries clone3 first and falls back to clone, whose flags can be looked at.
    program += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERROR | errno.ENOSYS)]
    program += [(_EQUAL, 0, 4, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 1, 0, _CLONE_THREAD)]
    program += [(_RETURN, 0, 0, _ERROR | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    for number in [*denied.values(), *_SINCE_THEN_THE_SAME.values()]:
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | errno.EPERM)]
    program += [(_RETURN, 0, 0, _ALLOW)]
    code = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    libc = ctypes.CDLL(None, use_errno=True)
    compiled = _Program(len(program), code)
    no_new_privileges, set_seccomp, mode_filter = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_seccomp, mode_filter, ctypes.byref(compiled), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
