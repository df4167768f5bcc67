"""Choices of kernels and observers belong to a context: threads, tasks and cells of a notebook do not share them."""

import asyncio
import contextvars
import threading

import numpy as np
import pytest

from llaisys_mini import Tensor, observe_calls, operators, use_kernels
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.kernels.registry import Kernel
from llaisys_mini.kernels.runtime import Runtime, current

X = np.ones((2, 4), np.float32)


@pytest.fixture(autouse=True)
def the_rule():
    use_kernels()
    yield
    use_kernels()


def constant(number):
    """A Runtime whose relu gives this number."""

    def relu(x, out):
        out[:] = number

    return Runtime(per_operator={"relu": Kernel("relu", "cpu", "test", relu)})


def in_a_thread(work):
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


def answering():
    return answering_kernel("softmax").kernel_set


@pytest.mark.parametrize("for_good", [False, True])
def test_another_thread_does_not_see_a_choice(for_good):
    chosen = use_kernels("reference")
    if for_good:
        assert (answering(), in_a_thread(answering)) == ("reference", "solutions")
    else:
        with chosen:
            assert (answering(), in_a_thread(answering)) == ("reference", "solutions")
        assert answering() == "solutions"


def test_threads_with_different_choices_call_one_operator_side_by_side():
    wrong = []
    barrier = threading.Barrier(4)

    def work(number):
        with constant(number).in_force():
            barrier.wait()
            for _ in range(300):
                if not (operators.relu(X) == number).all():
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert (operators.relu(X) == 1).all()  # relu of one


def test_another_thread_does_not_report_to_an_observer():
    seen = []
    with observe_calls(lambda operator, arguments, results: seen.append(operator.name)):
        in_a_thread(lambda: operators.relu(X))
        operators.add(X, X)
    assert seen == ["add"]


def test_tasks_do_not_see_each_other():
    async def work(kernel_set):
        with use_kernels(kernel_set):
            await asyncio.sleep(0)
            return answering()

    async def both():
        return await asyncio.gather(work("reference"), work("solutions"), work("plain"))

    assert asyncio.run(both()) == ["reference", "solutions", "plain"]


def test_a_choice_for_good_reaches_the_next_cell_of_a_notebook():
    """Each cell may run in a copy of the kernel's context, made before the cell."""
    root = contextvars.copy_context()
    root.copy().run(use_kernels, "reference")
    assert root.copy().run(answering) == "reference"
    root.copy().run(use_kernels)
    assert root.copy().run(answering) == "solutions"


def test_a_choice_within_others():
    with use_kernels("reference"):
        with use_kernels(softmax="plain"):
            assert (answering(), answering_kernel("relu").kernel_set) == ("plain", "solutions")
        assert answering() == "reference"
        use_kernels("expert")  # from now on, here too
        assert answering() == "expert"
    assert answering() == "expert"


def test_observers_end_with_their_block_whatever_was_chosen_within():
    seen = []
    with observe_calls(lambda operator, arguments, results: seen.append(operator.name)):
        use_kernels("reference")
        operators.relu(X)
    operators.relu(X)
    assert seen == ["relu"]
    assert not current().observers
    assert answering() == "reference"


def test_a_runtime_says_which_kernels_have_answered():
    with Runtime(everywhere="reference").in_force() as runtime:
        operators.relu(X)
        with observe_calls(lambda *_: None):
            operators.linear(X, X.astype(np.float16))
    operators.add(X, X)
    assert runtime.answered == {("relu", "cpu"): {"float32": "reference"}, ("linear", "cpu"): {"float16": "reference"}}


def test_the_courses_kernels_can_be_left_out(tmp_path):
    with Runtime(solutions=False, student=tmp_path).in_force():
        assert answering() == "reference"


def test_views_of_tensors_are_made_by_whose_answer_counts_here(tmp_path):
    with Runtime(student=tmp_path, solutions=False).in_force():
        assert Tensor.from_numpy(X).view(4, 2).shape == (4, 2)
