"""Rows computed alone and in company, by every kernel set, on several threads: do they have the same bits?

Run as a program it is given threads in the environment: `NUMBA_NUM_THREADS=4 python -m tests.kernels.company linear`.
It takes several operators. Further words: `every number of rows`; `every storage` of weights, which is so anyway, or
`float32` alone.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import ml_dtypes
import numba
import numpy as np

from llaisys_mini import operators, use_kernels

ROWS = 70
STORAGES = (np.float32, np.float16, ml_dtypes.bfloat16)
LINEAR = ("linear", "matmul", "linear_int8", "linear_int4")
ATTENTION = ("attention", "sliding_attention")
ROW_BY_ROW = ("rms_norm", "layer_norm", "add_rms_norm", "rope", "rope_scaled", "swiglu", "softmax")

# Inputs, outputs: less than a vector, no multiple of one, several segments, enough for threads.
SHAPES = ((3, 5), (37, 29), (64, 33), (1024, 96), (1600, 131), (3079, 200))


def f32(rng, *shape) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def linear_calls(name: str, shapes=SHAPES, storages=STORAGES) -> Iterator[tuple[str, int, Callable]]:
    """(what, K, function of rows x [N, K] -> result) for shapes of weights in every storage."""
    rng = np.random.default_rng(3)
    operator = operators.get(name)
    for length, outputs in shapes:
        if name == "matmul":
            b = f32(rng, length, outputs)
            yield f"matmul {length} -> {outputs}", length, lambda x, b=b: operator(x, b)
            continue
        for storage in storages:
            if name == "linear":
                weight, bias = f32(rng, outputs, length).astype(storage), f32(rng, outputs).astype(storage)
                what = f"linear {length} -> {outputs}, {storage.__name__}"
                yield what, length, lambda x, w=weight, bias=bias: operator(x, w, bias)
                continue
            width = -(-length // 32) * 32
            for groups in {width // 32} if name == "linear_int4" else {1, width // 32, width // 16}:
                weight = rng.integers(0, 256, size=(outputs, width if name == "linear_int8" else width // 2))
                weight = weight.astype(np.uint8).view(np.int8 if name == "linear_int8" else np.uint8)
                scales, bias = f32(rng, outputs, groups).astype(storage), f32(rng, outputs)
                what = f"{name} {width} -> {outputs} in {groups} groups, {storage.__name__} scales"
                yield what, width, lambda x, w=weight, s=scales, bias=bias: operator(x, w, s, bias)


def rows_of(table: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A row of the table for each row of x, chosen by the row's first number: the same one in any company."""
    return table[x[:, 0].view(np.int32) % len(table)]


