"""Expert kernels with one line broken by hand: the larger cases and the sanitizer notice each."""

import shutil

import pytest

from llaisys_mini.checks.run import run_case
from llaisys_mini.kernels.sets import ExpertSet, solutions_set
from tests.cuda.expert_cases import larger_cases

MUTANTS = [  # operator, file, what stands there, what is made of it
    ("softmax", "rows", "kept[4 * step + j] = filler", "kept[4 * step + j] = np.float32(0)"),
    (
        "softmax",
        "rows",
        "4 * (step * cuda.blockDim.x + cuda.threadIdx.x)",
        "4 * step * cuda.blockDim.x + cuda.threadIdx.x",
    ),
    ("softmax", "rows", "place + 4 <= high:\n            a, b", "place < high:\n            a, b"),
    (
        "softmax",
        "rows",
        "if place >= low and place + 4 <= high:\n            a, b",
        "if place + 4 <= high:\n            a, b",
    ),
    (
        "softmax",
        "rows",
        "if place >= low and place + 4 <= high:\n            st",
        "if place + 4 <= high:\n            st",
    ),
    ("softmax", "rows", "place + j < high:\n                    kept", "place + j <= high:\n                    kept"),
    ("softmax", "rows", "total *= math.exp(top - reference)", "total *= np.float32(1)"),
    ("softmax", "rows", "largest if largest > np.float32(-math.inf) else np.float32(0)", "largest"),
    ("softmax", "softmax_expert", "own = math.exp(top - largest)", "own = np.float32(1)"),
    ("softmax", "softmax_expert", "math.exp(kept[i] - largest) * share", "math.exp(kept[i] - top) * share"),
    ("softmax", "softmax_expert", "if row >= rows:", "if row > rows:"),
    ("cross_entropy", "cross_entropy_expert", "total * math.exp(top - largest)", "total"),
    ("cross_entropy", "cross_entropy_expert", "logits[row * width + targets[row]]", "logits[targets[row]]"),
    ("layer_norm", "layer_norm_expert", "held += np.float32(1)", "held = np.float32(KEPT)"),
    ("layer_norm", "layer_norm_expert", "(own - mean) * (own - mean) * count * share", "own - own"),
    ("layer_norm", "layer_norm_expert", "squares + count * (own - mean) * (own - mean)", "squares"),
    ("layer_norm", "layer_norm_expert", "widen(weight[place - low])", "widen(weight[place])"),
    ("argmax", "argmax_expert", "if kept[4 * step + j] > value:", "if kept[4 * step + j] >= value:"),
    ("argmax", "argmax_expert", "np.int32(min(max(first + place_of(0) - low, 0), width))", "np.int32(width)"),
    ("argmax", "argmax_expert", "base + place_of(0) - low)", "base + place_of(0))"),
    ("argmax", "argmax_expert", "parts = (width + 3 + STRETCH - 1)", "parts = (width + STRETCH - 1)"),
    ("paged_attention", "attention_split", "row >= starts[text + 1] or", ""),
    ("paged_attention", "attention_split", "next_page = np.int64(table[text, end // page_size])", "next_page = page"),
    ("paged_attention", "attention_split", "place - place % page_size + page_size", "place + page_size"),
    ("paged_attention", "attention_split", "is_there = s < end - place", "is_there = s <= end - place"),
    (
        "paged_attention",
        "attention_split",
        "if part > np.float32(0):\n            total",
        "if True:\n            total",
    ),
    ("paged_attention", "attention_split", "min(first + stretch, position + 1)", "first + stretch"),
    (
        "paged_attention",
        "attention_expert",
        "starts[middle] // ROWS + middle <= tile",
        "starts[middle] // ROWS <= tile",
    ),
    ("paged_attention", "attention_expert", "ROWS * (tile - starts[text] // ROWS - text)", "ROWS * (tile - text)"),
    ("paged_attention", "attention_expert", "row_end = starts[text + 1]", "row_end = starts[text] + ROWS"),
    ("paged_attention", "attention_expert", "cuda.syncthreads()  # the values of the round before", "pass  #"),
    ("paged_attention", "attention_expert", "table[text, s // page_size]", "table[0, s // page_size]"),
    ("paged_attention", "paged_attention_expert", "if texts > 1 or most <= FEW:", "if most <= FEW:"),
    ("paged_attention", "paged_attention_expert", "(texts > 1 or most < long)", "texts == 1 and most < long"),
]


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """copies(operator, file, old, new): the expert kernel of a copy of the course's kernels with that changed."""
    folder = solutions_set().folder / "cuda"

    def make(operator, file, old, new):
        copy = tmp_path_factory.mktemp("kernels")
        shutil.copytree(folder, copy / "cuda", ignore=shutil.ignore_patterns("__pycache__"))
        changed = copy / "cuda" / f"{file}.py"
        source = changed.read_text(encoding="utf-8")
        assert source.count(old) == 1
        changed.write_text(source.replace(old, new), encoding="utf-8")
        return ExpertSet("expert", copy, copy.name.replace("-", "_")).get(operator, "cuda")

    return make


def first_failure(kernel, operator):
    return next((result for c in larger_cases(operator, "float32") if not (result := run_case(kernel, c)).passed), None)


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted({operator for operator, *_ in MUTANTS}))
def test_a_copy_in_which_nothing_is_broken_is_right(operator, copies):
    assert first_failure(copies(operator, "rows", "import math", "import math"), operator) is None


@pytest.mark.slow
@pytest.mark.parametrize(("operator", "file", "old", "new"), MUTANTS, ids=lambda value: value[:50])
def test_one_line_broken(operator, file, old, new, copies):
    assert first_failure(copies(operator, file, old, new), operator) is not None
