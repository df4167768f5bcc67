"""What the compiler makes of kernels, without a GPU: float64 and spills are found; the course's kernels have none."""

import dataclasses
import shutil
import subprocess
from importlib.metadata import files

import numpy as np
import pytest

from llaisys_mini import cuda, explain, operators
from llaisys_mini.cuda import availability
from llaisys_mini.errors import KernelError
from llaisys_mini.inspect import compile_check
from llaisys_mini.inspect.occupancy import ARCHITECTURES, occupancy
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.sets import expert_set, solutions_set
from tests.cuda.expert_cases import LARGER, larger_cases

needs_compiler = pytest.mark.skipif(
    compile_check.unavailable() is not None, reason=compile_check.unavailable() or "the compiler is there"
)

X = np.zeros(8, np.float32)


@cuda.jit(device=True)
def twice(value):
    return value * np.float32(2)


@cuda.jit
def clean(x, n, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = twice(x[i]) / np.float32(n)


@cuda.jit
def careless(x, n, out):
    i = cuda.grid(1)
    if i < out.size:
        total = 0.0
        for j in range(x.size):
            total += x[j] * 0.1  # both lines compute in float64
        out[i] = total / n


@needs_compiler
def test_float64_is_found_with_its_line():
    made = compile_check.build(careless, (X, 3, X), threads=128)
    first = careless.py_func.__code__.co_firstlineno
    assert set(made.float64) == {first + 6, first + 7}
    assert "float64" in made.problems()[0]
    assert f"line {first + 6} " in made.problems()[0]


@needs_compiler
def test_a_clean_kernel_has_no_problems_and_its_device_function_is_compiled_for_each_architecture():
    for architecture in compile_check.ARCHITECTURES:
        made = compile_check.build(clean, (X, 3, X), threads=128, architecture=architecture)
        assert made.problems() == []
        assert 8 <= made.registers <= 64
        assert made.shared == made.spilled == made.stack == 0


@cuda.jit
def shares(x, out):
    part = cuda.shared.array(100, np.float32)
    part[cuda.threadIdx.x] = x[cuda.grid(1)]
    cuda.syncthreads()
    out[cuda.grid(1)] = part[99 - cuda.threadIdx.x]


@needs_compiler
def test_static_and_dynamic_shared_memory_are_added():
    assert compile_check.build(shares, (X, X), threads=100).shared == 400
    assert compile_check.build(shares, (X, X), threads=100, dynamic_shared=1024).shared == 1424


@cuda.jit(max_registers=24)
def crowded(x, out):
    kept = cuda.local.array(48, np.float32)
    for k in range(48):
        kept[k] = x[k]
    for _ in range(x.size):
        for k in range(48):
            kept[k] = kept[k] * kept[(k + 1) % 48] + x[k]
    for k in range(48):
        out[k] = kept[k]


@needs_compiler
def test_spills_are_found():
    made = compile_check.build(crowded, (X, X), threads=128)
    assert made.registers <= 24
    assert made.spilled > 0
    assert "spill" in made.problems()[0]


@cuda.jit
def keeps_much(x, out, n):
    kept = cuda.local.array(4096, np.float32)
    for k in range(n):
        kept[k] = x[k]
    for k in range(n):
        out[k] = kept[n - 1 - k]


@needs_compiler
def test_a_long_local_array_is_told():
    made = compile_check.build(keeps_much, (X, X, 3), threads=128)
    assert made.stack >= 4 * 4096
    assert any("a local array of 16" in remark and "lies in memory" in remark for remark in made.remarks())


@needs_compiler
def test_a_kernel_that_no_multiprocessor_can_hold_is_told():
    made = dataclasses.replace(compile_check.build(clean, (X, 3, X), threads=1024), registers=80)
    (remark,) = made.remarks()
    assert remark.startswith("clean cannot be launched on sm_90: not one block of 1024 threads with 80 registers")
    few = dataclasses.replace(made, threads=32, registers=255)
    (remark,) = few.remarks()
    assert "of the threads a multiprocessor can hold, because of registers" in remark
    assert dataclasses.replace(made, registers=32).remarks() == []


@needs_compiler
def test_explain_shows_a_cuda_kernel(capsys):
    builds = explain("add", "solutions", device="cuda")
    assert {made.architecture for made in builds} == set(compile_check.ARCHITECTURES)
    assert "regs" in capsys.readouterr().out


@needs_compiler
def test_what_does_not_compile_is_said_in_the_compilers_words():
    @cuda.jit
    def wrong(x, out):
        out[0] = x.no_such_attribute

    with pytest.raises(KernelError, match=r"wrong does not compile for sm_90: .*no_such_attribute"):
        compile_check.build(wrong, (X, X), threads=32)


def test_without_the_compiler_one_sentence(monkeypatch):
    missing = availability.Part("numba-cuda", "absent", "numba-cuda is not installed", "pip install it")
    monkeypatch.setattr(availability, "numba_cuda", lambda: missing)
    assert compile_check.unavailable() == "not run: numba-cuda is not installed"
    with pytest.raises(KernelError, match=r"^not run: numba-cuda is not installed$"):
        compile_check.build(clean, (X, 3, X), threads=128)


@needs_compiler
def test_a_launchers_kernels_are_found_with_their_blocks():
    def launcher(x, out):
        clean[2, 64](x, 3, out)
        clean[4, 64](x, 5, out)  # the same build
        clean[2, 96](x, 3, out)

    made = compile_check.builds_of(Kernel("relu", "cuda", "student", launcher), ("sm_80",))
    assert [(build.kernel, build.threads) for build in made] == [("clean", 64), ("clean", 96)]


newest_or_all = pytest.mark.parametrize(
    "architectures",
    [
        pytest.param(compile_check.ARCHITECTURES[-1:], id="newest"),
        pytest.param(compile_check.ARCHITECTURES, id="all", marks=pytest.mark.long),
    ],
)


ON_TENSOR_CORES = {  # two blocks of these fit a multiprocessor
    "attention": {"prompt_64_kernel", "prompt_128_kernel"},
    "linear": {"multiply"},
    "paged_attention": {"pages_64_kernel", "pages_128_kernel"},
}


@needs_compiler
@pytest.mark.slow
@newest_or_all
@pytest.mark.parametrize("kernel_set", ["solutions", "expert"])
@pytest.mark.parametrize("name", operators.names)
def test_the_courses_kernels_neither_spill_nor_use_float64(name, kernel_set, architectures):
    found = {"solutions": solutions_set, "expert": expert_set}[kernel_set]()
    if kernel_set == "expert" and found.path(name, "cuda") == solutions_set().path(name, "cuda"):
        pytest.skip("there is no expert version")
    if kernel_set == "expert" and name == "sliding_attention":
        pytest.skip("it launches the kernels of attention")
    cases = None
    if kernel_set == "expert" and name in LARGER:
        # float16 and no bias change a few instructions of kernels that take long to compile.
        storages = [storage for storage in operators.get(name).storages if storage != "float16"]
        cases = [case for storage in storages for case in larger_cases(name, storage)]
        cases = [case for case in cases if case.inputs.get("bias", 0) is not None]
    made = compile_check.builds_of(found.get(name, "cuda"), architectures, cases=cases)
    assert made
    assert [problem for build in made for problem in build.problems()] == []
    on_tensor_cores = [build for build in made if build.kernel in ON_TENSOR_CORES.get(name, ())]
    if kernel_set == "expert":
        assert {build.kernel for build in on_tensor_cores} == ON_TENSOR_CORES.get(name, set())
    for build in on_tensor_cores:
        assert build.stack == 0
        assert build.occupancy.blocks >= 2


# ---- occupancy -----------------------------------------------------------------------------------------------------


def test_occupancy_of_known_configurations():
    assert occupancy("sm_90", 256, 32, 0).share == 1.0
    # 40 registers: 1280 per warp, 12 warps in each sub-partition's 16384, 48 of 64 in all.
    assert occupancy("sm_90", 256, 40, 0).share == 0.75
    assert occupancy("sm_90", 256, 40, 0).limit == "registers"
    assert occupancy("sm_90", 32, 16, 0).limit == "blocks"  # 32 blocks of one warp: half of 64
    # 48 KiB and the 1 KiB that the system keeps: 4 blocks in 228 KiB.
    assert occupancy("sm_90", 128, 32, 48 << 10).blocks == 4
    assert occupancy("sm_75", 1024, 65, 0).blocks == 0


_QUERY = r"""
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "cuda_occupancy.h"
int main(void) {
  int major, minor, most_threads, shared_all, shared_block, reserved, threads, registers, shared;
  while (scanf("%d %d %d %d %d %d %d %d %d", &major, &minor, &most_threads, &shared_all, &shared_block, &reserved,
               &threads, &registers, &shared) == 9) {
    cudaOccDeviceProp p; cudaOccFuncAttributes a; cudaOccDeviceState s; cudaOccResult r;
    memset(&p, 0, sizeof p); memset(&a, 0, sizeof a); memset(&s, 0, sizeof s);
    p.computeMajor = major; p.computeMinor = minor; p.maxThreadsPerBlock = 1024;
    p.maxThreadsPerMultiprocessor = most_threads; p.regsPerBlock = p.regsPerMultiprocessor = 65536; p.warpSize = 32;
    p.sharedMemPerBlock = 49152; p.sharedMemPerMultiprocessor = shared_all; p.numSms = 1;
    p.sharedMemPerBlockOptin = shared_block; p.reservedSharedMemPerBlock = reserved;
    a.maxThreadsPerBlock = INT_MAX; a.numRegs = registers; a.maxDynamicSharedSizeBytes = shared_block;
    a.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN; a.numBlockBarriers = 1;
    s.carveoutConfig = SHAREDMEM_CARVEOUT_MAX_SHARED;
    int failed = cudaOccMaxActiveBlocksPerMultiprocessor(&r, &p, &a, &s, threads, shared);
    printf("%d\n", failed ? -1 : r.activeBlocksPerMultiprocessor);
  }
  return 0;
}
"""


def _occupancy_header():
    for package in ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12"):
        try:
            for file in files(package) or ():
                if file.name == "cuda_occupancy.h":
                    return file.locate()
        except ImportError:
            continue
    return None


def test_occupancy_agrees_with_nvidias_header(tmp_path):
    header, compiler = _occupancy_header(), shutil.which("cc") or shutil.which("gcc")
    if header is None or compiler is None:
        pytest.skip("needs a C compiler and the CUDA runtime's headers")
    (tmp_path / "query.c").write_text(_QUERY)
    program = tmp_path / "query"
    subprocess.run([compiler, "-I", str(header.parent), str(tmp_path / "query.c"), "-o", str(program)], check=True)
    rng = np.random.default_rng(0)
    questions, ours = [], []
    for architecture, holds in ARCHITECTURES.items():
        for _ in range(300):
            threads, registers = 32 * int(rng.integers(1, 33)), int(rng.integers(16, 256))
            shared = int(rng.integers(0, holds.shared_per_block - holds.shared_reserved))
            questions.append(
                f"{architecture[3]} {architecture[4]} {holds.threads} {holds.shared} {holds.shared_per_block} "
                f"{holds.shared_reserved} {threads} {registers} {shared}"
            )
            ours.append(occupancy(architecture, threads, registers, shared).blocks)
    answer = subprocess.run([program], input="\n".join(questions), capture_output=True, text=True, check=True)
    theirs = [int(line) for line in answer.stdout.split()]
    assert len(theirs) == len(ours) == 300 * len(ARCHITECTURES)
    different = [(q, a, b) for q, a, b in zip(questions, ours, theirs, strict=True) if a != b]
    assert not different, different[:5]
