"""Which thread pool the kernels' parallel loops run on: one for all of them, chosen once.

OpenMP starts a parallel loop in 3 to 6 microseconds where Numba's own work queue takes about 30 (two threads, measured
by benchmarks/parallel_loop.py), because its threads wait a little before they go to sleep. A decoder starts some
hundred loops per token. TBB comes second: Numba itself would take it first wherever it is installed.
"""

import os


def choose_thread_pool() -> None:
    """Have Numba take OpenMP where there is one, unless NUMBA_THREADING_LAYER or its priority says otherwise."""
    import numba

    if not {"NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"} & os.environ.keys():
        numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
