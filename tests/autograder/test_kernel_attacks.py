"""Ways to have something else run, or called a kernel, than what a cell shows: each is refused with its line.

Written by a reader of the code who wants points. What is refused is never run; what is not refused is written anew from
the tree that was judged, so that the ends of lines, comments and encodings of a cell have no part in it.
"""

import ast

import pytest

from autograder import tasks
from autograder.judge import submission
from autograder.reading import rules, slicing
from autograder.reading.notebook import Cell, Reading
from llaisys_mini.kernels.language import read

HEAD = "import math\nimport numpy as np\nfrom numba import njit, prange\nfrom llaisys_mini import kernel\n"


def cell(above="", body="pass", decorator="@njit"):
    """`above` begins in line 5, and the decorator stands in the line after its end."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    above = f"{above}\n" if above else ""
    return f'{HEAD}{above}@kernel("relu")\n{decorator}\ndef relu(x, out):\n{lines}'


ABOVE = {
    # a constant's value: anything that is given a function, or text
    "key of max": ('A = len(max(["import os"], key=exec))', "out[0] = A"),
    "key of min": ("A = min([1], key=print)", "out[0] = A"),
    "default of a lambda": ("A = (lambda a=exec('1'): 1)", "out[0] = A()"),
    "call of an element": ("A = [exec][0]('1')", "out[0] = A"),
    "walrus": ("A = (njit := 3)", "out[0] = A"),
    "runstring": ("A = np.testing.runstring('1', {})", "out[0] = A"),
    "vectorize": ("A = np.vectorize(exec)(['1'])", "out[0] = A"),
    "frompyfunc": ("A = np.frompyfunc(exec, 1, 1)('1')", "out[0] = A"),
    "apply along axis": ("A = np.apply_along_axis(exec, 0, [1])", "out[0] = A"),
    "piecewise": ("A = np.piecewise(np.zeros(1), [True], [exec])", "out[0] = A"),
    "object array": ("A = np.array([exec], dtype=object)", "out[0] = A"),
    "load": ("A = np.load('x.npy', allow_pickle=True)", "out[0] = A"),
    "genfromtxt": ("A = np.genfromtxt(['1'], converters={0: exec})", "out[0] = A"),
    "attribute of a number": ("A = (1).__class__", "out[0] = A"),
    "module's loader": ("A = math.__loader__", "out[0] = A"),
    "str.format": ("A = '{0.__class__}'.format(1)", "out[0] = A"),
    "f-string": ("A = f'{exec(1)}'", "out[0] = A"),
    "a table filled later": ("A = np.zeros(3)\nA[0] = exec('1')", "out[0] = A[0]"),
    "a table sorted": ("A = np.zeros(3)\nA.sort(key=print)", "out[0] = A[0]"),
    "attribute of a module": ("np.exp = math.cos", "out[0] = np.exp(x[0])"),
    "item of a module's names": ("vars(np)['exp'] = math.cos\nnp.x = 1", "out[0] = np.exp(x[0])"),
    "annotated module attribute": ("np.exp: int = 3", "out[0] = np.exp(x[0])"),
    "loop that binds": ("for A in [exec('1')]:\n    pass", "out[0] = A"),
    "with that binds": ("with open('x') as A:\n    pass", "out[0] = A"),
    "try that binds": ("try:\n    A = 1\nexcept Exception as e:\n    A = 2", "out[0] = A"),
    "class": ("class A:\n    exec('1')", "out[0] = A"),
    "match that binds": ("match 1:\n    case A:\n        pass", "out[0] = A"),
    "star target": ("A, *B = 1, 2", "out[0] = B"),
    "del": ("del math", "out[0] = math.exp(x[0])"),
    # what stands for a name
    "own njit": ("def njit(f):\n    return f", "pass"),
    "njit assigned": ("njit = print", "pass"),
    "njit imported twice": ("from builtins import exec as njit", "pass"),
    "njit by star": ("from os import *", "getpid()"),
    "testing as np": ("import numpy.testing as np", "out[0] = np.runstring('1', {})"),
    "exec as exp": ("from builtins import exec as exp", "out[0] = exp('1')"),
    "runstring as float": ("from numpy.testing import runstring as float", "out[0] = float('1', {})"),
    "kernel replaced": ("def kernel(name):\n    return lambda f: f", "pass"),
    "alias of a module": ("m = np", "m.load('x')"),
    "alias of exec": ("A = exec", "A('1')"),
    # functions
    "decorator of one's own": ("def mine(f):\n    return f\n@mine\ndef f():\n    return 1", "out[0] = f()"),
    "cache": ("import functools\n@functools.cache\ndef f():\n    return 1", "out[0] = f()"),
    "decorator called": ("@print('x')\n@njit\ndef f():\n    return 1", "out[0] = f()"),
    "decorator subscript": ("@[njit][0]\ndef f():\n    return 1", "out[0] = f()"),
    "default": ("@njit\ndef f(a=exec('1')):\n    return 1", "out[0] = f()"),
    "default of a keyword": ("@njit\ndef f(*, a=exec('1')):\n    return 1", "out[0] = f()"),
    "vectorize of numba": ("from numba import vectorize\n@vectorize(forceobj=True)\ndef f(a):\n    return a", "f(x)"),
    "generated_jit": ("from numba import generated_jit\n@generated_jit\ndef f(a):\n    return 1", "f(x)"),
    "overload": ("from numba.extending import overload\n@overload(abs)\ndef f(a):\n    return 1", "f(x)"),
    "intrinsic": ("from numba.extending import intrinsic\n@intrinsic\ndef f(c, a):\n    return 1", "f(x)"),
    "cfunc": ("from numba import cfunc\n@cfunc('f4(f4)')\ndef f(a):\n    return 1", "f(x)"),
    "jitclass": ("from numba.experimental import jitclass\n@jitclass([])\nclass A:\n    pass", "A()"),
    "options by **": ("@njit(**{'forceobj': True})\ndef f():\n    return 1", "f()"),
    "pipeline": ("@njit(pipeline_class=print)\ndef f():\n    return 1", "f()"),
    "locals": ("@njit(locals={'a': exec})\ndef f():\n    return 1", "f()"),
    "inline by a function": ("@njit(inline=exec)\ndef f():\n    return 1", "f()"),
    "fastmath by a call": ("@njit(fastmath=exec('1'))\ndef f():\n    return 1", "f()"),
    "signature as text": ("@njit('[exec(1), float32(float32)][1]')\ndef f(a):\n    return a", "f(x[0])"),
    "signature as a list": ("@njit(['f4(f4)'])\ndef f(a):\n    return a", "f(x[0])"),
    "signature by name": ("S = 'f4(f4)'\n@njit(S)\ndef f(a):\n    return a", "f(x[0])"),
    "asynchronous": ("@njit\nasync def f():\n    return 1", "f()"),
}


@pytest.mark.parametrize(("above", "body"), ABOVE.values(), ids=ABOVE)
def test_nothing_above_a_kernel_runs(above, body):
    found = read(cell(above, body), "relu", "cpu").findings
    assert found and 5 <= found[0].line <= 5 + above.count("\n") + 4 and found[0].reason


DECORATORS = {
    "signature": "@njit(\"[exec('1'), float32(float32)][1]\")",
    "object mode": "@njit(forceobj=True)",
    "no nopython": "@njit(nopython=False)",
    "not compiled": "@math.exp",
    "above": "@njit(parallel=exec('1'))",
    "twice": "@njit\n@exec",
}


@pytest.mark.parametrize("decorator", DECORATORS.values(), ids=DECORATORS)
def test_a_kernels_decorators_are_known(decorator):
    found = read(cell(decorator=decorator), "relu", "cpu").findings
    assert found and 6 <= found[0].line <= 8


INSIDE = {
    "objmode": "with objmode():\n    out[:] = np.maximum(x, 0)",
    "exec": "exec('1')",
    "exec by a comprehension's name": "[exec for exec in ()]\nexec('1')",
    "exec by a lambda's name": "(lambda exec: 1)\nexec('1')",
    "exec by an inner function": "def f(exec):\n    return 1\nexec('1')",
    "builtins": "__builtins__['exec']('1')",
    "import": "import os",
    "__import__": "__import__('os').getpid()",
    "getattr": "getattr(x, 'size')",
    "class of a tuple": "().__class__.__bases__",
    "globals of a function": "relu.__globals__",
    "py_func": "relu.py_func(x, out)",
    "format": "'{0.__class__}'.format(x)",
    "global": "global njit\nnjit = 3",
    "del": "exec = 1\ndel exec\nexec('1')",
    "try": "try:\n    pass\nexcept exec('1'):\n    pass",
    "yield": "yield exec('1')",
    "await": "await x",
    "class": "class A:\n    pass",
    "decorated inside": "@exec\ndef f():\n    return 1",
    "default inside": "def f(a=exec('1')):\n    return a",
    "carray": "carray(x.ctypes, 3)",
    "pointer": "out[0] = x.ctypes.data",
    "buffer": "out[0] = x.data",
    "base": "y = x.base",
    "tofile": "x.tofile('x')",
    "dot": "x.dot(x)",
    "np.dot": "np.dot(x, x)",
    "matmul": "out[:] = x @ x",
    "matmul in place": "x @= x",
    "linalg": "np.linalg.norm(x)",
    "einsum": "np.einsum('i,i', x, x)",
    "loadtxt": "np.loadtxt('x')",
    "random": "np.random.rand()",
    "key of sorted": "sorted([1], key=exec)",
    "a function as a value": "f = print\nf('x')",
    "a call of an item": "[print][0]('x')",
    "** in a call": "print(**x)",
    "attribute assigned": "x.shape = (1,)",
    "attribute in a loop": "for x.T in range(3):\n    pass",
    "dict": "f = {'a': print}\nf['a']('x')",
    "open": "open('x')",
    "bytes": "f = b'1'",
    "walrus": "if (exec := 1): pass\nexec('1')",
}


@pytest.mark.parametrize("body", INSIDE.values(), ids=INSIDE)
def test_nothing_inside_a_kernel_reaches_python(body):
    found = read(cell(body=body), "relu", "cpu").findings
    assert found and 8 <= found[0].line <= 8 + body.count("\n")


LINE_ENDS = ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\r", "\r\n"]


@pytest.mark.parametrize("end", LINE_ENDS, ids=[ascii(end) for end in LINE_ENDS])
def test_what_one_program_takes_for_the_end_of_a_line_hides_nothing(end):
    """After each of these the text is either a comment's, and gone, or a statement, and judged."""
    for source in (
        cell(body=f"pass  # harmless{end}    import sys"),
        cell(f"# harmless{end}import sys; sys.exit()"),
        cell(f"A = 1  # harmless{end}A = exec('1')", "out[0] = A"),
        cell(f"A = 'text{end}'; A = exec('1')", "out[0] = A"),
    ):
        graded = read(source, "relu", "cpu")
        assert graded.findings or not {"sys", "exec"} & names(graded.module), source


