"""What the sanitizer found in one or more launches, and what their memory accesses cost."""

from rich.table import Table

from llaisys_mini.sanitizer.counters import Access, Counters, Traffic
from llaisys_mini.sanitizer.findings import Finding


class Report:
    """findings: what is wrong; remarks: what is right but slow or odd. Each is a Finding, once per line and kind.

    argument_types: (kernel, type of each argument) of the launches, each once. A type is "array float32 2" (dtype and
    dimensions), the dtype of a NumPy number, "bool", "int", "float" or "none".
    """

    def __init__(self, traces: bool = False):
        self.counters = Counters(traces)
        self.launches: list[str] = []
        self.argument_types: dict[tuple[str, ...], None] = {}
        self._noted: dict[tuple, Finding] = {}

    def add(self, launch: str, found: list[Finding]) -> None:
        """Note a launch and what was found in it."""
        self.launches.append(launch)
        for finding in found:
            self.note(finding)

    def note(self, finding: Finding) -> None:
        """Note a finding or remark."""
        known = self._noted.setdefault((finding.kind, finding.file, finding.line), finding)
        if known is not finding:
            known.times += finding.times

    @property
    def findings(self) -> list[Finding]:
        return [finding for finding in self._noted.values() if not finding.is_remark]

    @property
    def remarks(self) -> list[Finding]:
        return [finding for finding in self._noted.values() if finding.is_remark]

    @property
    def traffic(self) -> list[Traffic]:
        """Per line and array, in the order of the source; empty unless counting was asked for."""
        return sorted(self.counters.traffic.values(), key=lambda t: (t.kernel, t.line, t.space, t.array, t.operation))

    @property
    def accesses(self) -> list[Access]:
        """Every execution of an access, in order; empty unless traces were asked for."""
        return self.counters.accesses

    def global_bytes(self) -> dict[str, int]:
        """Bytes moved between global memory and the chip, by operation: load, store, atomic."""
        total: dict[str, int] = {}
        for traffic in self.traffic:
            if traffic.space == "global":
                total[traffic.operation] = total.get(traffic.operation, 0) + traffic.bytes_moved
        return total

    def table(self) -> Table:
        """The traffic of each line: sectors of global memory, bank conflicts of shared memory."""
        table = Table(box=None, pad_edge=False)
        for name in ("line", "access"):
            table.add_column(name, justify="right" if name == "line" else "left")
        for name in ("requests", "sectors/request", "moved", "best possible", "bank conflicts"):
            table.add_column(name, justify="right")
        for t in self.traffic:
            is_global = t.space == "global"
            table.add_row(
                str(t.line),
                f"{t.operation} {t.array} ({t.space})",
                f"{t.requests:,}",
                f"{t.sectors_per_request:.1f}" if is_global else "",
                f"{t.bytes_moved:,} B" if is_global else "",
                f"{t.ideal_sectors * 32:,} B" if is_global else "",
                "" if is_global else "none" if t.worst_degree <= 1 else f"{t.degree:.1f}-way",
            )
        return table

    def __str__(self) -> str:
        if not self._noted:
            return f"nothing found in {len(self.launches)} launch{'es' * (len(self.launches) != 1)}"
        return "\n".join(map(str, [*self.findings, *self.remarks]))
