"""Operators of a kernel's expressions: arithmetic, comparisons, `and`, `or`, `not` and `a if c else b`."""

import ast
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from llaisys_mini.sanitizer import findings, values
from llaisys_mini.sanitizer.double_precision import remark, remark_of_comparison
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.frames import merged
from llaisys_mini.sanitizer.machine import Site
from llaisys_mini.sanitizer.scope import BINARY, Scope, described

_UNARY = {ast.USub: values.negative, ast.UAdd: lambda value: value, ast.Invert: values.inverted}
_COMPARE = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}


class Operations(Scope):
    """Translates operators."""

    def operation(self, node, operands: Sequence[ast.expr]) -> Callable:
        """`a <op> b` as a function of the frame and the two values."""
        apply = BINARY.get(type(node.op))
        if apply is None:
            self.refuse(node, f"the operator of `{ast.unparse(node)}`")
        line, function = node.lineno, self.kernel
        site = Site(-1, function, line, node.col_offset, "")
        divides = type(node.op) in (ast.FloorDiv, ast.Mod)
        on_bits = type(node.op) in (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
        tell = remark(self, node, operands)
        exponent = self.constant(node.right) if isinstance(node, ast.BinOp) and type(node.op) is ast.Pow else None

        def run(frame, a, b):
            machine = frame.machine
            if on_bits and "f" in (values.dtype_of(a).kind, values.dtype_of(b).kind):
                raise DoesNotCompile(f"`{ast.unparse(node)}`: this operator works on whole numbers, not on floats")
            if divides and values.dtype_of(b).kind in "iu":
                zero = frame.active.select(b == 0) if type(b) is np.ndarray else np.full(frame.active.size, b == 0)
                if zero.any():
                    thread = machine.launch.thread_name(frame.active.select(machine.resident.thread)[np.argmax(zero)])
                    machine.report(findings.DIVISION, site, f"{thread} divides an integer by zero", thread)
            if type(exponent) is int and values.dtype_of(a).kind == "f":
                b = values.cast(b, values.dtype_of(a))  # Numba multiplies x ** 2 out, in the type of x
            result = apply(a, b)
            if values.dtype_of(result) == values.FLOAT64:
                tell(frame, (a, b))
            return result

        return run

    def of_BinOp(self, node):
        left, right, operation = (
            self.expression(node.left),
            self.expression(node.right),
            self.operation(node, (node.left, node.right)),
        )

        def run(frame):
            a, b = left(frame), right(frame)
            if not isinstance(a, values.NUMBERS) or not isinstance(b, values.NUMBERS):
                raise DoesNotCompile(f"no arithmetic with {described(a)} and {described(b)}")
            return operation(frame, a, b)

        return run

    def of_UnaryOp(self, node):
        operand = self.expression(node.operand)
        if isinstance(node.op, ast.Not):

            def negate(frame):
                value = values.truth(operand(frame))
                return not value if type(value) is bool else ~value

            return negate
        apply, is_inversion = _UNARY[type(node.op)], isinstance(node.op, ast.Invert)

        def run(frame):
            value = operand(frame)
            if not isinstance(value, values.NUMBERS):
                raise DoesNotCompile(f"`{ast.unparse(node)}`: no arithmetic with {described(value)}")
            if is_inversion and values.dtype_of(value).kind == "f":
                raise DoesNotCompile(f"`{ast.unparse(node)}`: ~ works on whole numbers, not on floats")
            return apply(value)

        return run

    def of_Compare(self, node):
        operands = [self.expression(operand) for operand in (node.left, *node.comparators)]
        if all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops) and len(node.ops) == 1:
            wanted = isinstance(node.ops[0], ast.Is)
            return lambda frame: (operands[0](frame) is operands[1](frame)) == wanted
        if len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return self.is_in(node, operands)
        compare = [_COMPARE.get(type(op)) or self.refuse(node, f"`{ast.unparse(node)}`") for op in node.ops]
        tells = [remark_of_comparison(self, node, pair) for pair in pairwise((node.left, *node.comparators))]

        def run(frame):
            left = operands[0](frame)
            result: Any = True
            for apply, operand, tell in zip(compare, operands[1:], tells, strict=True):
                right = operand(frame)
                one = apply(left, right)
                tell(frame, (left, right))
                result = one if result is True else result & one
                left = right
            return result if type(result) is np.ndarray else bool(result)

        return run

    def is_in(self, node, operands):
        """`x in (1, 2, 3)`"""
        negated = isinstance(node.ops[0], ast.NotIn)

        def run(frame):
            value, items = operands[0](frame), operands[1](frame)
            if type(items) is not tuple:
                raise UnsupportedInKernel(f"`in` is supported for tuples, not for {described(items)}")
            found: Any = False
            for item in items:
                found = found | (value == item)
            found = found if type(found) is np.ndarray else bool(found)
            return (~found if type(found) is np.ndarray else not found) if negated else found

        return run

    def of_BoolOp(self, node):
        operands = [self.expression(operand) for operand in node.values]
        is_and = isinstance(node.op, ast.And)

        def run(frame):
            before, result = frame.active, None
            for operand in operands:
                condition = values.truth(operand(frame))
                if result is None:
                    result = condition
                else:
                    result = (result & condition) if is_and else (result | condition)
                if type(condition) is bool:
                    if condition != is_and:
                        break
                    continue
                frame.active = frame.active.only(condition if is_and else ~condition)
                if not frame.active.size:
                    break
            frame.active = before
            return result

        return run

    def of_IfExp(self, node):
        test, body, orelse = map(self.expression, (node.test, node.body, node.orelse))

        def run(frame):
            condition = values.truth(test(frame))
            if type(condition) is bool:
                return (body if condition else orelse)(frame)
            before = frame.active
            chosen = before.only(condition)
            if chosen.size in (0, before.size):
                return (body if chosen.size else orelse)(frame)
            frame.active = chosen  # either side sees only its own lanes: `x[i] if i < n else 0` is a guard
            first = body(frame)
            frame.active = before.without(chosen)
            second = orelse(frame)
            frame.active = before
            return merged(chosen.bits, first, second)

        return run
