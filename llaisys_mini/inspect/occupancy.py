"""How many threads of a kernel fit on one multiprocessor at a time, and what stands in the way of more.

Theoretical occupancy: resident warps over the most that a multiprocessor can hold. It is worked out from registers,
shared memory and block size alone, so no GPU is needed.

Limits: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability". Granularities and the rule for
registers (each of the four sub-partitions has its own): `cuda_occupancy.h` of the CUDA toolkit. A test compares this
file with that header wherever both a toolkit and a C compiler are at hand.
"""

from dataclasses import dataclass

WARP = 32
_SUB_PARTITIONS = 4
_REGISTERS_PER_STEP = 256  # registers are handed to a warp in steps of this many


@dataclass(frozen=True)
class Multiprocessor:
    """What one multiprocessor of an architecture holds. Shared memory in bytes.

    shared_step: shared memory is handed to a block in steps of this many bytes; shared_reserved: bytes of each block
    that the system keeps.
    """

    registers: int
    threads: int
    blocks: int
    shared: int
    shared_per_block: int
    shared_step: int
    shared_reserved: int


ARCHITECTURES = {
    "sm_75": Multiprocessor(65536, 1024, 16, 64 << 10, 64 << 10, 256, 0),  # Turing
    "sm_80": Multiprocessor(65536, 2048, 32, 164 << 10, 163 << 10, 128, 1024),  # Ampere: A100
    "sm_86": Multiprocessor(65536, 1536, 16, 100 << 10, 99 << 10, 128, 1024),  # Ampere: RTX 30
    "sm_89": Multiprocessor(65536, 1536, 24, 100 << 10, 99 << 10, 128, 1024),  # Ada: RTX 40, L4
    "sm_90": Multiprocessor(65536, 2048, 32, 228 << 10, 227 << 10, 128, 1024),  # Hopper: H100, H200
}


@dataclass(frozen=True)
class Occupancy:
    """share: resident warps over the most possible, 0 to 1; limit: "threads", "blocks", "registers" or "shared memory",
    whichever allows the fewest blocks."""

    blocks: int
    share: float
    limit: str


def occupancy(architecture: str, threads: int, registers: int, shared: int) -> Occupancy:
    """Occupancy of blocks of `threads` threads with `registers` each and `shared` bytes per block.

    share is 0 where not even one block fits. Raises KeyError for an architecture that is not in ARCHITECTURES.
    """
    holds = ARCHITECTURES[architecture]
    warps = -(-threads // WARP)
    allowed = {
        "threads": holds.threads // WARP // warps,
        "blocks": holds.blocks,
        "registers": _blocks_by_registers(holds, warps, registers),
        "shared memory": _blocks_by_shared(holds, shared),
    }
    limit = min(allowed, key=allowed.__getitem__)
    return Occupancy(allowed[limit], allowed[limit] * warps * WARP / holds.threads, limit)


def _blocks_by_registers(holds, warps, registers):
    per_warp = _round_up(max(registers, 1) * WARP, _REGISTERS_PER_STEP)
    if per_warp * _round_up(warps, _SUB_PARTITIONS) > holds.registers:
        return 0
    warps_that_fit = holds.registers // _SUB_PARTITIONS // per_warp * _SUB_PARTITIONS
    return warps_that_fit // warps


def _blocks_by_shared(holds, shared):
    taken = _round_up(shared + holds.shared_reserved, holds.shared_step)
    if shared > holds.shared_per_block:
        return 0
    return holds.shared // taken if taken else holds.blocks


def _round_up(value, step):
    return -(-value // step) * step
