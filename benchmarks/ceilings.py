"""What this machine can do at most, measured in the same run as everything else: the roofline.

    arithmetic    multiply-adds on numbers that never leave the registers, counted as two operations each
    reading       bytes per second of a plain sum over an array: from memory, and from each cache

No work can be faster than both allow: an operator that does F operations on B bytes takes at least
max(F / arithmetic, B / reading). The share of that roofline says what is left to gain, whatever the opponents do.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numba import njit, prange

from benchmarks import machine
from llaisys_mini.cpu.simd import WIDTH, fma, load, splat, total

MEMORY = "memory"
_STEPS = 200_000  # of the arithmetic loop: a tenth of a second would be long, a millisecond is enough
_LEAST_READ = 64 * 2**20  # bytes per call: starting the threads must not count
_CHAINS = 10  # independent sums in `_multiply_add`: more than latency times units of any present CPU asks for


@dataclass(frozen=True)
class Ceilings:
    """For one number of threads. arithmetic: float32 operations per second; reading: bytes per second by where the data
    lie: "memory", or a cache by its name."""

    threads: int
    arithmetic: float
    reading: dict[str, float]

    def least_seconds(self, operations: float, data: float, place: str) -> tuple[float, str]:
        """Shortest possible time for `operations` on `data` bytes that lie in `place`, and what bounds it."""
        bounds = {"arithmetic": operations / self.arithmetic, f"reading from {place}": data / self.reading[place]}
        bound = max(bounds, key=bounds.__getitem__)
        return bounds[bound], bound

    def as_dict(self) -> dict:
        return asdict(self)


def place_of(data: float, threads: int) -> str:
    """Where `data` bytes lie when they are used again and again by `threads` threads. Private caches add up.

    A cache is trusted with three quarters of its size: something else always lies there too.
    """
    for name, size in machine.caches().items():
        shared = name == max(machine.caches())
        if name != "L1" and data <= 0.75 * size * (1 if shared else threads):
            return name
    return MEMORY


def place_of_copies(arrays: Sequence[np.ndarray]) -> str | None:
    """Where arrays lie that are used in turn: in memory, or None where they fit a cache (see place_of)."""
    return MEMORY if sum(array.nbytes for array in arrays) > machine.last_level_cache() else None


def measure(threads: int, seconds: float = 0.5, largest: int | None = None) -> Ceilings:
    """Measure for about `seconds` each. The caller has set the number of threads. `largest`: bytes of the array that
    stands for memory; by default four times the last cache, or an eighth of the free memory if that is less."""
    places = {}
    caches = machine.caches()
    for name, size in caches.items():
        if name == "L1":
            continue
        shared = name == max(caches)
        places[name] = min(size // 2 * (1 if shared else threads), 64 * 2**20)
    places[MEMORY] = largest or min(4 * machine.last_level_cache(), machine.available_memory() // 8)
    numbers = np.ones(places[MEMORY] // 4, np.float32)
    sums = np.empty(threads, np.float32)
    arithmetic = _best(lambda: _all_multiply_add(_STEPS, sums), seconds)
    reading = {}
    for place, size in places.items():
        part, times = numbers[: size // 4], max(1, _LEAST_READ // size)
        reading[place] = size * times / _best(lambda part=part, times=times: _all_sum(part, times, sums), seconds)
    return Ceilings(threads, 2.0 * WIDTH * _CHAINS * _STEPS * threads / arithmetic, reading)


def _best(call, seconds: float) -> float:
    """Seconds of a call at the machine's best: whatever disturbs makes it slower, so the shortest time counts."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@njit(cache=True)
def _multiply_add(steps, seed):
    """`_CHAINS` vectors, each multiplied and added to `steps` times; none waits for another."""
    x, y = splat(np.float32(0.999)), splat(np.float32(seed))
    a, b, c, d, e = y, y, y, y, y
    f, g, h, i, j = y, y, y, y, y
    for _ in range(steps):
        a, b, c, d, e = fma(a, x, y), fma(b, x, y), fma(c, x, y), fma(d, x, y), fma(e, x, y)
        f, g, h, i, j = fma(f, x, y), fma(g, x, y), fma(h, x, y), fma(i, x, y), fma(j, x, y)
    return total(a) + total(b) + total(c) + total(d) + total(e) + total(f) + total(g) + total(h) + total(i) + total(j)


@njit(parallel=True, cache=True)
def _all_multiply_add(steps, sums):
    for thread in prange(sums.size):
        sums[thread] = _multiply_add(steps, thread)


@njit(cache=True)
def _sum(numbers, first, last):
    """Sum of numbers[first:last], eight vectors at a time, so that many reads are under way at once."""
    one = splat(np.float32(1))
    a = b = c = d = e = f = g = h = splat(np.float32(0))
    for k in range(first, last - 8 * WIDTH + 1, 8 * WIDTH):
        a, b = fma(load(numbers, k), one, a), fma(load(numbers, k + WIDTH), one, b)
        c, d = fma(load(numbers, k + 2 * WIDTH), one, c), fma(load(numbers, k + 3 * WIDTH), one, d)
        e, f = fma(load(numbers, k + 4 * WIDTH), one, e), fma(load(numbers, k + 5 * WIDTH), one, f)
        g, h = fma(load(numbers, k + 6 * WIDTH), one, g), fma(load(numbers, k + 7 * WIDTH), one, h)
    return total(a) + total(b) + total(c) + total(d) + total(e) + total(f) + total(g) + total(h)


@njit(parallel=True, cache=True)
def _all_sum(numbers, times, sums):
    share = numbers.size // sums.size
    for thread in prange(sums.size):
        for _ in range(times):
            sums[thread] = _sum(numbers, thread * share, (thread + 1) * share)
