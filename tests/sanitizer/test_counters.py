"""Traffic is counted as a GPU would serve it: sectors of global memory, banks of shared memory. And drawn."""

import inspect

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from llaisys_mini import cuda, plots
from llaisys_mini.inspect import pictures
from llaisys_mini.sanitizer import ORDERS


def counted(kernel, blocks, threads, *arguments, **options):
    with cuda.sanitized(**({"counts": True} | options)) as report:
        kernel[blocks, threads](*arguments)
    return report


def traffic_of(report, array, operation="load"):
    (traffic,) = [t for t in report.traffic if (t.array, t.operation) == (array, operation)]
    return traffic


@cuda.jit
def strided(x, step, out):
    i = cuda.grid(1)
    out[i] = x[i * step]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("dtype", "step", "sectors"),
    [("float32", 1, 4), ("float32", 2, 8), ("float32", 8, 32), ("float32", 0, 1), ("float64", 1, 8), ("int8", 1, 1)],
)
def test_sectors_per_request(dtype, step, sectors, order):
    x, out = np.zeros(1024, dtype), np.zeros(128, dtype)
    traffic = traffic_of(counted(strided, 2, 64, x, step, out, order=order), "x")
    assert (traffic.requests, traffic.accesses, traffic.sectors_per_request) == (4, 128, sectors)
    assert traffic.bytes_moved == 4 * sectors * 32


def test_misaligned_access_costs_a_sector_more():
    x, out = np.zeros(1024, np.float32), np.zeros(64, np.float32)
    assert traffic_of(counted(strided, 1, 64, x[1:], 1, out), "x").sectors_per_request == 5


def test_each_execution_of_a_line_is_a_request():
    @cuda.jit
    def sums(x, out):
        total = np.float32(0)
        for k in range(cuda.threadIdx.x, 80, 32):
            total += x[k]
        out[cuda.threadIdx.x] = total

    traffic = traffic_of(counted(sums, 1, 32, np.zeros(80, np.float32), np.zeros(32, np.float32)), "x")
    assert (traffic.requests, traffic.accesses, traffic.sectors) == (3, 80, 4 + 4 + 2)


@cuda.jit
def reads_columns(width_7, out):
    tile = cuda.shared.array((32, 32), np.float32)
    padded = cuda.shared.array((32, 33), np.float32)
    wide = cuda.shared.array(64, np.float64)
    t = cuda.threadIdx.x
    for row in range(32):
        tile[row, t] = np.float32(0)
        padded[row, t] = np.float32(0)
    wide[t] = 0.0
    cuda.syncthreads()
    out[t] = tile[t, 3] + padded[t, 3] + tile[5, 5]
    out[t] = np.float32(wide[t])


def test_bank_conflicts():
    report = counted(reads_columns, 1, 32, 7, np.zeros(32, np.float32))
    degrees = {(t.array, t.operation): (t.worst_degree, t.requests) for t in report.traffic if t.space == "shared"}
    assert degrees[("tile", "store")] == (1, 32)
    assert degrees[("padded", "load")] == (1, 1)
    assert degrees[("tile", "load")] == (32, 2)  # the column; the single element is a broadcast
    assert degrees[("wide", "load")] == (1, 1)


@cuda.jit
def naive(a, b, c):
    column, row = cuda.grid(2)
    total = np.float32(0)
    for k in range(a.shape[1]):
        total += a[row, k] * b[k, column]
    c[row, column] = total


@cuda.jit
def tiled(a, b, c):
    tile_a = cuda.shared.array((16, 16), np.float32)
    tile_b = cuda.shared.array((16, 16), np.float32)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    total = np.float32(0)
    for start in range(0, a.shape[1], 16):
        tile_a[y, x] = a[row, start + x]
        tile_b[y, x] = b[start + y, column]
        cuda.syncthreads()
        for k in range(16):
            total += tile_a[y, k] * tile_b[k, x]
        cuda.syncthreads()
    c[row, column] = total


