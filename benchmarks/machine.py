"""This machine: caches, memory, versions; and the same number of threads for every library that computes."""

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path

# These may have been set for another purpose. Here every library gets its threads from `use_threads`,
# and OpenBLAS picks its kernels for the CPU that is really there.
DISTORTING = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "GOMP_SPINCOUNT",
    "KMP_BLOCKTIME",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMBA_DISABLE_JIT",
    "NUMBA_BOUNDSCHECK",
    "NUMBA_OPT",
)

# OpenBLAS's threads wait in a loop for 2^26 cycles after each call and would take the cores from the contestant after
# it. 2^20 cycles still bridge the calls of one sample.
SETTINGS = {"OPENBLAS_THREAD_TIMEOUT": "20"}

_PACKAGES = (
    "llaisys_mini",
    "numpy",
    "numba",
    "llvmlite",
    "ml_dtypes",
    "torch",
    "transformers",
    "llama_cpp_python",
    "gguf",
)


def restart_without_distortion() -> None:
    """Start this program again without the variables in DISTORTING and with SETTINGS; NumPy reads them once, when it
    is imported. Returns if all is so already.
    """
    clean = {name: value for name, value in os.environ.items() if name not in DISTORTING} | SETTINGS
    if clean == dict(os.environ):
        return
    if "numpy" in sys.modules:
        raise RuntimeError("restart_without_distortion must come before NumPy is imported")
    found = [name for name in DISTORTING if name in os.environ]
    if found:
        print(f"starting again without {', '.join(found)}", flush=True)
    os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], clean)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def caches() -> dict[str, int]:
    """Bytes of each data cache by name ("L1", "L2", "L3"), as the system tells; empty where it does not."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, level, size = (((index / name).read_text().strip()) for name in ("type", "level", "size"))
        except OSError:
            continue
        number = re.fullmatch(r"(\d+)([KMG]?)", size)
        if kind != "Instruction" and number:
            found[f"L{level}"] = int(number[1]) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[number[2]]
    return found


def last_level_cache() -> int:
    """Bytes of the largest cache; 32 MiB where the system does not tell."""
    return max(caches().values(), default=32 * 2**20)


def available_memory() -> int:
    """Bytes that may still be allocated; 4 GiB where the system does not tell."""
    try:
        kib = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return 4 * 2**30
    return int(kib[1]) * 2**10 if kib else 4 * 2**30


def memory() -> dict[str, int]:
    """Bytes of this process: "peak", the most that was resident at a time, and "own", what is resident now and no part
    of a file, so that the system cannot drop it. Both are 0 where the system does not tell.

    Not ru_maxrss, which on Linux begins with the memory of the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    kib = {name: re.search(rf"{key}:\s+(\d+) kB", status) for name, key in (("peak", "VmHWM"), ("own", "RssAnon"))}
    return {name: int(found[1]) * 2**10 if found else 0 for name, found in kib.items()}


def use_threads(count: int) -> None:
    """From now on NumPy's BLAS, OpenMP, Numba and torch each compute with `count` threads."""
    import numba
    from threadpoolctl import threadpool_limits

    from llaisys_mini.kernels.threads import choose_thread_pool

    choose_thread_pool()  # before set_num_threads loads one
    threadpool_limits(limits=count)  # stays in force: it is only undone when used with `with`
    numba.set_num_threads(count)
    torch = imported_if_installed("torch")
    if torch is not None:
        torch.set_num_threads(count)


def imported_if_installed(name: str):
    """The module, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def version(package: str) -> str:
    """The installed version, or "not installed"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def hardware() -> dict[str, object]:
    """The machine itself."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "caches": {name: f"{size / 2**10:g} KiB" for name, size in caches().items()} or "not known",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }


def describe() -> dict[str, object]:
    """What a reader needs to know to compare these figures with others."""
    return hardware() | {
        "versions": {name: version(name) for name in _PACKAGES},
        "blas of NumPy": _blas(),
        "threading layer of Numba": _threading_layer(),
        "torch computes with": _torch_capability(),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*:\s*(.+)", text)
    flags = re.search(r"flags\s*:\s*(.+)", text)
    widths = [
        flag for flag in ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16") if flags and flag in flags[1].split()
    ]
    return f"{name[1] if name else platform.machine()} ({', '.join(widths) or 'no vector extensions listed'})"


def _blas() -> str:
    """The BLAS that NumPy brought along: which of its kernels runs is chosen at run time, and may be slow."""
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    names = [f"{pool['internal_api']} {pool['version']}, kernels for {pool.get('architecture')}" for pool in found]
    return "; ".join(names) or "not known"


def _threading_layer() -> str:
    import numba

    try:
        return numba.threading_layer()
    except ValueError:  # nothing has run in parallel yet
        return "not started"


def _torch_capability() -> str:
    torch = imported_if_installed("torch")
    return torch.backends.cpu.get_cpu_capability() if torch else "not installed"
