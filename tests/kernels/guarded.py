"""Arrays that lie flush against forbidden memory: a kernel that reads or writes one element too far is killed at once.

NUMBA_BOUNDSCHECK sees indexing only; the vector loads and stores of `simd` pass it by. Run as a program, this file
runs a kernel set over the cases of one operator with every array guarded: `python guarded.py expert attention`.
"""

import ctypes
import mmap
import sys

import numpy as np

PAGE = mmap.PAGESIZE
_FORBIDDEN = 0  # PROT_NONE
_kept = []  # the mappings must outlive their arrays


def guarded(array: np.ndarray, at_end: bool) -> np.ndarray:
    """A copy of `array` whose last byte (or first, with at_end=False) touches a page that must not be touched."""
    pages = -(-max(array.nbytes, 1) // PAGE)
    area = mmap.mmap(-1, (pages + 2) * PAGE)
    _kept.append(area)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None, use_errno=True)
    for guard in (start, start + (pages + 1) * PAGE):
        if libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), _FORBIDDEN):
            raise OSError(ctypes.get_errno(), "mprotect failed")
    offset = PAGE + (pages * PAGE - array.nbytes if at_end else 0)
    copy = np.ndarray(array.shape, array.dtype, area, offset)
    copy[...] = array
    return copy


def run(kernel_set: str, name: str) -> None:
    """Run the kernel on every public case, with all arrays guarded behind and then in front."""
    from llaisys_mini import operators
    from llaisys_mini.checks.compare import compare, empty_outputs
    from llaisys_mini.kernels.choice import from_set

    operator, kernel = operators.get(name), from_set(kernel_set, name, "cpu")
    for case in operator.make_cases():
        for at_end in (True, False):
            inputs = {
                key: guarded(value, at_end) if isinstance(value, np.ndarray) else value
                for key, value in case.inputs.items()
            }
            outputs = [guarded(out, at_end) for out in empty_outputs(operator, inputs)]
            operator.run_with(kernel, inputs, outputs)
            assert not compare(operator, inputs, outputs), case.name


if __name__ == "__main__":
    if sys.argv[2] == "overrun":  # for the test that a guard guards
        array = guarded(np.zeros(100, np.float32), True)
        ctypes.memset(array.ctypes.data + array.nbytes, 0, 1)
    run(*sys.argv[1:])
