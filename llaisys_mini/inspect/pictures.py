"""Pictures of what a kernel does with memory: which thread touches which element, and how many bytes move.

    with cuda.sanitized(traces=True) as report:
        transpose[blocks, threads](x, out)
    plots.show(pictures.touched(report, "x"), alt="The first warp reads row 0.")

All take a Report of the sanitizer and return a matplotlib Figure in the style of lectures/plots.py.
"""

from typing import TYPE_CHECKING

import numpy as np

from llaisys_mini.errors import UserError
from llaisys_mini.lectures import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from llaisys_mini.sanitizer import Report

_SECTOR = 32  # bytes


class PictureError(UserError, ValueError):
    """There is nothing to draw: the report holds no such accesses."""


def touched(report: "Report", array: str, operation: str = "load", step: int = 0, warp: int | None = 0) -> "Figure":
    """Which thread touches which element of `array` in one execution of an access.

    array: its name in the kernel. operation: "load", "store" or "atomic". step: which execution, counted through the
    launches of the report. warp: number of a warp in the grid, or None for all threads; elements carry the lane's
    number, or without a warp only its colour. Dashed lines part the 32-byte sectors of global memory.
    Raises PictureError where there is no such access, or where the report was made without traces=True.
    """
    found = [a for a in report.accesses if a.array == array and a.operation == operation]
    if not found:
        names = sorted({f"{a.operation} {a.array}" for a in report.accesses})
        raise PictureError(
            f"no {operation} of {array} was traced; there are {', '.join(names)}"
            if names
            else "the report has no traces: make it within cuda.sanitized(traces=True)"
        )
    if not 0 <= step < len(found):
        raise PictureError(f"{operation} {array} was executed {len(found)} times; step {step} is not among them")
    access = found[step]
    per_block = access.threads_per_block
    lanes = access.threads % per_block % 32
    warps = access.threads // per_block * -(-per_block // 32) + access.threads % per_block // 32
    chosen = np.ones(len(lanes), bool) if warp is None else warps == warp
    if not chosen.any():
        raise PictureError(f"warp {warp} takes no part in step {step} of {operation} {array}")
    grid = np.full(int(np.prod(access.shape)), np.nan)
    inside = chosen & (access.elements < grid.size)
    grid[access.elements[inside]] = (lanes if warp is not None else access.threads % per_block)[inside]
    rows = grid.reshape(-1, access.shape[-1]) if access.shape else grid.reshape(1, 1)
    who = "all threads" if warp is None else f"warp {warp}"
    title = f"{who}, line {access.line}: {operation} {array}"
    sectors = len(np.unique(access.elements[inside] * access.itemsize // _SECTOR))
    if access.space == "global" and warp is not None:
        title += f"\n{sectors} sectors of {_SECTOR} bytes"
    return _draw_grid(rows, title, access, numbered=warp is not None and rows.size <= 2048)


def _draw_grid(rows, title, access, numbered):
    height, width = rows.shape
    cell = min(0.32, 3.9 / width, 3.9 / height)  # inches
    figure, axes = plots.figure(width=max(3.6, width * cell + 1.6), height=max(1.8, height * cell + 1.1))
    image = axes.imshow(rows, interpolation="none", aspect="equal")
    axes.set(xlabel="column" if height > 1 else "element", ylabel="row" if height > 1 else "", title=title)
    if height == 1:
        axes.set_yticks([])
    if numbered and cell >= 0.1:
        for row, column in zip(*np.nonzero(~np.isnan(rows)), strict=True):
            lane = rows[row, column]
            colour = plots.ink_on(image, lane)
            axes.text(column, row, f"{lane:.0f}", ha="center", va="center", fontsize=min(9, 45 * cell), color=colour)
    if access.space == "global" and cell >= 0.05:
        step = _SECTOR // access.itemsize
        for edge in range(step, width, step):
            axes.axvline(edge - 0.5, color=plots.GREY, linewidth=0.6, linestyle="--")
    bar = figure.colorbar(image, ax=axes, shrink=0.9)
    bar.set_label("lane of the warp" if numbered else "thread of the block")
    return figure


def traffic(reports: "dict[str, Report]") -> "Figure":
    """A bar per version of a kernel: the bytes that move between global memory and the chip.

    reports: name of the version -> report made within cuda.sanitized(counts=True).
    Raises PictureError where a report counted nothing.
    """
    loads = np.array([report.global_bytes().get("load", 0) for report in reports.values()])
    stores = np.array(
        [report.global_bytes().get("store", 0) + report.global_bytes().get("atomic", 0) for report in reports.values()]
    )
    if not (loads + stores).all():
        raise PictureError("a report counted nothing: make it within cuda.sanitized(counts=True)")
    unit, word = next((u, w) for u, w in ((2**20, "MiB"), (2**10, "KiB"), (1, "bytes")) if (loads + stores).max() >= u)
    figure, axes = plots.figure(width=7.6, height=0.9 + 0.5 * len(reports))
    axes.barh(list(reports), loads / unit, color=plots.BLUE, label="loads")
    axes.barh(
        list(reports), stores / unit, left=loads / unit, color=plots.ORANGE, hatch="//", label="stores and atomics"
    )
    for position, total in enumerate((loads + stores) / unit):
        axes.text(total, position, f" {total:,.1f}", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"moved between global memory and the chip [{word}]")
    axes.legend(loc="lower right")
    return figure


def banks(report: "Report", array: str, operation: str = "load", step: int = 0, warp: int = 0) -> "Figure":
    """How many different words of each shared-memory bank one warp asks for; more than one means waiting.

    Arguments and errors as of `touched`, for an array in shared memory.
    """
    found = [a for a in report.accesses if (a.array, a.operation, a.space) == (array, operation, "shared")]
    if not 0 <= step < len(found):
        raise PictureError(f"step {step} of {operation} {array} (shared memory) was not traced")
    access = found[step]
    per_block = access.threads_per_block
    warps = access.threads // per_block * -(-per_block // 32) + access.threads % per_block // 32
    words = np.unique(access.elements[warps == warp] * access.itemsize // 4)
    counts = np.bincount(words % 32, minlength=32)
    figure, axes = plots.figure(width=6.4, height=2.3)
    axes.bar(range(32), counts, color=np.where(counts > 1, plots.ORANGE, plots.BLUE))
    axes.set(xlabel="bank", ylabel="different words", xticks=range(0, 32, 4))
    axes.set_title(f"warp {warp}, line {access.line}: {operation} {array}, {max(1, counts.max())}-way")
    axes.yaxis.get_major_locator().set_params(integer=True)
    return figure
