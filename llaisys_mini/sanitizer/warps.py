"""Barriers, shuffles and votes: what the threads of a block or a warp do together.

A warp operation takes a mask of the lanes that participate. CUDA's rules, which a GPU does not check: a thread that
calls it is in its own mask; all of the mask's lanes that have not returned call the same operation with the same mask;
and a shuffle reads only from participating lanes. (CUDA C++ Programming Guide, "Warp Shuffle Functions", "Warp Vote
Functions".)
"""

import numpy as np

from llaisys_mini.sanitizer import accepted, findings, values
from llaisys_mini.sanitizer.findings import DoesNotCompile
from llaisys_mini.sanitizer.lanes import WARP, Active

_FULL = 0xFFFFFFFF


# ---- barriers of the block ------------------------------------------------------------------------------------------


def syncthreads(frame, line):
    """A barrier of the block."""
    frame.machine.barrier(frame.active, line, "syncthreads")


def _counted(frame, line, predicate, name):
    """For each lane how many threads of its block pass a true predicate."""
    machine, active = frame.machine, frame.active
    _check_predicate(name, predicate)
    machine.barrier(active, line, name)
    true = active.select(_per_lane(values.truth(predicate), active))
    return np.bincount(active.select(machine.resident.slot), true, machine.resident.blocks).astype(np.int64)[
        machine.resident.slot
    ]


def _check_predicate(name, predicate):
    kind = values.dtype_of(predicate).name
    if kind not in accepted.PREDICATES[name]:
        instead = "1 if x else 0" if kind == "bool" else "x != 0"
        raise DoesNotCompile(f"cuda.{name} of a {kind} does not compile for a GPU: write {instead} for x")


def syncthreads_count(frame, line, predicate):
    """A barrier; for each lane how many threads of its block pass a true predicate, int64."""
    return _counted(frame, line, predicate, "syncthreads_count")


def syncthreads_and(frame, line, predicate):
    """A barrier; 1 for lanes of blocks in which every thread passes a true predicate, else 0."""
    count = _counted(frame, line, predicate, "syncthreads_and")
    return (count == frame.machine.launch.threads_per_block).astype(np.int64)


def syncthreads_or(frame, line, predicate):
    """A barrier; 1 for lanes of blocks in which some thread passes a true predicate, else 0."""
    return (_counted(frame, line, predicate, "syncthreads_or") > 0).astype(np.int64)


# ---- within a warp --------------------------------------------------------------------------------------------------


def syncwarp(translator, node, _):
    """Translate `cuda.syncwarp(mask)`: what the lanes of the mask did before is over for all of them."""
    translator.program.uses_syncwarp = True
    if node.keywords or len(node.args) > 1:
        translator.refuse(node, "`syncwarp` with these arguments")
    mask = translator.expression(node.args[0]) if node.args else lambda frame: _FULL
    line = node.lineno

    def run(frame):
        masks = _participants(frame, line, "syncwarp", mask(frame))
        resident = frame.machine.resident
        per_warp = np.zeros(resident.warps, np.int64)
        per_warp[frame.active.select(resident.warp)] = frame.active.select(masks)
        frame.machine.clocks.synchronise(per_warp & frame.active.warp_bits)

    return run


def _per_lane(value, active: Active) -> np.ndarray:
    return value if type(value) is np.ndarray else np.full(active.resident.size, value)


def _participants(frame, line, name, mask) -> np.ndarray:
    """The mask of each lane, after checking CUDA's rules for it."""
    machine, active, resident = frame.machine, frame.active, frame.machine.resident
    if machine.unset_reads.are_there and name != "syncwarp":
        machine.unset_reads.used(active, None)
    if type(mask) is int and mask == _FULL and ((active.warp_bits == _FULL) | (active.warp_bits == 0)).all():
        return np.full(resident.size, _FULL)  # whole warps, and all of them: the usual case
    if values.dtype_of(mask).kind not in "iub":
        raise DoesNotCompile(f"the mask of cuda.{name} must be an integer")
    masks = _per_lane(values.cast(mask, values.INT64) & _FULL, active)
    lane, warp, chosen = active.select(resident.lane), active.select(resident.warp), active.select(masks)
    outside = (chosen >> lane) & 1 == 0
    if outside.any():
        _complain(frame, line, outside, lambda who, _: f"{who} calls cuda.{name} but is not in its mask")
    present = resident.all_lanes.warp_bits
    returned = Active(resident, machine.exited).warp_bits if machine.exited.any() else 0
    absent = chosen & (present & ~returned)[warp] & ~active.warp_bits[warp]
    if absent.any():
        _complain(
            frame,
            line,
            absent != 0,
            lambda who, where: (
                f"{who} calls cuda.{name} for lanes {_lanes(chosen[where])}, "
                f"but of its warp {_lanes(absent[where])} did not reach the call"
            ),
        )
    first = np.zeros(resident.warps, np.int64)
    first[warp] = chosen
    different = first[warp] != chosen
    if different.any():
        _complain(
            frame, line, different, lambda who, _: f"{who} calls cuda.{name} with another mask than others of its warp"
        )
    return masks


