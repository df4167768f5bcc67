"""Which threads run together, and which of them are active.

The machine steps the *resident blocks*: all their threads are at the same statement, as those of a warp are on a GPU.
A value is a vector with one element, a *lane*, per thread. Branches and loops make some lanes inactive for a while.
When all resident blocks have ended, the next ones follow: a launch runs in *waves*.
"""

from functools import cached_property

import numpy as np

WARP = 32
ORDERS = ("forward", "backward", "shuffled", "block by block")
"""In which order the threads of a statement take effect, and which blocks run together."""

LANES_AT_ONCE = 8192  # vectors of this length still fit the second-level cache; longer ones gain little


class Launch:
    """The sizes of one launch. grid, block: three ints each; shared_bytes: dynamic shared memory."""

    def __init__(self, grid: tuple[int, int, int], block: tuple[int, int, int], shared_bytes: int):
        self.grid = grid
        self.block = block
        self.shared_bytes = shared_bytes
        self.threads_per_block = block[0] * block[1] * block[2]
        self.blocks = grid[0] * grid[1] * grid[2]

    def thread_name(self, thread: int) -> str:
        """`thread 3 of block 0`, from the number of a thread in the whole grid."""
        block, within = divmod(int(thread), self.threads_per_block)
        return f"thread {_index(within, self.block)} of block {_index(block, self.grid)}"

    def waves(self, order: str):
        """The resident blocks of each wave, one wave after the other. `order` decides which blocks go first."""
        blocks = np.arange(self.blocks)
        generator = np.random.default_rng(0)
        if order == "backward":
            blocks = blocks[::-1]
        elif order == "shuffled":
            generator.shuffle(blocks)
        at_once = 1 if order == "block by block" else max(1, LANES_AT_ONCE // self.threads_per_block)
        for start in range(0, self.blocks, at_once):
            yield ResidentBlocks(self, blocks[start : start + at_once], order, generator)


def _index(number, sizes):
    x, rest = number % sizes[0], number // sizes[0]
    if sizes[1:] == (1, 1):
        return str(x)
    y, z = rest % sizes[1], rest // sizes[1]
    return f"({x}, {y})" if sizes[2] == 1 else f"({x}, {y}, {z})"


class ResidentBlocks:
    """The threads of `blocks` (numbers in the grid). Vectors below have one element per lane.

    thread: number in the whole grid; within: number in its block; block: number of its block in the grid;
    slot: which of the resident blocks; lane: 0 to 31 in its warp; warp: number of its warp among the resident ones,
    warp_in_block: in its block.
    """

    def __init__(self, launch: Launch, blocks: np.ndarray, order: str, generator: np.random.Generator):
        per_block = launch.threads_per_block
        self.launch = launch
        self.blocks = len(blocks)
        self.size = self.blocks * per_block
        self.warps_per_block = -(-per_block // WARP)
        numbers = np.arange(self.size)
        if order == "backward":
            numbers = numbers[::-1].copy()
        elif order == "shuffled":
            generator.shuffle(numbers)
        self.slot, self.within = np.divmod(numbers, per_block)
        self.block = blocks[self.slot]
        self.thread = self.block * per_block + self.within
        self.lane = self.within % WARP
        self.warp_in_block = self.within // WARP
        self.warp = self.slot * self.warps_per_block + self.within // WARP
        self.warps = self.blocks * self.warps_per_block
        self.all_lanes = Active(self, np.ones(self.size, bool), self.size)
        self.no_lanes = Active(self, np.zeros(self.size, bool), 0)

    @cached_property
    def position(self) -> np.ndarray:
        """[warp, lane] -> the thread's position in the vectors, -1 where there is no such thread."""
        table = np.full((self.warps, WARP), -1)
        table[self.warp, self.lane] = np.arange(self.size)
        return table

    @cached_property
    def thread_index(self) -> list[np.ndarray]:
        """threadIdx.x, .y and .z."""
        return _split(self.within, self.launch.block)

    @cached_property
    def block_index(self) -> list[np.ndarray]:
        """blockIdx.x, .y and .z."""
        return _split(self.block, self.launch.grid)


def _split(numbers, sizes):
    return [numbers % sizes[0], numbers // sizes[0] % sizes[1], numbers // (sizes[0] * sizes[1])]


class Active:
    """A set of lanes of the resident blocks. bits: bool vector; size: how many."""

    __slots__ = ("__dict__", "bits", "resident", "size")

    def __init__(self, resident: ResidentBlocks, bits: np.ndarray, size: int | None = None):
        self.resident = resident
        self.bits = bits
        self.size = int(np.count_nonzero(bits)) if size is None else size

    @cached_property
    def index(self) -> np.ndarray:
        """The lanes of the set, in order."""
        return np.flatnonzero(self.bits)

    def select(self, value: np.ndarray) -> np.ndarray:
        """The elements of a vector that belong to the set."""
        return value if self.size == self.resident.size else value[self.index]

    def expand(self, values: np.ndarray) -> np.ndarray:
        """The inverse of select; zero for the lanes outside."""
        if self.size == self.resident.size:
            return values
        full = np.zeros(self.resident.size, values.dtype)
        full[self.index] = values
        return full

    def only(self, condition: np.ndarray) -> "Active":
        """The lanes of the set for which `condition` holds."""
        return Active(self.resident, self.bits & condition)

    def without(self, other: "Active") -> "Active":
        return Active(self.resident, self.bits & ~other.bits)

    def united(self, other: "Active") -> "Active":
        """Both sets, which have no lane in common."""
        if not other.size:
            return self
        return other if not self.size else Active(self.resident, self.bits | other.bits, self.size + other.size)

    @cached_property
    def warp_bits(self) -> np.ndarray:
        """For each resident warp the mask of its lanes in the set, as int64."""
        resident = self.resident
        weights = self.select(_BIT[resident.lane])
        return np.bincount(self.select(resident.warp), weights, resident.warps).astype(np.int64)

    @cached_property
    def warp_count(self) -> int:
        """How many warps have a lane in the set."""
        return int(np.count_nonzero(self.warp_bits))

    @cached_property
    def block_counts(self) -> np.ndarray:
        """For each resident block how many of its threads are in the set."""
        return np.bincount(self.select(self.resident.slot), minlength=self.resident.blocks)


_BIT = 2.0 ** np.arange(WARP)  # sums of distinct bits are exact in float64
