"""`llaisys-mini serve` before it serves: an address that it cannot have, and how many may connect."""

import socket

import pytest
from click.testing import CliRunner

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from llaisys_mini.cli import main
from llaisys_mini.cli.serve import allow_many_connections


def test_an_address_that_is_taken_is_said_before_the_model_is_loaded():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = CliRunner().invoke(main, ["serve", "--model", "no such folder", "--port", str(port)])
    assert outcome.exit_code == 2
    assert f"cannot listen at 127.0.0.1:{port}" in outcome.output and "--port" in outcome.output
    assert "ready after" not in outcome.output


def test_an_address_of_no_machine_is_said():
    outcome = CliRunner().invoke(main, ["serve", "--host", "no.such.host.invalid", "--api-key", "a"])
    assert outcome.exit_code == 2 and "cannot listen at no.such.host.invalid:8000" in outcome.output


def test_as_many_may_connect_as_the_system_lets():
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
        allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(1 << 16, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
