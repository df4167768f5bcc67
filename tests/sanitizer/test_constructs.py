"""What Numba compiles beyond the kernels of the course runs too: each construct against what it should compute."""

import math

import numba
import numpy as np
import pytest

from llaisys_mini import cuda
from llaisys_mini.errors import KernelError
from llaisys_mini.sanitizer import ORDERS, SanitizerError, UnsupportedInKernel, findings
from tests.sanitizer.compiler import kernel_of

X = np.arange(1, 33, dtype=np.float32)
WEIGHTS = np.array([0.5, 2, 4], np.float32)


@numba.njit
def plain_helper(a, b):
    return a * b + a


ROWS = X.reshape(8, 4)
A4, A23 = "a = cuda.local.array(4, np.float32)\n", "a = cuda.local.array((2, 3), np.float32)\n"
CASES = {
    "for v in row": ("for v in m[t % 8]:\n    total += v", lambda t: ROWS[t % 8].sum()),
    "enumerate": ("for k, v in enumerate(m[t % 8], 1):\n    total += k * v", lambda t: ROWS[t % 8] @ [1, 2, 3, 4]),
    "zip": ("for a, b in zip(m[t % 8], m[0]):\n    total += a * b", lambda t: ROWS[t % 8] @ ROWS[0]),
    "inner function": ("def f(a):\n    return a * total + t\ntotal = x[t]\ntotal = f(x[t])", lambda t: X[t] ** 2 + t),
    "lambda": ("f = lambda a: a + t\ntotal = f(x[t])", lambda t: X[t] + t),
    "njit helper": ("total = plain_helper(x[t], x[0])", lambda t: 2 * X[t]),
    "slice of its own": ("p = x[t // 8 * 4:t // 8 * 4 + 4]\ntotal = p[0] + p[3]", lambda t: 2 * (t // 8 * 4) + 5),
    "transposed": ("total = m.T[t % 4, t % 8]", lambda t: ROWS[t % 8, t % 4]),
    "reshaped": ("y = x.reshape((4, 8))\ntotal = y[t % 4, t % 8]", lambda t: X.reshape(4, 8)[t % 4, t % 8]),
    "global array": ("total = WEIGHTS[t % 3]", lambda t: WEIGHTS[t % 3]),
    "constant memory": ("w = cuda.const.array_like(WEIGHTS)\ntotal = w[t % 3]", lambda t: WEIGHTS[t % 3]),
    "tuple by thread": ("total = (x[t], x[0], x[1])[t % 3]", lambda t: (X[t], 1, 2)[t % 3]),
    "in": ("total = 1 if t in (1, 5) else 2", lambda t: 1 if t in (1, 5) else 2),
    "fences": ("cuda.threadfence()\ncuda.nanosleep(10)\ntotal = x[t]", lambda t: X[t]),
    "selp": ("total = cuda.selp(t > 3, x[t], x[0])", lambda t: X[t] if t > 3 else 1),
    "cbrt": ("total = cuda.cbrt(x[t])", lambda t: np.cbrt(X[t])),
    "half": ("total = np.float32(cuda.fp16.hmul(np.float16(x[t]), np.float16(2)))", lambda t: 2 * X[t]),
    "libdevice": ("total = cuda.libdevice.sqrtf(cuda.libdevice.powf(x[t], x[0]))", lambda t: math.sqrt(X[t])),
    "match_all": ("m2, same = cuda.match_all_sync(-1, t // 32)\ntotal = 1 if same else 0", lambda t: 1),
    "part set": (
        f"{A4}a[:] = 2\na[1:3] = x[t]\ntotal = a[0] + a[2]",
        lambda t: 2 + X[t],
    ),
    "row set": (
        f"{A23}a[0] = 1\na[1, :] = x[t]\ntotal = a.sum()",
        lambda t: 3 + 3 * X[t],
    ),
    "part by thread set": (
        "a = cuda.local.array(8, np.float32)\na[...] = 1\na[t % 4:t % 4 + 2] = 3\ntotal = a[t % 8]",
        lambda t: 3 if t % 4 <= t % 8 < t % 4 + 2 else 1,
    ),
    "filled": ("a = cuda.local.array(4, np.float32)\na.fill(x[t])\ntotal = np.sum(a)", lambda t: 4 * X[t]),
    "new dimension": ("y = x[None, :]\nz = x[:, None]\ntotal = y[0, t] + z[t, 0]", lambda t: 2 * X[t]),
    "all other dimensions": (
        "y = m[..., 1]\nz = m[2, ...]\ntotal = y[t % 8] + z[t % 4]",
        lambda t: ROWS[t % 8, 1] + ROWS[2, t % 4],
    ),
    "limits": (
        "total = x[t] + np.finfo(np.float32).eps + np.iinfo(np.int8).max",
        lambda t: X[t] + 127,
    ),
    "for else": (
        "for v in range(t % 3):\n    total += 1\n    if t > 20:\n        break\nelse:\n    total += 100",
        lambda t: t % 3 + 100 if t <= 20 or t % 3 == 0 else 1,
    ),
    "for else in step": (
        "for v in range(4):\n    if v == t:\n        break\nelse:\n    total = 7",
        lambda t: 0 if t < 4 else 7,
    ),
    "while else": (
        "k = 0\nwhile k < t:\n    k += 1\n    if k == 9:\n        break\nelse:\n    total = k",
        lambda t: t if t < 9 else 0,
    ),
    "sum": ("total = m[t % 8].sum() + np.sum(m)", lambda t: ROWS[t % 8].sum() + ROWS.sum()),
    "sum of a tuple": ("total = sum((t, 1, 2)) + sum(m[t % 8])", lambda t: t + 3 + ROWS[t % 8].sum()),
    "max and min": ("total = max(m[t % 8]) - min(x) + max((t, 3))", lambda t: ROWS[t % 8].max() - 1 + max(t, 3)),
    "unpacked": ("a, b, c, d = m[t % 8]\ntotal = a + d", lambda t: ROWS[t % 8, 0] + ROWS[t % 8, 3]),
    "local shape": ("n = 4\na = cuda.local.array(n, np.float32)\na[t % n] = x[t]\ntotal = a[t % n]", lambda t: X[t]),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CASES)
def test_it_computes_what_python_would(name, order):
    body, expected = CASES[name]
    kernel = kernel_of(
        f"t = cuda.grid(1)\ntotal = np.float32(0)\n{body}\nout[t] = total",
        "x, m, out",
        WEIGHTS=WEIGHTS,
        plain_helper=plain_helper,
    )
    out = np.zeros(32, np.float32)
    with cuda.sanitized(order=order):
        kernel[1, 32](X.copy(), ROWS.copy(), out)
    np.testing.assert_allclose(out, [expected(t) for t in range(32)], rtol=1e-6)


def test_print_shows_a_line_for_each_thread(capsys):
    kernel_of("print('thread', cuda.grid(1), x[0])", "x")[1, 3](X)
    assert capsys.readouterr().out.splitlines() == [f"thread {t} 1.0" for t in range(3)]
    kernel_of("print(cuda.grid(1))", "x")[4, 64](X)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 65 and "are left out" in lines[-1]


def test_an_assertion_that_fails_is_a_finding():
    with pytest.raises(SanitizerError, match="failed assertion: thread 7 of block 0 fails it: too large") as caught:
        kernel_of("assert x[cuda.grid(1)] < 8, 'too large'", "x")[1, 32](X)
    assert [finding.kind for finding in caught.value.findings] == [findings.ASSERTION]


@cuda.jit("void(float32[:], float32[:])")
def doubles(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = 2 * x[i]


def test_a_signature_is_allowed_and_the_hosts_words_work():
    on_device = cuda.to_device(X)
    out = cuda.device_array_like(X)
    stream, start, end = cuda.stream(), cuda.event(), cuda.event()
    start.record(stream)
    doubles.forall(out.size)(on_device, out)
    doubles[1, 32, stream](on_device, out)
    end.record(stream)
    stream.synchronize()
    assert cuda.event_elapsed_time(start, end) >= 0
    into = cuda.pinned_array(32, np.float32)
    out.copy_to_host(into)
    np.testing.assert_array_equal(into, 2 * X)
    np.testing.assert_array_equal(out.copy_to_host(), 2 * X)


def test_a_lock_by_one_thread_of_each_block():
    locked = "if cuda.threadIdx.x == 0:\n    while cuda.atomic.cas(lock, 0, 0, 1) != 0:\n        pass\n"
    locked += "    cuda.atomic.add(out, 0, 1)\n    cuda.atomic.exch(lock, 0, 0)"
    out = np.zeros(1, np.int64)
    kernel_of(locked, "lock, out")[5, 32](np.zeros(1, np.int64), out)
    assert out[0] == 5
    every_thread = locked.replace("cuda.threadIdx.x == 0", "out.size > 0")
    with cuda.sanitized(loop_limit=50), pytest.raises(UnsupportedInKernel, match="as for a lock"):
        kernel_of(every_thread, "lock, out")[1, 32](np.zeros(1, np.int64), out)


def test_a_long_loop_of_a_launch_that_nobody_checks_ends():
    out = np.zeros(1, np.int64)
    kernel_of("i = 0\nwhile i < 60_000:\n    i += 1\nout[0] = i", "out")[1, 1](out)
    assert out[0] == 60_000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("y = x[:2].mean()", "calling `x\\[:2\\].mean` is not supported by the sanitizer"),
        ("y = (1, 2)[x.size]", "index 32 of a tuple of 2"),
        ("y = x.T.foo", "is not supported by the sanitizer"),
    ],
)
def test_what_stays_refused_is_said_to_be_unsupported(body, words):
    with pytest.raises(UnsupportedInKernel, match=words):
        kernel_of(body, "x")[1, 1](X)
    with pytest.raises(KernelError):
        kernel_of(body, "x")[1, 1](X)
