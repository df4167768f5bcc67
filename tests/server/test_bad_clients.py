"""Clients that leave, stall, send half a request or garbage: their pages are free at once, and nobody else notices."""

import http.client
import json
import socket
import threading

import pytest

from llaisys_mini.cli.serve import allow_many_connections
from tests.server.conftest import serving, until

LONG = json.dumps(
    {"model": "mini", "prompt": "Once upon a time", "max_tokens": 2000, "ignore_eos": True, "stream": True}
)


def address(url):
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def post(url, body, path="/v1/completions", **headers):
    connection = http.client.HTTPConnection(*address(url), timeout=300)
    connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
    return connection, connection.getresponse()


def ask(url):
    """A short request that has to be answered as ever."""
    connection, response = post(
        url, json.dumps({"model": "mini", "prompt": "The fox", "max_tokens": 3, "temperature": 0})
    )
    answer = json.loads(response.read())
    connection.close()
    return answer["choices"][0]["text"]


@pytest.fixture(autouse=True)
def nobody_else_notices(url, worker):
    before = ask(url)
    yield
    assert ask(url) == before
    until(lambda: not worker.engine.is_busy)
    assert worker.engine.cache.pool.in_use == 0
    assert not worker._texts


def test_one_that_leaves_amid_a_stream(url, worker):
    connection, response = post(url, LONG)
    response.readline()
    steps = worker.engine.counts.steps
    connection.sock.close() if connection.sock else response.close()
    response.close()
    until(lambda: not worker.engine.is_busy)
    assert worker.engine.counts.steps - steps < 1000, "it was given up long before its 2000 tokens"


def test_one_that_leaves_while_it_waits_for_a_whole_answer(url, worker):
    body = LONG.replace('"stream": true', '"stream": false').encode()
    with socket.create_connection(address(url)) as raw:
        raw.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        raw.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        until(lambda: worker.engine.is_busy)
    until(lambda: not worker.engine.is_busy)


def test_one_that_never_reads_its_stream(url, worker):
    with socket.create_connection(address(url)) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        body = LONG.encode()
        raw.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        raw.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        until(lambda: worker.engine.is_busy)
        assert ask(url), "others are answered meanwhile"


def test_half_a_request(url):
    with socket.create_connection(address(url)) as raw:
        raw.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        raw.sendall(b'Content-Length: 100\r\n\r\n{"model": ')
        assert ask(url)
        assert b" 408 " in raw.recv(4096).split(b"\r\n")[0]
    with socket.create_connection(address(url)) as raw:
        raw.sendall(b"POST /v1/compl")
        assert ask(url)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe\x00", 400),
        (b"[" * 40_000, 400),
        (b'"' + b"x" * 60_000 + b'"', 413),
    ],
)
def test_garbage(url, body, status):
    connection, response = post(url, body)
    assert response.status == status
    assert set(json.loads(response.read())["error"]) == {"message", "type", "param", "code"}
    connection.close()


def test_a_body_of_any_length_is_not_read_to_its_end(url):
    def endless():
        while True:
            yield b"x" * 10_000

    connection = http.client.HTTPConnection(*address(url), timeout=300)
    with pytest.raises((ConnectionError, BrokenPipeError)):  # it is cut off
        connection.request(
            "POST", "/v1/completions", endless(), {"Content-Type": "application/json"}, encode_chunked=True
        )
    connection.close()


def test_what_no_browser_page_of_another_site_can_send(url):
    for headers in ({"Content-Type": "text/plain"}, {"Host": "evil.example"}):
        connection, response = post(url, b"{}", **headers)
        assert response.status in (400, 415)
        response.read()
        connection.close()
    connection, response = post(url, LONG, Origin="https://evil.example")
    assert response.headers.get("access-control-allow-origin") is None
    response.close()
    connection.close()


def test_a_full_queue_is_said_and_when_to_come_again(model):
    from llaisys_mini.server.app import Limits

    with serving(model, limits=Limits(waiting=1), engine_options=dict(max_texts=1)) as (url, worker):
        open_ones = [post(url, LONG)]
        until(lambda: worker.engine.scheduler.running)
        open_ones.append(post(url, LONG))
        until(lambda: worker.engine.scheduler.waiting)
        connection, response = post(url, LONG)
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
        assert json.loads(response.read())["error"]["code"] == "queue_full"
        for connection, response in open_ones:
            response.close()
            connection.close()
        until(lambda: not worker.engine.is_busy)


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_many_connections_that_say_nothing_or_little(url, count):
    allow_many_connections()
    idle = [socket.create_connection(address(url)) for _ in range(count)]
    try:
        for each in idle[::2]:
            each.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: 127.0")
        assert ask(url)
    finally:
        for each in idle:
            each.close()


def test_many_that_come_and_leave_at_once(url, worker):
    def leave(number):
        connection, response = post(url, LONG)
        for _ in range(number % 5):
            response.readline()
        response.close()
        connection.close()

    threads = [threading.Thread(target=leave, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: not worker.engine.is_busy)


def test_a_kernel_that_fails_is_said_and_the_next_request_is_answered(url, worker):
    step, failing = worker.engine.step, [True]

    def broken():
        if failing.pop() if failing else False:
            raise RuntimeError("a kernel fails")
        return step()

    worker.engine.step = broken
    try:
        connection, response = post(url, LONG.replace("true", "false"))
        assert response.status == 500
        assert "its log says why" in json.loads(response.read())["error"]["message"]
        connection.close()
    finally:
        worker.engine.step = step
