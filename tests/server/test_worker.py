"""The engine's thread prepares what it may need later while nobody waits, and a failure of that harms nothing."""

import threading

from llaisys_mini.server.metrics import Metrics
from llaisys_mini.server.worker import Worker


def test_idle_time_is_used_in_order_and_a_failure_is_only_told(model, monkeypatch, caplog):
    monkeypatch.setattr("llaisys_mini.server.worker._IDLE", 0.05)
    worker, done = Worker(model.engine(pages=8), Metrics("mini"), 4), threading.Event()

    def fail():
        raise RuntimeError("no room")

    worker.when_idle(fail)
    worker.when_idle(done.set)
    worker.start()
    try:
        assert done.wait(10)
        assert caplog.messages == ["no room"]
        assert worker.is_alive
    finally:
        worker.stop()


def test_what_is_asked_comes_first(model, monkeypatch):
    monkeypatch.setattr("llaisys_mini.server.worker._IDLE", 0.3)
    worker, order, done = Worker(model.engine(pages=8), Metrics("mini"), 4), [], threading.Event()
    worker.when_idle(lambda: (order.append("idle"), done.set()))
    worker.start()
    try:
        for number in range(3):
            worker.command(lambda _, number=number: order.append(number))
        assert done.wait(10)
        assert order == [0, 1, 2, "idle"]
    finally:
        worker.stop()
