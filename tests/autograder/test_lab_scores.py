"""A solution lab scores everything, a blank one nothing, and one with every other task done what those are worth.

Labs run as nbgrader runs them: in a kernel of their own, with the hidden tests put back, cell by cell. Half of a lab is
left to the judge, which has run the solution already (conftest.py), and `make test-long` runs it as nbgrader does too.

Two short forms, of which `make test-long` has the long ones. Kernels are checked on weights of float32 alone, since a
check never fails on others, and not compiled for a GPU, which the judge does (test_judge.py). And the blank tasks come
after the solution, in the same kernel: so the tests fail for want of an answer, and not of a name that another cell
defines.
"""

import functools
import os
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.utils import is_grade

from autograder import labs
from autograder.tasks import SPECIAL, plan_of

pytestmark = pytest.mark.slow

WORTH = {
    "00_practice": {"add-cpu": 4},
    "01_neuron": {
        "neuron_by_hand-python": 2,
        "linear-cpu": 6,
        "sign-cpu": 2,
        "perceptron_update-python": 3,
        "least_squares_descent-python": 3,
    },
    "02_layers": {"layers_by_hand-python": 3, "merge_layers-python": 3, "relu-cpu": 2, "sigmoid-cpu": 2},
    "03_backpropagation": {
        "numerical_gradient-python": 2,
        "relu_backward-cpu": 2,
        "linear_backward-cpu": 6,
        "autograd-python": 6,
    },
    "04_training": {"mlp_step-python": 4, "adamw_step-python": 3, "train_digits-python": 5},
    "05_norms": {"rms_norm-cpu": 6, "layer_norm-cpu": 6},
    "06_tensor": {"tensor_views-python": 12},
    "07_softmax": {"softmax-cpu": 6, "merge_softmax-python": 2, "softmax-online": 4, "cross_entropy-cpu": 4},
    "08_reductions": {
        "rms_norm-cpu": 5,
        "softmax-cpu": 4,
        "add-cuda": 2,
        "rms_norm-cuda": 5,
        "softmax-cuda": 5,
        "layer_norm-cuda": 3,
    },
    "09_matmul": {"linear-order": 4, "linear-registers": 9, "linear-threads": 7, "linear-tiles": 4},
    "10_matmul_gpu": {
        "matmul-plain-cuda": 5,
        "linear-tiles-cuda": 8,
        "linear-registers-cuda": 8,
        "linear-rows-cuda": 3,
        "device_runtime-python": 7,
    },
    "11_tokens_and_positions": {
        "bpe_step-python": 3,
        "embedding-cpu": 2,
        "rope-cpu": 6,
        "embedding-cuda": 4,
        "rope-cuda": 3,
        "rope_scaled-cpu": 2,
    },
    "12_attention": {
        "attention-cpu": 7,
        "attention-one-pass": 7,
        "decode_step-python": 3,
        "attention-cuda": 6,
        "attention-query-blocks-cuda": 9,
        "merge_attention-python": 2,
    },
    "13_qwen_block": {
        "swiglu-cpu": 4,
        "add_rms_norm-cpu": 5,
        "swiglu-cuda": 3,
        "add_rms_norm-cuda": 4,
        "qwen_mlp-python": 3,
        "qwen_heads-python": 5,
        "qwen_attention-python": 3,
    },
    "14_the_decoder_speaks": {
        "map_weights-python": 4,
        "layer_weights-python": 3,
        "kv_cache-python": 4,
        "decoder_forward-python": 6,
        "argmax-cpu": 2,
        "sample_token-python": 3,
        "generate_tokens-python": 4,
        "argmax-cuda": 3,
    },
    "15_quantisation": {
        "linear-int8-cpu": 6,
        "best_scale-python": 6,
        "awq_scale-python": 6,
        "smooth-python": 4,
        "gptq_column-python": 2,
        "kv_quantize-python": 2,
    },
    "16_many_texts": {
        "page_pool-python": 6,
        "prefix_match-python": 4,
        "paged-attention-cpu": 8,
        "schedule_step-python": 8,
        "slots-python": 1,
        "speculate-python": 2,
        "accept_sampled-python": 2,
    },
    "17_service": {
        "text_deltas-python": 5,
        "stop_filter-python": 6,
        "sse_events-python": 6,
        "chat_request-python": 2,
        "abort_on_disconnect-python": 2,
    },
    "18_one_call": {
        "dead_code-python": 4,
        "fold_constants-python": 4,
        "fuse-python": 7,
        "plan_buffers-python": 7,
        "choose_tile-python": 2,
    },
    "19_training": {
        "pack-python": 5,
        "rms_norm_backward-cpu": 6,
        "attention_backward-cpu": 10,
        "adamw-cpu": 5,
        "train_steps-python": 8,
        "isoflop_fit-python": 3,
    },
    "20_after_training": {
        "sft_mask-python": 5,
        "pass_at_k-python": 3,
        "group_advantage-python": 4,
        "clipped_loss-python": 7,
        "grpo_update-python": 5,
        "dpo_loss-python": 2,
        "majority-python": 1,
        "best_of_n-python": 1,
    },
}
"""Lab -> its task cells, and the points that each brings by itself."""


