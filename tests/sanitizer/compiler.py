"""Forms of kernel code, each tried by numba-cuda's compiler and by the sanitizer."""

import itertools
import linecache
import math

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.errors import KernelError
from llaisys_mini.sanitizer import DoesNotCompile, UnsupportedInKernel

FLOAT32 = np.linspace(0.1, 0.9, 64).astype(np.float32)
_numbers = itertools.count()


def kernel_of(body: str, parameters: str = "x, out", above: str = "", filename: str = "", **names):
    """A kernel with these statements; `above` stands before it in the same cell."""
    text = "".join(f"    {line}\n" for line in body.splitlines())
    source = f"{above}@cuda.jit\ndef kernel({parameters}):\n{text}"
    filename = filename or f"<form {next(_numbers)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    given = {"np": np, "math": math, "cuda": cuda, **names}
    exec(compile(source, filename, "exec"), given)
    return given["kernel"]


def compiler_refuses(kernel, arguments) -> str:
    """What the compiler says against it; empty if it compiles."""
    from llaisys_mini.cuda.compiler import refusal

    problem = refusal(kernel, arguments, "sm_80")
    return (str(problem) or type(problem).__name__) if problem else ""


def sanitizer_says(kernel, arguments) -> str:
    """What it does: "runs" (findings do not matter here), "refused" (does not compile), "unsupported", or "breaks"."""
    copies = [argument.copy() if isinstance(argument, np.ndarray) else argument for argument in arguments]
    try:
        with cuda.sanitized(raises=False):
            kernel[1, 32](*copies)
    except DoesNotCompile:
        return "refused"
    except UnsupportedInKernel:
        return "unsupported"
    except KernelError:
        return "breaks"
    return "runs"
