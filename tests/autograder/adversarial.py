"""A class of honest, unlucky and hostile submissions, made from the solution labs, each with its verdict.

Most of them are of lab 07. Those of CUDA kernels are of lab 08, and hold its softmax and nothing else.
"""

import copy
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder import tasks
from autograder.judge.submission import CRASHED, GRADED, MANUAL, TAMPERING, TIMED_OUT, UNREADABLE
from autograder.sandbox.limits import Limits
from autograder.worker.pool import Worker

LAB, GPU_LAB = "07_softmax", "08_reductions"
SOFTMAX, MERGE, ONLINE, ENTROPY = 6, 2, 4, 4
BASE = SOFTMAX + MERGE + ONLINE + ENTROPY
GPU, COUNTED = 5, 1  # of the CUDA softmax; and for its traffic, within GPU
NO_SOFTMAX, NO_MERGE, NO_ENTROPY = BASE - SOFTMAX, BASE - MERGE, BASE - ENTROPY
LIMITS = Limits(wall=300, cpu=30, memory=1 << 30)
SMALL_LIMITS = Limits(wall=8, cpu=2, memory=1 << 30)
NEVER_ENDS = ("while True:", "while top <", "sleep(10000)", ".send = lambda")  # in the source of what SMALL_LIMITS end

IMPORTS = "import math\n\nimport numpy as np\nfrom numba import njit\n\nfrom llaisys_mini import kernel\n\n\n"
HEAD = '@kernel("softmax", device="cpu")\n@njit(cache=True)\n'
BODY = """def softmax(x, out):
    for n in range(x.shape[0]):
        top = x[n, 0]
        for c in range(x.shape[1]):
            top = max(top, x[n, c])
        total = np.float32(0)
        for c in range(x.shape[1]):
            out[n, c] = math.exp(x[n, c] - top)
            total += out[n, c]
        for c in range(x.shape[1]):
            out[n, c] /= total
"""
SERIAL = IMPORTS + HEAD + BODY
WRONG = SERIAL.replace("out[n, c] /= total", "out[n, c] /= top")
GPU_IMPORTS = "import math\n\nimport numpy as np\n\nfrom llaisys_mini import cuda, kernel\n\nTHREADS = 64\n\n\n"
GPU_KERNEL = """@cuda.jit
def softmax_kernel(x, out):
    values = cuda.shared.array(THREADS, np.float32)
    row, t = cuda.blockIdx.x, cuda.threadIdx.x
    top = np.float32(-math.inf)
    for c in range(t, x.shape[1], THREADS):
        top = max(top, x[row, c])
    values[t] = top
    cuda.syncthreads()
    step = THREADS // 2
    while step > 0:
        if t < step:
            values[t] = max(values[t], values[t + step])
        cuda.syncthreads()
        step //= 2
    top = values[0]
    cuda.syncthreads()  # everyone has read it
    total = np.float32(0)
    for c in range(t, x.shape[1], THREADS):
        total += math.exp(x[row, c] - top)
    values[t] = total
    cuda.syncthreads()
    step = THREADS // 2
    while step > 0:
        if t < step:
            values[t] += values[t + step]
        cuda.syncthreads()
        step //= 2
    share = np.float32(1) / values[0]
    for c in range(t, x.shape[1], THREADS):
        out[row, c] = math.exp(x[row, c] - top) * share


"""
GPU_LAUNCH = "    softmax_kernel[x.shape[0], THREADS](x, out)\n"
GPU_HEAD = '@kernel("softmax", device="cuda")\ndef softmax(x, out):\n'
GPU_RIGHT = GPU_IMPORTS + GPU_KERNEL + GPU_HEAD + GPU_LAUNCH
GPU_COPY = """@cuda.jit
def copy_kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = x[i]


"""
MERGE_HEAD = 'import math\n\nfrom llaisys_mini import answer\n\n\n@answer("merge_softmax")\n'
MERGE_RIGHT = """
    top = max(top_a, top_b)
    if top == -math.inf:
        return top, 0.0
    return top, sum_a * math.exp(top_a - top) + sum_b * math.exp(top_b - top)
"""


@dataclass(frozen=True)
class Attempt:
    """One submission of `lab`: `write(folder)` makes its files; `points` are those decided without a person."""

    student: str
    write: Callable[[Path], None]
    points: float
    state: str = GRADED
    lab: str = LAB


def on_gpu(student: str, write: Callable[[Path], None], points: float, state: str = GRADED) -> Attempt:
    """One submission of the CUDA softmax."""
    return Attempt(student, write, points, state, GPU_LAB)


