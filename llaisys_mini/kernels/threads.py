"""Which thread pool the kernels' parallel loops run on, and how its threads wait: chosen once, for all kernels.

OpenMP starts a parallel loop in 3 to 6 microseconds where Numba's own work queue takes about 30 (two threads, measured
by benchmarks/parallel_loop.py), because its threads wait a little before they go to sleep. A decoder starts some
hundred loops per token. TBB comes second: Numba itself would take it first wherever it is installed.

GNU's OpenMP waits for 300,000 spins (8 ms at 26 ns each). Beside one busy process on two cores a token of Qwen3-0.6B's
shape then takes 157 ms, with 2000 spins 76 ms; on a quiet machine the two differ by less than runs do (a tenth). 1000
spins give 67 ms, but on a quiet machine threads then fall asleep between loops more often. LLVM's OpenMP keeps its own
policy: shortening its KMP_BLOCKTIME (tried on Linux, with LLVM 14) gave nothing, or made it much slower beside others.
"""

import os

SPINS = "2000"
"""How often a waiting thread of GNU's OpenMP looks before it sleeps; about 50 microseconds."""

_POOL_CHOSEN = {"NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"}
_WAITING_CHOSEN = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}


def choose_thread_pool() -> None:
    """Have Numba take OpenMP where there is one, and GNU's OpenMP spin SPINS times before its threads sleep.

    Nothing is chosen where the environment says otherwise. OpenMP reads its variables when it is loaded, which Numba
    does at the first parallel loop; a program that loads it earlier, such as by importing torch, keeps its defaults.
    """
    import numba

    if _POOL_CHOSEN & os.environ.keys():
        return
    numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
    if not _WAITING_CHOSEN & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPINS
