"""A copy of a program in disguise: what people change so that it does not look copied, and computes the same.

Names, layout and comments; the order of functions and of independent statements; the operands of commutative operators
and of comparisons; `a += b` and `a = a + b`; `a[i, j]` and `a[i][j]`; `range(n)` and `range(0, n)`; names of imports; a
value put into a variable first; a statement that does nothing. Which of them, a seed decides.
"""

import ast
import random

WORDS = (
    "acc buf idx row_id col val tmp res cur nxt amount item position level piece mark offset part limit count first"
    " other best state inner outer left right base mass power norm factor cell width height index element number"
).split()
ALWAYS = 0.9  # of the disguises that cost nothing to make; the others are drawn less often


def disguised(source: str, seed: int) -> str:
    """`source` in another look. Raises nothing: what cannot be changed stays."""
    rng = random.Random(seed)
    tree = ast.parse(source)
    for change, likely in (
        (_Operators, ALWAYS),
        (_Ranges, 0.5),
        (_Subscripts, 0.3),
        (_Statements, ALWAYS),
        (_Names, 1.0),
    ):
        if rng.random() < likely:
            tree = ast.fix_missing_locations(change(tree, rng).visit(tree))
    tree.body = _functions_in_another_order(tree.body, rng)
    return _laid_out(ast.unparse(ast.fix_missing_locations(tree)), rng)


class _Change(ast.NodeTransformer):
    def __init__(self, tree: ast.Module, rng: random.Random):
        self.rng = rng

    def sometimes(self, probability: float = 0.5) -> bool:
        return self.rng.random() < probability


_TURNED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}


class _Operators(_Change):
    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, (ast.Add, ast.Mult)) and self.sometimes():
            node.left, node.right = node.right, node.left
        return node

    def visit_Compare(self, node):
        self.generic_visit(node)
        if len(node.ops) == 1 and type(node.ops[0]) in _TURNED and self.sometimes():
            node.left, node.comparators, node.ops = node.comparators[0], [node.left], [_TURNED[type(node.ops[0])]()]
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("min", "max") and self.sometimes():
            node.args.reverse()
        return node

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        if not self.sometimes():
            return node
        value = ast.parse(ast.unparse(node.target), mode="eval").body
        return ast.Assign([node.target], ast.BinOp(value, node.op, node.value), lineno=0)

    def visit_Assign(self, node):
        self.generic_visit(node)
        value = node.value
        if isinstance(value, ast.BinOp) and len(node.targets) == 1 and self.sometimes():
            if ast.unparse(value.left) == ast.unparse(node.targets[0]) and isinstance(value.op, (ast.Add, ast.Mult)):
                return ast.AugAssign(node.targets[0], value.op, value.right)
        return node


class _Ranges(_Change):
    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("range", "prange") and len(node.args) == 1:
            node.args = [ast.Constant(0), node.args[0]]
        return node


class _Subscripts(_Change):
    def visit_Subscript(self, node):
        self.generic_visit(node)
        if isinstance(node.slice, ast.Tuple) and not any(isinstance(e, ast.Slice) for e in node.slice.elts):
            array = node.value
            for element in node.slice.elts[:-1]:
                array = ast.Subscript(array, element, ast.Load())
            return ast.Subscript(array, node.slice.elts[-1], node.ctx)
        return node


class _Statements(_Change):
    """Neighbours that do not depend on each other change places; now and then one is added, or a value gets a name."""

    def generic_visit(self, node):
        super().generic_visit(node)
        if isinstance(node, (ast.FunctionDef, ast.For, ast.While, ast.If)):
            node.body = self.shuffled(node.body)
            if isinstance(node, ast.FunctionDef) and self.sometimes(0.3):
                node.body.insert(0, ast.parse(f"{self.rng.choice(WORDS)}_unused = {self.rng.randrange(9)}").body[0])
        return node

    def shuffled(self, body):
        body = list(body)
        for place in range(len(body) - 1):
            if _independent(body[place], body[place + 1]) and self.sometimes():
                body[place], body[place + 1] = body[place + 1], body[place]
        made = []
        for statement in body:
            value = getattr(statement, "value", None)
            if isinstance(statement, ast.Assign) and isinstance(value, ast.BinOp) and self.sometimes(0.1):
                name = f"{self.rng.choice(WORDS)}_{self.rng.randrange(99)}"
                made.append(ast.Assign([ast.Name(name, ast.Store())], value.left, lineno=0))
                value.left = ast.Name(name, ast.Load())
            made.append(statement)
        return made


def _independent(first, second) -> bool:
    """Both set numbers of their own, or one array each, and neither reads what the other sets."""
    if not all(isinstance(s, (ast.Assign, ast.AugAssign, ast.FunctionDef)) for s in (first, second)):
        return False
    return not (_set(first) & (_set(second) | _read(second)) or _set(second) & _read(first))


def _set(node) -> set[str]:
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    elements = [n for n in ast.walk(node) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    return stored | {n.id for e in elements for n in ast.walk(e.value) if isinstance(n, ast.Name)}


def _read(node) -> set[str]:
    updated = {node.target.id} if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) else set()
    return updated | {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


class _Names(_Change):
    """Every name of the program's own, and often the names of its imports."""

    def __init__(self, tree, rng):
        super().__init__(tree, rng)
        nodes = list(ast.walk(tree))
        own = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        own |= {n.arg for n in nodes if isinstance(n, ast.arg)}
        own |= {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
        if rng.random() < 0.5:
            own |= {
                a.asname or a.name for n in nodes if isinstance(n, ast.Import) for a in n.names if "." not in a.name
            }
        taken = {n.id for n in nodes if isinstance(n, ast.Name)} - own
        names = [f"{word}{suffix}" for suffix in ("", "_2", "_b", "_new", "_x") for word in WORDS]
        rng.shuffle(names)
        self.other = dict(zip(sorted(own), (name for name in names if name not in taken), strict=False))

    def visit_Name(self, node):
        node.id = self.other.get(node.id, node.id)
        return node

    def visit_arg(self, node):
        node.arg = self.other.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.name = self.other.get(node.name, node.name)
        return node

    def visit_Import(self, node):
        for alias in node.names:
            known = alias.asname or alias.name
            alias.asname = self.other.get(known, alias.asname)
        return node

    def visit_keyword(self, node):
        self.generic_visit(node)
        return node


def _functions_in_another_order(body, rng):
    """Functions and imports in any order, other statements (constants) where they were before all functions."""
    functions = [s for s in body if isinstance(s, ast.FunctionDef)]
    imports = [s for s in body if isinstance(s, (ast.Import, ast.ImportFrom))]
    others = [s for s in body if s not in functions and s not in imports]
    rng.shuffle(functions)
    rng.shuffle(imports)
    return [*imports, *others, *functions]


def _laid_out(text: str, rng: random.Random) -> str:
    """Comments, blank lines, other indentation."""
    lines = []
    for line in text.split("\n"):
        bare = line.lstrip()
        indent = " " * ((len(line) - len(bare)) // 2)
        if rng.random() < 0.15:
            lines.append(f"{indent}# {rng.choice(WORDS)} of the {rng.choice(WORDS)}" if bare else "")
        lines.append(indent + bare + (f"  # {rng.choice(WORDS)}" if rng.random() < 0.1 else ""))
    return "\n".join(lines) + "\n"
