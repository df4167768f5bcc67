"""What counts as a Numba kernel. Read off the source, never executed: a worker's word about its own code is no proof.

A kernel's module (the cut of slicing.py) may hold imports, functions under Numba's decorators, and constants. Within
that form nothing can reach around Numba: no statement could replace a function of another module, and what Numba
 compiles cannot call Python. What leaves this form is refused with a reason where it is a known way around, and
left to a person where it is only unusual.
"""

import ast
from dataclasses import dataclass

REFUSED, UNUSUAL = "refused", "unusual"


@dataclass(frozen=True)
class Finding:
    """kind: REFUSED (scores nothing) or UNUSUAL (a person decides); reason: for the student; line: in the cell."""

    kind: str
    reason: str
    line: int

    def __str__(self) -> str:
        return f"{self.reason} (line {self.line} of the cell)"


_BLAS = {"dot", "vdot", "matmul", "tensordot", "einsum", "inner", "linalg", "kron"}
_NUMBA = set(
    "njit jit prange float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 boolean bool_ intp types void"
    " get_num_threads set_num_threads get_thread_id literal_unroll vectorize guvectorize stencil"
    " pndindex set_parallel_chunksize get_parallel_chunksize parallel_chunksize optional none".split()
)
_AROUND = {
    "objmode": "object mode runs Python, not a kernel",
    "forceobj": "object mode runs Python, not a kernel",
    "generated_jit": "only plain @njit functions are graded",
    "cfunc": "callbacks are not part of a kernel",
    "CFUNCTYPE": "callbacks are not part of a kernel",
    "ctypes": "raw pointers and foreign functions are not part of a kernel",
    "cffi": "raw pointers and foreign functions are not part of a kernel",
    "carray": "raw pointers are not part of a kernel",
    "farray": "raw pointers are not part of a kernel",
    "intrinsic": "a kernel is written in Python that Numba compiles, not in the compiler's own language",
    "overload": "a kernel is written in Python that Numba compiles, not in the compiler's own language",
    "extending": "a kernel is written in Python that Numba compiles, not in the compiler's own language",
    "ExternalFunction": "raw pointers and foreign functions are not part of a kernel",
}
_LIBRARIES = {"scipy", "torch", "jax", "cupy", "tensorflow", "sklearn", "numexpr", "cython", "pythran", "llvmlite"}
_COURSE_HELPERS = {"llaisys_mini.widen", "llaisys_mini.simd", "llaisys_mini.fast_exp"}
_COURSE_NAMES = set(
    "kernel answer check explain race count_traffic show_progress submit widen use_kernels Tensor operators load_model"
    " race_matmul".split()
)
_CONSTANT_CALLS = {"np", "numpy", "math", "float", "int", "min", "max", "len", "range", "tuple", "abs", "bool", "numba"}
_FIXED = {"njit", "jit", "kernel", "prange", "np", "numpy", "numba", "math", "widen"}
_DECORATORS = {"njit", "jit", "kernel", "vectorize", "guvectorize", "stencil"}


def kernel_findings(source: str, name: str) -> list[Finding]:
    """What keeps the module from being a plain Numba kernel of the operator `name`; empty if nothing does."""
    found: list[Finding] = []
    tree = ast.parse(source)

    def note(kind, reason, node):
        found.append(Finding(kind, reason, getattr(node, "lineno", 0)))

    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            _imports(statement, note)
        elif isinstance(statement, ast.FunctionDef):
            _decorators(statement, note)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            _constant(statement, note)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            note(UNUSUAL, "a kernel's cell holds imports, functions and constants; this is something else", statement)
        if not isinstance(statement, (ast.Import, ast.ImportFrom)):
            for taken in _bound(statement) & _FIXED:
                note(UNUSUAL, f"{taken} is defined anew", statement)
    for node in ast.walk(tree):
        if isinstance(node, ast.MatMult):
            found.append(
                Finding(REFUSED, "the @ operator calls BLAS, a finished library: write the loops", _line(tree))
            )
        names = [getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "arg", None)]
        for word in filter(None, names):
            if word in _AROUND:
                note(REFUSED, f"{word}: {_AROUND[word]}", node)
            elif isinstance(node, ast.Attribute) and word in _BLAS:
                note(REFUSED, f"{word} calls a finished library (BLAS): write the loops", node)
            elif word in ("reference", "expected") and isinstance(node, ast.Attribute):
                note(REFUSED, f"{word}: a kernel may not call the course's own answer", node)
    return list(dict.fromkeys(found))


