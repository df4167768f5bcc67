"""Functions that another function calls are compiled within it, and all that Numba promises of them still holds."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from numba import cfunc, njit, objmode, prange, types, vectorize
from numba.experimental import jitclass

from llaisys_mini.kernels import compiled, linked

compiled.keep_checked()


def with_code(function) -> list[bool]:
    """Of each form that was compiled: whether Python can call it."""
    return [not isinstance(form.entry_point, linked.Linked) for form in function.overloads.values()]


def pair():
    """A function, and one that calls it."""

    @njit
    def half(x):
        return x / 2

    @njit
    def quarter(x):
        return half(half(x))

    return half, quarter


def test_a_helper_gets_code_of_its_own_only_when_python_calls_it():
    half, quarter = pair()
    assert quarter(8.0) == 2.0
    assert (with_code(half), with_code(quarter)) == ([False], [True])
    assert half(8.0) == 4.0
    assert with_code(half) == [True]


def test_the_order_of_calls_does_not_count():
    half, quarter = pair()
    assert (half(8.0), quarter(8.0), half(3), quarter(6)) == (4.0, 2.0, 1.5, 1.5)


def test_a_helper_that_was_only_linked_can_be_looked_into():
    half, quarter = pair()
    quarter(8.0)
    (assembly,) = half.inspect_asm().values()
    (code,) = half.inspect_llvm().values()
    assert "half" in assembly
    assert "half" in code
    assert half(8.0) == 4.0


def test_exceptions_of_helpers_arrive(capfd):
    @njit
    def positive(x):
        print("given", x)  # by way of the function's environment
        if x < 0:
            raise ValueError("negative")
        return x

    @njit
    def both(x):
        return positive(x) + positive(-x)

    for call in (both, positive):
        with pytest.raises(ValueError, match="negative"):
            call(-3)
    assert capfd.readouterr().out == "given -3\n" * 2


def test_a_result_that_python_has_no_form_for_stays_within():
    @njit
    def numbers(n):
        return range(n)

    @njit
    def total(n):
        s = 0
        for i in numbers(n):
            s += i
        return s

    for _ in range(2):
        assert total(4) == 6
        with pytest.raises(TypeError, match="cannot convert native range_state"):
            numbers(4)


def test_functions_that_call_themselves_and_each_other():
    @njit
    def factorial(n):
        return 1 if n < 2 else n * factorial(n - 1)

    @njit
    def two_factorials(n):
        return factorial(n) + factorial(n + 1)

    assert (two_factorials(4), factorial(5)) == (24 + 120, 120)
    assert (is_even(7), is_odd(7), is_even(8)) == (False, True, True)


@njit
def is_even(n):
    return True if n == 0 else is_odd(n - 1)


@njit
def is_odd(n):
    return False if n == 0 else is_even(n - 1)


def test_blocks_of_python_generators_and_parallel_loops_in_helpers():
    @njit
    def from_text(x):
        with objmode(y="float64"):
            y = float(f"{x}1")
        return y

    @njit
    def evens(n):
        for i in range(n):
            yield 2 * i

    @njit(parallel=True)
    def total(x):
        s = 0.0
        for i in prange(x.size):
            s += x[i]
        return s

    @njit
    def everything(x):
        s = 0
        for i in evens(x.size):
            s += i
        return total(x) + from_text(1.5) + s

    x = np.arange(1000.0)
    assert everything(x) == 499500 + 1.51 + 999000
    assert (total(x), from_text(2.5), list(evens(3))) == (499500, 2.51, [0, 2, 4])


def test_functions_that_are_handed_over():
    half, quarter = pair()

    @njit
    def applied(function, x):
        return function(x)

    @njit(types.float64(types.FunctionType(types.float64(types.float64)), types.float64))
    def by_address(function, x):
        return function(x)

    assert (applied(quarter, 8.0), applied(half, 8.0)) == (2.0, 4.0)
    assert (by_address(half, 8.0), by_address(quarter, 8.0)) == (4.0, 2.0)


def test_what_else_numba_compiles_may_call_them():
    half, quarter = pair()

    @cfunc("float64(float64)")
    def for_c(x):
        return quarter(x)

    @vectorize
    def each(x):
        return half(x) + 1

    @jitclass([("value", types.float64)])
    class Halved:
        def __init__(self, value):
            self.value = half(value)

    @njit
    def of_halved(x):
        return Halved(x).value

    assert for_c.ctypes(8.0) == 2.0
    assert each(np.arange(3.0)).tolist() == [1, 1.5, 2]
    assert (of_halved(8.0), Halved(8.0).value) == (4.0, 4.0)


def test_a_function_called_while_another_is_compiled():
    """What `overload` is given is Python that Numba runs as it compiles a call."""
    from numba.extending import overload

    half, quarter = pair()
    seen = []

    def noted(x): ...

    @overload(noted)
    def _(x):
        seen.append(quarter(8.0))
        return lambda x: half(x)

    @njit
    def inner(x):
        return noted(x)

    @njit
    def outer(x):
        return inner(x)

    assert (outer(8.0), set(seen)) == (4.0, {2.0})


def test_many_threads_at_once():
    functions = [function for _ in range(4) for function in pair()]
    results: list[float | None] = [None] * len(functions)

    def call(number):
        results[number] = functions[number](8.0)

    threads = [threading.Thread(target=call, args=(number,)) for number in reversed(range(len(functions)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [4.0, 2.0] * 4


MODULE = """
import numpy as np
from numba import njit, prange
from llaisys_mini.kernels import compiled
compiled.keep_checked()

@njit(cache=True, fastmath=True)
def dot(x, y):
    s = np.float32(0)
    for i in range(x.size):
        s += x[i] * y[i] + x[i]
    return s

@njit(cache=True, parallel=True)
def rows(x, out):
    for n in prange(x.shape[0]):
        if x[n, 0] > 1e9:
            print("never")
        out[n] = dot(x[n], x[n])
    return out[0] + dot(x[0], x[0])
"""
RUN = """
import sys
import numpy as np
from module import dot, rows
x = np.random.default_rng(0).normal(size=(50, 333)).astype(np.float32)
out = np.zeros(50, np.float32)
for name in sys.argv[1:]:
    if name == "dot":
        print("dot", np.float32(dot(x[0], x[0])).tobytes().hex())
    else:
        rows(x, out)
        print("rows", out.tobytes().hex())
print(sum(dot.stats.cache_hits.values()), sum(rows.stats.cache_hits.values()))
"""


def test_bits_do_not_depend_on_what_was_compiled_before_or_comes_from_disk(tmp_path):
    (tmp_path / "module.py").write_text(MODULE)
    seen, hits = {}, []
    orders = [("fresh", ["rows", "dot"]), ("other", ["dot", "rows"]), ("dot first", ["dot"]), ("dot first", ["rows"])]
    for kept, order in [*orders, *((kept, ["dot", "rows"]) for kept in ("fresh", "other", "dot first"))]:
        done = subprocess.run(
            [sys.executable, "-c", RUN, *order],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / kept), "PYTHONPATH": f"{tmp_path}:{os.getcwd()}"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        *results, counts = done.stdout.splitlines()
        for result in results:
            name, bits = result.split()
            assert seen.setdefault(name, bits) == bits, (kept, order)
        hits.append(counts)
    assert hits == ["0 0", "0 0", "0 0", "1 0", "1 1", "1 1", "1 1"]  # dot came from disk when rows was compiled
