"""Which threads run together, and which of them are active.

The machine steps a *crew*: the threads of one or more whole blocks, all at the same statement, as a GPU steps a warp.
Thread number k of the crew is *lane* k of its vectors. Branches and loops make some lanes inactive for a while.
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

    def crews(self, order: str):
        """The crews of this launch, one after the other. Which blocks go first depends on `order`."""
        blocks = np.arange(self.blocks)
        generator = np.random.default_rng(0)
        if order == "backward":
            blocks = blocks[::-1]
        elif order == "shuffled":
            generator.shuffle(blocks)
        at_once = 1 if order == "block by block" else max(1, LANES_AT_ONCE // self.threads_per_block)
        for start in range(0, self.blocks, at_once):
            yield Crew(self, blocks[start : start + at_once], order, generator)


def _index(number, sizes):
    x, rest = number % sizes[0], number // sizes[0]
    if sizes[1:] == (1, 1):
        return str(x)
    y, z = rest % sizes[1], rest // sizes[1]
    return f"({x}, {y})" if sizes[2] == 1 else f"({x}, {y}, {z})"


class Crew:
    """The threads of `blocks` (numbers in the grid). Vectors below have one element per lane.

    thread: number in the whole grid; within: number in its block; block: number of its block in the grid;
    slot: which of the crew's blocks; lane: 0 to 31 in its warp; warp: number of its warp in the crew.
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
        self.warp = self.slot * self.warps_per_block + self.within // WARP
        self.warps = self.blocks * self.warps_per_block
        self.everyone = Active(self, np.ones(self.size, bool), self.size)
        self.nobody = Active(self, np.zeros(self.size, bool), 0)

    @cached_property
    def position(self) -> np.ndarray:
        """[warp, lane] -> the lane's place in the vectors, -1 where there is no such thread."""
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
    """A set of a crew's lanes. bits: bool vector; size: how many."""

    __slots__ = ("__dict__", "bits", "crew", "size")

    def __init__(self, crew: Crew, bits: np.ndarray, size: int | None = None):
        self.crew = crew
        self.bits = bits
        self.size = int(np.count_nonzero(bits)) if size is None else size

    @cached_property
    def index(self) -> np.ndarray:
        """The lanes of the set, in order."""
        return np.flatnonzero(self.bits)

    def select(self, value: np.ndarray) -> np.ndarray:
        """The elements of a vector that belong to the set."""
        return value if self.size == self.crew.size else value[self.index]

    def expand(self, values: np.ndarray) -> np.ndarray:
        """The inverse of select; zero for the lanes outside."""
        if self.size == self.crew.size:
            return values
        full = np.zeros(self.crew.size, values.dtype)
        full[self.index] = values
        return full

    def only(self, condition: np.ndarray) -> "Active":
        """The lanes of the set for which `condition` holds."""
        return Active(self.crew, self.bits & condition)

    def without(self, other: "Active") -> "Active":
        return Active(self.crew, self.bits & ~other.bits)

    def united(self, other: "Active") -> "Active":
        """Both sets, which have no lane in common."""
        if not other.size:
            return self
        return other if not self.size else Active(self.crew, self.bits | other.bits, self.size + other.size)

    @cached_property
    def warp_bits(self) -> np.ndarray:
        """For each warp of the crew the mask of its lanes in the set, as int64."""
        crew = self.crew
        weights = self.select(_BIT[crew.lane])
        return np.bincount(self.select(crew.warp), weights, crew.warps).astype(np.int64)

    @cached_property
    def warp_count(self) -> int:
        """How many warps have a lane in the set."""
        return int(np.count_nonzero(self.warp_bits))

    @cached_property
    def block_counts(self) -> np.ndarray:
        """For each block of the crew how many of its threads are in the set."""
        return np.bincount(self.select(self.crew.slot), minlength=self.crew.blocks)


_BIT = 2.0 ** np.arange(WARP)  # sums of distinct bits are exact in float64