def names(module):
    nodes = list(ast.walk(ast.parse(module)))
    imported = {node.name for node in nodes if isinstance(node, ast.alias)}
    return imported | {node.id for node in nodes if isinstance(node, ast.Name)}


def test_annotations_are_never_run():
    source = cell(
        "A: exec('1') = 3\n@njit\ndef f(a: exec('2'), *b: exec('3'), c: exec('4') = 1) -> exec('5'):\n    return a",
        "def inner(a: exec('6')) -> exec('7'):\n    return a\nb: exec('8') = inner(f(A))\nmax: exec('9')\nout[0] = b",
    )
    graded = read(source, "relu", "cpu")
    assert graded.findings == () and "exec" not in graded.module


def test_a_name_that_is_only_annotated_stays_local():
    """Without its annotation it would be the builtin."""
    graded = read(cell(body="print: int\nprint('x')"), "relu", "cpu")
    assert graded.findings == () and "print: None" in graded.module


# ---- launchers -------------------------------------------------------------------------------------------------------

CUDA = """import math
import numpy as np
from llaisys_mini import cuda, kernel
{above}
@cuda.jit
def relu_kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = max(x[i], np.float32(0))


@kernel("relu", device="cuda")
def relu(x, out):
    relu_kernel[1, 32](x, out)
    {host}
"""

