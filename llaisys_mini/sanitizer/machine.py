"""The machine: the state of one launch under the sanitizer, and what a kernel's intrinsics do to it."""

import numpy as np

from llaisys_mini.sanitizer import findings
from llaisys_mini.sanitizer.clocks import NoClocks, WarpClocks
from llaisys_mini.sanitizer.copies import Copies
from llaisys_mini.sanitizer.findings import Finding, Halt, UnsupportedInKernel
from llaisys_mini.sanitizer.lanes import Launch, ResidentBlocks
from llaisys_mini.sanitizer.memory import Memory, nothing_of
from llaisys_mini.sanitizer.shadow import MAX_THREADS, PHASE_SHIFT, SITE_BITS
from llaisys_mini.sanitizer.unset_reads import UnsetReads
from llaisys_mini.sanitizer.views import View
from llaisys_mini.strides import contiguous_strides

STATIC_SHARED_LIMIT = 48 * 1024
SHARED_LIMIT = 227 * 1024  # dynamic shared memory that one block of an H100 or H200 can have
DYNAMIC_ALIGNMENT = 16  # bytes; where dynamic shared memory begins
THREADS_LIMIT, BLOCK_LIMITS, GRID_LIMITS = 1024, (1024, 1024, 64), (2**31 - 1, 65535, 65535)


class Site:
    """A source location at which memory is accessed. verb: what is done there, for messages; text: the element, as the
    source writes it.

    copies: a store of a number that is only loaded or constant. updates: a read of what is then changed and written
    back, as by +=. is_cas: a compare-and-swap; is_lock: that, or an exchange. checked_by: the numbers of the sites, in
    conditions around a store, that read the element which it writes.
    """

    __slots__ = (
        *(
            "checked_by",
            "column",
            "copies",
            "function",
            "is_cas",
            "is_lock",
            "line",
            "number",
            "text",
            "updates",
            "verb",
        ),
    )

    def __init__(self, number: int, function, line: int, column: int, verb: str, text: str = ""):
        self.number = number
        self.function = function
        self.line = line
        self.column = column
        self.verb = verb
        self.text = text
        self.copies = self.updates = self.is_cas = self.is_lock = False
        self.checked_by: tuple[int, ...] = ()

    @property
    def is_library(self) -> bool:
        """Whether it is in a function of the course's, such as block_sum."""
        return is_library(self.function)


def is_library(function) -> bool:
    """Whether a device function is one of llaisys_mini.cuda, whose lines are not the learner's to change."""
    return str(function.py_func.__module__).startswith("llaisys_mini.cuda.")


