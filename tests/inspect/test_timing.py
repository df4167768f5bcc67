"""Timing: per call, without the first, and blind to time spent asleep."""

import itertools
import time

import pytest

from llaisys_mini.inspect.timing import seconds


def test_the_time_is_that_of_one_call_and_the_first_does_not_count():
    calls = []

    def work(slow_first):
        deadline = time.thread_time() + (0.1 if slow_first and not calls else 0.002)
        calls.append(deadline)
        while time.thread_time() < deadline:
            pass

    assert 0.0019 < seconds(work, True, repeats=3) < 0.02


def test_quick_work_is_repeated_within_a_round():
    calls, ticks = [], itertools.count()
    per_call = seconds(calls.append, 1, repeats=2, clock=lambda: 1e-6 * next(ticks))  # each look takes a microsecond
    assert per_call == pytest.approx(1e-9, rel=0.01)
    assert len(calls) == pytest.approx(2 * 1000, rel=0.01)


def test_waiting_counts_on_the_wall_clock_only():
    assert seconds(time.sleep, 0.01, repeats=1) < 0.005
    assert seconds(time.sleep, 0.01, repeats=1, clock=time.perf_counter) > 0.0099
