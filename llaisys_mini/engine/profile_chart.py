"""A profile as a figure: a bar for each phase of each model, cut by operator. The running figure of the course, so an
operator looks the same in every lecture and lab."""

from collections.abc import Mapping

from llaisys_mini.engine.profile import BETWEEN, Phase, Profile
from llaisys_mini.lectures import plots

_REST = "other operators"
_PER_TOKEN = "milliseconds per new token"
_LOOKS = {  # colour and hatch of each piece: a figure must not rely on colour alone
    "linear": (plots.BLUE, ""),
    "linear (head)": (plots.SKY, "//"),
    "attention": (plots.VERMILION, ".."),
    "swiglu": (plots.GREEN, "xx"),
    "add_rms_norm": (plots.PURPLE, "\\\\"),
    _REST: (plots.YELLOW, "++"),
    BETWEEN: (plots.GREY, ""),
}
_LABELLED = 0.09  # of the longest bar: a shorter piece has no room for its percentage


def show_profiles(profiles: Mapping[str, Profile]) -> None:
    """Draw profiles by name, such as {"before": ..., "after": ...}, below the cell of a notebook: bars of time by
    operator, for prefill and decode. All share one scale: a small model beside a large one cannot be read."""
    plots.show(*draw(profiles))


def draw(profiles: Mapping[str, Profile]):
    """The figure, and its text alternative. Left: time of prefill; right: time for one new token."""
    fig, axes = plots.figure(1, 2, width=9, height=1.75 + 0.5 * len(profiles), sharey=True)
    drawn: dict[str, object] = {}
    units = ["milliseconds" if all(p.prefill.seconds < 0.2 for p in profiles.values()) else "seconds", _PER_TOKEN]
    for axis, phases, unit in zip(axes, _by_phase(profiles), units, strict=True):
        scales = [_scale(phase, unit) for phase in phases]
        longest = max(scale * phase.seconds for scale, phase in zip(scales, phases, strict=True))
        for place, (phase, scale) in enumerate(zip(phases, scales, strict=True)):
            drawn |= _bar(axis, place, phase, scale, _LABELLED * longest)
        axis.set(xlim=(0, 1.42 * longest), ylim=(len(profiles) - 0.4, -0.6))
        axis.set_yticks(range(len(profiles)), list(profiles))
        axis.tick_params(axis="y", length=0)
        axis.locator_params(axis="x", nbins=6)
        axis.set_xlabel(unit)
    read = sorted({profile.prefill.tokens for profile in profiles.values()})
    axes[0].set(title=f"prefill of {' or '.join(map(str, read))} tokens")
    axes[1].set(title="decode")
    shown = [label for label in _LOOKS if label in drawn]
    fig.legend([drawn[label] for label in shown], shown, loc="outside lower center", ncols=4)
    return fig, _alt(profiles)


def _by_phase(profiles: Mapping[str, Profile]) -> list[list[Phase]]:
    return [[profile.prefill for profile in profiles.values()], [profile.decode for profile in profiles.values()]]


def _scale(phase: Phase, unit: str) -> float:
    """From seconds of the phase to the unit of its axis."""
    return 1.0 if unit == "seconds" else 1e3 / (phase.tokens if unit == _PER_TOKEN else 1)


def _pieces(phase: Phase) -> dict[str, float]:
    """Seconds by label, in the order in which they are drawn."""
    found = dict.fromkeys(_LOOKS, 0.0)
    for label, row in phase.by_label().items():
        found[label if label in _LOOKS else _REST] += row.seconds
    return {label: seconds for label, seconds in found.items() if seconds > 0}


def _bar(axis, place: int, phase: Phase, scale: float, room: float) -> dict:
    """Draw one bar; what was drawn, by label. room: a piece shorter than this has no percentage in it."""
    left = 0.0
    drawn = {}
    for label, seconds in _pieces(phase).items():
        width = scale * seconds
        colour, hatch = _LOOKS[label]
        drawn[label] = axis.barh(
            place, width, left=left, height=0.62, color=colour, hatch=hatch, edgecolor=plots.CARD, linewidth=0.5
        )
        if width > room:
            axis.text(
                left + width / 2, place, f"{seconds / phase.seconds:.0%}", ha="center", va="center", fontsize=9,
                bbox=dict(boxstyle="round,pad=0.15", facecolor=plots.CARD, edgecolor="none"),
            )  # fmt: skip
        left += width
    axis.annotate(
        f"{_rate(phase)} tokens/s", (left, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9
    )
    return drawn


def _rate(phase: Phase) -> str:
    rate = phase.tokens_per_second
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _alt(profiles: Mapping[str, Profile]) -> str:
    told = []
    for name, profile in profiles.items():
        for phase in (profile.prefill, profile.decode):
            label, row = next(iter(phase.by_label().items()))
            share = f"{label} takes {row.seconds / phase.seconds:.0%}"
            told.append(f"{name}, {phase.name}: {_rate(phase)} tokens per second, {share} of the time")
    return "Bars of time by operator. " + "; ".join(told) + "."
