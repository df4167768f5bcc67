"""What a profile is: seconds by operator, for reading a prompt (prefill) and for writing (decode); and its text.

Made by `profiling`, drawn by `profile_chart`.
"""

from dataclasses import dataclass, replace

FIRST, LAYERS, HEAD = "first layer", "layers", "head"
BETWEEN = "Python between calls"
PREFILL, DECODE = "prefill", "decode"

_BAR = 24  # characters
_SMALLEST = 0.002  # of a phase; rows below it are told together


@dataclass(frozen=True)
class Row:
    """One operator in one part of the model. calls, seconds: of the phase.

    part: "embedding", FIRST, LAYERS (the layers after the first) or HEAD.
    kernels: the kernel sets that answered. The time that is not spent in a kernel is a row named BETWEEN.
    """

    operator: str
    part: str
    calls: int
    seconds: float
    kernels: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The operator; the output projection has a name of its own, since its weight is larger than any other."""
        return f"{self.operator} (head)" if (self.operator, self.part) == ("linear", HEAD) else self.operator


@dataclass(frozen=True)
class Phase:
    """rows: largest first; tokens: read (prefill) or written (decode)."""

    name: str
    tokens: int
    rows: tuple[Row, ...]

    @property
    def seconds(self) -> float:
        return sum(row.seconds for row in self.rows)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    def by_label(self) -> dict[str, Row]:
        """Rows of the same label as one, the largest first."""
        found: dict[str, Row] = {}
        for row in self.rows:
            one = found.get(row.label)
            if one is not None:
                kernels = tuple(sorted({*one.kernels, *row.kernels}))
                row = replace(one, calls=one.calls + row.calls, seconds=one.seconds + row.seconds, kernels=kernels)
            found[row.label] = row
        return dict(sorted(found.items(), key=lambda item: -item[1].seconds))


@dataclass(frozen=True)
class Profile:
    """model: its name; measured, layers: how many of the model's layers were run, and how many it has. Where these
    differ, times and calls of all layers but the first are scaled. The first differs: its input comes without an
    addition, so its norm is another operator."""

    model: str
    prefill: Phase
    decode: Phase
    measured: int
    layers: int

    @property
    def title(self) -> str:
        if self.measured == self.layers:
            return f"{self.model}, {self.layers} layers"
        return f"{self.model}: {self.measured} of {self.layers} layers run, their times scaled"

    def __str__(self) -> str:
        """Plain text with bars of `#`; no line is longer than 80 columns."""
        phases = (self.prefill, self.decode)
        return "\n".join([self.title, *(line for phase in phases for line in _lines(phase))])


def _lines(phase: Phase) -> list[str]:
    rows = list(phase.by_label().values())
    shown = [row for row in rows if row.seconds >= _SMALLEST * phase.seconds]
    rest = [row for row in rows if row not in shown]
    lines = ["", _head(phase)]
    lines += [_line(row, phase.seconds) for row in shown]
    if rest:
        share = sum(row.seconds for row in rest) / phase.seconds
        lines.append(f"  {len(rest)} more: {share:.1%}")
    return lines


def _head(phase: Phase) -> str:
    if phase.name == DECODE:
        each = f"{1e3 * phase.seconds / phase.tokens:,.2f} ms per token"
        return f"decode, {phase.tokens} tokens: {each}, {phase.tokens_per_second:,.1f} tokens/s"
    return f"prefill of {phase.tokens} tokens: {phase.seconds:,.3f} s, {phase.tokens_per_second:,.1f} tokens/s"


def _line(row: Row, whole: float) -> str:
    share = row.seconds / whole
    bar = "#" * max(1, round(_BAR * share))
    told = "" if row.operator == BETWEEN else f"{row.calls:6,} x {', '.join(row.kernels)}"
    return f"  {row.label:20.20s} {share:6.1%} {bar:{_BAR}s} {told}".rstrip()