HOSTS = {
    "numpy": "out[:] = np.maximum(x, 0)",
    "numpy into out": "np.maximum(x, 0, out=out)",
    "a new array of the host": "y = np.zeros(3)",
    "an array of an array": "y = np.array(x)",
    "asarray": "y = np.asarray([x])",
    "to_device by another name": "f = cuda.to_device\n    y = f(np.zeros(3))",
    "zeros beside to_device": "y = cuda.to_device(x + np.zeros(3))",
    "copy_to_host": "y = out.copy_to_host()",
    "tolist": "y = x.tolist()",
    "base": "y = x.base",
    "the array within": "y = x._array",
    "the array's address": "y = x.__cuda_array_interface__",
    "the class": "y = x.__class__.__init__",
    "dtype assigned": "x.dtype = np.int32",
    "py_func": "relu_kernel.py_func(x, out)",
    "the kernel's function": "relu_kernel.function(x, out)",
    "sanitized": "cuda.sanitized()",
    "with": "with cuda.sanitized():\n        pass",
    "recorded": "cuda.recorded_launches()",
    "eval": "eval('1')",
    "eval by name": "f = eval",
    "import": "import llaisys_mini",
    "try": "try:\n        pass\n    except ValueError:\n        pass",
    "inner function": "def inner():\n        pass",
    "lambda": "y = lambda: 0",
    "format": "y = '{0.base}'.format(x)",
    "f-string": "y = f'{x.base}'",
    "iteration by map": "y = list(map(float, x))",
    "isinstance": "y = isinstance(x, int)",
    "call of an item": "[eval][0]('1')",
    "key": "max([1], key=eval)",
    "walrus": "(eval := 1)",
    "set": "y = {1}",
}


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_a_launcher_only_launches(host):
    found = read(CUDA.format(above="", host=host), "relu", "cuda").findings
    assert found and 15 <= found[0].line <= 15 + host.count("\n")


