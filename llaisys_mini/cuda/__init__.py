"""`from llaisys_mini import cuda`: what CUDA kernels of the course are written with, with a GPU or without one.

    @cuda.jit
    def scale(x, factor, out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = x[i] * factor

    scale[blocks, threads](x, factor, out)

The intrinsics are those of Numba's CUDA target (its manual applies). On a machine with a GPU Numba compiles the kernel
for it. Everywhere else, and within `cuda.sanitized()`, the sanitizer runs it on the CPU and watches every access.
See `jit` for how one function serves both, the package `devices` for memory, copies, streams and events, `sanitizer`
for what is found. Importing this package imports neither Numba nor a driver.
"""

from typing import TYPE_CHECKING

from llaisys_mini.cuda.intrinsics import (
    activemask,
    all_sync,
    any_sync,
    atomic,
    ballot_sync,
    blockDim,
    blockIdx,
    brev,
    cbrt,
    clz,
    const,
    eq_sync,
    ffs,
    fma,
    fp16,
    grid,
    gridDim,
    gridsize,
    laneid,
    lanemask_lt,
    libdevice,
    local,
    match_all_sync,
    match_any_sync,
    nanosleep,
    popc,
    selp,
    shared,
    shfl_down_sync,
    shfl_sync,
    shfl_up_sync,
    shfl_xor_sync,
    syncthreads,
    syncthreads_and,
    syncthreads_count,
    syncthreads_or,
    syncwarp,
    threadfence,
    threadfence_block,
    threadfence_system,
    threadIdx,
    warpsize,
)
from llaisys_mini.cuda.jit import CudaKernel, jit, primitive, recorded_launches

if TYPE_CHECKING:
    from llaisys_mini.devices.cuda import device_count, is_available
    from llaisys_mini.devices.in_launchers import (
        device_array,
        device_array_like,
        event,
        event_elapsed_time,
        pinned_array,
        stream,
        synchronize,
        to_device,
    )
    from llaisys_mini.devices.sanitized import sanitized

_HOME = {
    **dict.fromkeys(
        "device_array device_array_like event event_elapsed_time pinned_array stream synchronize to_device".split(),
        "llaisys_mini.devices.in_launchers",
    ),
    **dict.fromkeys(("device_count", "is_available"), "llaisys_mini.devices.cuda"),
    "sanitized": "llaisys_mini.devices.sanitized",
}

__all__ = [
    "jit",
    "primitive",
    "CudaKernel",
    "recorded_launches",
    "grid",
    "gridsize",
    "threadIdx",
    "blockIdx",
    "blockDim",
    "gridDim",
    "laneid",
    "warpsize",
    "shared",
    "local",
    "atomic",
    "syncthreads",
    "syncthreads_count",
    "syncthreads_and",
    "syncthreads_or",
    "syncwarp",
    "shfl_sync",
    "shfl_up_sync",
    "shfl_down_sync",
    "shfl_xor_sync",
    "any_sync",
    "all_sync",
    "eq_sync",
    "ballot_sync",
    "match_any_sync",
    "activemask",
    "fma",
    "popc",
    "clz",
    "ffs",
    "brev",
    "libdevice",
    "cbrt",
    "const",
    "fp16",
    "lanemask_lt",
    "match_all_sync",
    "nanosleep",
    "selp",
    "threadfence",
    "threadfence_block",
    "threadfence_system",
    "device_array_like",
    "event",
    "event_elapsed_time",
    "pinned_array",
    "stream",
    "device_array",
    "device_count",
    "is_available",
    "synchronize",
    "to_device",
    "sanitized",
]


def __getattr__(name: str):
    import importlib

    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'llaisys_mini.cuda' has no attribute {name!r}")
