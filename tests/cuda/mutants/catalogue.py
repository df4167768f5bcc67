"""The mutants: each is a program of programs/ with one thing broken.

kind: what the sanitizer must find or remark, alone or among other things; WRONG where nothing but the numbers is
wrong, so that only comparing the result (as `check` does) can tell.
"""

from dataclasses import dataclass

from llaisys_mini.sanitizer.findings import (
    BARRIER,
    INACTIVE_LANES,
    LIMIT,
    MISALIGNED,
    NEGATIVE,
    OUT_OF_BOUNDS,
    RACE,
    RUNAWAY,
    UNINITIALISED,
    UNUSED,
    UNWRITTEN,
)

WRONG = "wrong numbers"


@dataclass(frozen=True)
class Mutant:
    """program with `old` replaced by `new` (once); name: what was broken, in words."""

    program: str
    name: str
    kind: str
    old: str
    new: str

    def applied(self, source: str) -> str:
        """The mutated source. Raises ValueError if `old` does not occur."""
        if self.old not in source:
            raise ValueError(f"{self.program}, {self.name}: {self.old!r} does not occur")
        return source.replace(self.old, self.new, 1)


MUTANTS = [
    Mutant(*row)
    for row in (
        # --- add
        ("add", "guard dropped", OUT_OF_BOUNDS, "if i < out.size:", "if True:"),
        ("add", "guard off by one", OUT_OF_BOUNDS, "i < out.size", "i <= out.size"),
        ("add", "guard checks only the start", OUT_OF_BOUNDS, "i < out.size", "i >= 0"),
        ("add", "index starts one too low", NEGATIVE, "x[i] + y[i]", "x[i - 1] + y[i]"),
        ("add", "last block missing", UNWRITTEN, "add[4, 32]", "add[3, 32]"),
        ("add", "last element missing", UNWRITTEN, "i < out.size", "i < out.size - 1"),
        ("add", "reads the output", UNINITIALISED, "x[i] + y[i]", "x[i] + out[i]"),
        ("add", "adds to the output", UNINITIALISED, "out[i] = x", "out[i] += x"),
        ("add", "the block is forgotten in the index", UNWRITTEN, "cuda.grid(1)", "cuda.blockIdx.x + cuda.threadIdx.x"),
        ("add", "too many threads in a block", LIMIT, "add[4, 32]", "add[1, 1056]"),
        # --- transpose
        ("transpose", "barrier dropped", RACE, "    cuda.syncthreads()\n", ""),
        ("transpose", "barrier within the guard", BARRIER, "    cuda.syncthreads()", "        cuda.syncthreads()"),
        ("transpose", "first guard dropped", OUT_OF_BOUNDS, "if row < x.shape[0] and column < x.shape[1]:", "if True:"),
        (
            "transpose",
            "guard checks rows only",
            OUT_OF_BOUNDS,
            "row < x.shape[0] and column < x.shape[1]",
            "row < x.shape[0]",
        ),
        ("transpose", "second guard dropped", OUT_OF_BOUNDS, "row < out.shape[0] and column < out.shape[1]", "True"),
        (
            "transpose",
            "guard in the wrong order",
            OUT_OF_BOUNDS,
            "row < x.shape[0] and column < x.shape[1]",
            "row < x.shape[1] and column < x.shape[0]",
        ),
        (
            "transpose",
            "tile not transposed",
            UNINITIALISED,
            "tile[cuda.threadIdx.x, cuda.threadIdx.y]",
            "tile[cuda.threadIdx.y, cuda.threadIdx.x]",
        ),
        ("transpose", "tile too small", OUT_OF_BOUNDS, "(8, 9)", "(8, 7)"),
        ("transpose", "tile larger than shared memory", LIMIT, "(8, 9)", "(128, 97)"),
        # --- softmax
        ("softmax", "barrier after the maxima dropped", RACE, "cuda.syncthreads()  # maxima stored", "pass"),
        (
            "softmax",
            "barrier between steps of the maximum dropped",
            RACE,
            "cuda.syncthreads()  # of the maximum's steps",
            "pass",
        ),
        ("softmax", "memory reused while others read it", RACE, "cuda.syncthreads()  # the maximum is read", "pass"),
        ("softmax", "barrier after the sums dropped", RACE, "cuda.syncthreads()  # sums stored", "pass"),
        (
            "softmax",
            "barrier between steps of the sum dropped",
            RACE,
            "cuda.syncthreads()  # of the sum's steps",
            "pass",
        ),
        (
            "softmax",
            "barrier within the branch",
            BARRIER,
            "        cuda.syncthreads()  # of the sum's steps",
            "            cuda.syncthreads()",
        ),
        ("softmax", "step reaches beyond the block", OUT_OF_BOUNDS, "step = THREADS // 2", "step = THREADS"),
        ("softmax", "all threads take part in each step", OUT_OF_BOUNDS, "if t < step:", "if t <= THREADS:"),
        ("softmax", "threads of the last step disagree", RACE, "if t < step:", "if t <= step:"),
        ("softmax", "step never shrinks", RUNAWAY, "step //= 2", "step //= 1"),
        (
            "softmax",
            "columns start at zero for all",
            WRONG,
            "total = np.float32(0)\n    for c in range(t,",
            "total = np.float32(0)\n    for c in range(0,",
        ),
        (
            "softmax",
            "last columns missing",
            UNWRITTEN,
            "out[row, c] = math.exp(x[row, c] - top) / part[0]",
            "out[row, t] = math.exp(x[row, t] - top) / part[0]",
        ),
        ("softmax", "maximum starts too high", WRONG, "top = np.float32(-math.inf)", "top = np.float32(500)"),
        (
            "softmax",
            "shared memory for half the threads",
            OUT_OF_BOUNDS,
            "cuda.shared.array(THREADS,",
            "cuda.shared.array(32,",
        ),
        # --- rms_norm
        ("rms_norm", "barrier dropped", RACE, "    cuda.syncthreads()\n", ""),
        ("rms_norm", "mask of half a warp", INACTIVE_LANES, "FULL = 0xFFFFFFFF", "FULL = 0x0000FFFF"),
        ("rms_norm", "mask without the last lane", INACTIVE_LANES, "FULL = 0xFFFFFFFF", "FULL = 0x7FFFFFFF"),
        (
            "rms_norm",
            "shuffle within a branch",
            INACTIVE_LANES,
            "    squares = warp_sum(squares)",
            "    if t < 100:\n        squares = warp_sum(squares)",
        ),
        (
            "rms_norm",
            "shuffle within a ragged loop",
            INACTIVE_LANES,
            "        squares += x[row, e] * x[row, e]",
            "        squares += warp_sum(x[row, e] * x[row, e])",
        ),
        (
            "rms_norm",
            "early return before the barrier",
            INACTIVE_LANES,
            "    squares = np.float32(0)\n",
            "    squares = np.float32(0)\n    if t >= 100:\n        return\n",
        ),
        (
            "rms_norm",
            "every lane stores the warp's sum",
            OUT_OF_BOUNDS,
            "if t % 32 == 0:\n        of_warps[t // 32]",
            "if True:\n        of_warps[t]",
        ),
        ("rms_norm", "sums of warps that are not there", OUT_OF_BOUNDS, "for warp in range(4)", "for warp in range(8)"),
        ("rms_norm", "one warp does not store its sum", UNINITIALISED, "if t % 32 == 0:", "if t % 64 == 0:"),
        ("rms_norm", "sum without the last step", WRONG, "(16, 8, 4, 2, 1)", "(16, 8, 4, 2)"),
        (
            "rms_norm",
            "a block that is no whole number of warps",
            INACTIVE_LANES,
            "rms_norm[x.shape[0], THREADS]",
            "rms_norm[x.shape[0], THREADS - 16]",
        ),
        # --- matmul
        ("matmul", "barrier after loading dropped", RACE, "cuda.syncthreads()  # the tiles are complete", "pass"),
        (
            "matmul",
            "barrier after the products dropped",
            RACE,
            "cuda.syncthreads()  # every thread has read them",
            "pass",
        ),
        (
            "matmul",
            "tile of a not filled with zeros",
            UNUSED,
            "        tile_a[y, x] = np.float32(0)\n        if row",
            "        if row",
        ),
        ("matmul", "tile of b not filled with zeros", UNUSED, "        tile_b[y, x] = np.float32(0)\n", ""),
        (
            "matmul",
            "guard of a without the width",
            OUT_OF_BOUNDS,
            "row < a.shape[0] and start + x < a.shape[1]",
            "row < a.shape[0]",
        ),
        (
            "matmul",
            "guard of b without the height",
            OUT_OF_BOUNDS,
            "start + y < b.shape[0] and column < b.shape[1]",
            "column < b.shape[1]",
        ),
        (
            "matmul",
            "guard of the result dropped",
            OUT_OF_BOUNDS,
            "if row < out.shape[0] and column < out.shape[1]:",
            "if True:",
        ),
        ("matmul", "last tile missing", WRONG, "range(0, a.shape[1], TILE)", "range(0, a.shape[1] - TILE, TILE)"),
        (
            "matmul",
            "products only for threads inside",
            UNINITIALISED,
            "    for start in range",
            "    if row >= out.shape[0] or column >= out.shape[1]:\n        return\n    for start in range",
        ),
        (
            "matmul",
            "row and column exchanged",
            UNWRITTEN,
            "column, row = cuda.grid(2)",
            "row, column = cuda.grid(2)",
        ),
        ("matmul", "products run one too far", OUT_OF_BOUNDS, "for k in range(TILE)", "for k in range(TILE + 1)"),
        # --- scan
        (
            "scan",
            "one buffer instead of two",
            RACE,
            "sums[1 - source, t] = value\n        source = 1 - source",
            "sums[source, t] = value",
        ),
        ("scan", "barrier between steps dropped", RACE, "cuda.syncthreads()  # of the steps", "pass"),
        ("scan", "first barrier dropped", RACE, "cuda.syncthreads()  # first buffer filled", "pass"),
        ("scan", "guard of the step dropped", NEGATIVE, "if t >= step:", "if True:"),
        ("scan", "buffers are not exchanged", UNINITIALISED, "sums[0, t] = x[i]", "sums[1, t] = x[i]"),
        # --- histogram
        ("histogram", "counted without atomics", RACE, "cuda.atomic.add(counts, x[i], 1)", "counts[x[i]] += 1"),
        ("histogram", "added up without atomics", RACE, "cuda.atomic.add(out, t, counts[t])", "out[t] += counts[t]"),
        ("histogram", "counters never set to zero", UNINITIALISED, "counts[t] = 0", "pass"),
        ("histogram", "first barrier dropped", RACE, "cuda.syncthreads()  # counters are zero", "pass"),
        ("histogram", "second barrier dropped", RACE, "cuda.syncthreads()  # all is counted", "pass"),
        ("histogram", "one bin too few", OUT_OF_BOUNDS, "cuda.shared.array(16,", "cuda.shared.array(15,"),
        # --- stencil
        ("stencil", "barrier dropped", RACE, "    cuda.syncthreads()\n", ""),
        (
            "stencil",
            "left neighbour not loaded",
            UNINITIALISED,
            "        near[0] = x[i - 1] if i > 0 else np.float32(0)",
            "        pass",
        ),
        ("stencil", "guard at the left end dropped", NEGATIVE, "x[i - 1] if i > 0 else np.float32(0)", "x[i - 1]"),
        ("stencil", "no room for the neighbours", OUT_OF_BOUNDS, "cuda.shared.array(34,", "cuda.shared.array(32,"),
        (
            "stencil",
            "barrier for some threads only",
            BARRIER,
            "    cuda.syncthreads()",
            "    if i < x.size:\n        cuda.syncthreads()",
        ),
        ("stencil", "in place across blocks", RACE, "smooth[3, BLOCK](x, out)", "smooth[3, BLOCK](out, out)"),
        # --- block_sum
        ("block_sum", "syncwarp dropped: warps are trusted", RACE, "cuda.syncwarp()  # 32 are left", "pass"),
        ("block_sum", "syncwarp between read and write dropped", RACE, "cuda.syncwarp()  # read", "pass"),
        ("block_sum", "syncwarp after the write dropped", RACE, "cuda.syncwarp()  # written", "pass"),
        (
            "block_sum",
            "syncwarp where a barrier is needed",
            RACE,
            "cuda.syncthreads()  # 64 are left",
            "cuda.syncwarp()",
        ),
        (
            "block_sum",
            "syncwarp within the branch",
            INACTIVE_LANES,
            "                value += part[t + step]\n            cuda.syncwarp()  # read",
            "                value += part[t + step]\n                cuda.syncwarp()",
        ),
        ("block_sum", "barrier within the branch", BARRIER, "cuda.syncwarp()  # 32 are left", "cuda.syncthreads()"),
        # --- argmax
        ("argmax", "barrier after the candidates dropped", RACE, "cuda.syncthreads()  # candidates stored", "pass"),
        ("argmax", "barrier between steps dropped", RACE, "cuda.syncthreads()  # of the steps", "pass"),
        ("argmax", "the last of several", WRONG, "place[t + step] < place[t]", "place[t + step] > place[t]"),
        (
            "argmax",
            "every thread stores the result too early",
            RACE,
            "    if t == 0:\n        out[row] = place[0]",
            "    out[row] = place[t]",
        ),
        # --- attention
        ("attention", "barrier dropped", RACE, "    cuda.syncthreads()  # scores are complete\n", ""),
        ("attention", "dynamic shared memory forgotten", LIMIT, "[4, THREADS, 0, 4 * k.shape[0]]", "[4, THREADS]"),
        ("attention", "dynamic shared memory in elements, not bytes", OUT_OF_BOUNDS, "4 * k.shape[0]]", "k.shape[0]]"),
        (
            "attention",
            "keys beyond one warp are missing",
            UNINITIALISED,
            "for s in range(t, length, THREADS):\n        score",
            "for s in range(t, THREADS, THREADS):\n        score",
        ),
        (
            "attention",
            "width beyond one warp is missing",
            UNWRITTEN,
            "for d in range(t, width, THREADS)",
            "for d in range(t, THREADS, THREADS)",
        ),
        ("attention", "key head is the query's head", OUT_OF_BOUNDS, "k[s, head // group, d]", "k[s, head, d]"),
        # --- embedding
        ("embedding", "stride one too long", UNWRITTEN, "cuda.gridsize(1)", "cuda.gridsize(1) + 1"),
        ("embedding", "width of the ids", OUT_OF_BOUNDS, "i // width, i % width", "i % width, i // width"),
        ("embedding", "one row too many", OUT_OF_BOUNDS, "total = ids.size * width", "total = (ids.size + 1) * width"),
        ("embedding", "last row missing", UNWRITTEN, "total = ids.size * width", "total = (ids.size - 1) * width"),
        # --- compaction
        ("compaction", "places without the atomic", RACE, "cuda.atomic.add(count, 0, cuda.popc(kept))", "count[0]"),
        ("compaction", "place not shared with the warp", RACE, "    start = cuda.shfl_sync(FULL, start, 0)\n", ""),
        (
            "compaction",
            "vote within the guard",
            INACTIVE_LANES,
            "    kept = cuda.ballot_sync(FULL, keeps)",
            "    kept = 0\n    if i < x.size:\n        kept = cuda.ballot_sync(FULL, keeps)",
        ),
        ("compaction", "own place counted", OUT_OF_BOUNDS, "(1 << lane) - 1", "(2 << lane) - 1"),
        # --- register tiles
        ("register_tiles", "local sums not set to zero", UNINITIALISED, "sums[i, j] = np.float32(0)", "pass"),
        (
            "register_tiles",
            "half a tile is not loaded",
            UNINITIALISED,
            "tile_a[y + 8 * half, x] = a[top + y + 8 * half, start + x]",
            "tile_a[y, x] = a[top + y, start + x]",
        ),
        (
            "register_tiles",
            "barrier after the products dropped",
            RACE,
            "cuda.syncthreads()  # every thread has read them",
            "pass",
        ),
        (
            "register_tiles",
            "tile_b loaded with the wrong stride",
            RACE,
            "tile_b[y, x + 8 * half]",
            "tile_b[y, x + 4 * half]",
        ),
        # --- dot
        ("dot", "added up without an atomic", RACE, "cuda.atomic.add(out, 0, total)", "out[0] += total"),
        ("dot", "barrier dropped", RACE, "    cuda.syncthreads()\n", ""),
        ("dot", "the loop stands still", RUNAWAY, "i += cuda.gridsize(1)", "i += 0"),
        ("dot", "stride of the block", WRONG, "i += cuda.gridsize(1)", "i += cuda.blockDim.x"),
        # --- pipeline
        ("pipeline", "wait dropped", RACE, "        wait_copies(1)\n", ""),
        ("pipeline", "waits for a group too few", RACE, "wait_copies(1)", "wait_copies(2)"),
        ("pipeline", "copies are never committed", RACE, "    commit_copies()\n", ""),
        ("pipeline", "barrier after the wait dropped", RACE, "        cuda.syncthreads()", "        pass"),
        (
            "pipeline",
            "wait after the barrier",
            RACE,
            "        wait_copies(1)\n        cuda.syncthreads()",
            "        cuda.syncthreads()\n        wait_copies(1)",
        ),
        ("pipeline", "a copy into what others still read", RACE, "number + 2, tile", "number + 3, tile"),
        ("pipeline", "target misaligned", MISALIGNED, "TILE + 4 * t, x", "TILE + 4 * t + 1, x"),
        ("pipeline", "tile without an alignment", MISALIGNED, ", alignment=16", ""),
        ("pipeline", "source misaligned", MISALIGNED, "row * length + start, left", "row * length + start - 2, left"),
        ("pipeline", "reads beyond the source", OUT_OF_BOUNDS, "start, left)", "start, 4)"),
    )
]