def _bound(statement) -> set[str]:
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names | {getattr(statement, "name", "")}


def _line(tree):
    return next((n.lineno for n in ast.walk(tree) if isinstance(getattr(n, "op", None), ast.MatMult)), 0)


def _imports(statement, note):
    if isinstance(statement, ast.ImportFrom) and statement.level:
        return note(UNUSUAL, "an import of a file beside the cell", statement)
    for alias in statement.names:
        whole = alias.name if isinstance(statement, ast.Import) else statement.module
        top = whole.partition(".")[0]
        taken = "" if isinstance(statement, ast.Import) else alias.name
        if top in _LIBRARIES:
            note(REFUSED, f"{top} answers instead of a kernel: write the loops", statement)
        elif top == "numba":
            if taken and whole == "numba" and taken not in _NUMBA and taken not in _AROUND:
                note(UNUSUAL, f"numba.{taken} is not among what kernels of this course use", statement)
            elif whole != "numba" and not any(part in _AROUND for part in (*whole.split("."), taken)):
                note(UNUSUAL, f"{whole} is not among what kernels of this course use", statement)
            for part in (*whole.split("."), taken):
                if part in _AROUND:
                    note(REFUSED, f"{part}: {_AROUND[part]}", statement)
        elif top == "numpy":
            for part in (*whole.split("."), taken):
                if part in _BLAS:
                    note(REFUSED, f"{part} calls a finished library (BLAS): write the loops", statement)
        elif top == "llaisys_mini":
            if whole != "llaisys_mini" and whole not in _COURSE_HELPERS:
                note(REFUSED, f"{whole}: a kernel may not call the course's own answer", statement)
            elif (whole == "llaisys_mini" and taken and taken not in _COURSE_NAMES) or taken in (
                "operators",
                "exercises",
            ):
                note(REFUSED, f"llaisys_mini.{taken}: a kernel may not call the course's own answer", statement)
        elif top in _AROUND:
            note(REFUSED, f"{top}: {_AROUND[top]}", statement)
        elif top not in ("math", "typing", "__future__", "cmath"):
            note(UNUSUAL, f"the kernel uses {top}, which kernels of this course do not need", statement)


def _decorators(function, note):
    words = []
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        word = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "?")
        words.append(word)
        if word not in _DECORATORS:
            note(UNUSUAL, f"the decorator @{word} is not among those of kernels", decorator)
        if not all(_is_constant(argument) for argument in getattr(decorator, "args", ())):
            note(UNUSUAL, "an argument of a decorator is computed", decorator)
        for keyword in getattr(decorator, "keywords", ()):
            off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if (keyword.arg == "nopython" and off) or keyword.arg in ("forceobj", "looplift"):
                note(REFUSED, "object mode runs Python, not a kernel", decorator)
            elif keyword.arg == "prepare":
                note(UNUSUAL, "prepare= runs Python before the kernel", decorator)
            elif not _is_constant(keyword.value):
                note(UNUSUAL, "an option of a decorator is computed", decorator)
    if "kernel" in words and not set(words) & {"njit", "jit"}:
        note(REFUSED, "the kernel is not compiled: it runs as Python and NumPy. Put @njit below @kernel", function)
    for default in [*function.args.defaults, *filter(None, function.args.kw_defaults)]:
        if not _is_constant(default):
            note(UNUSUAL, "a default argument is computed", default)


def _constant(statement, note):
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        if isinstance(target, ast.Attribute) or any(isinstance(n, ast.Attribute) for n in ast.walk(target)):
            note(REFUSED, "it replaces something in another module", statement)
    if statement.value is not None and not _is_constant(statement.value):
        note(UNUSUAL, "a value at the top of the cell is computed in an unusual way", statement)