def _lanes(mask) -> str:
    """A mask as text: `0-15, 17`."""
    members = [lane for lane in range(WARP) if (int(mask) >> lane) & 1]
    runs: list[list[int]] = []
    for lane in members:
        if runs and runs[-1][1] == lane - 1:
            runs[-1][1] = lane
        else:
            runs.append([lane, lane])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _complain(frame, line, which, message):
    machine, where = frame.machine, int(np.argmax(which))
    thread = machine.launch.thread_name(frame.active.select(machine.resident.thread)[where])
    machine.report(findings.INACTIVE_LANES, line, message(thread, where), thread)


def shuffle(name: str):
    """shfl_sync, shfl_up_sync, shfl_down_sync or shfl_xor_sync: each lane reads a value of another lane."""

    def run(frame, line, mask, value, distance):
        active, resident = frame.active, frame.machine.resident
        masks = _participants(frame, line, name, mask)
        kind = values.dtype_of(value)
        if kind.name not in accepted.SHUFFLED:
            better = (
                "np.float32(...)" if kind.kind == "f" else "np.int32(...)" if kind.itemsize < 8 else "np.int64(...)"
            )
            raise DoesNotCompile(
                f"cuda.{name} of a {kind.name} does not compile for a GPU: write {better} around the number"
            )
        vector = _per_lane(value, active)
        d = _per_lane(distance, active)
        source = {
            "shfl_sync": lambda: d % WARP,
            "shfl_up_sync": lambda: resident.lane - d,
            "shfl_down_sync": lambda: resident.lane + d,
            "shfl_xor_sync": lambda: resident.lane ^ d,
        }[name]()
        source = np.where((source < 0) | (source >= WARP), resident.lane, source)  # beyond the warp: one's own value
        position = resident.position[resident.warp, source]
        participates = (position >= 0) & active.bits[position] & ((masks >> source) & 1 == 1)
        absent = active.select(~participates)
        if absent.any():
            reads = active.select(source)
            _complain(
                frame,
                line,
                absent,
                lambda who, where: f"{who} reads lane {reads[where]} of its warp in cuda.{name}, {_why_not}",
            )
        return vector[np.where(participates, position, np.arange(resident.size))]

    return run


_why_not = "which does not participate"


def _votes(frame, line, name, mask, predicate):
    """For each lane the mask of the lanes of its warp that pass a true predicate, and the mask of those that vote."""
    active, resident = frame.active, frame.machine.resident
    _check_predicate(name, predicate)
    masks = _participants(frame, line, name, mask)
    true = active.only(_per_lane(values.truth(predicate), active))
    return true.warp_bits[resident.warp] & masks, active.warp_bits[resident.warp] & masks


def any_sync(frame, line, mask, predicate):
    """For each lane whether some lane of its warp and mask passes a true predicate."""
    return _votes(frame, line, "any_sync", mask, predicate)[0] != 0


def all_sync(frame, line, mask, predicate):
    """For each lane whether every lane of its warp and mask passes a true predicate."""
    true, voting = _votes(frame, line, "all_sync", mask, predicate)
    return true == voting


def eq_sync(frame, line, mask, predicate):
    """For each lane whether all lanes of its warp and mask pass the same predicate."""
    true, voting = _votes(frame, line, "eq_sync", mask, predicate)
    return (true == voting) | (true == 0)


def ballot_sync(frame, line, mask, predicate):
    """For each lane the mask of the lanes of its warp and mask that pass a true predicate."""
    return _votes(frame, line, "ballot_sync", mask, predicate)[0]


def match_any_sync(frame, line, mask, value):
    """For each lane the mask of the lanes of its warp that hold the same value."""
    active, resident = frame.active, frame.machine.resident
    masks = _participants(frame, line, "match_any_sync", mask)
    vector = _per_lane(value, active)
    table = np.zeros(resident.size, np.int64)
    for other in range(WARP):
        position = resident.position[resident.warp, other]
        same = (position >= 0) & active.bits[position] & (vector[position] == vector)
        table |= same.astype(np.int64) << other
    return table & masks


def match_all_sync(frame, line, mask, value):
    """For each lane (mask, True) if all lanes of its warp and mask hold the same value, else (0, False)."""
    same = match_any_sync(frame, line, mask, value)
    active = frame.active
    voting = active.warp_bits[frame.machine.resident.warp] & _per_lane(values.cast(mask, values.INT64) & _FULL, active)
    agree = same == voting
    return np.where(agree, voting, 0), agree


def activemask(frame, line):
    """For each lane the mask of the lanes of its warp that are here too."""
    return frame.active.warp_bits[frame.machine.resident.warp]
