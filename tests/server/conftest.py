"""A running server with the shipped model."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("starlette")
import uvicorn

from llaisys_mini import load_model
from llaisys_mini.cli.serve import MANY_TEXTS, warm_up
from llaisys_mini.server.app import Limits, make_app


@pytest.fixture(scope="session")
def model():
    """With its kernels compiled, so that no request has to wait for that."""
    shipped = load_model("mini")
    warm_up(shipped, MANY_TEXTS)
    return shipped


@contextmanager
def serving(model, **options):
    """The base URL of a server, and its worker. options: of make_app."""
    app = make_app(model, "mini", **options)
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", app.state.worker
        finally:
            server.should_exit = True
            thread.join()


def until(condition, seconds=300):
    """Wait until the condition holds; a machine under load may take its time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def server(model):
    limits = Limits(body=50_000, seconds=5.0, waiting=40)
    with serving(model, limits=limits, engine_options=dict(pages=600, max_texts=8)) as running:
        yield running


@pytest.fixture
def url(server):
    return server[0]


@pytest.fixture
def worker(server):
    return server[1]