@pytest.fixture(scope="module")
def products():
    a = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    reports = {}
    for kernel in (naive, tiled):
        c = np.zeros_like(a)
        reports[kernel.__name__] = counted(kernel, (4, 4), (16, 16), a, a, c)
        np.testing.assert_allclose(c, a @ a, rtol=1e-4, atol=1e-5)
    return reports


def test_tiling_saves_the_traffic_that_the_lecture_claims(products):
    """64 x 64 with tiles of 16: each block reads a strip of a and one of b, 16 blocks, 4 KiB each."""
    assert products["tiled"].global_bytes() == {"load": 16 * 2 * 16 * 64 * 4, "store": 64 * 64 * 4}
    # a warp covers 2 rows and 16 columns: per k it moves 2 sectors of a and 2 of b
    assert products["naive"].global_bytes() == {"load": 128 * 64 * 4 * 32, "store": 64 * 64 * 4}


def _first_line(kernel):
    return kernel.py_func.__code__.co_firstlineno


def test_a_vector_load_is_one_request():
    @cuda.primitive(lambda: None, aligned=16)
    def load4(x, i):
        return x[i], x[i + 1], x[i + 2], x[i + 3]

    @cuda.jit
    def in_fours(x, out):
        tile = cuda.shared.array(256, np.float32, alignment=16)
        t = cuda.threadIdx.x
        for k in range(4):
            tile[t + 64 * k] = np.float32(0)
        cuda.syncthreads()
        a, b, c, d = load4(x, 4 * t)
        e, f, g, h = load4(tile, 4 * t)
        out[t] = a + b + c + d + e + f + g + h

    report = counted(in_fours, 1, 64, np.zeros(256, np.float32), np.zeros(64, np.float32))
    from_global, from_shared = traffic_of(report, "x"), traffic_of(report, "tile")
    assert "load4(x, 4 * t)" in inspect.getsourcelines(in_fours.py_func)[0][from_global.line - _first_line(in_fours)]
    assert (from_global.requests, from_global.sectors) == (2, 32)  # 512 bytes each
    assert (from_shared.requests, from_shared.worst_degree) == (2, 1)


def test_counting_is_off_unless_asked_for():
    report = counted(strided, 1, 32, np.zeros(64, np.float32), 1, np.zeros(32, np.float32), counts=False)
    assert not report.traffic and not report.accesses


def test_pictures(products, tmp_path):
    x = np.zeros((32, 32), np.float32)
    with cuda.sanitized(traces=True) as report:
        tiled[(2, 2), (16, 16)](x, x, np.zeros_like(x))
    figures = {
        "traffic": pictures.traffic(products),
        "load": pictures.touched(report, "a/b"),
        "all": pictures.touched(report, "c", "store", warp=None),
        "banks": pictures.banks(report, "tile_b"),
    }
    for name, figure in figures.items():
        path = tmp_path / f"{name}.png"
        figure.savefig(path)
        assert path.stat().st_size > 3000
    title = figures["load"].axes[0].get_title(loc="left")
    assert "line" in title and "sectors" in title
    assert figures["load"].get_facecolor() == to_rgba(plots.CARD)  # the course's one style
    drawn = figures["load"].axes[0].images[0].get_array()
    assert np.count_nonzero(~np.isnan(drawn)) == 32  # one element for each lane of the warp
    bars = [bar.get_width() for bar in figures["traffic"].axes[0].patches]
    assert bars[0] / bars[1] == pytest.approx(8)


def test_pictures_say_what_is_missing(products):
    with pytest.raises(pictures.PictureError, match="traces=True"):
        pictures.touched(products["naive"], "a")
    with cuda.sanitized(traces=True) as report:
        strided[1, 32](np.zeros(64, np.float32), 1, np.zeros(32, np.float32))
    with pytest.raises(pictures.PictureError, match="no load of y was traced; there are load x, store out"):
        pictures.touched(report, "y")
    with pytest.raises(pictures.PictureError, match="counts=True"):
        pictures.traffic({"nothing": counted(strided, 1, 32, np.zeros(64), 1, np.zeros(32), counts=False)})
