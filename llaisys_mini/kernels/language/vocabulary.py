"""The words of the kernel language: which names of which modules a graded cell may use, and where.

A name that is not here is not permitted. To permit another one, be sure that it computes and nothing else: it must not
call what it is given, evaluate text, read or write a file, or hand out a pointer.
"""

import cmath
import math

# ---- where a name may stand ------------------------------------------------------------------------------------------

KERNEL, HOST, HEAD = "kernel", "host", "head"
"""In a function that is compiled; in a launcher, which Python runs; as a decorator."""

_TYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp uintp bool_"
_NUMPY_NUMBERS = f"{_TYPES} complex64 complex128 pi e inf nan euler_gamma newaxis"
_NUMPY_ELEMENTWISE = (
    "abs absolute fabs sqrt cbrt square exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2"
    " sinh cosh tanh arcsinh arccosh arctanh hypot power maximum minimum fmax fmin add subtract multiply divide"
    " true_divide floor_divide remainder mod fmod negative positive sign signbit copysign floor ceil trunc rint round"
    " isnan isinf isfinite logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_xor"
    " bitwise_not left_shift right_shift invert reciprocal clip where ldexp nextafter logaddexp logaddexp2 heaviside"
    " deg2rad rad2deg degrees radians"
)
_NUMPY_ARRAYS = (
    "empty zeros ones full empty_like zeros_like ones_like full_like arange linspace array asarray ascontiguousarray"
    " copy eye identity sum prod max min amax amin argmax argmin mean var std median any all cumsum cumprod ptp nanmax"
    " nanmin nansum nanmean count_nonzero reshape ravel transpose concatenate stack hstack vstack repeat tile flip roll"
    " sort argsort searchsorted expand_dims broadcast_to diff unique triu tril outer iinfo finfo dtype ndindex"
    " ndenumerate"
)
_NUMBA_TYPES = (
    "float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp uintp bool_ boolean complex64 complex128"
)
_SIMD = (
    "REGISTERS WIDTH load store splat fma add multiply floor power_of_two zero_below minimum maximum greatest total"
    " add_lanes prefetch prefetch_far zeros add_products add_outer add_tiles store_sums store_rows load_rows transposed"
    " prefetch_rows load_low load_high add_halves add_scaled"
)
_CUDA = (
    "grid gridsize laneid warpsize shared.array local.array syncthreads syncthreads_count syncthreads_and"
    " syncthreads_or syncwarp shfl_sync shfl_up_sync shfl_down_sync shfl_xor_sync any_sync all_sync eq_sync"
    " ballot_sync match_any_sync activemask fma popc clz ffs brev"
)
_ATOMIC = "add sub max min nanmax nanmin and_ or_ xor inc dec exch cas compare_and_swap"
_TENSOR_CORES = "mma load_matrices load_matrices_transposed pack split low_half high_half"
_LIBDEVICE = "rsqrtf rsqrt fast_expf fast_exp10f fast_logf fast_log2f fast_sinf fast_cosf exp2f frcp_rn sinpif cospif"


def _under(module: str, names: str) -> set[str]:
    return {f"{module}.{name}" for name in names.split()}


def _public(module) -> set[str]:
    return {f"{module.__name__}.{name}" for name in vars(module) if not name.startswith("_")}


_MATH = _public(math) | _public(cmath)
_NUMPY = _under("numpy", f"{_NUMPY_NUMBERS} {_NUMPY_ELEMENTWISE} {_NUMPY_ARRAYS}")
_TYPES_OF_NUMBA = _under("numba", _NUMBA_TYPES) | _under("numba.types", _NUMBA_TYPES)
_EVERYWHERE = _MATH | _NUMPY | _TYPES_OF_NUMBA | {"llaisys_mini.widen.widen"}

PATHS: dict[tuple[str, str], set[str]] = {
    ("cpu", KERNEL): _EVERYWHERE
    | _under("numba", "prange get_num_threads get_thread_id literal_unroll pndindex")
    | _under("llaisys_mini.cpu.simd", _SIMD)
    | {"llaisys_mini.cpu.fast_exp.fast_exp", "llaisys_mini.cpu.exp_vector.exp_vector"}
    | {"llaisys_mini.narrow.narrow"},
    ("cpu", HEAD): {"numba.njit", "numba.jit", "llaisys_mini.kernel"},
    ("cuda", KERNEL): _EVERYWHERE
    | _under("llaisys_mini.cuda", _CUDA)
    | {
        f"llaisys_mini.cuda.{name}.{axis}"
        for name in ("threadIdx", "blockIdx", "blockDim", "gridDim")
        for axis in "xyz"
    }
    | _under("llaisys_mini.cuda.atomic", _ATOMIC)
    | _under("llaisys_mini.cuda.libdevice", _LIBDEVICE)
    | _under("llaisys_mini.cuda.reductions", "warp_sum warp_max block_sum block_max ALL_LANES")
    | _under("llaisys_mini.cuda.vectors", "load4 load4_shared store4 store4_shared load8")
    | _under("llaisys_mini.cuda.async_copies", "copy_async commit_copies wait_copies")
    | _under("llaisys_mini.cuda.tensor_cores", _TENSOR_CORES),
    # A launcher chooses sizes and launches. NumPy's functions of arrays are not here: the kernel has to compute.
    ("cuda", HOST): _MATH
    | _under("numpy", f"{_NUMPY_NUMBERS} ceil floor sqrt exp exp2 log log2 abs prod")
    | _TYPES_OF_NUMBA
    | _under("llaisys_mini.cuda", "device_array to_device synchronize warpsize")
    | {"llaisys_mini.cuda.vectors.are_aligned", "llaisys_mini.cuda.narrow.narrow", "llaisys_mini.errors.KernelError"}
    | _under("llaisys_mini.cuda.tensor_cores", "are_available LOWEST_ARCHITECTURE"),
    ("cuda", HEAD): {"llaisys_mini.cuda.jit", "llaisys_mini.kernel"},
}
"""Dotted paths that may be used, by device and place."""

