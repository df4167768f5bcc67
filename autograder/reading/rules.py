"""What counts as a Numba kernel, decided from the source without running it: a worker could lie about its own code.

A kernel's module (the cut of slicing.py) may hold imports, functions under Numba's decorators, and constants. Within
that form nothing can reach around Numba: no statement could replace a function of another module, and what Numba
compiles cannot call Python. A CUDA kernel has a launcher too, in plain Python; launchers.py says what that may do.
What leaves this form is refused with a reason where it is a known way around Numba; where it is only unusual, the
instructor decides.
"""

import ast

from autograder.findings import ELSEWHERE, REFUSED, UNUSUAL, Finding, Names
from autograder.reading import launchers

_BLAS = {"dot", "vdot", "matmul", "tensordot", "einsum", "inner", "linalg", "kron"}
_NUMBA = launchers.NUMBA_TYPES | set(
    "njit jit prange get_num_threads set_num_threads get_thread_id literal_unroll vectorize guvectorize stencil"
    " pndindex set_parallel_chunksize get_parallel_chunksize parallel_chunksize".split()
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
_HELPERS = {
    "cpu": {"llaisys_mini.widen", "llaisys_mini.cpu.simd", "llaisys_mini.cpu.fast_exp"},
    "cuda": {"llaisys_mini.widen", "llaisys_mini.errors"}
    | {f"llaisys_mini.cuda{part}" for part in ("", ".reductions", ".vectors", ".tensor_cores")},
}
_COURSE_NAMES = set(
    "kernel answer check explain race count_traffic count_gpu_traffic show_progress submit widen use_kernels Tensor"
    " operators load_model verify_calls cuda".split()
)
_FIXED = {"njit", "jit", "kernel", "prange", "np", "numpy", "numba", "math", "widen", "cuda"}
_DECORATORS = {
    "cpu": {"numba.njit", "numba.jit", "numba.vectorize", "numba.guvectorize", "numba.stencil", "llaisys_mini.kernel"},
    "cuda": {launchers.JIT, "llaisys_mini.kernel"},
}

# What the value of a constant may be made with: nothing of it runs code that is given to it.
_CONSTANT_CALLS = {"float", "int", "min", "max", "len", "range", "tuple", "abs", "bool", "round", "sum"}
_CONSTANT_NUMPY = launchers.NUMPY | set(
    "arange array asarray ascontiguousarray zeros ones empty full linspace eye tri repeat tile concatenate stack outer"
    " cos sin tan tanh sign power maximum minimum cumsum sum prod round rint iinfo finfo dtype".split()
)
_CONSTANT_ATTRIBUTES = launchers.ATTRIBUTES | {"astype", "copy", "eps", "tiny", "max", "min"}


def kernel_findings(source: str, name: str, device: str = "cpu") -> list[Finding]:
    """What keeps the module from being a plain kernel of the operator `name` for "cpu" or "cuda"; empty if nothing."""
    found: list[Finding] = []
    tree = ast.parse(source)
    names = Names(tree)

    def note(kind, reason, node):
        found.append(Finding(kind, reason, getattr(node, "lineno", 0)))

    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            _imports(statement, note, device)
        elif isinstance(statement, ast.FunctionDef):
            _head(statement, note, names, device)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            _constant(statement, note, names)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            note(UNUSUAL, "a kernel's cell holds imports, functions and constants; this is something else", statement)
    for taken in sorted(names.defined & (_FIXED | set(names.imported))):
        note(UNUSUAL, f"{taken} is redefined", tree.body[0])
    for node in ast.walk(tree):
        operator = getattr(node, "op", None)
        if isinstance(operator, ast.MatMult):
            note(REFUSED, "the @ operator calls BLAS, a finished library: write the loops", node)
        for used in filter(None, (getattr(node, field, None) for field in ("attr", "id", "arg"))):
            if used in _AROUND:
                note(REFUSED, f"{used}: {_AROUND[used]}", node)
            elif isinstance(node, ast.Attribute) and used in _BLAS:
                note(REFUSED, f"{used} calls a finished library (BLAS): write the loops", node)
            elif used in ("reference", "expected") and isinstance(node, ast.Attribute):
                note(REFUSED, f"{used}: a kernel may not call the course's own answer", node)
    if device == "cuda":
        launchers.look(tree, name, names, note)
    return list(dict.fromkeys(found))


def _imports(statement, note, device):
    if isinstance(statement, ast.ImportFrom) and statement.level:
        return note(UNUSUAL, "an import of a file beside the cell", statement)
    for alias in statement.names:
        whole = alias.name if isinstance(statement, ast.Import) else statement.module
        top = whole.partition(".")[0]
        taken = "" if isinstance(statement, ast.Import) else alias.name
        parts = (*whole.split("."), taken)
        if taken == "*" and whole != "math":
            note(UNUSUAL, f"from {whole} import * hides where names come from", statement)
        elif top in _LIBRARIES:
            note(REFUSED, f"{top} computes it instead of a kernel: write the loops", statement)
        elif top == "numba":
            _import_of_numba(whole, taken, parts, statement, note, device)
        elif top == "numpy":
            for part in parts:
                if part in _BLAS:
                    note(REFUSED, f"{part} calls a finished library (BLAS): write the loops", statement)
        elif top == "llaisys_mini":
            _import_of_course(whole, taken, statement, note, device)
        elif top in _AROUND:
            note(REFUSED, f"{top}: {_AROUND[top]}", statement)
        elif top not in ("math", "typing", "__future__", "cmath"):
            note(UNUSUAL, f"the kernel uses {top}, which kernels of this course do not need", statement)


def _import_of_numba(whole, taken, parts, statement, note, device):
    around = [part for part in parts if part in _AROUND]
    for part in around:
        note(REFUSED, f"{part}: {_AROUND[part]}", statement)
    if "cuda" in parts[:3]:
        note(ELSEWHERE, launchers.NUMBAS_OWN, statement)
    elif device == "cuda" and taken in _NUMBA - launchers.NUMBA_TYPES:
        note(REFUSED, f"{taken} is for kernels of the CPU; here every number comes from a CUDA kernel", statement)
    elif whole != "numba" and not around:
        note(UNUSUAL, f"{whole} is not among what kernels of this course use", statement)
    elif taken and taken not in _NUMBA and not around:
        note(UNUSUAL, f"numba.{taken} is not among what kernels of this course use", statement)


def _import_of_course(whole, taken, statement, note, device):
    if whole in _HELPERS[device]:
        return
    if whole != "llaisys_mini":
        note(REFUSED, f"{whole}: a kernel may not call the course's own answer", statement)
    elif taken and (taken not in _COURSE_NAMES or taken == "operators"):
        note(REFUSED, f"llaisys_mini.{taken}: a kernel may not call the course's own answer", statement)


def _head(function, note, names, device):
    """What stands above a function's body is run as Python: decorators, defaults and annotations."""
    arguments = function.args
    paths = []
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        path = names.path(called)
        paths.append(path)
        if path is not None and path.startswith("numba.cuda"):
            note(ELSEWHERE, launchers.NUMBAS_OWN, decorator)
        elif path not in _DECORATORS[device]:
            note(UNUSUAL, f"the decorator @{ast.unparse(called)} is not among those of kernels", decorator)
        for argument in getattr(decorator, "args", ()):
            if not is_constant(argument, names):
                note(UNUSUAL, "an argument of a decorator is computed", decorator)
        for keyword in getattr(decorator, "keywords", ()):
            off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if (keyword.arg == "nopython" and off) or keyword.arg in ("forceobj", "looplift"):
                note(REFUSED, "object mode runs Python, not a kernel", decorator)
            elif keyword.arg == "prepare":
                note(UNUSUAL, "prepare= runs Python before the kernel", decorator)
            elif not is_constant(keyword.value, names):
                note(UNUSUAL, "an option of a decorator is computed", decorator)
    if device == "cpu" and "llaisys_mini.kernel" in paths and not set(paths) & {"numba.njit", "numba.jit", None}:
        note(REFUSED, "the kernel is not compiled: it runs as Python and NumPy. Put @njit below @kernel", function)
    for default in [*arguments.defaults, *filter(None, arguments.kw_defaults)]:
        if not is_constant(default, names):
            note(UNUSUAL, "a default argument is computed", default)
    all_of_them = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    for annotation in [function.returns, *(a.annotation for a in all_of_them if a is not None)]:
        if annotation is not None and not is_constant(annotation, names):
            note(UNUSUAL, "an annotation is computed", annotation)


def _constant(statement, note, names):
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        if any(isinstance(n, ast.Attribute) for n in ast.walk(target)):
            note(REFUSED, "it replaces something in another module", statement)
    for part in (statement.value, getattr(statement, "annotation", None)):
        if part is not None and not is_constant(part, names):
            note(UNUSUAL, "a value at the top of the cell is computed in an unusual way", statement)


def is_constant(node, names: Names) -> bool:
    """Literals, names, arithmetic, and calls of what makes numbers and arrays in NumPy, math and Numba's types."""
    for child in ast.walk(node):
        if isinstance(child, ast.Call):
            is_method = isinstance(child.func, ast.Attribute) and names.path(child.func) is None
            if not is_method and not _makes_numbers(names.path(child.func)):
                return False
        if isinstance(child, ast.Attribute):
            path = names.path(child)
            is_known = child.attr in _CONSTANT_ATTRIBUTES if path is None else _makes_numbers(path)
            if not is_known and path not in ("numba.types",) and not (path or "").startswith("numba.types."):
                return False
        elif isinstance(child, (ast.Lambda, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)):
            return False
    return True


def _makes_numbers(path: str | None) -> bool:
    if path is None:
        return False
    owner, _, name = path.rpartition(".")
    known = {"": _CONSTANT_CALLS, "numpy": _CONSTANT_NUMPY, "numba": launchers.NUMBA_TYPES}.get(owner, ())
    return name in known or (owner == "math" and not name.startswith("_"))


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
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            is_get = node.func.attr == "get" and "exercises" in ast.unparse(node.func.value)
            if is_get and isinstance(node.args[0], ast.Constant) and node.args[0].value == name:
                found.append(Finding(REFUSED, "it calls the course's own answer", line))
    return found
