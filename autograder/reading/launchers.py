"""What the launcher of a CUDA kernel may do: choose sizes, and launch kernels on the arrays it was given.

A launcher is plain Python on the host. On a GPU its arrays are in device memory, so it cannot compute with them; under
the sanitizer they are ordinary arrays, and it could answer with NumPy. Being Python, it could also tamper with the
sanitizer. So its source is checked here before anything runs; worker/gpu.py then keeps it from the arrays' elements.
"""

import ast

from autograder.findings import REFUSED, UNUSUAL, bound_by

JIT = "llaisys_mini.cuda.jit"
_JITS = (JIT, "numba.cuda.jit")
NUMBAS_OWN = (
    "numba.cuda needs a GPU, and the judge has none: `from llaisys_mini import cuda` has the same functions and is "
    "judged here"
)

# None of these gives elements of an array to Python: what could is stopped in worker/gpu.py.
NUMPY = set(
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ intp pi e inf nan newaxis"
    " ceil floor sqrt exp exp2 log log2 abs prod".split()
)
NUMBA_TYPES = set(
    "float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 boolean bool_ intp types void optional"
    " none".split()
)
_NEW_ARRAYS = {"zeros", "ones"}
ATTRIBUTES = set("shape size ndim dtype itemsize nbytes strides T transpose reshape ravel squeeze view".split())
_BUILTINS = set(
    "int float bool abs min max len range round sum tuple list divmod pow enumerate zip reversed sorted any all"
    " ValueError NotImplementedError RuntimeError TypeError AssertionError".split()
)
_ON_HOST = {"jit", "device_array", "to_device", "synchronize"}
_IN_KERNELS = set(
    "grid gridsize threadIdx blockIdx blockDim gridDim laneid warpsize shared local atomic syncthreads"
    " syncthreads_count syncthreads_and syncthreads_or syncwarp shfl_sync shfl_up_sync shfl_down_sync shfl_xor_sync"
    " any_sync all_sync eq_sync ballot_sync match_any_sync activemask fma popc clz ffs brev libdevice"
    " reductions vectors tensor_cores".split()
)
_STATEMENTS = (
    *(ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.Pass),
    *(ast.Return, ast.Raise, ast.Assert, ast.Expr),
)
_EXPRESSIONS = (
    *(ast.Name, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.Subscript, ast.Slice, ast.Attribute, ast.Call, ast.Starred, ast.JoinedStr, ast.FormattedValue),
    *(ast.ListComp, ast.GeneratorExp),
)


def look(tree: ast.Module, operator: str, names, note) -> None:
    """Report what keeps the host's part of a CUDA kernel's module from being a plain launcher."""
    for node in ast.walk(tree):
        path = names.path(node) if isinstance(node, ast.Attribute) else None
        if path is not None and path.startswith("llaisys_mini.cuda."):
            _intrinsic(path.split(".")[2], node, note)
    for path in names.imported.values():
        if path.startswith("llaisys_mini.cuda.") and path.count(".") == 2:
            _intrinsic(
                path.split(".")[2], next(s for s in tree.body if isinstance(s, (ast.Import, ast.ImportFrom))), note
            )
    functions = [s for s in tree.body if isinstance(s, ast.FunctionDef)]
    kernels = {f.name for f in functions if any(names.path(_called(d)) in _JITS for d in f.decorator_list)}
    hosts = {f.name: f for f in functions if f.name not in kernels}
    for function in hosts.values():
        _host(function, kernels, set(hosts), names, note)
    launcher = next((f for f in hosts.values() if f.decorator_list), None)
    if launcher is not None and _is_unfinished(launcher):
        return
    if launcher is None or not _launches(launcher, kernels, hosts, set()):
        where = launcher or (functions or tree.body)[0]
        note(REFUSED, f"{operator}: no kernel under @cuda.jit is launched: kernel[blocks, threads](...)", where)


def _is_unfinished(launcher) -> bool:
    """Whether it raises NotImplementedError, as in the released lab."""
    raised = [n.exc for n in ast.walk(launcher) if isinstance(n, ast.Raise) and n.exc is not None]
    return any(isinstance(n, ast.Name) and n.id == "NotImplementedError" for e in raised for n in ast.walk(e))


def _called(decorator):
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _intrinsic(name, node, note):
    if name in ("sanitized", "sanitizer", "recorded_launches", "runtime", "compile_check", "backend", "dispatch"):
        note(REFUSED, f"cuda.{name} decides how kernels are run and watched; a launcher must not do that", node)
    elif name not in _ON_HOST | _IN_KERNELS:
        note(UNUSUAL, f"cuda.{name} is not among what kernels of this course use", node)


def _launches(function, kernels, hosts, seen) -> bool:
    """Whether it configures a launch, itself or in a function of the cell that it calls."""
    seen.add(function.name)
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in kernels:
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in hosts.keys() - seen:
            if _launches(hosts[node.func.id], kernels, hosts, seen):
                return True
    return False


def _host(function, kernels, hosts, names, note):
    local = {a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    local |= bound_by(function) - {function.name}
    for taken in sorted(local & set(names.imported)):
        note(UNUSUAL, f"{taken} is redefined", function)
    own = local | kernels | hosts | names.defined

    def path_of(attribute):
        root = attribute
        while isinstance(root, ast.Attribute):
            root = root.value
        return None if isinstance(root, ast.Name) and root.id in own else names.path(attribute)

    body = [n for statement in function.body for n in ast.walk(statement)]
    owners = {id(n.value) for n in body if isinstance(n, ast.Attribute)}
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            note(REFUSED, "a launcher imports nothing: imports stand at the top of the cell", node)
        elif not isinstance(node, _allowed_like(node)):
            note(UNUSUAL, f"`{_abbreviated(node)}` does not belong in a launcher", node)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            note(REFUSED, "it replaces something in another object", node)
        elif isinstance(node, ast.Attribute) and path_of(node) is None:
            if node.attr not in ATTRIBUTES:
                note(UNUSUAL, f"`.{node.attr}` does not belong in a launcher", node)
        elif isinstance(node, ast.Attribute):
            _imported(path_of(node), node, note)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in own:
            if node.id in names.imported:
                if id(node) not in owners:
                    _imported(names.path(node) or node.id, node, note)
            elif node.id not in _BUILTINS:
                note(UNUSUAL, f"{node.id} does not belong in a launcher", node)


def _allowed_like(node):
    return _STATEMENTS if isinstance(node, ast.stmt) else _EXPRESSIONS if isinstance(node, ast.expr) else ast.AST


def _imported(path, node, note):
    """What a launcher may take from other modules: numbers, functions of numbers, and what handles arrays."""
    owner, _, name = path.rpartition(".")
    if owner == "numpy" and name not in NUMPY | _NEW_ARRAYS:
        note(REFUSED, f"{ast.unparse(node)} is NumPy on the host: the kernel has to compute", node)
    is_number = (owner == "math" and not name.startswith("_")) or owner in ("numpy", "numba.types")
    is_number = is_number or (owner == "numba" and name in NUMBA_TYPES)
    handles_arrays = owner == "llaisys_mini.cuda" and name in _ON_HOST
    if not (is_number or handles_arrays or owner == "llaisys_mini.errors"):
        note(UNUSUAL, f"{ast.unparse(node)} does not belong in a launcher", node)


def _abbreviated(node) -> str:
    text = ast.unparse(node).split("\n")[0]
    return text if len(text) <= 40 else text[:37] + "..."
