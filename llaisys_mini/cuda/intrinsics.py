"""The intrinsics of a CUDA kernel: `grid`, `syncthreads`, `shared.array`, ...

Here they are only names. Before a kernel is compiled for a device, each is replaced by Numba's intrinsic of the same
name (see `jit`); under the sanitizer llaisys_mini.sanitizer.intrinsics says what it does.
"""

from llaisys_mini.errors import KernelError


class Intrinsic:
    """A name with a meaning inside kernels only. `path` is where Numba's CUDA module has it."""

    __slots__ = ("path",)

    def __init__(self, path: str):
        self.path = path

    def __call__(self, *_, **__):
        raise KernelError(f"cuda.{self.path} has a meaning only inside a kernel: a function under @cuda.jit")

    def __repr__(self) -> str:
        return f"cuda.{self.path}"

    def of(self, module):
        """The intrinsic of this name in `module`, which is Numba's CUDA module."""
        for name in self.path.split("."):
            module = getattr(module, name)
        return module


class IntrinsicGroup(Intrinsic):
    """Intrinsics with a common prefix, such as `atomic.add`."""

    __slots__ = ("members",)

    def __init__(self, path: str, names: str):
        super().__init__(path)
        self.members = {name: Intrinsic(f"{path}.{name}") for name in names.split()}

    def __getattr__(self, name: str) -> Intrinsic:
        if name in IntrinsicGroup.__slots__ or name not in self.members:
            raise AttributeError(f"cuda.{self.path} has no {name!r}; there are {', '.join(self.members)}")
        return self.members[name]


grid, gridsize = Intrinsic("grid"), Intrinsic("gridsize")
threadIdx, blockIdx = IntrinsicGroup("threadIdx", "x y z"), IntrinsicGroup("blockIdx", "x y z")
blockDim, gridDim = IntrinsicGroup("blockDim", "x y z"), IntrinsicGroup("gridDim", "x y z")
laneid = Intrinsic("laneid")
warpsize = 32

shared, local = IntrinsicGroup("shared", "array"), IntrinsicGroup("local", "array")
atomic = IntrinsicGroup("atomic", "add sub max min nanmax nanmin and_ or_ xor inc dec exch cas compare_and_swap")

syncthreads, syncthreads_count = Intrinsic("syncthreads"), Intrinsic("syncthreads_count")
syncthreads_and, syncthreads_or = Intrinsic("syncthreads_and"), Intrinsic("syncthreads_or")
syncwarp = Intrinsic("syncwarp")

shfl_sync, shfl_up_sync = Intrinsic("shfl_sync"), Intrinsic("shfl_up_sync")
shfl_down_sync, shfl_xor_sync = Intrinsic("shfl_down_sync"), Intrinsic("shfl_xor_sync")
any_sync, all_sync, eq_sync = Intrinsic("any_sync"), Intrinsic("all_sync"), Intrinsic("eq_sync")
ballot_sync, match_any_sync, activemask = Intrinsic("ballot_sync"), Intrinsic("match_any_sync"), Intrinsic("activemask")

match_all_sync, lanemask_lt = Intrinsic("match_all_sync"), Intrinsic("lanemask_lt")
threadfence, threadfence_block = Intrinsic("threadfence"), Intrinsic("threadfence_block")
threadfence_system, nanosleep = Intrinsic("threadfence_system"), Intrinsic("nanosleep")
const = IntrinsicGroup("const", "array_like")

cbrt, selp = Intrinsic("cbrt"), Intrinsic("selp")
fma, popc, clz, ffs, brev = Intrinsic("fma"), Intrinsic("popc"), Intrinsic("clz"), Intrinsic("ffs"), Intrinsic("brev")
libdevice = IntrinsicGroup(
    "libdevice",
    "rsqrtf rsqrt fast_expf fast_exp10f fast_logf fast_log2f fast_sinf fast_cosf exp2f frcp_rn sinpif cospif "
    "sqrtf expf exp10f expm1f logf log2f log10f log1pf sinf cosf tanf tanhf sinhf coshf fabsf floorf ceilf truncf "
    "rintf powf fmaxf fminf fmaf erff",
)
fp16 = IntrinsicGroup("fp16", "hadd hsub hmul hdiv hfma hneg habs hmax hmin heq hne hlt hle hgt hge")
