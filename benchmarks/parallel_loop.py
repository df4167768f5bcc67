"""What starting a parallel loop costs, for each thread pool that Numba has here: `python -m benchmarks.parallel_loop`.

Numba takes one pool per process, so each is measured in a process of its own, in turn, several times over.
"""

import statistics
import subprocess
import sys
import time

LAYERS = ("omp", "tbb", "workqueue")
LOOPS = 500


def measure(layer: str) -> float:
    """Microseconds per parallel loop over a handful of numbers, the median of nine samples."""
    import numba
    import numpy as np

    numba.config.THREADING_LAYER = layer

    @numba.njit(parallel=True)
    def increment(x):
        for i in numba.prange(x.size):
            x[i] += 1

    x = np.zeros(16)
    increment(x)
    samples = []
    for _ in range(9):
        start = time.perf_counter()
        for _ in range(LOOPS):
            increment(x)
        samples.append((time.perf_counter() - start) / LOOPS * 1e6)
        time.sleep(0.01)
    return statistics.median(samples)


def main() -> None:
    found: dict[str, list[float]] = {layer: [] for layer in LAYERS}
    for _ in range(3):
        for layer in LAYERS:
            run = subprocess.run([sys.executable, "-m", __spec__.name, layer], capture_output=True, text=True)
            if run.returncode == 0:
                found[layer].append(float(run.stdout))
    for layer, samples in found.items():
        if samples:
            print(f"{layer:10} {statistics.median(samples):6.1f} us per loop")
        else:
            print(f"{layer:10} not installed")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(sys.argv[1]))
    else:
        main()
