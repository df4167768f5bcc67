"""Signs of tampering in a notebook: code that no lab needs. They cost no points; the instructor looks at them."""

import ast

from autograder.findings import imports_of

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
    """What in a cell looks like tampering: a short description each."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    imports = [i for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for i in imports_of(n)]
    patched = _PATCHED | {name for name, path in imports if path.partition(".")[0] in _PATCHED}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [_MODULES[m.partition(".")[0]] for m in modules if m.partition(".")[0] in _MODULES]
        elif isinstance(node, ast.Attribute):
            if node.attr in _SIGNS:
                found.append(_SIGNS[node.attr])
            if isinstance(node.ctx, ast.Store) and isinstance(node.value, (ast.Name, ast.Attribute)):
                base = _dotted(node.value)
                if base.partition(".")[0] in patched:
                    found.append(f"replaces {base}.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found.append("opens files")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            found.append(f"replaces {(node.args and _dotted(node.args[0])) or 'something'}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 300:
            found += [f"names {path}" for path in _PATHS if path in node.value]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign)) and "check" in _defined(node):
            found.append("replaces check")
    return list(dict.fromkeys(found))


def _dotted(node) -> str:
    """`np.linalg` for the node of that name, or "" for any other expression. Long chains are cut."""
    words: list[str] = []
    while isinstance(node, ast.Attribute) and len(words) < 8:
        words.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(words)]) if isinstance(node, ast.Name) else ""


def _defined(node):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return {node.name}
    return {t.id for t in node.targets if isinstance(t, ast.Name)}