CUDA_ABOVE = {
    "njit": "from numba import njit\n@njit\ndef f(a):\n    return a\n",
    "sanitizer": "from llaisys_mini.sanitizer.memory import Memory as f",
    "the course's": "from llaisys_mini.operators.relu import relu as f",
    "solutions": "from solutions.kernels.cuda.relu import relu as f",
    "runtime": "from llaisys_mini.cuda.reductions import cuda as f",
    "torch": "from torch import relu as f",
    "sanitized": "from llaisys_mini.cuda import sanitized as f",
    "primitive": "from llaisys_mini.cuda import primitive as f",
    "signature": "@cuda.jit('void(float32)')\ndef f(a):\n    pass\n",
    "link": "@cuda.jit(link=['x.cu'])\ndef f(a):\n    pass\n",
}


@pytest.mark.parametrize("above", CUDA_ABOVE.values(), ids=CUDA_ABOVE)
def test_what_a_launcher_uses_is_judged_too(above):
    assert read(CUDA.format(above=above, host="f(x)"), "relu", "cuda").findings


def test_a_kernel_has_to_be_launched():
    source = CUDA.format(above="", host="pass").replace("relu_kernel[1, 32](x, out)", "pass")
    assert "no kernel under @cuda.jit is launched" in str(read(source, "relu", "cuda").findings[0])


# ---- the judge -------------------------------------------------------------------------------------------------------


class NoWorker:
    """A worker that must not be asked for anything."""

    def run(self, request):
        raise AssertionError("it was run")


@pytest.mark.parametrize("source", [cell(*ABOVE["key of max"]), cell(body="out[0] = x" + ".T" * 900)])
def test_what_is_refused_is_not_run_and_told_with_its_line(source):
    tasks.make_if_stale()
    plan = tasks.plan_of("02_layers")
    reading = Reading([Cell("code", source, "relu-cpu", {"grade_id": "relu-cpu"})])
    verdict = submission.judge(plan, "a student", reading, NoWorker(), b"secret")
    parts = [part for part in verdict.parts.values() if part.task == "relu-cpu"]
    assert parts and {part.state for part in parts} == {submission.REFUSED}
    assert {part.message.split(":")[0] for part in parts} <= {"line 5", "line 8"}


@pytest.mark.parametrize("lab", tasks.lab_names())
def test_the_courses_own_answers_are_no_ones_elses(lab):
    plan = tasks.plan_of(lab)
    from autograder.reading.notebook import cells_of

    reading = Reading(cells_of((tasks.WITH_SOLUTIONS / lab / f"{lab}.ipynb").read_bytes()))
    for task in plan.tasks:
        cuts, notes = slicing.candidates(plan, task, reading)
        assert len(cuts) == 1 and not notes and not cuts[0].problem
        if task.device == "python":
            assert rules.exercise_findings(cuts[0].source, task.name) == []
        else:
            assert read(cuts[0].source, task.name, task.device).findings == ()
