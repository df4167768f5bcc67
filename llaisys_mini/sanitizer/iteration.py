"""Loops of a kernel: what they go over, and how they are left. How lanes wait in them stands in `loops`."""

import ast
from collections.abc import Callable

import numpy as np

from llaisys_mini.sanitizer import loops
from llaisys_mini.sanitizer.assignments import Assignments
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.scope import described
from llaisys_mini.sanitizer.views import View


class Iteration(Assignments):
    """Translates loops."""

    def block(self, nodes) -> Callable:
        """Statements, one after the other, as a function of the frame."""
        raise NotImplementedError

    def do_While(self, node):
        before = len(self.program.sites)
        test, body, line = self.expression(node.test), self.block(node.body), node.lineno
        waits = any(site.is_lock for site in self.program.sites[before:])
        self.program.may_wait |= waits
        orelse = self.block(node.orelse) if node.orelse else None
        return lambda frame: loops.while_true(frame, test, body, line, waits, orelse)

    def do_For(self, node):
        assign, body, line = self.target(node.target, node.iter), self.block(node.body), node.lineno
        orelse = self.block(node.orelse) if node.orelse else None
        call = node.iter
        if not (isinstance(call, ast.Call) and self.constant(call.func) is range and not call.keywords):
            items = self.items(call)
            return lambda frame: loops.over_items(frame, items(frame), assign, body, orelse)
        bounds = [self.expression(argument) for argument in call.args]

        def run(frame):
            limits = [bound(frame) for bound in bounds]
            start, stop, step = (0, limits[0], 1) if len(limits) == 1 else (*limits, 1)[:3]
            if np.any(np.asarray(step) == 0):
                loops.runaway(frame.machine, frame, line, "has a step of 0")
            if any(type(limit) is np.ndarray for limit in (start, stop, step)):
                loops.over_lanes_ranges(frame, start, stop, step, assign, body, orelse)
            else:
                loops.over_items(frame, range(start, stop, step), assign, body, orelse)

        return run

    def items(self, node) -> Callable:
        """What a loop goes over, if not a plain range: a function of the frame that gives an iterable."""
        callee = self.constant(node.func) if isinstance(node, ast.Call) else None
        if callee is range:
            bounds = [self.expression(argument) for argument in node.args]
            return lambda frame: range(*[_same_for_all(bound(frame)) for bound in bounds])
        if callee in (enumerate, zip) and not node.keywords:
            inner = [self.items(argument) for argument in (node.args if callee is zip else node.args[:1])]
            rest = [self.expression(argument) for argument in ([] if callee is zip else node.args[1:])]
            return lambda frame: callee(*[one(frame) for one in inner], *[_same_for_all(one(frame)) for one in rest])
        value, site = self.expression(node), self.site(node, "reads", f"{ast.unparse(node)}[...]")

        def elements(frame):
            whole = value(frame)
            if type(whole) is tuple:
                return whole
            if type(whole) is not View:
                raise DoesNotCompile(f"a loop goes over range(...), an array or a tuple, not over {described(whole)}")
            return (whole.load(number, frame.active, site) for number in range(whole.shape[0]))

        return elements

    def do_Break(self, node):
        def run(frame):
            loop = frame.loops[-1]
            loop.broken = loop.broken.united(frame.active)
            frame.active = frame.active.resident.no_lanes

        return run

    def do_Continue(self, node):
        def run(frame):
            loop = frame.loops[-1]
            loop.continued = loop.continued.united(frame.active)
            frame.active = frame.active.resident.no_lanes

        return run


def _same_for_all(value):
    if type(value) is np.ndarray:
        raise UnsupportedInKernel(
            "a range within enumerate or zip with bounds that differ between threads is not supported"
        )
    return int(value)
