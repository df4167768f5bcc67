"""Assignments of a kernel: to variables, to several at once, and to elements of arrays."""

import ast
from collections.abc import Callable

from llaisys_mini.sanitizer.conditions import checks_of
from llaisys_mini.sanitizer.expressions import Expressions
from llaisys_mini.sanitizer.findings import DoesNotCompile
from llaisys_mini.sanitizer.scope import arrays_in, described
from llaisys_mini.sanitizer.views import View


class Assignments(Expressions):
    """Translates assignments."""

    def define(self, name, node) -> None:
        """Translate a function within this one. The variables of this one that it uses become parameters."""
        raise NotImplementedError

    def do_Assign(self, node):
        if isinstance(node.value, ast.Lambda) and len(node.targets) == 1 and _plain_name(node.targets[0]):
            return self.define(node.targets[0].id, node.value)
        value = self.expression(node.value, name=_plain_name(node.targets[0]))
        targets = [self.target(target, node.value) for target in node.targets]

        def run(frame):
            result = value(frame)
            for assign in targets:
                assign(frame, result)

        return run

    def do_AnnAssign(self, node):
        if node.value is None:
            return None
        value, assign = self.expression(node.value), self.target(node.target, node.value)
        return lambda frame: assign(frame, value(frame))

    def target(self, node, value_node=None) -> Callable:
        """How to assign to `node`: a function of the frame and the value."""
        if isinstance(node, ast.Name):
            name = node.id
            if value_node is not None:
                self.aliases.setdefault(name, set()).update(arrays_in(value_node))
            return lambda frame, value: frame.assign(name, value)
        if isinstance(node, ast.Tuple):
            targets = [self.target(item, value_node) for item in node.elts]
            site = self.site(node, "reads", f"{ast.unparse(value_node)}[...]") if value_node is not None else None

            def unpack(frame, value):
                if type(value) is View and value.shape and value.shape[0] == len(targets):
                    value = tuple(value.load(number, frame.active, site) for number in range(len(targets)))
                if type(value) is not tuple or len(value) != len(targets):
                    raise DoesNotCompile(f"{len(targets)} names cannot take {described(value)}")
                for assign, item in zip(targets, value, strict=True):
                    assign(frame, item)

            return unpack
        if isinstance(node, ast.Subscript):
            self.mark_written(node.value)
            array, index, site = self.expression(node.value), self.index(node.slice), self.site(node, "writes")
            site.checked_by = checks_of(site, self.conditions, value_node)
            site.copies = value_node is not None and _is_copy(value_node)

            def store(frame, value):
                _view(array(frame)).store(index(frame), value, frame.active, site)

            return store
        return self.refuse(node, f"assigning to {ast.unparse(node)}")

    def do_AugAssign(self, node):
        operation = self.operation(node, (node.target, node.value))
        value = self.expression(node.value)
        if isinstance(node.target, ast.Name):
            name, read = node.target.id, self.expression(ast.copy_location(ast.Name(node.target.id, ast.Load()), node))
            return lambda frame: frame.assign(name, operation(frame, read(frame), value(frame)))
        if not isinstance(node.target, ast.Subscript):
            self.refuse(node, f"assigning to {ast.unparse(node.target)}")
        self.mark_written(node.target.value)
        array, index = self.expression(node.target.value), self.index(node.target.slice)
        reading, writing = self.site(node.target, "reads"), self.site(node.target, "writes")
        reading.updates = True

        def run(frame):
            view, at = _view(array(frame)), index(frame)
            old = view.load(at, frame.active, reading)
            if type(old) is View:
                raise DoesNotCompile(f"`{ast.unparse(node)}` changes many elements at once: write a loop")
            view.store(at, operation(frame, old, value(frame)), frame.active, writing)

        return run


def _plain_name(node) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _is_copy(node) -> bool:
    """Whether an expression is only loaded or constant: `x[i]`, `0`, `np.float32(0)`, `x[i] if i < n else 0`."""
    if isinstance(node, ast.IfExp):
        return _is_copy(node.body) and _is_copy(node.orelse)
    if isinstance(node, ast.Call):
        return len(node.args) == 1 and isinstance(node.args[0], ast.Constant)
    return isinstance(node, (ast.Subscript, ast.Constant))


def _view(value) -> View:
    if type(value) is not View:
        raise DoesNotCompile(f"{described(value)} is no array and cannot be written")
    return value
