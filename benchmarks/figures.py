"""The pictures of a benchmark run: who is how much faster, and how far from the roofline.

Drawn on white, so that they read the same on a light and on a dark page. Opponents differ in colour (a palette that
colour-blind people can tell apart) and in shape.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.surroundings import DISTURBED
from benchmarks.work import ALONE, OURS, PLAIN, Report, Result
from llaisys_mini.lectures.plots import COLOURS, MARKERS

_STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.facecolor": "white"}


def save_all(report: Report, folder: Path) -> list[Path]:
    """Draw what there are results for. Returns the files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    written = []
    with plt.rc_context(_STYLE):
        for name, draw in (("ratios.png", ratios), ("roofline.png", roofline), ("tokens.png", tokens)):
            figure = draw(report)
            if figure is not None:
                figure.savefig(folder / name, dpi=130, facecolor="white")
                plt.close(figure)
                written.append(folder / name)
    return written


def ratios(report: Report):
    """Every row as a line of dots, one per opponent: right of 1 we are faster. A small bar marks each target."""
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter

    if not report.results:
        return None
    threads = sorted({one.threads for one in report.results})
    opponents = _opponents(report.results)
    looks = {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(COLOURS)]) for i, name in enumerate(opponents)}
    titles = list(dict.fromkeys(f"{one.group}: {one.name}" for one in report.results))
    figure, panels = plt.subplots(
        1,
        len(threads),
        figsize=(5 + 4.2 * len(threads), 1.6 + 0.22 * len(titles)),
        sharey=True,
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for panel, count in zip(panels[0], threads, strict=True):
        panel.axvline(1, color="#555555", linewidth=1)
        for one in report.results:
            if one.threads != count:
                continue
            height = titles.index(f"{one.group}: {one.name}")
            faint = 0.35 if one.comparison.state == DISTURBED else 1.0
            for timing in one.comparison.timings:
                if timing.name not in looks:
                    continue
                colour, marker = looks[timing.name]
                panel.plot([timing.ratio_low, timing.ratio_high], [height] * 2, color=colour, alpha=faint, linewidth=1)
                panel.plot(timing.ratio, height, marker, color=colour, alpha=faint, markersize=5)
            for verdict in one.verdicts:
                if verdict.against in looks:
                    panel.plot(verdict.at_least, height, "|", color=looks[verdict.against][0], markersize=11)
        panel.set_title(f"{count} thread{'s' * (count > 1)}")
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
        panel.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value in (0.5, 2, 5) else ""))
        panel.grid(axis="both", color="#dddddd", linewidth=0.5)
        panel.set_xlabel("throughput, ours over theirs (log scale)")
    panels[0][0].set_yticks(range(len(titles)), titles)
    panels[0][0].set_ylim(len(titles) - 0.5, -0.5)
    legend = [Line2D([], [], color=c, marker=m, linestyle="", label=name) for name, (c, m) in looks.items()]
    legend.append(Line2D([], [], color="#555555", marker="|", markersize=11, linestyle="", label="target, same colour"))
    legend.append(Line2D([], [], color="#555555", marker="o", alpha=0.35, linestyle="", label="disturbed"))
    figure.legend(handles=legend, loc="outside upper center", ncols=min(4, len(legend)), frameon=False)
    return figure


def roofline(report: Report):
    """Operations per byte against operations per second: below the slope memory decides, below the roof arithmetic."""
    import matplotlib.pyplot as plt
    import numpy as np

    placed = [one for one in report.results if one.share is not None and one.unit in ("GFLOP/s", "GB/s")]
    placed = [one for one in placed if one.intensity]
    if not placed:
        return None
    figure, panels = plt.subplots(
        1, len(report.ceilings), figsize=(5.2 * len(report.ceilings), 4.6), squeeze=False, layout="constrained"
    )
    groups = list(dict.fromkeys(one.group for one in placed))
    for panel, limits in zip(panels[0], report.ceilings, strict=True):
        reach = np.geomspace(0.1, 1000, 200)
        for place, speed in limits.reading.items():
            style = "-" if place == "memory" else ":"
            panel.plot(reach, np.minimum(reach * speed, limits.arithmetic) / 1e9, style, color="#555555", linewidth=1.2)
            panel.annotate(
                place, (0.11, 0.11 * speed / 1e9), color="#555555", rotation=35, va="bottom", rotation_mode="anchor"
            )
        for group in groups:
            rows = [one for one in placed if one.group == group and one.threads == limits.threads]
            position = groups.index(group)
            panel.plot(
                [one.intensity for one in rows],
                [one.operations_per_second / 1e9 for one in rows],
                MARKERS[position % len(COLOURS)],
                color=COLOURS[position % len(COLOURS)],
                label=group,
                markersize=5,
            )
        panel.set(
            xscale="log",
            yscale="log",
            xlabel="operations per byte",
            ylabel="GFLOP/s",
            title=f"{limits.threads} thread{'s' * (limits.threads > 1)}",
        )
        panel.grid(color="#dddddd", linewidth=0.5)
    panels[0][0].legend(frameon=False, loc="lower right")
    return figure


def tokens(report: Report):
    """Tokens per second of whole models, one bar per contestant."""
    import matplotlib.pyplot as plt

    rows = [one for one in report.results if one.unit == "tokens/s" and OURS in one.comparison]
    if not rows:
        return None
    figure, panels = plt.subplots(
        len(rows), 1, figsize=(8, 0.7 + sum(0.45 + 0.28 * len(one.comparison.timings) for one in rows)), squeeze=False,
        layout="constrained", height_ratios=[1 + len(one.comparison.timings) for one in rows],
    )  # fmt: skip
    for panel, one in zip(panels[:, 0], rows, strict=True):
        ours = one.comparison[OURS].seconds
        names = [timing.name for timing in one.comparison.timings]
        speeds = [one.rate * ours / timing.seconds for timing in one.comparison.timings]
        colours = [COLOURS[0] if name == OURS else "#999999" for name in names]
        bars = panel.barh(names, speeds, color=colours, height=0.7)
        panel.bar_label(bars, [f"{speed:.3g}" for speed in speeds], padding=3)
        panel.invert_yaxis()
        mark = ", disturbed" if one.comparison.state == DISTURBED else ""
        panel.set_title(f"{one.group}: {one.name}, {one.threads} thread{'s' * (one.threads > 1)}{mark}", loc="left")
        panel.set_xticks([])
        panel.spines["bottom"].set_visible(False)
        panel.margins(x=0.12)
    panels[-1, 0].set_xlabel("tokens per second (longer is faster; each panel has its own scale)")
    return figure


def _opponents(results: Sequence[Result]) -> list[str]:
    """All contestants but our own other versions, in the order of appearance."""
    names = dict.fromkeys(timing.name for one in results for timing in one.comparison.timings)
    return [name for name in names if name not in (OURS, PLAIN, ALONE)]
