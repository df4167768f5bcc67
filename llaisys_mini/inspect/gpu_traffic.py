"""`count_gpu_traffic("matmul", ...)`: what a CUDA kernel asks of memory, counted by the sanitizer. No device is needed.

Global memory moves in sectors of 32 bytes, each counted once per request of a warp; see sanitizer.counters.
"""

from dataclasses import dataclass

import numpy as np

from llaisys_mini import operators
from llaisys_mini.checks.compare import empty_outputs
from llaisys_mini.console import console
from llaisys_mini.errors import CheckFailed, KernelError
from llaisys_mini.kernels import choice
from llaisys_mini.kernels.sets import STUDENT


@dataclass(frozen=True)
class GpuTraffic:
    """loaded, stored: bytes of global memory; inputs: bytes of the input arrays; ideal: bytes that the same requests
    would move if neighbouring threads touched neighbouring numbers; shared_loads: by threads; bank_conflicts: the worst
    degree, 1 for none."""

    operator: str
    loaded: int
    stored: int
    ideal: int
    inputs: int
    shared_loads: int
    bank_conflicts: int

    @classmethod
    def of(cls, operator: str, inputs: dict, report) -> "GpuTraffic":
        """What stands in the report of a run on `inputs` under `cuda.sanitized(counts=True)`."""
        moved = report.global_bytes()
        shared = [traffic for traffic in report.traffic if traffic.space == "shared"]
        return cls(
            operator,
            loaded=int(moved.get("load", 0)),
            stored=int(moved.get("store", 0)),
            ideal=32 * sum(int(t.ideal_sectors) for t in report.traffic if t.space == "global"),
            inputs=sum(value.nbytes for value in inputs.values() if isinstance(value, np.ndarray)),
            shared_loads=sum(int(t.accesses) for t in shared if t.operation == "load"),
            bank_conflicts=max((int(t.worst_degree) for t in shared), default=1),
        )

    @property
    def loads_of_each_input(self) -> float:
        """How many times the inputs come from global memory, on average."""
        return self.loaded / self.inputs

    def require(
        self,
        loads_of_each_input: float | None = None,
        waste: float | None = None,
        shared_loads: int | None = None,
        bank_conflicts: int | None = None,
    ) -> None:
        """Raise CheckFailed if there is more. waste: bytes moved as a multiple of the ideal."""
        problems = []
        if loads_of_each_input is not None and self.loads_of_each_input > loads_of_each_input:
            problems.append(
                f"each input is loaded {self.loads_of_each_input:.1f} times from global memory, at most "
                f"{loads_of_each_input} allowed: load it once, and let the threads of the block share it"
            )
        moved = (self.loaded + self.stored) / max(self.ideal, 1)
        if waste is not None and moved > waste:
            problems.append(
                f"{moved:.1f} times the necessary bytes are moved, at most {waste} allowed: neighbouring threads "
                "should access neighbouring numbers"
            )
        if shared_loads is not None and self.shared_loads > shared_loads:
            problems.append(
                f"{self.shared_loads:,} loads from shared memory, at most {shared_loads:,} allowed: "
                "keep numbers in variables"
            )
        if bank_conflicts is not None and self.bank_conflicts > bank_conflicts:
            problems.append(
                f"bank conflicts of degree {self.bank_conflicts}, at most {bank_conflicts} allowed: the words that a "
                "warp wants at once should lie in different banks (number of the word modulo 32)"
            )
        if problems:
            raise CheckFailed("\n".join(f"{self.operator}: {problem}" for problem in problems))

    def _ipython_display_(self) -> None:
        """Nothing: count_gpu_traffic has printed it already when a cell ends with its result."""

    def __str__(self) -> str:
        shared = f", {self.shared_loads:,} loads from shared memory" if self.shared_loads else ""
        return (
            f"{self.operator}: {self.loaded:,} bytes loaded ({self.loads_of_each_input:.1f} times the inputs), "
            f"{self.stored:,} stored{shared}"
        )


def measured_inputs(contract, inputs: dict | None) -> dict[str, object]:
    """The inputs that traffic is counted on, in the contract's dtypes: those given, or those of the largest case."""
    if inputs is not None:
        return contract.convert(inputs)
    cases = contract.make_cases(storages=("float32",))
    return max((case.inputs for case in cases), key=lambda i: sum(np.size(v) for v in i.values()))


def count_gpu_traffic(operator: str, inputs: dict | None = None, kernel_set: str = STUDENT) -> GpuTraffic:
    """Run the CUDA kernel under the sanitizer on `inputs` (default: the largest public case); print and return counts.

    Raises KernelError with the sanitizer's findings, or if there is no such kernel.
    """
    from llaisys_mini import cuda

    contract = operators.get(operator)
    kernel = choice.from_set(kernel_set, operator, "cuda")
    inputs = measured_inputs(contract, inputs)
    # Copies, since the sanitizer counts sectors from where the memory of an array begins, as a GPU would place it.
    inputs = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in inputs.items()}
    outputs = empty_outputs(contract, inputs)
    try:
        with cuda.sanitized(counts=True) as report:
            contract.run_with(kernel, inputs, outputs)
    except NotImplementedError as unfinished:
        raise CheckFailed(
            f"{operator} is not written yet: the cell with the kernel still raises ({unfinished})"
        ) from None
    except KernelError:
        raise
    except Exception as problem:
        raise KernelError(f"{operator}: the kernel raised {type(problem).__name__}: {problem}") from problem
    counted = GpuTraffic.of(operator, inputs, report)
    printer = console()
    printer.print(report.table())
    printer.print(str(counted), highlight=False)
    return counted
