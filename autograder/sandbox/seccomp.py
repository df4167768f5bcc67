"""A filter on system calls, by permission: what computing, threads and reading permitted files need, and nothing else.

So there are no new processes, sockets, signals to others or looks into other processes. Nothing changes the
permissions, dates, owners or attributes of a file, nor the scheduling or limits of a process. What Linux adds later is
denied too.
The filter works for ordinary users and inside Docker.
Source: the kernel's Documentation/userspace-api/seccomp_filter.rst; numbers from asm/unistd.h.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_ARCHITECTURES = {
    # machine: (AUDIT_ARCH, numbers of clone, fcntl and ioctl, {permitted call: number})
    "x86_64": (
        0xC000003E,
        (56, 72, 16),
        dict(read=0, write=1, open=2, close=3, stat=4, fstat=5, lstat=6, poll=7, lseek=8, mmap=9, mprotect=10)
        | dict(munmap=11, brk=12, rt_sigaction=13, rt_sigprocmask=14, rt_sigreturn=15, pread64=17, pwrite64=18)
        | dict(readv=19, writev=20, access=21, pipe=22, select=23, sched_yield=24, mremap=25, mincore=27)
        | dict(madvise=28, dup=32, dup2=33, nanosleep=35, getitimer=36, setitimer=38, getpid=39, exit=60, wait4=61)
        | dict(uname=63, getcwd=79, readlink=89, gettimeofday=96, getrlimit=97, getrusage=98, sysinfo=99)
        | dict(times=100, getuid=102, getgid=104, geteuid=107, getegid=108, getppid=110, getgroups=115)
        | dict(getpgid=121, getsid=124, rt_sigpending=127, rt_sigtimedwait=128, rt_sigsuspend=130, sigaltstack=131)
        | dict(sched_getparam=143, sched_getscheduler=145, sched_get_priority_max=146, sched_get_priority_min=147)
        | dict(arch_prctl=158, gettid=186, futex=202, sched_getaffinity=204, getdents64=217, set_tid_address=218)
        | dict(restart_syscall=219, clock_gettime=228, clock_getres=229, clock_nanosleep=230, exit_group=231)
        | dict(epoll_wait=232, epoll_ctl=233, openat=257, newfstatat=262, readlinkat=267, faccessat=269)
        | dict(pselect6=270, ppoll=271, set_robust_list=273, get_robust_list=274, epoll_pwait=281, eventfd2=290)
        | dict(epoll_create1=291, dup3=292, pipe2=293, preadv=295, getcpu=309, getrandom=318, membarrier=324)
        | dict(statx=332, rseq=334),
    ),
    "aarch64": (
        0xC00000B7,
        (220, 25, 29),
        dict(getcwd=17, eventfd2=19, epoll_create1=20, epoll_ctl=21, epoll_pwait=22, dup=23, dup3=24)
        | dict(faccessat=48, openat=56, close=57, pipe2=59, getdents64=61, lseek=62, read=63, write=64, readv=65)
        | dict(writev=66, pread64=67, pwrite64=68, preadv=69, pselect6=72, ppoll=73, readlinkat=78, newfstatat=79)
        | dict(fstat=80, exit=93, exit_group=94, set_tid_address=96, futex=98, set_robust_list=99)
        | dict(get_robust_list=100, nanosleep=101, getitimer=102, setitimer=103, clock_gettime=113)
        | dict(clock_getres=114, clock_nanosleep=115, sched_getscheduler=120, sched_getparam=121)
        | dict(sched_getaffinity=123, sched_yield=124, sched_get_priority_max=125, sched_get_priority_min=126)
        | dict(restart_syscall=128, sigaltstack=132, rt_sigsuspend=133, rt_sigaction=134, rt_sigprocmask=135)
        | dict(rt_sigpending=136, rt_sigtimedwait=137, rt_sigreturn=139, times=153, getpgid=155, getsid=156)
        | dict(getgroups=158, uname=160, getrlimit=163, getrusage=165, getcpu=168, gettimeofday=169, getpid=172)
        | dict(getppid=173, getuid=174, geteuid=175, getgid=176, getegid=177, gettid=178, sysinfo=179, brk=214)
        | dict(munmap=215, mremap=216, mmap=222, mprotect=226, mincore=232, madvise=233, wait4=260, getrandom=278)
        | dict(membarrier=283, statx=291, rseq=293),
    ),
}
_SINCE_THEN_THE_SAME = dict(faccessat2=439)
_FCNTL = dict(dupfd=0, getfd=1, setfd=2, getfl=3, setfl=4, dupfd_cloexec=1030)
"""Not F_SETOWN: it has the system send signals to another process."""
_IOCTL = dict(tcgets=0x5401, tiocgwinsz=0x5413, fionread=0x541B, fionbio=0x5421, fionclex=0x5450, fioclex=0x5451)
"""Not FIOSETOWN, which does the same to a socket."""
_CLONE3 = 435
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000  # calls of the x32 ABI carry this bit

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def available() -> bool:
    """Whether this kind of machine has a filter here. Whether it works is for the probe to find out."""
    return sys.platform == "linux" and platform.machine() in _ARCHITECTURES


def restrict() -> None:
    """Filter this process's system calls from now on. Raises OSError where that is not possible."""
    architecture, (clone, *by_command), permitted = _ARCHITECTURES[platform.machine()]
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL)]
    program += [(_LOAD, 0, 0, _NUMBER)]
    if platform.machine() == "x86_64":
        program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    # glibc tries clone3 first and falls back to clone, whose flags can be looked at.
    program += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERROR | errno.ENOSYS)]
    program += [(_EQUAL, 0, 4, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 1, 0, _CLONE_THREAD)]
    program += [(_RETURN, 0, 0, _ERROR | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    for number, commands in zip(by_command, (_FCNTL, _IOCTL), strict=True):
        allowed = [step for command in commands.values() for step in _allow(command)]
        program += [(_EQUAL, 0, len(allowed) + 2, number), (_LOAD, 0, 0, _SECOND_ARGUMENT), *allowed]
        program += [(_RETURN, 0, 0, _ERROR | errno.EPERM)]
    for number in [*permitted.values(), *_SINCE_THEN_THE_SAME.values()]:
        program += _allow(number)
    program += [(_RETURN, 0, 0, _ERROR | errno.EPERM)]
    code = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    libc = ctypes.CDLL(None, use_errno=True)
    compiled = _Program(len(program), code)
    no_new_privileges, set_seccomp, mode_filter = 38, 22, 2
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.prctl(set_seccomp, mode_filter, ctypes.byref(compiled), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _allow(number: int) -> list[tuple[int, int, int, int]]:
    """Allow the call if what was loaded is this number."""
    return [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
