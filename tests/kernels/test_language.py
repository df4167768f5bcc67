"""The language of graded kernels: what honest cells hold is inside it, and what is written means what the cell says."""

import ast
import importlib
import inspect
import json
import random
import re

import numpy as np
import pytest

from autograder import tasks
from llaisys_mini import operators, paths
from llaisys_mini.kernels.language import read, vocabulary
from tests.operators import student_kernels

HEAD = "import math\n\nimport numpy as np\nfrom numba import njit, prange\n\nfrom llaisys_mini import kernel\n\n"


def cell(body="pass", above="", decorator="@njit"):
    """A cell with a kernel of relu; its body begins in line 4 below `above`, which begins in line 8."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f'{HEAD}{above}\n@kernel("relu")\n{decorator}\ndef relu(x, out):\n{lines}'


CUDA_HEAD = "import math\n\nimport numpy as np\n\nfrom llaisys_mini import cuda, kernel\n\n"
CUDA_KERNEL = """
@cuda.jit
def relu_kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = max(x[i], np.float32(0))

"""
LAUNCH = "relu_kernel[(out.size + 127) // 128, 128](x, out)"


def cuda_cell(host=LAUNCH, above=""):
    lines = "".join(f"    {line}\n" for line in host.split("\n"))
    return f'{CUDA_HEAD}{above}{CUDA_KERNEL}\n@kernel("relu", device="cuda")\ndef relu(x, out):\n{lines}'


def told(source, device="cpu", operator="relu"):
    return [str(finding) for finding in read(source, operator, device).findings]


# ---- the course's own, and what students wrote -----------------------------------------------------------------------


def kernel_cells():
    tasks.make_if_stale()
    for lab in tasks.lab_names():
        notebook = json.loads((tasks.WITH_SOLUTIONS / lab / f"{lab}.ipynb").read_text(encoding="utf-8"))
        for c in notebook["cells"]:
            device, _, name = c["metadata"].get("llaisys_mini", {}).get("task", "").partition("/")
            if name in operators.names:
                yield pytest.param(name, device, "".join(c["source"]), id=f"{lab}-{name}-{device}")


@pytest.mark.parametrize(("operator", "device", "source"), [*kernel_cells()])
def test_every_kernel_of_every_lab_may_be_graded_and_keeps_its_lines(operator, device, source):
    graded = read(source, operator, device)
    assert graded.findings == ()
    assert lines_of(graded.module) <= lines_of(source)


def lines_of(source):
    """Kind and line of each statement that a written module keeps."""
    kinds = (ast.Import, ast.ImportFrom, ast.AnnAssign)
    return {
        (type(node).__name__, node.lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt) and not isinstance(node, kinds)
    }


def test_every_kernel_that_students_might_write_may_be_graded():
    source = inspect.getsource(student_kernels)
    lines = source.split("\n")
    functions = {f.name: f for f in ast.parse(source).body if isinstance(f, ast.FunctionDef)}
    text = {name: "\n".join(lines[f.lineno - 1 : f.end_lineno]) for name, f in functions.items()}
    helpers = text.keys() - {f.__name__ for _, f, _ in student_kernels.OWN} - {"wrong", "right"}
    refused = {}
    for operator, function, _ in student_kernels.OWN:
        parts = [f'@kernel("{operator}")\n@njit\n{text[function.__name__]}']
        for part in parts:  # which grows: helpers use helpers
            words = set(re.findall(r"\w+", part))
            parts += [made for name in helpers & words if (made := f"@njit\n{text[name]}") not in parts]
        above = f"{HEAD}LOG2E = {student_kernels.LOG2E}\n\n"
        if found := told(above + "\n\n".join(reversed(parts)), operator=operator):
            refused[function.__name__] = found
    assert len(student_kernels.OWN) >= 260 and not refused


FROM_ANOTHER_FILE = "it imports from the file of another kernel: a graded cell stands alone"
FORBIDDEN = {
    FROM_ANOTHER_FILE,
    "when= of @kernel is not part of a graded cell",
    "prepare= of @kernel is not part of a graded cell",
    "whole= of @kernel is not part of a graded cell",
    "the kernel is not compiled: it runs as Python and NumPy. Put @njit below @kernel",
    # What a cell that launches only through another file's function does not show.
    "no kernel under @cuda.jit is launched: kernel[blocks, threads](...)",
}
"""What the course's own kernels need beyond a cell, and no cell may hold: helpers from other files, and of the expert
versions the choice of calls, weights laid out anew, and functions that choose a compiled one and call it."""
_OVERLOAD = "@overload: a kernel is written in Python that Numba compiles, not in the compiler's own language"
_ADDRESS = "ctypes: raw pointers and foreign functions are not part of a kernel"
_CHOICE = "`whole({'N': x.shape[0]})` is called: call a function by its name"
_OF_ANOTHER_FILE = {f"`{name}` does not belong in a constant" for name in ("DEPTH", "KEPT", "PITCH", "WIDEST")}
_BOUNDS = {
    "`MOST_THREADS` does not belong in a constant",
    "launch_bounds=(MOST_THREADS, 1) is not among the options of graded cells",
}
IN_ONE_FILE = {
    "argmax_expert.py": _OF_ANOTHER_FILE,
    "attention_expert.py": {
        "`whole({'L': q.shape[0], 'D': q.shape[...` is called: call a function by its name",
        *_OF_ANOTHER_FILE,
    },
    **dict.fromkeys(("cross_entropy_expert.py", "layer_norm_expert.py", "softmax_expert.py"), _BOUNDS),
    "linear_expert.py": {
        _CHOICE,
        "`thread_count` (llaisys_mini.cpu.threads.thread_count) is not among what a graded cell may use in a kernel",
    },
    "linear_int4_expert.py": {_CHOICE},
    "linear_int8_expert.py": {_CHOICE},
    "paged_attention_expert.py": {"`{'D': width, 'T': rows, 'N': texts}` does not belong in a kernel"},
    "gemm.py": _OF_ANOTHER_FILE,
    "flash_pages.py": {  # these too
        "`SHORTEST` does not belong in a constant",
        "`THREADS` does not belong in a constant",
        "launch_bounds=(THREADS, 2) is not among the options of graded cells",
    },
    "panels.py": {_ADDRESS, "`.data` is not among what a graded cell may use in a kernel"},
    "quantised.py": {_OVERLOAD, "`{'forceinline': True}` does not belong in a constant"},
}


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, id=f"{p.parent.name}-{p.stem}") for p in sorted(paths.solutions_folder().glob("cpu/*.py"))]
    + [pytest.param(p, id=f"{p.parent.name}-{p.stem}") for p in sorted(paths.solutions_folder().glob("cuda/*.py"))],
)
def test_the_courses_own_kernels_use_the_language_but_for_what_no_cell_needs(path):
    source, device = path.read_text(encoding="utf-8"), path.parent.name
    operator = path.stem.removesuffix("_expert")
    if operator not in operators.names:  # helpers: a kernel that uses all of them
        operator = "relu"
        functions = [s for s in ast.parse(source).body if isinstance(s, ast.FunctionDef)]
        calls = "".join(f"    {f.name}()\n" for f in functions)
        head = "@njit\n" if device == "cpu" else ""
        source += f'\nfrom numba import njit\nfrom llaisys_mini import kernel\n@kernel("relu", device="{device}")\n'
        source += f"{head}def relu(x, out):\n{calls}"
    reasons = {finding.reason.removeprefix(".") for finding in read(source, operator, device).findings}
    assert reasons <= FORBIDDEN | IN_ONE_FILE.get(path.name, set()), reasons


def test_every_word_of_the_vocabulary_exists():
    for path in set.union(*vocabulary.PATHS.values()) | vocabulary.CONSTANTS | vocabulary.SIZES:
        module, attributes = path, []
        while True:
            try:
                found = importlib.import_module(module)
                break
            except ImportError:
                module, _, last = module.rpartition(".")
                attributes.insert(0, last)
        for attribute in attributes:
            found = getattr(found, attribute)


# ---- honest cells ----------------------------------------------------------------------------------------------------

HONEST = {
    "constants": (
        "TILE: int = 16\nHALF, LAST = TILE // 2, TILE - 1\nTABLE = np.arange(TILE, dtype=np.float32).reshape(4, 4)\n"
        "ROOT = np.sqrt(2) / math.pi\nPOWERS = np.array([2.0**-i for i in range(8)])\nF = np.float32\nZERO = F(0)\n"
        "BIG = np.finfo(np.float32).max\nWIDE = 4 if TILE > 8 else 2\nMANY = (1, 2, 3)\n"
        "TILE_TWICE = TILE\nTILE_TWICE *= 2",
        "out[0] = TABLE[1, 2] + ROOT + POWERS[3] + ZERO + BIG + WIDE + MANY[0] + HALF + LAST + TILE_TWICE",
    ),
    "sizes of the CPU": (
        "from llaisys_mini.cpu.simd import WIDTH, REGISTERS\nROWS = 12 if REGISTERS == 32 else 6\nPANEL = 2 * WIDTH",
        "out[0] = ROWS * PANEL",
    ),
    "aliases": ("from math import exp as e\nroot = math.sqrt\n", "out[0] = e(x[0]) + root(x[1])"),
    "star of math": ("from math import *\n", "out[0] = exp(x[0]) + pi"),
    "helpers": (
        "@njit(fastmath={'contract'}, inline='always')\ndef f(a, b=1.0, *rest):\n    'Adds.'\n    return a + b\n\n"
        "def plain(a: 'a number') -> float:\n    return a\n",
        "out[0] = f(x[0]) + f(x[1], 2.0)",
    ),
    "a signature": (
        "from numba import float32\n@njit(float32(float32))\ndef f(a):\n    return a\n",
        "out[0] = f(x[0])",
    ),
    "arrays": (
        "",
        "buffer = np.zeros(x.shape[0], dtype=np.float32)\nbuffer[:] = x[:] * 2\n"
        "flat = x.reshape(-1).astype(np.float64)\n"
        "out[0] = buffer.sum() + flat.max() + np.argmax(x) + len(x)",
    ),
    "own functions within": ("", "def square(v):\n    return v * v\nf = lambda v: v + 1\nout[0] = f(square(x[0]))"),
    "comprehensions": ("", "values = [x[i] for i in range(3)]\nvalues.append(x[3])\nout[0] = sum(values)"),
    "names of builtins": ("", "sum = np.float32(0)\nmax = x[0]\nid = 3\nout[0] = sum + max + id"),
    "loops": (
        "",
        "for i in prange(len(x)):\n    if x[i] > 0 and not x[i] == 3: out[i] = x[i]\n    elif 1 < x[i] <= 2:\n"
        "        continue\n"
        "    else:\n        out[i] = 0\nelse:\n    pass\ni = 0\nwhile i < 3: i += 1; out[i] = -x[i]",
    ),
    "raises": ("", "if x.size == 0:\n    raise ValueError('nothing')\nassert out.size == x.size, 'sizes'"),
    "prints": ("", "print('here', x[0])"),
    "what is not used": (
        "import os, sys\nimport matplotlib.pyplot as plt\nfrom llaisys_mini import check, explain\n\n"
        "class Mine:\n    pass\n\nfor i in range(3):\n    y = i\nprint(y)\nplt.plot([1])\ncheck\n",
        "out[0] = x[0]",
    ),
    "scalars": (
        "",
        "t = np.float32(0.0)\nt += x[0] ** 2\nout[0] = np.exp(t) if t > 0 else -math.inf\na, *b = x[0], x[1]",
    ),
}


@pytest.mark.parametrize(("above", "body"), HONEST.values(), ids=HONEST)
def test_honest_cells_may_be_graded(above, body):
    graded = read(cell(body, above + "\n"), "relu", "cpu")
    assert graded.findings == ()
    compile(graded.module, "<kernel>", "exec")


@pytest.mark.parametrize(
    "options",
    ["", "()", "(parallel=True, cache=True)", "(nopython=True, fastmath=True)", "(error_model='numpy', nogil=False)"],
)
def test_options_of_njit(options):
    assert told(cell(decorator=f"@njit{options}")) == []


HONEST_LAUNCHERS = {
    "plain": (LAUNCH, ""),
    "sizes": ("blocks = math.ceil(out.size / 128)\nrelu_kernel[blocks, 128](x.reshape(-1), out[:])", ""),
    "numpy on sizes": (
        "n = int(np.ceil(np.prod(x.shape) / 128))\nfor part in range(2):\n    relu_kernel[n, 128](x, out)",
        "",
    ),
    "a launch with a name": ("launch = relu_kernel[1, 128]\nlaunch(x, cuda.device_array(x.shape, np.float32))", ""),
    "a new array": ("y = cuda.to_device(np.zeros(out.size, dtype=np.float32))\nrelu_kernel[1, 128](y, out)", ""),
    "an error": (
        f"if x.size > 10**6:\n    raise KernelError(f'too large: {{x.shape}}')\n{LAUNCH}",
        "from llaisys_mini.errors import KernelError\n",
    ),
    "a helper": (f"start(x, out)\nout[:] = 0\n{LAUNCH}", "def start(x, out):\n    relu_kernel[1, 32](x, out)\n"),
    "only a helper": ("start(x, out)", "def start(x, out):\n    relu_kernel[1, 32](x, out)\n"),
    "not written": ("raise NotImplementedError('write it')", ""),
    "tuples": ("threads = (16, 16)\nrows, columns = x.size, 1\nrelu_kernel[(rows, columns), threads](x, out)", ""),
}


@pytest.mark.parametrize(("host", "above"), HONEST_LAUNCHERS.values(), ids=HONEST_LAUNCHERS)
def test_honest_launchers_may_be_graded(host, above):
    assert told(cuda_cell(host, above), "cuda") == []


def test_numbas_own_cuda_is_read_as_the_courses():
    source = cuda_cell().replace(
        "from llaisys_mini import cuda, kernel", "from numba import cuda\nfrom llaisys_mini import kernel"
    )
    graded = read(source, "relu", "cuda")
    assert graded.findings == () and "from llaisys_mini import cuda" in graded.module and "numba" not in graded.module


# ---- what is written -------------------------------------------------------------------------------------------------


def test_what_is_written_is_what_was_read_line_for_line():
    source = (
        "from math import exp; import os\n"
        "from numba import njit, objmode\n"
        "from llaisys_mini import kernel, check\n"
        "TILE: 'a size' = 4\n"
        "os.getcwd()\n"
        '@kernel("relu")\n'
        "@njit(\n"
        "    cache=True,\n"
        ")\n"
        "def relu(x, out: 'an array') -> None:\n"
        '    """What it does."""\n'
        "    total: float\n"
        "    total = 0; i: int = 3  # both\n"
        "    if i < TILE: total += x[i]; out[i] = exp(\n"
        "        total)\n"
        "    else:\n"
        "        '''nothing'''\n"
        "check('relu')\n"
    )
    assert read(source, "relu", "cpu").module.split("\n") == [
        "from math import exp",
        "from numba import njit",
        "from llaisys_mini import kernel",
        "TILE = 4",
        "",
        "@kernel('relu')",
        "@njit(cache=True)",
        "",
        "",
        "def relu(x, out):",
        "",
        "    total: None",
        "    total = 0; i = 3",
        "    if i < TILE: total += x[i]; out[i] = exp(total)",
        "",
    ]


def test_what_is_written_computes_what_the_cell_says():
    body = "for i in range(x.size):\n    v = x[i] * SCALE\n    out[i] = v if v > 0 else np.float32(0)"
    graded = read(cell(body, "SCALE = np.float32(1)\nSCALE = np.float32(2)\n"), "relu", "cpu")
    made = {}
    exec(graded.module.replace("@kernel('relu')", "").replace("@njit", ""), made)
    x, out = np.float32([-1, 0, 3]), np.zeros(3, np.float32)
    made["relu"](x, out)
    assert out.tolist() == [0, 0, 6]


# ---- bounds ----------------------------------------------------------------------------------------------------------

DEEP = {
    "attributes": "out[0] = x" + ".T" * 900,
    "a sum": "out[0] = " + " + ".join(["1"] * 900),
    "brackets": "out[0] = " + "(" * 190 + "1" + ")" * 190,
    "signs": "out[0] = " + "-" * 5000 + "1",
    "nots": "out[0] = " + "not " * 5000 + "1",
    "lambdas": "f = " + "lambda: " * 500 + "1",
    "conditions": "out[0] = " + "1 if x[0] else " * 500 + "2",
    "blocks": "\n".join("    " * i + "if x[0]:" for i in range(120)) + "\n" + "    " * 120 + "pass",
    "open brackets": "out[0] = " + "{" * 3000,
    "indices": "out[0] = x" + "[0]" * 900,
    "calls": "out[0] = x" + "()" * 900,
    "digits": "out[0] = 0x" + "f" * 20_000,
    "decimal digits": "out[0] = " + "9" * 5000,
    "length": "# " + "x" * 200_000,
    "statements": "\n".join(f"a{i} = {i}; b{i} = {i}" for i in range(4000)),
}


@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_is_deep_or_large_is_refused_with_a_sentence(body, device):
    found = told(cell(body) if device == "cpu" else cuda_cell(f"{LAUNCH}\n{body}"), device)
    assert len(found) == 1 and found[0].startswith("line ") and len(found[0]) < 200


CONSTANTS = {
    "10**10**8": "too large a number",
    "1 << 10**9": "too large a number",
    "2**200": "too large a number",
    "round(5, -10**9)": "does not belong",
    "math.factorial(10**8)": "does not belong",
    "sum(range(10**12))": "more than 4096 elements",
    "len('x' * 10**9)": "nothing to compute with",
    "np.arange(10**12)": "no table of at most 4096",
    "np.arange(0, 1, 1e-12)": "no table of at most 4096",
    "np.zeros((10**6, 10**6))": "no table of at most 4096",
    "np.full(fill_value=1, shape=(10**6, 10**6))": "does not belong",
    "np.ones(shape=10**9)": "does not belong",
    "np.linspace(0, 1, 10**10)": "no table of at most 4096",
    "np.eye(10**5)": "no table of at most 4096",
    "np.array([1], dtype='O')": "no table of numbers",
    "np.zeros(4000, 'S1000000')": "no table of numbers",
    "np.arange(4000).reshape(-1, 1) * np.arange(4000)": "no table of at most 4096",
    "np.array([[[0.0 for a in range(100)] for b in range(100)] for c in range(100)])": "elements",
    "1 / 0": "no value: ZeroDivisionError",
    "exec('1')": "does not belong",
    "[exec][0]('1')": "does not belong",
    "max(['1'], key=exec)": "does not belong",
    "(lambda: 1)()": "does not belong",
    "np.testing.runstring('1', {})": "does not belong",
    "np.load('x')": "does not belong",
    "np.float64.fromhex('0')": "does not belong",
    "np.vectorize(print)(1)": "does not belong",
    "np.arange(3).tofile('x')": "does not belong",
    "'{0.__class__}'.format(1)": "does not belong",
    "f'{1}'": "does not belong",
    "(A := 3)": "does not belong",
    "[i for i in range(3) if print(i)]": "does not belong",
    "np.fromfunction(print, (3,))": "does not belong",
    "math.__loader__": "does not belong",
    "np.exp": None,  # another name for it, used as such
}


@pytest.mark.parametrize(("value", "reason"), CONSTANTS.items())
def test_constants_are_evaluated_here_and_stay_small(value, reason):
    found = told(cell("out[0] = A", f"A = {value}"))
    assert found == [] if reason is None else found and found[0].startswith("line 8: ") and reason in found[0]


def test_many_constants_take_no_long_time():
    chain = "A0 = 1\n" + "".join(f"A{i + 1} = A{i}\n" for i in range(1000))
    assert told(cell("out[0] = A1000", chain)) == []
    tables = (
        "".join(f"T{i} = np.arange(4000)\n" for i in range(1000)) + "T = [" + ", ".join(f"T{i}" for i in range(1000))
    )
    assert told(cell("out[0] = T[0]", tables + "]"))


def test_nothing_that_a_cell_holds_raises():
    """Course kernels with characters, lines and words of Python put anywhere."""
    chance = random.Random(3)
    words = "exec ( ) [ ] : , . * ** = == @ lambda x out np njit kernel if else for in while return class def".split()
    words += ["\u2028", "\f", "\r", "\n", "\n    ", "\x00", "'", '"""', "#", "\\", "\ud800", "=print", ".__class__"]
    sources = [(p.values[0], p.values[1], p.values[2]) for p in kernel_cells()]
    for _ in range(600):
        operator, device, source = chance.choice(sources)
        for _ in range(chance.randint(1, 4)):
            at, length = chance.randrange(len(source)), chance.choice([0, 0, 1, 3, 30])
            source = source[:at] + chance.choice(words) + source[at + length :]
        graded = read(source, operator, device)
        assert graded.findings or compile(graded.module, "<kernel>", "exec")
