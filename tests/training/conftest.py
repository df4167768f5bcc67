"""Fixtures of the tests of both trainings."""

import sys

import numba
import pytest


@pytest.fixture
def one_thread(monkeypatch):
    """So little work is done faster by one thread, above all beside other processes. Processes started count too."""
    torch = sys.modules.get("torch")
    before = numba.get_num_threads(), torch and torch.get_num_threads()
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    numba.set_num_threads(1)
    if torch:
        torch.set_num_threads(1)
    yield
    numba.set_num_threads(before[0])
    if torch:
        torch.set_num_threads(before[1])