OF_ANOTHER_CELL = {"NameError", "ImportError", "ModuleNotFoundError", "SyntaxError"}
"""What no test may raise for want of an answer."""

SHORT = """from llaisys_mini.checks import compiles
from llaisys_mini.contract import Contract

Contract.storages = ("float32",)  # in place of a property
compiles._is_installed = lambda: False
"""


def with_blanks(name, solved=()):
    """The cells of a lab's solution, with the released text in task cells that are not among `solved`."""
    cells = labs.source_notebook(name).cells
    blank = {cell.id: cell.source for cell in labs.release_notebook(name).cells}
    for cell in cells:
        if is_task(cell) and cell.id not in solved:
            cell.source = blank[cell.id]
    return cells


def is_task(cell):
    return "llaisys_mini" in cell.metadata


def is_test(cell):
    return cell.cell_type == "code" and is_grade(cell)


def execute(cells, folder):
    """Run all cells in one kernel; they have their outputs then."""
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=600, allow_errors=True, resources={"metadata": {"path": str(folder)}})
    environment = {"LLAISYS_MINI_STUDENT_DIR": str(folder / "student"), "LLAISYS_MINI_SUBMITTING": "1"}
    client.execute(env=os.environ | environment)


def scores(cells):
    """Points of every automatically graded cell."""
    return {
        cell.metadata.nbgrader.grade_id: 0 if errors(cell) else cell.metadata.nbgrader.points
        for cell in cells
        if is_test(cell)
    }


def errors(cell):
    """Names of what a cell raised."""
    return [output.ename for output in cell.outputs if output.output_type == "error"]


def maximum(name):
    return {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
        for cell in labs.source_notebook(name).cells
        if is_test(cell)
    }


def test_every_lab_is_listed():
    assert list(WORTH) == labs.lab_names()
    for name, tasks in WORTH.items():
        cells = labs.source_notebook(name).cells
        assert list(tasks) == [cell.id for cell in cells if is_task(cell)]


every_lab = pytest.mark.parametrize("name", labs.lab_names())


@pytest.fixture(scope="module")
def solved_then_blank(tmp_path_factory):
    """solved_then_blank(lab): its cells with all solutions, and its tasks and tests without them, all run."""

    @functools.cache
    def run(name):
        solved = labs.source_notebook(name).cells
        blank = [cell for cell in with_blanks(name) if is_task(cell) or is_test(cell)]
        for cell in blank:
            cell.id += "-blank"
        execute([nbformat.v4.new_code_cell(SHORT), *solved, *blank], tmp_path_factory.mktemp(name))
        return solved, blank

    return run


@every_lab
def test_the_solution_scores_everything(name, solved_then_blank):
    solved, _ = solved_then_blank(name)
    assert scores(solved) == maximum(name)


@every_lab
def test_a_blank_lab_scores_nothing(name, solved_then_blank):
    _, blank = solved_then_blank(name)
    assert set(scores(blank).values()) == {0}
    assert not {error for cell in blank if is_test(cell) for error in errors(cell)} & OF_ANOTHER_CELL


@pytest.mark.long
@every_lab
def test_the_solution_scores_everything_with_every_storage(name, tmp_path):
    cells = labs.source_notebook(name).cells
    execute(cells, tmp_path)
    assert scores(cells) == maximum(name)


@pytest.mark.long
@every_lab
def test_a_blank_lab_scores_nothing_from_its_first_cell(name, tmp_path):
    cells = with_blanks(name)
    execute(cells, tmp_path)
    assert set(scores(cells).values()) == {0}


half_of_a_lab = pytest.mark.parametrize(
    ("name", "solved"),
    [
        pytest.param(name, list(tasks)[first::2], id=f"{name}-{first}")
        for name, tasks in WORTH.items()
        if len(tasks) > 1
        for first in (0, 1)
    ],
)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
@half_of_a_lab
def test_half_of_the_tasks_score_what_they_are_worth(judged, name, solved):
    blank = {task.grade_id: task.stub for task in plan_of(name).tasks if task.grade_id not in solved}
    assert len(blank) == len(WORTH[name]) - len(solved)
    parts = judged(name, blank).parts
    worth = sum(WORTH[name][task] for task in solved)
    # Where a notebook needs several answers at once, the judge takes the course's own for the others.
    alone = [parts[cell] for lab, cell in SPECIAL if lab == name]
    worth += sum(part.maximum for part in alone if part.task in solved)
    assert sum(part.points or 0 for part in parts.values()) == worth


@pytest.mark.long
@half_of_a_lab
def test_half_of_the_tasks_score_what_they_are_worth_under_nbgrader(name, solved, tmp_path):
    cells = with_blanks(name, solved)
    execute(cells, tmp_path)
    assert sum(scores(cells).values()) == sum(WORTH[name][task] for task in solved)