class ClassWorker:
    """In place of a worker: two of a kind, so that no verdict depends on how busy the machine is.

    What never ends is run within small limits, and it does not matter which of them it meets. All else is run within
    limits that are far away.
    """

    def __init__(self, kind: type[Worker], level: str):
        self.level, self.limits = level, LIMITS
        self._workers = [kind(level, limits) for limits in (LIMITS, SMALL_LIMITS)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def run(self, request):
        worker = self._workers[any(part in request["source"] for part in NEVER_ENDS)]
        self.limits = worker.limits  # the judge names them
        yield from worker.run(request)

    @property
    def compiler(self):
        return self._workers[0].compiler

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


def solution() -> dict:
    """The solution lab as JSON, without the written answer: then no points are left to a person."""
    notebook = json.loads((tasks.WITH_SOLUTIONS / LAB / f"{LAB}.ipynb").read_text())
    cell(notebook, "softmax-mean")["source"] = tasks_stub("softmax-mean")
    return notebook


def tasks_stub(cell_id: str, lab: str = LAB) -> str:
    return tasks.plan_of(lab).texts[cell_id]


def base() -> dict:
    notebook = solution()
    cell(notebook, "softmax-cpu")["source"] = SERIAL
    entropy_cell = cell(notebook, "cross_entropy-cpu")
    serial = "".join(entropy_cell["source"]).replace("parallel=True, ", "").replace("prange(", "range(")
    entropy_cell["source"] = serial
    return notebook


def cell(notebook: dict, cell_id: str) -> dict:
    return next(c for c in notebook["cells"] if c["id"] == cell_id)


def place(notebook: dict, cell_id: str) -> int:
    return notebook["cells"].index(cell(notebook, cell_id))


def code(source: str) -> dict:
    return dict(cell_type="code", id=f"own-{len(source)}", metadata={}, source=source, outputs=[], execution_count=None)


def save(notebook: dict, name: str = f"{LAB}.ipynb") -> Callable[[Path], None]:
    text = json.dumps(notebook)

    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / name).write_text(text)

    return write


def raw(data: bytes, name: str = f"{LAB}.ipynb") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / name).write_bytes(data)

    return write


def softmax(source: str) -> Callable:
    notebook = base()
    cell(notebook, "softmax-cpu")["source"] = source
    return save(notebook)


def gpu(source: str) -> Callable:
    notebook = json.loads((tasks.RELEASED / GPU_LAB / f"{GPU_LAB}.ipynb").read_text())
    cell(notebook, "softmax-cuda")["source"] = source
    return save(notebook, f"{GPU_LAB}.ipynb")


def gpu_changed(before: str, after: str) -> Callable:
    assert before in GPU_RIGHT, before
    return gpu(GPU_RIGHT.replace(before, after))


def gpu_host(host: str, above: str = "") -> Callable:
    """A right CUDA kernel that is launched from these lines."""
    lines = "".join(f"    {line}\n" for line in host.split("\n"))
    return gpu(GPU_IMPORTS + above + GPU_KERNEL + GPU_COPY + GPU_HEAD + lines)


def entropy(before: str, after: str) -> Callable:
    notebook = base()
    target = cell(notebook, "cross_entropy-cpu")
    source = "".join(target["source"])
    assert before in source
    target["source"] = source.replace(before, after)
    return save(notebook)


def merge(first: str, rest: str = MERGE_RIGHT, above: str = "") -> Callable:
    """An answer to merge_softmax that does `first` before it computes what was asked for."""
    notebook = base()
    lines = "".join(f"    {line}\n" for line in first.split("\n"))
    cell(notebook, "merge_softmax-python")["source"] = (
        f"{above}\n{MERGE_HEAD}def merge_softmax(top_a, sum_a, top_b, sum_b):\n{lines}{rest}"
    )
    return save(notebook)


def with_cell(source: str, softmax_source: str = SERIAL, at_end: bool = False) -> Callable:
    """A cell of the student's own in front of everything, or at the end."""
    notebook = base()
    cell(notebook, "softmax-cpu")["source"] = softmax_source
    notebook["cells"].insert(len(notebook["cells"]) if at_end else 0, code(source))
    return save(notebook)


def changed(change: Callable[[dict], None]) -> Callable:
    notebook = base()
    change(notebook)
    return save(notebook)


# ---- accidents ---------------------------------------------------------------------------------------------------


def _strip(notebook):
    for c in notebook["cells"]:
        c["metadata"] = {}
        c.pop("id")
    notebook["nbformat_minor"] = 4


def _drop_tests(notebook):
    notebook["cells"] = [c for c in notebook["cells"] if not c["metadata"].get("nbgrader", {}).get("locked")]


def _double_tests(notebook):
    for c in [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("locked")]:
        notebook["cells"].insert(notebook["cells"].index(c), copy.deepcopy(c))