class Machine:
    """One launch. It is handed to every piece of a translated kernel (see translate)."""

    def __init__(self, kernel, launch: Launch, program, session):
        self.kernel = kernel
        self.launch = launch
        self.sites = program.sites
        self.counters = session.report.counters if session.counts else None
        self.loop_limit = session.loop_limit
        self.line, self.function = kernel.py_func.__code__.co_firstlineno, kernel  # of the current statement
        self.found: dict[tuple, Finding] = {}
        self.caller: Site | None = None  # of the primitive that is running: findings in it are reported at its caller
        self.clocks = WarpClocks(self) if program.uses_syncwarp else NoClocks()
        self.resident: ResidentBlocks  # set by enter
        self.unset_reads = UnsetReads(self)
        self.copies = Copies(self)
        self._constants: dict[int, View] = {}
        self.printed = 0
        self._phases = 0

    # ---- resident blocks and barriers --------------------------------------------------------------------------------

    def enter(self, resident: ResidentBlocks) -> None:
        """Begin the next wave."""
        self.resident = resident
        self.exited = np.zeros(resident.size, bool)
        self.shared: dict[object, View] = {}
        self.shared_bytes = 0
        self.phase = np.zeros(resident.blocks, np.int64)
        self._threads = resident.thread << SITE_BITS
        self._next_phase(np.ones(resident.blocks, bool))
        self.clocks.enter(resident)
        self.copies.enter(resident)

    def _next_phase(self, blocks: np.ndarray) -> None:
        count = int(np.count_nonzero(blocks))
        self.phase[blocks] = np.arange(self._phases, self._phases + count)
        self._phases += count
        self.stamps = (self.phase << PHASE_SHIFT)[self.resident.slot] | self._threads

    def block_of_stamp(self, stamps: np.ndarray) -> np.ndarray:
        """The block's number in the grid."""
        return ((stamps >> SITE_BITS) & (MAX_THREADS - 1)) // self.launch.threads_per_block

    def barrier(self, active, line: int, name: str) -> None:
        """All threads of each block with an active lane must be here."""
        if not active.size:
            return
        counts, per_block = active.block_counts, self.launch.threads_per_block
        partial = (counts != per_block) & (counts > 0)
        if partial.any():
            absent = ~active.bits & partial[self.resident.slot]
            present = absent & ~self.exited  # a barrier waits for all threads that have not returned
            slot = self.resident.slot[np.argmax(present if present.any() else absent)]
            missing = np.flatnonzero((self.resident.slot == slot) & (present if present.any() else absent))
            missing = missing[np.argmin(self.resident.within[missing])]
            thread = self.launch.thread_name(self.resident.thread[missing])
            message = f"{counts[slot]} of the block's {per_block} threads reach cuda.{name}(); {thread} "
            if present.any():
                self.report(findings.BARRIER, line, f"{message}does not", thread)
                raise Halt
            why = "GPUs since 2017 do not wait for it, and CUDA asks that all threads come"
            self.report(findings.EARLY_RETURN, line, f"{message}has already returned: {why}", thread)
        self._next_phase(counts > 0)

    # ---- memory --------------------------------------------------------------------------------------------------

    def shared_array(self, key, name: str, shape: tuple[int, ...], dtype: np.dtype, alignment: int, line: int) -> View:
        """The shared array allocated at one source location: one per resident block. It begins at a multiple of its
        alignment, and at no multiple of more: where else a device puts it is luck."""
        view = self.shared.get(key)
        if view is not None:
            return view
        if shape == (0,):
            shape = (self.launch.shared_bytes // dtype.itemsize,)
            key, alignment = "dynamic", DYNAMIC_ALIGNMENT
            if key in self.shared:
                if self.shared[key].dtype != dtype:
                    raise UnsupportedInKernel(
                        f"dynamic shared memory as {dtype.name} and {self.shared[key].dtype.name} at once"
                    )
                return self.shared[key]
            if not shape[0]:
                self.report(
                    findings.LIMIT,
                    line,
                    "dynamic shared memory is used, but the launch gives none: kernel[blocks, threads, 0, bytes]",
                )
                raise Halt
        else:
            self.shared_bytes += int(np.prod(shape)) * dtype.itemsize
            if self.shared_bytes > STATIC_SHARED_LIMIT:
                self.report(
                    findings.LIMIT,
                    line,
                    f"{self.shared_bytes} bytes of static shared memory; a block has {STATIC_SHARED_LIMIT} "
                    "(more only as dynamic shared memory: shape 0 here, the bytes in the launch)",
                )
                raise Halt
        size = int(np.prod(shape))
        memory = Memory(
            self, name, "shared", _uninitialised(size * self.resident.blocks, dtype), shape, self.resident.slot * size
        )
        memory.address = max(alignment, dtype.itemsize)
        memory.watch(True)
        self.shared[key] = View(memory, 0, shape, contiguous_strides(shape))
        return self.shared[key]

    def constant_array(self, name: str, array: np.ndarray) -> View:
        """A global array that a kernel reads."""
        view = self._constants.get(id(array))
        if view is None:
            cells = np.array(array).reshape(-1)
            cells.flags.writeable = False
            memory = Memory(self, name, "global", cells, array.shape, is_watched=False)
            view = View(memory, 0, array.shape, contiguous_strides(array.shape))
            self._constants[id(array)] = view
        return view

    def local_array(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> View:
        """An array in local memory: one per thread."""
        size = int(np.prod(shape))
        cells, start = _uninitialised(size * self.resident.size, dtype), np.arange(self.resident.size) * size
        memory = Memory(self, name, "local", cells, shape, start)
        memory.watch(True)
        return View(memory, 0, shape, contiguous_strides(shape))

    # ---- findings ------------------------------------------------------------------------------------------------

    def report(self, kind: str, where, message: str, thread: str = "") -> None:
        """Note a finding. where: a Site or a line number. The same kind on the same line is counted, not repeated."""
        if self.caller is not None:
            inner = self.function if isinstance(where, int) else where.function
            message = f"in {inner.__name__}: {message}" if is_library(inner) else message
            where = self.caller
        line = where if isinstance(where, int) else where.line
        function = self.function if isinstance(where, int) else where.function
        key = (kind, line, function.__name__)
        if key in self.found:
            self.found[key].times += 1
            return
        file = function.py_func.__code__.co_filename
        self.found[key] = Finding(kind, message, function.__name__, file, line, thread)

    def check_sizes(self) -> None:
        """Whether the launch fits the hardware; raises Halt where it does not."""
        launch, line = self.launch, self.kernel.py_func.__code__.co_firstlineno
        bounds = self.kernel.options.get("launch_bounds")
        most = bounds[0] if isinstance(bounds, tuple) else bounds
        problem = None
        if launch.threads_per_block > THREADS_LIMIT:
            problem = f"{launch.threads_per_block} threads per block; a block has at most {THREADS_LIMIT}"
        elif any(n > most for n, most in zip(launch.block, BLOCK_LIMITS, strict=True)):
            problem = f"a block of {launch.block} threads; the limits are {BLOCK_LIMITS}"
        elif any(n > most for n, most in zip(launch.grid, GRID_LIMITS, strict=True)):
            problem = f"a grid of {launch.grid} blocks; the limits are {GRID_LIMITS}"
        elif most and launch.threads_per_block > most:
            problem = f"{launch.threads_per_block} threads per block, but launch_bounds promises at most {most}"
        elif launch.shared_bytes > SHARED_LIMIT:
            problem = f"{launch.shared_bytes} bytes of dynamic shared memory; a block has at most {SHARED_LIMIT}"
        if problem:
            self.report(findings.LIMIT, line, problem)
            raise Halt
        if launch.blocks * launch.threads_per_block > MAX_THREADS:
            raise UnsupportedInKernel(
                f"{self.kernel.__name__}: {launch.blocks * launch.threads_per_block} threads; the sanitizer takes "
                f"at most {MAX_THREADS}: check smaller sizes"
            )


def _uninitialised(size, dtype):
    return np.full(size, nothing_of(dtype), dtype)
