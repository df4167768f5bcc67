"""python -m benchmarks.gpu [--out FOLDER] [--minutes M]: see the package."""

import argparse
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import tables
from benchmarks.gpu import compiling, correctness, decoding, launches, report, timing, tools
from benchmarks.gpu.rows import Clock, Row
from llaisys_mini.cuda import availability
from llaisys_mini.inspect import compile_check

_PACKAGES = ("numpy", "numba", "numba-cuda", "torch")


def main() -> int:
    """Returns the exit code: 1 if anything is wrong, 0 otherwise, also where most is not run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description="Check and time the CUDA kernels.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for results.json, results.md")
    parser.add_argument("--minutes", type=float, default=4.5, help="no part is begun after this")
    options = parser.parse_args()
    clock = Clock(60 * options.minutes)
    no_device = availability.why_no_device()
    machine = describe(no_device)
    rows: list[Row] = []
    for row in all_rows(no_device, clock):
        rows.append(row)
        figures = ", ".join(f"{name} {tables.figure(value)}" for name, value in row.figures.items())
        print(
            f"{row.part}: {row.name}: {row.result}{f' ({row.why})' if row.why else ''} {figures}".rstrip(), flush=True
        )
    paths = report.write(options.out, machine, rows, time.monotonic() - clock.start)
    print(f"\n{report.summary(rows)}; written: {', '.join(map(str, paths))}")
    return 1 if any(row.result == "wrong" and row.part != tools.PART for row in rows) else 0


def all_rows(no_device: str | None, clock: Clock):
    """The rows of all parts. What only a device can tell comes first; each part leaves some time to the next ones."""
    whole = clock.seconds
    yield from correctness.rows("device", no_device, clock, 0.6 * whole)
    yield from launches.rows(no_device, clock, 0.55 * whole)
    yield from timing.rows(no_device, clock, 0.4 * whole)
    yield from decoding.rows(no_device, clock, 0.3 * whole)
    yield from tools.rows(no_device, clock, 0.1 * whole)
    # With a device the kernels have been compiled for it; the other architectures are for machines without one.
    yield from correctness.rows("sanitizer", no_device, clock, (0.5 if no_device else 0.03) * whole)
    yield from compiling.rows(clock, 0.0, compile_check.ARCHITECTURES if no_device else ("sm_90",))


def describe(no_device: str | None) -> dict[str, str]:
    """What the figures were measured on and with."""
    found = {"device": no_device or _device(), "Python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _device() -> str:
    from numba import cuda

    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else device.name
    return f"{name}, sm_{device.compute_capability[0]}{device.compute_capability[1]}, {availability.driver().state}"


if __name__ == "__main__":
    sys.exit(main())