def _empty_tests(notebook):
    cell(notebook, "softmax-cpu")["source"] = WRONG
    for c in notebook["cells"]:
        if c["metadata"].get("nbgrader", {}).get("locked"):
            c["source"] = "pass"


def _rename_ids(notebook):
    for number, c in enumerate(notebook["cells"]):
        c["id"] = f"cell{number}"
        if "nbgrader" in c["metadata"]:
            c["metadata"]["nbgrader"]["grade_id"] = f"renamed-{number}"


def _points(value) -> Callable:
    def change(notebook):
        cell(notebook, "softmax-public")["metadata"]["nbgrader"]["points"] = value

    return change


def _split(first: str, second: str):
    def change(notebook):
        at = place(notebook, "softmax-cpu")
        half = copy.deepcopy(notebook["cells"][at])
        notebook["cells"][at]["source"] = first
        half["source"], half["id"] = second, "split-off"
        notebook["cells"].insert(at + 1, half)

    return change


def _copy_kernel(first: str, second: str):
    def change(notebook):
        at = place(notebook, "softmax-cpu")
        notebook["cells"][at]["source"] = first
        notebook["cells"].insert(at + 1, copy.deepcopy(notebook["cells"][at]) | {"source": second})

    return change


def _format_3(notebook) -> dict:
    cells = []
    for c in notebook["cells"]:
        if c["cell_type"] == "code":
            cells.append(dict(cell_type="code", input=c["source"], outputs=[], language="python", metadata={}))
        else:
            cells.append(dict(cell_type="markdown", source=c["source"], metadata={}))
    return dict(nbformat=3, nbformat_minor=0, metadata={}, worksheets=[dict(cells=cells, metadata={})])


