"""`llaisys-mini serve`: answer over HTTP, as OpenAI's API does."""

import socket
import time
from functools import partial

import click

from llaisys_mini.cli.options import device_option, dtype_option, engine_options, guesser_for, load, model_option

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@click.command()
@model_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--api-key", envvar="LLAISYS_MINI_API_KEY", help="What clients send as bearer token.")
@click.option("--name", default=None, help="Of the model, as clients ask for it. Default: as --model.")
@click.option("--kernels", default="", help="student, solutions, plain, expert or reference.")
@device_option
@dtype_option
@click.option("--pages", type=click.IntRange(1), default=None, help="Of the KV cache, 16 tokens each. Default: 1024.")
@click.option(
    "--max-rows",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="Rows of a step at most (vLLM: max-num-batched-tokens).",
)
@click.option(
    "--max-texts",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Texts in work at a time (vLLM: max-num-seqs).",
)
@engine_options
def serve(model, host, port, api_key, name, pages, max_rows, max_texts, **options):
    """Serve a model over HTTP: /v1/chat/completions, /v1/completions, a chat page at /, the engine at /engine."""
    from llaisys_mini.errors import UserError

    if host not in _LOOPBACK and not api_key:
        raise UserError(
            f"--host {host} lets other machines in: give a key that they have to send, --api-key, or leave --host out"
        )
    try:
        import uvicorn

        from llaisys_mini.server.app import LOOPBACK, make_app
    except ImportError as missing:
        raise UserError(f"{missing}: pip install 'llaisys_mini[serve]'") from None
    allow_many_connections()
    listener = _listening(host, port)  # before the model is loaded, so that an address that is taken is said at once
    start = time.perf_counter()
    loaded = load(dict(options, model=model))
    guesser = guesser_for(loaded, options, _PAGES)
    engine = dict(
        max_rows=max_rows,
        max_texts=max_texts,
        pages=pages or _PAGES,
        guesser=guesser,
        capture=options["capture"],
    )
    app = make_app(loaded, name or model, engine, api_key=api_key, hosts=LOOPBACK if host in _LOOPBACK else None)
    warm_up(loaded, ONE_TEXT)
    app.state.worker.when_idle(partial(warm_up, loaded, MANY_TEXTS))
    shown = f"[{host}]" if ":" in host else host
    port = listener.getsockname()[1]
    click.echo(f"ready after {time.perf_counter() - start:.1f} s: http://{shown}:{port}/  (Ctrl-C ends it)", err=True)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5, server_header=False)
    uvicorn.Server(config).run(sockets=[listener])


ONE_TEXT, MANY_TEXTS = [9], [1, 9]
"""Tokens of prompts that need the kernels for one text, for many."""

_PAGES = 1024
_MOST_OPEN = 1 << 16  # descriptors


def _listening(host, port):
    """A socket at this address. Whoever connects before the model is loaded waits for it. Raises UserError."""
    from llaisys_mini.errors import UserError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as problem:
        reason = str(problem.strerror).partition(" (while")[0]  # Python names the address a second time
        raise UserError(
            f"cannot listen at {host}:{port}: {reason}. Another port is chosen with --port, another address with --host"
        ) from None


def allow_many_connections():
    """Each connection takes a file descriptor, of which a process may often open 1,024 only, though the system would
    give it more; without one left nobody can connect."""
    try:
        import resource
    except ImportError:  # Windows, which knows no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def warm_up(model, lengths):
    """Have the kernels compiled, or loaded, that prompts of these lengths need, written together."""
    from llaisys_mini.text.sampling import SamplingParams

    engine = model.engine(pages=8)
    for length in lengths:
        engine.add([0] * length, SamplingParams(max_new_tokens=3), stop_ids=())
    while engine.is_busy:
        engine.step()
