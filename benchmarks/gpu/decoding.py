"""Decoding with a model of Qwen3-0.6B's shape and random weights: ours with captured steps and without, and the same in
torch as a CUDA graph."""

import time
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from benchmarks.gpu.rows import Clock, Row, each
from benchmarks.tables import NOT_RUN
from llaisys_mini import dtypes
from llaisys_mini.models.shapes import QWEN3_06B, random_decoder

PART = "decode"
CAPTURED, CALLED = (f"ours, Qwen3-0.6B shape, bfloat16, {how}" for how in ("decode captured", "decode call by call"))
PROMPT, TOKENS = 64, 64
ASKED = "1.5 of torch with a CUDA graph"


def rows(no_device: str | None, clock: Clock, reserve: float) -> Iterator[Row]:
    """Tokens per second of ours, with each step captured and with each call made, and of torch."""
    texts: list[list[int]] = []
    works: dict[str, Callable[[], tuple[str, str, dict[str, float | str]]]] = {
        CAPTURED: lambda: _ours(True, texts),
        CALLED: lambda: _ours(False, texts),
        "torch with a CUDA graph, same shape": lambda: ("done", "", _torch()),
    }
    if no_device:
        yield from (Row(PART, name, NOT_RUN, no_device) for name in works)
        return
    yield from each(PART, works, lambda name: [Row(PART, name, *works[name]())], clock, reserve)


def make_model(shape: dict, device: str):
    """A model of this shape with random bfloat16 weights."""
    from llaisys_mini.engine.generate import LanguageModel

    return LanguageModel(*random_decoder(shape, dtypes.bfloat16, device), None, dtypes.bfloat16)


def _ours(
    capture: bool, texts: list[list[int]], shape: dict = QWEN3_06B, device: str = "cuda"
) -> tuple[str, str, dict[str, float | str]]:
    """(result, why, figures) of writing one text by greedy decoding.

    texts: what was written so far, in runs before this one: the same, or something is wrong.
    """
    from llaisys_mini.kernels.choice import use_kernels

    model = _kept_model(device) if shape is QWEN3_06B else make_model(shape, device)
    engine = model.engine(capture=capture)

    def generation(number: int, count: int):  # of texts that begin differently: none is begun with another's pages
        prompt = (np.arange(PROMPT) + number) % shape["vocab_size"]
        return model.generate(prompt, count, temperature=0, engine=engine)

    with use_kernels("expert"):
        for number in range(2):  # kernels are compiled, then steps are captured
            list(generation(number, TOKENS if capture else 4))
            engine.replay.wait()
        before = engine.replay.replayed
        ticks, tokens = [], []
        for token in generation(2, TOKENS):
            ticks.append(time.perf_counter())
            tokens.append(token)
    replayed = engine.replay.replayed - before
    if capture and not replayed:
        return NOT_RUN, f"no step was captured: {engine.replay.given_up or 'none was replayed'}", {}
    texts.append(tokens)
    if tokens != texts[0]:
        return "wrong", "captured steps and single calls do not write the same text", {}
    figures: dict[str, float | str] = {"tokens/s": (len(ticks) - 1) / (ticks[-1] - ticks[0])}
    if capture:
        figures |= {"steps replayed": replayed, "asked": f"at least {ASKED}"}
    return "done", "", figures


@cache
def _kept_model(device: str):
    return make_model(QWEN3_06B, device)


def _torch() -> dict[str, float | str]:
    import torch
    from torch.nn import functional

    s, capacity = QWEN3_06B, PROMPT + TOKENS
    heads, kv_heads, width = s["num_attention_heads"], s["num_key_value_heads"], s["head_dim"]

    def weight(*shape):
        return 0.02 * torch.randn(*shape, device="cuda", dtype=torch.bfloat16)

    table = weight(s["vocab_size"], s["hidden_size"])
    ones, head_ones = (torch.ones(n, device="cuda", dtype=torch.bfloat16) for n in (s["hidden_size"], width))
    layers = [
        dict(
            qkv=weight((heads + 2 * kv_heads) * width, s["hidden_size"]),
            output=weight(s["hidden_size"], heads * width),
            gate_up=weight(2 * s["intermediate_size"], s["hidden_size"]),
            down=weight(s["hidden_size"], s["intermediate_size"]),
            keys=torch.zeros(1, kv_heads, capacity, width, device="cuda", dtype=torch.bfloat16),
            values=torch.zeros(1, kv_heads, capacity, width, device="cuda", dtype=torch.bfloat16),
        )
        for _ in range(s["num_hidden_layers"])
    ]
    speeds = s["rope_theta"] ** (-torch.arange(0, width, 2, device="cuda") / width)
    token = torch.zeros(1, device="cuda", dtype=torch.int64)
    position = torch.full((1,), PROMPT, device="cuda", dtype=torch.int64)
    places = torch.arange(capacity, device="cuda")

    def norm(x, weights):
        return functional.rms_norm(x, weights.shape, weights, 1e-6)

    def step():
        angle = position * speeds
        cos, sin = angle.cos().bfloat16(), angle.sin().bfloat16()

        def rotated(x):
            first, second = x.chunk(2, dim=-1)
            return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)

        visible = (places <= position)[None, None, None]
        x = functional.embedding(token, table)
        for layer in layers:
            mixed = functional.linear(norm(x, ones), layer["qkv"]).view(1, heads + 2 * kv_heads, 1, width)
            q, k, v = mixed.split([heads, kv_heads, kv_heads], dim=1)
            q, k = rotated(norm(q, head_ones)), rotated(norm(k, head_ones))
            layer["keys"].index_copy_(2, position, k)
            layer["values"].index_copy_(2, position, v)
            seen = functional.scaled_dot_product_attention(
                q, layer["keys"], layer["values"], attn_mask=visible, enable_gqa=True
            )
            x = x + functional.linear(seen.reshape(1, heads * width), layer["output"])
            gate, up = functional.linear(norm(x, ones), layer["gate_up"]).chunk(2, dim=-1)
            x = x + functional.linear(functional.silu(gate) * up, layer["down"])
        token.copy_(functional.linear(norm(x, ones), table).argmax(dim=-1))
        position.add_(1)

    with torch.inference_mode():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        position.fill_(PROMPT)
        ticks = []
        for _ in range(TOKENS):
            graph.replay()
            token.item()  # as a program that looks at each token does
            ticks.append(time.perf_counter())
    return {"tokens/s": (len(ticks) - 1) / (ticks[-1] - ticks[0])}