def row_calls(name: str) -> Iterator[tuple[str, int, Callable]]:
    """The same for operators that treat each row on its own."""
    rng = np.random.default_rng(4)
    operator = operators.get(name)
    for width in (6, 48, 130, 1024, 2400):
        weight, bias, other = f32(rng, width), f32(rng, width), f32(rng, 4 * ROWS, width)
        places = rng.integers(0, 5000, size=4 * ROWS)
        frequencies = np.abs(weight[: width // 2])
        calls = {
            "rms_norm": lambda x, w=weight: operator(x, w, 1e-6),
            "layer_norm": lambda x, w=weight, b=bias: operator(x, w, b, 1e-5),
            "add_rms_norm": lambda x, w=weight, o=other: np.stack(operator(x, rows_of(o, x), w, 1e-6), 1),
            "rope": lambda x, p=places: operator(x[:, None], rows_of(p, x), 1e4),
            "rope_scaled": lambda x, p=places, f=frequencies: operator(x[:, None], rows_of(p, x), f, 1.3),
            "swiglu": lambda x, o=other: operator(x, rows_of(o, x)),
            "softmax": operator,
        }
        yield f"{name} {width}", width, calls[name]


def attention_calls(name: str, storages=STORAGES) -> Iterator[tuple[str, int, Callable]]:
    """(what, length of the text, function of first and last query -> their results)."""
    rng = np.random.default_rng(5)
    operator = operators.get(name)
    for length, heads, key_heads, width in ((9, 2, 1, 6), (150, 3, 1, 64), (301, 4, 2, 32), (391, 14, 2, 128)):
        for storage in storages:
            q = f32(rng, length, heads, width)
            k, v = (f32(rng, length, key_heads, width).astype(storage) for _ in "kv")
            for window in (None,) if name == "attention" else (5, 128, 200):
                rest = (width**-0.5,) if window is None else (width**-0.5, window)
                what = f"{name} {length} x {heads} ({key_heads}) x {width}, {storage.__name__}, {window}"
                yield what, length, lambda a, b, q=q, k=k, v=v, rest=rest: operator(q[a:b].copy(), k[:b], v[:b], *rest)


def check_pages(threads: Iterable[int], sizes: Iterable[int] = (7, 16)) -> None:
    """Several texts in one call of paged_attention, against each alone in attention or sliding_attention."""
    rng = np.random.default_rng(6)
    texts = [(1, 1), (1, 150), (9, 130), (1, 391), (60, 60), (2, 257)]  # rows, length
    for storage, heads, key_heads, width, window in (
        (np.float32, 3, 1, 6, None),
        (np.float32, 14, 2, 128, None),
        (ml_dtypes.bfloat16, 4, 2, 64, None),
        (np.float32, 4, 2, 64, 40),
    ):
        q = f32(rng, sum(rows for rows, _ in texts), heads, width)
        starts = np.cumsum([0, *(rows for rows, _ in texts)], dtype=np.int32)
        own = [[f32(rng, length, key_heads, width).astype(storage) for _ in "kv"] for _, length in texts]
        lengths = np.array([length for _, length in texts], np.int32)
        alone = [
            with_one_thread("plain", partial(_alone, q[a:b].copy(), *kv, width**-0.5, window))
            for a, b, kv in zip(starts, starts[1:], own, strict=False)
        ]
        for size in sizes:
            pages = [-(-length // size) for _, length in texts]
            order = rng.permutation(sum(pages)).astype(np.int32)
            table = np.zeros((len(texts), max(pages)), np.int32)
            stored = [np.zeros((sum(pages), size, key_heads, width), storage) for _ in "kv"]
            for n, (count, kv) in enumerate(zip(pages, own, strict=True)):
                table[n, :count], order = order[:count], order[count:]
                for target, rows in zip(stored, kv, strict=True):
                    padded = np.zeros((count * size, key_heads, width), storage)
                    padded[: len(rows)] = rows
                    target[table[n, :count]] = padded.reshape(count, size, key_heads, width)
            rest = (table, lengths, starts, width**-0.5, window or 1000)
            for way in in_every_way(threads, ("plain", "expert")):
                found = operators.get("paged_attention")(q, *stored, *rest)
                assert same(found, np.concatenate(alone)), (
                    f"pages of {size}, {storage.__name__}, window {window}, {way}"
                )


def _alone(q, k, v, scale, window):
    if window is None:
        return operators.get("attention")(q, k, v, scale)
    return operators.get("sliding_attention")(q, k, v, scale, window)


def close_together(arrays: list, gap: int) -> list:
    """Copies of the arrays that lie one after the other in memory, `gap` bytes between them; all else as it is."""
    sizes = [-(-a.nbytes // 16) * 16 + gap if isinstance(a, np.ndarray) else 0 for a in arrays]
    memory, copies = np.empty(sum(sizes) + 64, np.uint8), []
    start = -memory.ctypes.data % 64
    for array, size in zip(arrays, sizes, strict=True):
        if isinstance(array, np.ndarray):
            copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
            copy[...] = array
            array = copy
        copies.append(array)
        start += size
    return copies


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()


def in_every_way(threads: Iterable[int], kernel_sets: Iterable[str]) -> Iterator[str]:
    """Put each kernel set in force on each number of threads, in turn."""
    before = numba.get_num_threads()
    for kernel_set in kernel_sets:
        with use_kernels(kernel_set):
            for count in threads:
                numba.set_num_threads(count)
                yield f"{kernel_set}, {count} threads"
    numba.set_num_threads(before)


def with_one_thread(kernel_set: str, call: Callable) -> np.ndarray:
    for _ in in_every_way((1,), (kernel_set,)):
        result = call()
    return result


def check_rows(name: str, counts: Iterable[int], threads: Iterable[int], calls=None) -> None:
    """The first rows of x, `counts` of them, and the last ones, against the same rows among ROWS of them."""
    for what, length, call in calls or (linear_calls(name) if name in LINEAR else row_calls(name)):
        x = f32(np.random.default_rng(length), ROWS, length)
        # All sets have to agree, but for softmax, whose lab uses another exponential.
        for sets in [("plain",), ("expert",)] if name == "softmax" else [("plain", "expert", "solutions")]:
            together = with_one_thread(sets[0], lambda x=x, call=call: call(x))
            for way in in_every_way(threads, sets):
                for n in counts:
                    assert same(call(x[:n].copy()), together[:n]), f"{what}: the first {n} rows, {way}"
                    assert same(call(x[ROWS - n :].copy()), together[ROWS - n :]), f"{what}: the last {n} rows, {way}"


def check_chunks(name: str, sizes: Iterable[int], threads: Iterable[int], storages=STORAGES) -> None:
    """The queries of a text in chunks of every size, each chunk with the keys up to its end."""
    for what, length, call in attention_calls(name, storages):
        together = with_one_thread("plain", lambda length=length, call=call: call(0, length))
        for way in in_every_way(threads, ("plain", "expert", "solutions")):
            for size in sizes:
                parts = [call(a, min(a + size, length)) for a in range(0, length, size)]
                assert same(np.concatenate(parts), together), f"{what}: in chunks of {size}, {way}"


FEW_ROWS = (1, 2, 3, 7, 12, 13, 35, 70)

if __name__ == "__main__":
    words = {"every number of rows", "every storage", "float32"}.intersection(sys.argv)
    names = [word for word in sys.argv[1:] if word not in words]
    assert names and set(names) <= {*LINEAR, *ATTENTION, *ROW_BY_ROW}
    is_whole = "every number of rows" in words
    storages = STORAGES[:1] if "float32" in words else STORAGES
    most = numba.config.NUMBA_NUM_THREADS
    threads = sorted({count for count in (1, 2, 4) if count <= most} | {most})
    for name in names:
        if name in ATTENTION:
            sizes = [1, 2, 3, 7, 13, 48, 64, 128, 130, 1000] if is_whole else [1, 7, 64, 130]
            check_chunks(name, sizes, threads, storages)
        else:
            calls = linear_calls(name, storages=storages) if name in LINEAR else None
            check_rows(name, range(1, ROWS + 1) if is_whole else FEW_ROWS, threads, calls)
    print("the same bits")
