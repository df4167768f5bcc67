"""Why CUDA kernels cannot run on a device here, or cannot be compiled: each cause by its name, with its remedy.

Asks the driver's own library and looks at what is installed; numba-cuda is imported last, since a broken installation
may fail at import in many ways. Nothing here is needed for the CPU.
"""

import ctypes
import importlib.metadata
import sys
from dataclasses import dataclass

import numpy as np

ARCHITECTURE = "sm_80"
"""What checks and the judge compile for; a kernel that compiles for it does so for later ones."""

_INSTALL = "pip install 'llaisys_mini[cuda]'"
_DRIVER_RELEASE = {12: 525, 13: 580}  # CUDA major version -> the oldest driver release that runs its programs

_ERRORS = {  # of cuInit, by number: https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html
    34: "it is a stub for building programs, not a driver",
    100: "it finds no GPU",
    101: "the GPU that CUDA_VISIBLE_DEVICES names does not exist",
    802: "the GPU is not initialised yet (on machines with NVSwitch: is the fabric manager running?)",
    803: "its library and its kernel module have different versions; restarting the machine fixes that",
    804: "it is a compatibility package that this GPU does not support",
    999: "it reports an unknown error; restart the machine, or see what `nvidia-smi` says",
}


@dataclass(frozen=True)
class Part:
    """One thing that CUDA needs. problem: one sentence, or empty if it is in order; remedy: what to do, or empty."""

    name: str
    state: str
    problem: str = ""
    remedy: str = ""


def parts() -> list[Part]:
    """The driver, numba-cuda, its compiler libraries and NumPy, each examined."""
    return [driver(), numba_cuda(), compiler(), numpy_version()]


def why_no_device() -> str | None:
    """One sentence why no kernel can run on a GPU here, or None if one can."""
    return next((part.problem for part in parts() if part.problem), None)


def why_no_compiler() -> str | None:
    """One sentence why no CUDA kernel can be compiled here, or None if it can. A GPU and a driver are not needed."""
    return next((part.problem for part in (numba_cuda(), compiler(), numpy_version()) if part.problem), None)


def driver() -> Part:
    """Whether a driver is there, starts, finds a GPU, and is recent enough."""
    name = "CUDA driver"
    try:
        library = load_driver()
    except OSError:
        return Part(name, "absent", "there is no CUDA device here: no NVIDIA driver is installed")
    problem = library.cuInit(0)
    if problem:
        text = _ERRORS.get(problem, f"error {problem} of cuInit")
        return Part(name, "not usable", f"there is no usable CUDA device: the NVIDIA driver is installed, but {text}")
    version, count = ctypes.c_int(0), ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(version))
    library.cuDeviceGetCount(ctypes.byref(count))
    state = f"for CUDA {version.value // 1000}.{version.value % 1000 // 10}, {count.value} device(s)"
    if not count.value:
        return Part(name, state, "there is no usable CUDA device: the NVIDIA driver is installed, but it finds no GPU")
    needed = toolkit_major()
    if version.value < 1000 * needed:
        release = _DRIVER_RELEASE.get(needed)
        return Part(
            name,
            state,
            f"the NVIDIA driver is too old: it is {state.partition(',')[0]}, "
            f"but the installed packages are for CUDA {needed}",
            f"update the driver{f' to release {release} or newer' if release else ''}, "
            f"or install the packages for CUDA {version.value // 1000}: "
            f"pip install 'numba-cuda[cu{version.value // 1000}]'",
        )
    return Part(name, state)


def toolkit_major() -> int:
    """The major CUDA version of the installed packages: 13 where none are."""
    try:
        return int(importlib.metadata.version("cuda-bindings").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 13


def load_driver():
    """The driver's library. Raises OSError where there is none."""
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


def numba_cuda() -> Part:
    """Whether NVIDIA's numba-cuda is installed and can be imported; Numba's own CUDA target will not do."""
    name = "numba-cuda"
    try:
        version = importlib.metadata.version("numba-cuda")
    except importlib.metadata.PackageNotFoundError:
        return Part(name, "absent", "numba-cuda is not installed", _INSTALL)
    try:
        from numba import cuda
    except Exception as problem:  # whatever a broken installation raises
        return Part(name, version, f"numba-cuda {version} cannot be imported: {first_line(problem)}", _INSTALL)
    if not getattr(cuda, "implementation", "").startswith("NVIDIA"):
        text = f"numba-cuda {version} is installed, but Numba's built-in CUDA target is used in its place"
        return Part(name, version, text, f"pip install --force-reinstall numba-cuda=={version}")
    return Part(name, version)


def compiler() -> Part:
    """Whether NVIDIA's compiler libraries (NVVM, NVRTC, nvJitLink) can be loaded."""
    name = "CUDA compiler libraries"
    missing = [library for library in ("nvvm", "nvrtc", "nvJitLink") if not _can_load(library)]
    if missing:
        text = f"the CUDA toolkit's {', '.join(missing)} cannot be found"
        return Part(name, f"{', '.join(missing)} missing", text, _INSTALL)
    return Part(name, "NVVM, NVRTC, nvJitLink")


def numpy_version() -> Part:
    """numba-cuda 0.30 calls np.row_stack, which NumPy 2.5 has no more."""
    if hasattr(np, "row_stack"):
        return Part("NumPy for CUDA", np.__version__)
    text = f"numba-cuda cannot compile with NumPy {np.__version__}"
    return Part("NumPy for CUDA", np.__version__, text, "pip install 'numpy<2.5'")


def _can_load(library: str) -> bool:
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        return False
    try:
        load_nvidia_dynamic_lib(library)
    except Exception:  # the finder has its own exceptions, the loader raises OSError
        return False
    return True


def first_line(problem: Exception) -> str:
    """The first line of an exception's message, or its name where it has none."""
    return next((line.strip() for line in str(problem).splitlines() if line.strip()), type(problem).__name__)
