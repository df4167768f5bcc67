"""The words of a CUDA kernel: `grid`, `syncthreads`, `shared.array`, ...

They are only names here. Before a kernel is compiled for a device each is replaced by Numba's word of the same name
(see `jit`); under the sanitizer the machine that steps the threads gives them their meaning.
"""

from llaisys_mini.errors import KernelError


class Word:
    """A name with a meaning inside kernels only. `path` is where Numba's CUDA module has it."""

    __slots__ = ("path",)

    def __init__(self, path: str):
        self.path = path

    def __call__(self, *_, **__):
        raise KernelError(f"cuda.{self.path} has a meaning only inside a kernel: a function under @cuda.jit")

    def __repr__(self) -> str:
        return f"cuda.{self.path}"

    def of(self, module):
        """The word of this name in `module`, which is Numba's CUDA module."""
        for name in self.path.split("."):
            module = getattr(module, name)
        return module


class Group(Word):
    """Words with a prefix, such as `atomic.add`."""

    __slots__ = ("words",)

    def __init__(self, path: str, names: str):
        super().__init__(path)
        self.words = {name: Word(f"{path}.{name}") for name in names.split()}

    def __getattr__(self, name: str) -> Word:
        if name in Group.__slots__ or name not in self.words:
            raise AttributeError(f"cuda.{self.path} has no {name!r}; there are {', '.join(self.words)}")
        return self.words[name]


grid, gridsize = Word("grid"), Word("gridsize")
threadIdx, blockIdx = Group("threadIdx", "x y z"), Group("blockIdx", "x y z")
blockDim, gridDim = Group("blockDim", "x y z"), Group("gridDim", "x y z")
laneid = Word("laneid")
warpsize = 32

shared, local = Group("shared", "array"), Group("local", "array")
atomic = Group("atomic", "add sub max min nanmax nanmin and_ or_ xor inc dec exch cas compare_and_swap")

syncthreads, syncthreads_count = Word("syncthreads"), Word("syncthreads_count")
syncthreads_and, syncthreads_or = Word("syncthreads_and"), Word("syncthreads_or")
syncwarp = Word("syncwarp")

shfl_sync, shfl_up_sync = Word("shfl_sync"), Word("shfl_up_sync")
shfl_down_sync, shfl_xor_sync = Word("shfl_down_sync"), Word("shfl_xor_sync")
any_sync, all_sync, eq_sync = Word("any_sync"), Word("all_sync"), Word("eq_sync")
ballot_sync, match_any_sync, activemask = Word("ballot_sync"), Word("match_any_sync"), Word("activemask")

fma, popc, clz, ffs, brev = Word("fma"), Word("popc"), Word("clz"), Word("ffs"), Word("brev")
libdevice = Group(
    "libdevice",
    "rsqrtf rsqrt fast_expf fast_exp10f fast_logf fast_log2f fast_sinf fast_cosf exp2f frcp_rn sinpif cospif",
)