def _is_constant(node) -> bool:
    """Literals, names, arithmetic, and calls of NumPy, math, Numba's decorators and plain builtins."""
    for child in ast.walk(node):
        if isinstance(child, ast.Call):
            base = child.func
            while isinstance(base, (ast.Attribute, ast.Call)):
                base = base.value if isinstance(base, ast.Attribute) else base.func
            if not isinstance(base, ast.Name) or base.id not in _CONSTANT_CALLS | _DECORATORS:
                return False
        elif isinstance(child, ast.Attribute):
            if child.attr.startswith("_") or child.attr in ("load", "fromfile", "memmap", "lib", "ctypeslib", "save"):
                return False
        elif isinstance(child, (ast.Lambda, ast.Await, ast.Yield, ast.NamedExpr)):
            return False
    return True


# ---- exercises ---------------------------------------------------------------------------------------------------


def exercise_findings(source: str, name: str) -> list[Finding]:
    """Answers are ordinary Python; only the course's own answer to the same exercise may not stand in for them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"llaisys_mini.exercises.{name}"):
            found.append(Finding(REFUSED, "it calls the course's own answer", line))
        elif isinstance(node, ast.ImportFrom) and node.module == "llaisys_mini.exercises":
            if any(alias.name == name for alias in node.names):
                found.append(Finding(REFUSED, "it calls the course's own answer", line))
        elif isinstance(node, ast.Attribute) and node.attr == "reference":
            found.append(Finding(REFUSED, "it calls the course's own reference", line))
        elif isinstance(node, ast.Attribute) and node.attr == name and "exercises" in ast.unparse(node.value):
            found.append(Finding(REFUSED, "it calls the course's own answer", line))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get" and node.args:
            owner = ast.unparse(node.func.value)
            if "exercises" in owner and isinstance(node.args[0], ast.Constant) and node.args[0].value == name:
                found.append(Finding(REFUSED, "it calls the course's own answer", line))
    return found


# ---- what the instructor should look at ---------------------------------------------------------------------------

_SIGNS = {
    "_exit": "os._exit",
    "fork": "os.fork",
    "forkpty": "os.forkpty",
    "kill": "os.kill",
    "Popen": "subprocess",
    "system": "os.system",
    "check_output": "subprocess",
    "urlopen": "network use",
    "create_connection": "network use",
    "input_transformers_cleanup": "an IPython hook",
    "input_transformers_post": "an IPython hook",
    "ast_transformers": "an IPython hook",
    "setitimer": "a signal handler",
    "settrace": "a trace function",
    "determine_grade": "nbgrader's own functions",
}
_MODULES = {"subprocess": "subprocess", "socket": "network use", "requests": "network use", "urllib": "network use"} | {
    "atexit": "an exit handler",
    "signal": "a signal handler",
    "ctypes": "ctypes",
    "gc": "the garbage collector",
    "nbgrader": "nbgrader",
    "autograder": "the autograder",
    "multiprocessing": "processes of its own",
}
_PATCHED = {"np", "numpy", "numba", "llaisys_mini", "builtins", "checks", "sys", "math", "time"}
_PATHS = ("gradebook", "solutions/", "build/labs", "submitted/", "/proc/", "hidden", "autograde")


def signs_of_tampering(source: str) -> list[str]:
    """Things that a lab has no use for, wherever in the notebook they stand. They cost nothing: a person looks."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [_MODULES[m.partition(".")[0]] for m in modules if m.partition(".")[0] in _MODULES]
        elif isinstance(node, ast.Attribute):
            if node.attr in _SIGNS:
                found.append(_SIGNS[node.attr])
            if isinstance(node.ctx, ast.Store) and isinstance(node.value, (ast.Name, ast.Attribute)):
                base = ast.unparse(node.value)
                if base.partition(".")[0] in _PATCHED:
                    found.append(f"replaces {base}.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found.append("opens files")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            found.append(f"replaces {ast.unparse(node.args[0]) if node.args else 'something'}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 300:
            found += [f"names {path}" for path in _PATHS if path in node.value]
        elif isinstance(node, (ast.FunctionDef, ast.Assign)) and "check" in _defined(node):
            found.append("replaces check")
    return list(dict.fromkeys(found))


def _defined(node):
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    return {t.id for t in node.targets if isinstance(t, ast.Name)}
