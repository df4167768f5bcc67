"""How loops run: lanes that have left wait while the others go on with the next iteration.

test, body and orelse (run by the lanes that leave without `break`; None for nothing) are functions of the frame; see
translate.
"""

import numpy as np

from llaisys_mini.sanitizer import findings, values
from llaisys_mini.sanitizer.findings import Halt, UnsupportedInKernel
from llaisys_mini.sanitizer.frames import Loop
from llaisys_mini.sanitizer.machine import Site


def while_true(frame, test, body, line, waits=False, orelse=None):
    """A `while` loop: lanes leave when their condition fails. waits: it may wait for what other threads do."""
    entered, machine = frame.active, frame.machine
    loop = Loop(entered.resident.no_lanes)
    frame.loops.append(loop)
    done = entered.resident.no_lanes
    iterations = 0
    while frame.active.size:
        condition = values.truth(test(frame))
        if type(condition) is bool:
            if not condition:
                break
        else:
            going_on = frame.active.only(condition)
            if going_on.size != frame.active.size:
                done = done.united(frame.active.without(going_on))
                frame.active = going_on
                if not going_on.size:
                    break
        body(frame)
        frame.active, loop.continued = frame.active.united(loop.continued), entered.resident.no_lanes
        iterations += 1
        if iterations > machine.loop_limit:
            if waits:
                raise UnsupportedInKernel(
                    "a loop in which threads wait for other threads of their block, as for a lock, is not supported by "
                    "the sanitizer: let one thread of each block wait"
                )
            runaway(machine, frame, line, f"does not end within {machine.loop_limit} iterations")
    frame.loops.pop()
    frame.active = done.united(frame.active)
    _leave(frame, entered, loop, orelse)


def over_items(frame, items, assign, body, orelse=None):
    """A `for` loop whose items are the same for all lanes."""
    entered = frame.active
    loop = Loop(entered.resident.no_lanes)
    frame.loops.append(loop)
    for item in items:
        assign(frame, item)
        body(frame)
        if loop.continued.size:
            frame.active, loop.continued = frame.active.united(loop.continued), entered.resident.no_lanes
        if not frame.active.size:
            break
        if frame.active.size == entered.size:
            frame.active = entered
    frame.loops.pop()
    _leave(frame, entered, loop, orelse)


def over_lanes_ranges(frame, start, stop, step, assign, body, orelse=None):
    """A `for` loop over ranges that differ between lanes."""
    entered = frame.active
    no_lanes = entered.resident.no_lanes
    loop = Loop(no_lanes)
    frame.loops.append(loop)
    counter = np.full(entered.resident.size, start) if type(start) is not np.ndarray else start.astype(np.int64)
    upwards = np.asarray(step) > 0
    done = no_lanes
    while True:
        going_on = frame.active.only(np.where(upwards, counter < stop, counter > stop))
        if going_on.size != frame.active.size:
            done = done.united(frame.active.without(going_on))
            frame.active = going_on
        if not going_on.size:
            break
        assign(frame, counter)
        body(frame)
        if loop.continued.size:
            frame.active, loop.continued = frame.active.united(loop.continued), no_lanes
        counter = counter + step
    frame.loops.pop()
    frame.active = done
    _leave(frame, entered, loop, orelse)


def _leave(frame, entered, loop, orelse):
    """The active lanes have come to the end of a loop; those that broke off join them after its `else`."""
    if orelse is not None and frame.active.size:
        orelse(frame)
    frame.rejoin(entered, frame.active, loop.broken)


def runaway(machine, frame, line, what):
    """Report a loop that does not end, and end the launch."""
    thread = machine.launch.thread_name(frame.active.select(machine.resident.thread)[0])
    site = Site(-1, machine.function, line, 0, "")
    machine.report(findings.RUNAWAY, site, f"this loop {what} for {thread}", thread)
    raise Halt
