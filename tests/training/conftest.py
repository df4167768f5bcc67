"""Fixtures of the tests of both trainings."""

import os
import sys

import numba
import pytest


@pytest.fixture
def one_thread():
    """So little work is done faster by one thread, above all beside other processes."""
    torch = sys.modules.get("torch")
    before = numba.get_num_threads(), torch and torch.get_num_threads()
    numba.set_num_threads(1)
    if torch:
        torch.set_num_threads(1)
    yield
    numba.set_num_threads(before[0])
    if torch:
        torch.set_num_threads(before[1])


@pytest.fixture
def with_one_thread():
    """The environment of a process that computes with one thread. This process keeps its own: Numba reads the variable
    again whenever it compiles, and refuses another number than the one it has begun with."""
    return dict(os.environ, NUMBA_NUM_THREADS="1")
