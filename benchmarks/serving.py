"""Many texts at once: tokens per second of the engine at batch 1, 4, 16 and 32, and of any server with OpenAI's API.

    python -m benchmarks.serving                                   # the engine, on the shipped model
    python -m benchmarks.serving --layers 4                        # Qwen3-0.6B's shape, random weights, 4 of its layers
    python -m benchmarks.serving --url http://127.0.0.1:8000/v1 --url http://127.0.0.1:8001/v1 --served mini

With addresses each server is asked for the same texts through HTTP, in turn, so that ours and vLLM can be compared in
one run; start both with the same number of threads. Every text has a prompt of its own and is written to the same
length. A ratio is formed within each round, where both saw the same machine; told are medians and the smallest and
largest of them.
"""

import json
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks import random_model
from benchmarks.tables import markdown_table, number

PROMPT = 16  # tokens


def engine_run(model, count: int, capture: bool, batch: int) -> float:
    """Tokens per second of `batch` texts, from after their prompts were read. capture: whether steps are replayed."""
    from llaisys_mini.text.sampling import SamplingParams

    rng = np.random.default_rng(batch)
    engine = model.engine(pages=batch * (-(-(PROMPT + count) // 16) + 1), max_texts=batch, capture=capture)
    for _ in range(batch):
        ids = rng.integers(1, model.config.vocab_size, size=PROMPT)
        engine.add(ids, SamplingParams(max_new_tokens=count), stop_ids=())
    while any(request.missing > 1 for request in (*engine.scheduler.waiting, *engine.scheduler.running)):
        engine.step()
    written, start = engine.counts.written, time.perf_counter()
    while engine.is_busy:
        engine.step()
    return (engine.counts.written - written) / (time.perf_counter() - start)


def server_run(url: str, served: str, count: int, batch: int) -> float:
    """Tokens per second of `batch` requests that are sent at once, until the last is answered."""

    def ask(number: int) -> None:
        body = dict(
            model=served,
            prompt=[(7 * number + 13 * i) % 1000 + 1 for i in range(PROMPT)],
            max_tokens=count,
            temperature=0,
            ignore_eos=True,
        )
        request = urllib.request.Request(
            f"{url}/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            written.append(json.load(response)["usage"]["completion_tokens"])

    written: list[int] = []
    threads = [threading.Thread(target=ask, args=[number]) for number in range(batch)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(written) / (time.perf_counter() - start)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model", default="mini", help="Folder or 'mini'.")
@click.option("--layers", type=click.IntRange(1, 28), help="Qwen3-0.6B's shape with so many layers, random weights.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("build/benchmarks/serving"), show_default=True)
@click.option("--url", "urls", multiple=True, help="A server to ask; the first is ours, to which others are compared.")
@click.option("--served", default="mini", show_default=True, help="The model's name there.")
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=(1, 4, 16, 32), show_default=True)
@click.option("--count", type=click.IntRange(2), default=150, show_default=True, help="Tokens of a text.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--capture/--no-capture", default=True, help="Whether the engine replays steps or makes each call.")
def main(model, layers, folder, urls, served, batches, count, rounds, capture):
    """Tokens per second at several batch sizes."""
    runs: dict[str, Callable[[int], float]] = {}
    for url in urls:
        runs[url] = partial(server_run, url, served, count)
    if not urls:
        from llaisys_mini import load_model

        if layers is not None:
            config = random_model.QWEN3_06B | {"num_hidden_layers": layers}
            model = random_model.checkpoint(folder / f"{layers}-layers", config)
        loaded = load_model(model)
        runs["engine"] = partial(engine_run, loaded, count, capture)
    for run in runs.values():  # compiles
        for batch in batches:
            run(batch)
    rates: dict[tuple[str, int], list[float]] = {(name, batch): [] for name in runs for batch in batches}
    for each in range(rounds):
        for batch in batches:
            for name in list(runs)[:: 1 if each % 2 else -1]:
                rates[name, batch].append(runs[name](batch))
    first = next(iter(runs))
    rows = []
    for name in runs:
        for batch in batches:
            own = rates[name, batch]
            row = [name, str(batch), number(statistics.median(own))]
            row.append(_ratio(own, rates[name, batches[0]]))
            if len(runs) > 1:
                row.append(_ratio(rates[first, batch], own))
            rows.append(row)
    head = ["", "texts", "tokens/s", f"against {batches[0]}", *(["first against this"] if len(runs) > 1 else [])]
    click.echo("\n".join(markdown_table(head, rows)))


def _ratio(mine: list[float], other: list[float]) -> str:
    ratios = [a / b for a, b in zip(mine, other, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    main()