def _zip(*members: tuple[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return data.getvalue()


def _link_to_file(target: Path):
    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        os.symlink(target, folder / f"{LAB}.ipynb")

    return write


def _link_to_folder(target: Path):
    def write(folder: Path) -> None:
        folder.parent.mkdir(parents=True)
        os.symlink(target, folder)

    return write


def _pipe(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / f"{LAB}.ipynb")


# ---- the class ---------------------------------------------------------------------------------------------------


def the_class() -> list[Attempt]:
    """All submissions, honest ones first."""
    complete = json.loads((tasks.WITH_SOLUTIONS / LAB / f"{LAB}.ipynb").read_text())
    released = json.loads((tasks.RELEASED / LAB / f"{LAB}.ipynb").read_text())
    only_softmax = base()
    for cell_id in ("merge_softmax-python", "softmax-online", "cross_entropy-cpu"):
        cell(only_softmax, cell_id)["source"] = tasks_stub(cell_id)
    text = json.dumps(base())
    solutions = str(tasks.ROOT / "solutions" / "kernels" / "python" / "merge_softmax.py")
    hidden = str(tasks.WITH_SOLUTIONS / LAB / f"{LAB}.ipynb")
    new_format = base() | {"nbformat": 99}
    helper = IMPORTS + "@njit\ndef power(a, b):\n    return math.exp(a - b)\n\n\n"
    helped = HEAD + BODY.replace("math.exp(x[n, c] - top)", "power(x[n, c], top)")
    half = BODY.index("        for c in range(x.shape[1]):\n            out[n, c] /=")

    attempts = [
        # honest
        Attempt("perfect", save(complete), BASE, MANUAL),
        Attempt("serial", save(base()), BASE),
        Attempt("partial", save(only_softmax), SOFTMAX),
        Attempt("wrong", softmax(WRONG), NO_SOFTMAX),
        Attempt("blank", save(released), 0),
        Attempt("prints", softmax(SERIAL + "\nprint('hello')\nimport warnings\nwarnings.warn('careful')\n"), BASE),
        Attempt("plots-in-cell", softmax("import matplotlib.pyplot as plt\n" + SERIAL + "\nplt.plot([1, 2])\n"), BASE),
        Attempt("magics", softmax("%%time\n" + SERIAL + "\n%timeit 1 + 1\n"), BASE),
        Attempt("slow", merge("import time\ntime.sleep(0.05)"), BASE),
        Attempt('o\'neil, "bob" <b>', save(base()), BASE),
        Attempt("does-not-compile", softmax(SERIAL.replace("total = np.float32(0)", "total = 'a'")), NO_SOFTMAX),
        Attempt("past-the-end", softmax(SERIAL + "    out[x.shape[0], 0] = 1\n"), NO_SOFTMAX),
        Attempt("not-python", softmax(SERIAL.replace("def softmax(x, out):", "def softmax(x, out)")), NO_SOFTMAX),
        # accidents
        Attempt("renamed-file", save(base(), "Lab 7 final (1).ipynb"), BASE),
        Attempt("stripped-metadata", changed(_strip), BASE),
        Attempt("format-3", save(_format_3(base())), BASE),
        Attempt("format-99", save(new_format), BASE),
        Attempt("byte-order-mark", raw(b"\xef\xbb\xbf" + text.encode()), BASE),
        Attempt("deleted-tests", changed(_drop_tests), BASE),
        Attempt("doubled-tests", changed(_double_tests), BASE),
        Attempt("renamed-ids", changed(_rename_ids), BASE),
        Attempt("split-after-helper", changed(_split(helper, helped)), BASE),
        Attempt("split-in-function", changed(_split(IMPORTS + HEAD + BODY[:half], BODY[half:])), BASE),
        Attempt("imports-elsewhere", with_cell(IMPORTS, HEAD + BODY), BASE),
        Attempt("copied-cell", changed(_copy_kernel(SERIAL, SERIAL)), BASE),
        Attempt("copied-then-broken", changed(_copy_kernel(SERIAL, WRONG)), BASE),
        Attempt("zipped", raw(_zip((f"{LAB}/{LAB}.ipynb", text.encode())), "homework.zip"), BASE),
        # nothing to read
        Attempt("truncated", raw(text[: len(text) // 2].encode()), 0, UNREADABLE),
        Attempt("corrupt", raw(os.urandom(4000)), 0, UNREADABLE),
        Attempt("empty-file", raw(b""), 0, UNREADABLE),
        Attempt("no-cells", raw(b'{"cells": 3}'), 0, UNREADABLE),
        Attempt("deep-json", raw(b"[" * 200_000), 0, UNREADABLE),
        Attempt("empty-folder", lambda folder: folder.mkdir(parents=True), 0, UNREADABLE),
        Attempt("link-to-solution", _link_to_file(tasks.WITH_SOLUTIONS / LAB / f"{LAB}.ipynb"), 0, UNREADABLE),
        Attempt("link-to-folder", _link_to_folder(tasks.WITH_SOLUTIONS / LAB), 0, UNREADABLE),
        Attempt("pipe", _pipe, 0, UNREADABLE),
        Attempt("zip-slip", raw(_zip(("../../../../tmp/evil.py", b"x")), "a.zip"), 0, UNREADABLE),
        Attempt("zip-bomb", raw(_zip((f"{LAB}.ipynb", b" " * (30 << 20))), "a.zip"), 0, UNREADABLE),
        # loops, exits, crashes, limits
        Attempt("loop-python", merge("while True:\n    pass"), NO_MERGE, TIMED_OUT),
        Attempt("loop-nopython", softmax(SERIAL.replace("top = x[n, 0]", "top = x[n, 0]\n        while top < 1e30 or n == 0:\n            top = x[n, 0]")), NO_SOFTMAX, TIMED_OUT),
        Attempt("sleeps", merge("import time\ntime.sleep(10000)"), NO_MERGE, TIMED_OUT),
        Attempt("exit", merge("raise SystemExit"), NO_MERGE, CRASHED),
        Attempt("hard-exit", merge("import os\nos._exit(0)"), NO_MERGE, TAMPERING),
        Attempt("segfault", entropy("out[row] =", "out[(row + 1) * 10**12] ="), NO_ENTROPY),
        Attempt("memory-python", merge("hog = [bytearray(1 << 26) for _ in range(1000)]"), NO_MERGE, CRASHED),
        Attempt("memory-nopython", softmax(SERIAL.replace("    for n in range(x.shape[0]):", "    hog = np.ones(10**11)\n    for n in range(x.shape[0]):", 1).replace("top = x[n, 0]", "top = x[n, 0] + np.float32(0 * hog[n])")), NO_SOFTMAX, CRASHED),
        Attempt("fork-bomb", merge("import os\nwhile True:\n    os.fork()"), NO_MERGE, TAMPERING),
        Attempt("thread-bomb", merge("import threading, time\nfor _ in range(5000):\n    threading.Thread(target=time.sleep, args=(1000,)).start()"), NO_MERGE, GRADED),
        Attempt("disk-filler", merge("open('/tmp/fill', 'wb').write(bytes(1 << 30))"), NO_MERGE, TAMPERING),
        Attempt("output-flood", merge("for _ in range(20):\n    print('x' * 1_000_000)"), BASE),
        Attempt("thread-outlives", merge("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()"), BASE),
        Attempt("daemon", merge("import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)"), NO_MERGE, TAMPERING),
        # answers that are no kernels
        Attempt("numpy", softmax(SERIAL.replace("@njit(cache=True)\n", "").split("def softmax")[0] + "def softmax(x, out):\n    e = np.exp(x - x.max(1, keepdims=True))\n    out[:] = e / e.sum(1, keepdims=True)\n"), NO_SOFTMAX),
        Attempt("scipy", softmax("from scipy.special import softmax as theirs\nfrom llaisys_mini import kernel\n\n@kernel('softmax')\ndef softmax(x, out):\n    out[:] = theirs(x, axis=1)\n"), NO_SOFTMAX),
        Attempt("blas", softmax(SERIAL.replace("for c in range(x.shape[1]):\n            out[n, c] /= total", "total = np.dot(out[n], np.ones_like(out[n]))\n        for c in range(x.shape[1]):\n            out[n, c] /= total")), NO_SOFTMAX),
        Attempt("blas-renamed", softmax(SERIAL.replace("import numpy as np\n", "import numpy as np\nfrom numpy import dot as add_up\n").replace("total += out[n, c]", "total += add_up(out[n, c : c + 1], out[n, c : c + 1]) / out[n, c]")), NO_SOFTMAX),
        Attempt("object-mode", softmax(SERIAL.replace("from numba import njit", "from numba import njit, objmode").replace("        top = x[n, 0]\n", "        with objmode():\n            out[n] = np.exp(x[n])\n        top = x[n, 0]\n", 1)), NO_SOFTMAX),
        Attempt("force-object", softmax(SERIAL.replace("from numba import njit", "from numba import jit").replace("@njit(cache=True)", "@jit(forceobj=True)")), NO_SOFTMAX),
        Attempt("own-njit", softmax(SERIAL.replace("from numba import njit\n", "").replace(HEAD, "def njit(**options):\n    return lambda f: f\n\n\n" + HEAD)), NO_SOFTMAX),
        Attempt("calls-operator", softmax("from llaisys_mini import kernel, operators\n\n@kernel('softmax')\ndef softmax(x, out):\n    out[:] = operators.softmax.reference(x)\n"), NO_SOFTMAX),
        Attempt("calls-reference", merge("from llaisys_mini import exercises\nreturn exercises.get('merge_softmax').reference(top_a, sum_a, top_b, sum_b)"), NO_MERGE),
        Attempt("hunts-reference", merge("import gc\nfor f in gc.get_objects():\n    if getattr(f, '__name__', '') == 'merge_softmax' and getattr(f, '__module__', '').startswith('llaisys_mini.exercises'):\n        return f(top_a, sum_a, top_b, sum_b)\nreturn 0", ""), NO_MERGE, TAMPERING),
        Attempt("raw-pointer", entropy("import math", "import math\nfrom numba import carray"), BASE),
        Attempt("raw-pointer-used", entropy("    for row in", "    carray(logits, 1)\n    for row in"), NO_ENTROPY),
        Attempt("prepares", softmax(SERIAL.replace('device="cpu")', 'device="cpu", prepare={"x": np.asarray})')), NO_SOFTMAX),
        Attempt("half-precision", softmax(SERIAL.replace("math.exp(x[n, c] - top)", "np.float32(int(math.exp(x[n, c] - top) * 1024)) / 1024")), NO_SOFTMAX),
        Attempt("writes-into-input", softmax(SERIAL.replace("top = x[n, 0]\n", "top = x[n, 0]\n        x[n, 0] += np.float32(1) - np.float32(1) + np.float32(0.5)\n        x[n, 0] -= np.float32(0.25)\n")), NO_SOFTMAX),
        Attempt("precomputed", merge("import math\nknown = {2.0: None}\nif (top_a, sum_a) != (2.0, 1.0) and abs(top_a) not in KNOWN:\n    return 0.0, 0.0", above=_known()), BASE - 1),
        Attempt("replays", merge("if SEEN:\n    return SEEN[0]\nSEEN.append((max(top_a, top_b), sum_a + sum_b))", above="SEEN = []\n"), NO_MERGE),
        Attempt("lazy", merge("class Lazy:\n    def __array__(self, *_, **__):\n        return 1.0\nreturn Lazy()"), NO_MERGE),
        Attempt("huge-reply", merge("import numpy as np\nreturn np.zeros(50_000_000)"), NO_MERGE),
        Attempt("deep-reply", merge("deep = []\nfor _ in range(5000):\n    deep = [deep]\nreturn deep"), NO_MERGE),
        # kernels' cells that would run something else, with an empty kernel
        Attempt("text-by-key", softmax(_empty('A = len(max(["import os"], key=exec))\n', "A")), NO_SOFTMAX),
        Attempt("text-as-signature", softmax(SERIAL.replace("@njit(cache=True)", "@njit(\"[exec('import os'), void(float32[:,:], float32[:,:])][1]\")")), NO_SOFTMAX),
        Attempt("text-behind-a-separator", softmax(_empty("pass  # harmless\u2028import os, sys; os.getpid()\n")), NO_SOFTMAX),
        Attempt("separator-in-a-comment", softmax(SERIAL.replace("import math\n", "import math  # harmless\u2028\x0c\x85import os\n")), BASE),
        Attempt("deep-chain", softmax(_empty("", "x" + ".T" * 900)), NO_SOFTMAX),
        Attempt("deep-sum-in-another-cell", with_cell("deep = " + " + ".join(["1"] * 900)), BASE),
        Attempt("deep-chain-in-another-cell", with_cell("deep = x" + ".T" * 900, SERIAL.replace("total = np", "total = unknown + np")), NO_SOFTMAX),
        Attempt("thousand-constants", softmax("".join(f"A{n} = {n}\n" for n in range(1000)) + SERIAL), BASE),
        Attempt("table-of-strings", softmax(_empty("A = ['import os']\n", "eval(A[0])")), NO_SOFTMAX),
        Attempt("compiled-but-empty", softmax(PARALLEL_COPY), NO_SOFTMAX),
        Attempt("idle-prange", softmax(IDLE), BASE),
        Attempt("overwritten-prange", softmax(OVERWRITTEN), BASE),
        # CUDA kernels
        on_gpu("gpu-right", gpu(GPU_RIGHT), GPU),
        on_gpu("gpu-float64", gpu_changed("np.float32(1) / values[0]", "1.0 / values[0]"), GPU),
        on_gpu("gpu-wrong", gpu_changed("math.exp(x[row, c] - top)", "math.exp(x[row, c])"), COUNTED),
        on_gpu("gpu-uncoalesced", gpu_changed(GPU_KERNEL, _strided()), GPU - COUNTED),
        on_gpu("gpu-race", gpu_changed("    cuda.syncthreads()  # everyone has read it\n", ""), 0),
        on_gpu("gpu-race-in-loop", gpu_changed("values[t + step])\n        cuda.syncthreads()", "values[t + step])"), 0),
        on_gpu("gpu-out-of-bounds", gpu_changed("for c in range(t, x.shape[1], THREADS):\n        top", "for c in range(t, x.shape[1] + 1, THREADS):\n        top"), 0),
        on_gpu("gpu-negative-index", gpu_changed("values[t + step])", "values[t - step])"), COUNTED),
        on_gpu("gpu-divergent-barrier", gpu_changed("values[t + step])\n        cuda", "values[t + step])\n            cuda"), 0),
        on_gpu("gpu-uninitialised-shared", gpu_changed("    values[t] = top\n", "    if t < x.shape[1]:\n        values[t] = top\n"), COUNTED),
        on_gpu("gpu-uninitialised-output", gpu_changed("for c in range(t, x.shape[1], THREADS):\n        out", "for c in range(t, x.shape[1] - 1, THREADS):\n        out"), 0),
        on_gpu("gpu-writes-input", gpu_changed("total += math.exp(x[row, c] - top)", "x[row, c] -= top\n        total += math.exp(x[row, c])\n    top = np.float32(0)"), 0),
        on_gpu("gpu-loop", gpu_changed("    share =", "    while top == top:\n        total += np.float32(1)\n    share ="), 0),
        on_gpu("gpu-loop-on-host", gpu_host("while True:\n    softmax_kernel[x.shape[0], THREADS](x, out)"), 0, TIMED_OUT),
        on_gpu("gpu-too-many-threads", gpu_changed("THREADS = 64", "THREADS = 2048"), 0),
        on_gpu("gpu-not-python", gpu_changed("def softmax_kernel(x, out):", "def softmax_kernel(x, out)"), 0),
        on_gpu("gpu-not-known", gpu_changed("    share =", "    values.sort()\n    share ="), 0, MANUAL),
        on_gpu("gpu-raises", gpu_host("raise ValueError('too wide')"), 0),
        on_gpu("gpu-memory", gpu_host("cuda.device_array(10**12)\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0, CRASHED),
        on_gpu("gpu-numbas-own", gpu_changed("from llaisys_mini import cuda, kernel", "from numba import cuda\nfrom llaisys_mini import kernel"), GPU),
        on_gpu("gpu-numpy", gpu(GPU_IMPORTS + GPU_HEAD + "    e = np.exp(x - x.max(axis=1, keepdims=True))\n    out[:] = e / e.sum(axis=1, keepdims=True)\n"), 0),
        on_gpu("gpu-numpy-too", gpu_host("softmax_kernel[1, THREADS](x, out)\ne = np.exp(x - np.max(x, axis=1, keepdims=True))\nout[:] = e / np.sum(e, axis=1, keepdims=True)"), 0),
        on_gpu("gpu-host-arithmetic", gpu_host("y = cuda.device_array(x.shape, np.float32)\ncopy_kernel[x.size, 64](x.reshape(x.size), y.reshape(x.size))\ny = math.e ** y\ncopy_kernel[x.size, 64](y.reshape(x.size), out.reshape(x.size))"), 0),
        on_gpu("gpu-host-list", gpu_host("for n in range(x.shape[0]):\n    row = np.float64([x[n]])[0]\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0),
        on_gpu("gpu-host-tuple", gpu_host("rows = (x[0], x[0])\ntop = max(rows)\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0),
        on_gpu("gpu-host-scalar", gpu_host("top = np.float32(x[0:1, 0:1])\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0),
        on_gpu("gpu-host-format", gpu_host("top = float(f'{x[0:1, 0:1]}')\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0),
        on_gpu("gpu-host-copy", gpu_host("y = np.zeros(x.shape, np.float32)\ncopy_kernel[x.size, 64](x.reshape(x.size), y.reshape(x.size))\nout[0, 0] = float(y[0, 0])\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0),
        on_gpu("gpu-host-reads", gpu_host("top = max(x[0, c] for c in range(x.shape[1]))\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0),
        on_gpu("gpu-host-writes", gpu_host("softmax_kernel[x.shape[0], THREADS](x, out)\nfor row in range(x.shape[0]):\n    out[row] = out[row] * 1"), 0),
        on_gpu("gpu-on-the-cpu", gpu(GPU_IMPORTS + "from numba import njit\n\n\n" + GPU_HEAD + "    njit(lambda a, b: None)(x, out)\n"), 0),
        on_gpu("gpu-calls-reference", gpu_host("out[:] = theirs.reference(x)", "from llaisys_mini.operators.softmax import softmax as theirs\n\n\n"), 0),
        on_gpu("gpu-calls-solution", gpu_host("theirs(x, out)", "from solutions.kernels.cuda.softmax import softmax as theirs\n\n\n"), 0),
        on_gpu("gpu-blinds-sanitizer", gpu("from llaisys_mini.sanitizer import machine\n\nmachine.Machine.report = lambda *_: None\n" + GPU_RIGHT.replace("    cuda.syncthreads()  # everyone has read it\n", "")), 0, TAMPERING),
        on_gpu("gpu-own-sanitizer", gpu_host("with cuda.sanitized(raises=False):\n    softmax_kernel[x.shape[0], THREADS](x, out)"), 0),
        on_gpu("gpu-imports-inside", gpu_host("import sys\nsys.modules['autograder.channel'].send = print\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0, TAMPERING),
        on_gpu("gpu-annotation", gpu_changed("def softmax(x, out):", "def softmax(x: exec('import os'), out):"), GPU),
        on_gpu("gpu-peeks", gpu_host("open('/etc/hostname').read()\nsoftmax_kernel[x.shape[0], THREADS](x, out)"), 0, TAMPERING),
        on_gpu("gpu-blank-copy", gpu(tasks_stub("softmax-cuda", GPU_LAB) + "\n# to do\n"), 0),
        # reaching out
        Attempt("reads-solutions", merge(f"exec(open({solutions!r}).read())"), NO_MERGE, TAMPERING),
        Attempt("reads-hidden", merge(f"open({hidden!r}).read()"), NO_MERGE, TAMPERING),
        Attempt("reads-classmates", merge("import os\nos.listdir(CLASS)", above="CLASS = '@CLASS@'\n"), NO_MERGE, TAMPERING),
        Attempt("reads-gradebook", merge("open(BOOK, 'rb').read()", above="BOOK = '@BUILD@/gradebook.db'\n"), NO_MERGE, TAMPERING),
        Attempt("writes-gradebook", merge("import sqlite3\nsqlite3.connect(BOOK).execute('update grade set auto_score = 99')", above="BOOK = '@BUILD@/gradebook.db'\n"), NO_MERGE, TAMPERING),
        Attempt("reads-environment", merge("import os\nassert 'SECRET_OF_GRADER' not in os.environ"), BASE),
        Attempt("reads-parent", merge("open(f'/proc/{__import__(\"os\").getppid()}/environ').read()"), NO_MERGE, TAMPERING),
        Attempt("kills-parent", merge("import os\nos.kill(os.getppid(), 9)"), NO_MERGE, TAMPERING),
        Attempt("network", merge("import socket\nsocket.create_connection(('127.0.0.1', 80), 1)"), NO_MERGE, TAMPERING),
        Attempt("writes-channel", merge("import os\nfor fd in range(3, 30):\n    try:\n        os.write(fd, b'x' * 64)\n    except OSError:\n        pass"), NO_MERGE, TAMPERING),
        Attempt("forges-verdict", merge("import sys, os\nchannel = sys.modules['autograder.channel']\nfor number in range(30):\n    channel.send(4, {'case': number, 'result': (0.0, 0.0)})\nchannel.send(4, {'done': True})\nos._exit(0)"), NO_MERGE, TAMPERING),
        Attempt("mutes-worker", merge("import sys\nsys.modules['autograder.channel'].send = lambda *a, **k: None"), NO_MERGE, TAMPERING),
        # other cells, which are never run
        Attempt("emptied-tests", changed(_empty_tests), NO_SOFTMAX),
        Attempt("more-points", changed(_points(100)), BASE, TAMPERING),
        Attempt("points-beyond-float", changed(_points(10**400)), BASE, TAMPERING),
        Attempt("patched-check", with_cell("import llaisys_mini\nllaisys_mini.check = lambda *a, **k: None\ncheck = llaisys_mini.check", WRONG), NO_SOFTMAX, TAMPERING),
        Attempt("patched-numpy", with_cell("import numpy as np\nnp.abs = lambda x: 0 * x\nnp.array_equal = lambda *a: True", WRONG), NO_SOFTMAX, TAMPERING),
        Attempt("patched-in-kernel-cell", softmax(WRONG.replace("\n\n\n@kernel", "\n\nnp.abs = lambda x: 0 * x\n\n\n@kernel")), NO_SOFTMAX, TAMPERING),
        Attempt("ipython-hook", with_cell("get_ipython().input_transformers_cleanup.append(lambda lines: [])", WRONG), NO_SOFTMAX, TAMPERING),
        Attempt("exit-handler", with_cell("import atexit, signal\natexit.register(print)\nsignal.signal(15, signal.SIG_IGN)"), BASE, TAMPERING),
        Attempt("patched-clock", with_cell("import time\ntime.perf_counter = lambda: 0.0"), BASE, TAMPERING),
        Attempt("loop-in-other-cell", with_cell("while True:\n    pass", at_end=True), BASE),
        Attempt("forged-credit", with_cell("3", WRONG, at_end=True), NO_SOFTMAX),
    ]  # fmt: skip
    return attempts


def _empty(above: str, value: str = "x[0, 0]") -> str:
    """A softmax that stores one number."""
    return f"{IMPORTS}{above}{HEAD}def softmax(x, out):\n    out[0, 0] = {value}\n"


PARALLEL_COPY = f"""{IMPORTS.replace("njit", "njit, prange")}@kernel("softmax")
@njit(parallel=True)
def softmax(x, out):
    for n in prange(x.shape[0]):
        for c in range(x.shape[1]):
            out[n, c] = x[n, c] * np.float32(2)
"""
IDLE = SERIAL.replace("import njit", "import njit, prange").replace("cache=True", "parallel=True").replace(
    "    for n in range", "    idle = 0\n    for i in prange(8):\n        idle += i\n    for n in range"
)  # fmt: skip
OVERWRITTEN = IDLE.replace("idle = 0\n    for i in prange(8)", "for i in prange(x.shape[0])").replace(
    "        idle += i", "        out[i, 0] = x[i, 0]"
)


def _strided() -> str:
    """The right kernel with neighbouring columns in one thread: 32 sectors where 4 would do."""
    width = "(x.shape[1] + THREADS - 1) // THREADS"
    loop = f"for c in range({width} * t, min({width} * (t + 1), x.shape[1])):"
    return GPU_KERNEL.replace("for c in range(t, x.shape[1], THREADS):", loop)


def _known() -> str:
    """The largest scores of the public cases, as a table: right on these, wrong on all others."""
    from llaisys_mini import exercises

    tops = {abs(case.inputs["top_a"]) for case in exercises.get("merge_softmax").make_cases(0)}
    return f"KNOWN = {{float(t) for t in {[str(top) for top in tops]!r}}}\n"


def write_class(folder: Path, build: Path, attempts: list[Attempt]) -> None:
    """Write the submissions as nbgrader lays them out: <folder>/<student>/<lab>/."""
    for attempt in attempts:
        place_of = folder / attempt.student / attempt.lab
        attempt.write(place_of)
        path = place_of / f"{attempt.lab}.ipynb"
        if path.is_file() and not path.is_symlink() and not place_of.is_symlink():
            data = path.read_bytes().replace(b"@CLASS@", str(folder).encode()).replace(b"@BUILD@", str(build).encode())
            path.write_bytes(data)