JITS = {"numba.njit", "numba.jit", "llaisys_mini.cuda.jit"}
KERNEL_DECORATOR = "llaisys_mini.kernel"
NEW_ON_HOST = _under("numpy", "zeros ones full arange")
"""In a launcher only as what `cuda.to_device` is given: on the host its numbers must not come back from the device."""
TO_DEVICE = "llaisys_mini.cuda.to_device"
TYPES_OF_NUMBA = _TYPES_OF_NUMBA
TYPES = _under("numpy", f"{_TYPES} complex64 complex128") | _TYPES_OF_NUMBA
CONSTANTS = (
    (_MATH - _under("math", "factorial comb perm"))
    | _under("numpy", f"{_NUMPY_NUMBERS} {_NUMPY_ELEMENTWISE} array asarray zeros ones full arange linspace eye")
    | _under("numpy", "concatenate stack sum prod max min cumsum sort flip transpose reshape iinfo finfo dtype")
    | _TYPES_OF_NUMBA
)
"""What a constant may be made with."""
SIZES = _under("llaisys_mini.cpu.simd", "WIDTH REGISTERS") | _under("llaisys_mini.cuda.reductions", "ALL_LANES")

MODULES = {path.rpartition(".")[0] for paths in PATHS.values() for path in paths} | {"llaisys_mini", "numba.cuda"}
"""Modules that a cell may import, and what stands between a module and a permitted name."""

STANDS_FOR = {"numba.cuda": "llaisys_mini.cuda"}
"""The course's CUDA has the same names as Numba's, and needs no GPU: it is what the judge runs."""

# ---- builtins and attributes -----------------------------------------------------------------------------------------

EXCEPTIONS = set(
    "ValueError NotImplementedError RuntimeError TypeError AssertionError IndexError ZeroDivisionError".split()
)
_BUILTINS = set("abs min max len range round sum tuple list divmod pow enumerate zip reversed sorted any all".split())
BUILTIN_TYPES = {"int", "float", "bool", "complex"}
BUILTINS = {
    KERNEL: _BUILTINS | BUILTIN_TYPES | EXCEPTIONS | {"print"},
    HOST: _BUILTINS | BUILTIN_TYPES | EXCEPTIONS | {"print"},
}
CONSTANT_BUILTINS = {"int", "float", "bool", "complex", "abs", "min", "max", "len", "range", "sum", "tuple"}

_SHAPE = "shape size ndim dtype itemsize nbytes strides T transpose reshape ravel squeeze view"
ATTRIBUTES = {
    KERNEL: set(
        f"{_SHAPE} flatten flat astype copy fill sum prod max min mean var std argmax argmin any all cumsum cumprod"
        " sort argsort repeat take nonzero real imag conjugate item append extend pop eps tiny bits".split()
    ),
    HOST: set(_SHAPE.split()),
}
"""Attributes of values: arrays, numbers, lists; `eps` and others of np.finfo."""
CONSTANT_ATTRIBUTES = set("eps tiny max min bits shape size ndim astype reshape copy T".split())

# ---- options of decorators -------------------------------------------------------------------------------------------

FASTMATH = {"fast", "nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc"}
_FLAG = (bool,)
OPTIONS: dict[str, dict[str, tuple]] = {
    "cpu": {
        **dict.fromkeys("parallel cache nogil boundscheck forceinline".split(), _FLAG),
        "nopython": (True,),
        "error_model": ("numpy", "python"),
        "inline": ("always", "never"),
    },
    "cuda": {
        **dict.fromkeys("device cache lineinfo opt debug forceinline".split(), _FLAG),
        "inline": ("always", "never", True, False),
        "launch_bounds": (int, tuple),
        "max_registers": (int,),
    },
}
"""Options of @njit and @cuda.jit besides fastmath: types or values that each may have."""

# ---- why not ---------------------------------------------------------------------------------------------------------

BLAS = set("dot vdot matmul tensordot einsum inner linalg kron convolve correlate".split())
_OWN = "a kernel may not call the course's own answer"
_LIBRARY = "{} computes it instead of a kernel: write the loops"
_POINTER = "raw pointers and foreign functions are not part of a kernel"
_COMPILER = "a kernel is written in Python that Numba compiles, not in the compiler's own language"
WHY_NOT = {
    **dict.fromkeys(("objmode", "forceobj", "generated_jit"), "object mode runs Python, not a kernel"),
    **dict.fromkeys(("cfunc", "CFUNCTYPE"), "callbacks are not part of a kernel"),
    **dict.fromkeys(("ctypes", "cffi", "carray", "farray", "ExternalFunction", "__array_interface__"), _POINTER),
    **dict.fromkeys(("intrinsic", "overload", "overload_method", "extending", "llvmlite"), _COMPILER),
    **dict.fromkeys(("operators", "exercises", "reference", "expected", "solutions"), _OWN),
    **dict.fromkeys(BLAS, "{} calls a finished library (BLAS): write the loops"),
    **{
        name: _LIBRARY.replace("{}", name)
        for name in "scipy torch jax cupy tensorflow sklearn numexpr cython pythran".split()
    },
    **dict.fromkeys(("eval", "exec", "compile", "open", "input", "__import__"), "a kernel only computes"),
    **dict.fromkeys(("getattr", "setattr", "delattr", "vars", "globals", "locals", "type"), "a kernel only computes"),
}
"""Reasons for names that people try, better than "it is not among the permitted ones"."""
