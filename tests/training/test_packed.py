"""Training on a CPU: a loss without the work that a mask throws away, and going on from a finished model."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tokenizers import Tokenizer  # noqa: E402 - only where torch is installed

from llaisys_mini import paths  # noqa: E402
from training import train  # noqa: E402
from training.batches import IGNORED, Batch  # noqa: E402
from training.corpus import MIXTURE  # noqa: E402
from training.gradients import CpuGradients, summed_loss  # noqa: E402
from training.packed import ATTENTION, document_lengths, packed_loss  # noqa: E402
from training.recipe import Stage, model_config  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

MINI = paths.course_root() / "data" / "models" / "mini"


def some_batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(0, 2048, (3, 40), generator=generator)
    targets = torch.where(torch.rand(3, 40, generator=generator) < 0.6, ids.roll(-1, 1), IGNORED)
    document = torch.tensor([[0] * 7 + [1] * 33, [0] * 40, [0] * 20 + [1] * 15 + [-1] * 5])
    targets[document == -1] = IGNORED
    return Batch(ids, targets, document)


def two_layers(attention: str, seed: int):
    config = model_config(Tokenizer.from_file(str(MINI / "tokenizer.json")), layers=2)
    config._attn_implementation = attention
    torch.manual_seed(seed)
    return transformers.Qwen3ForCausalLM(config)


def test_a_document_ends_with_its_number_and_with_its_row():
    assert document_lengths(some_batch().document) == [7, 33, 40, 20, 15, 5]


@pytest.mark.parametrize("taught", [False, True])
def test_the_loss_and_its_gradient_are_those_of_the_masked_rows(taught, monkeypatch):
    monkeypatch.setattr("training.packed.BFLOAT16", False)
    batch = some_batch()
    results = []
    for attention, loss in (("sdpa", summed_loss), (ATTENTION, packed_loss)):
        model, teacher = two_layers(attention, 1), two_layers(attention, 2) if taught else None
        value = loss(model, teacher, batch)
        value.backward()
        results.append((value.detach(), [parameter.grad for parameter in model.parameters()]))
    (value, gradients), (packed_value, packed_gradients) = results
    torch.testing.assert_close(packed_value, value, rtol=1e-5, atol=0)
    for gradient, packed in zip(gradients, packed_gradients, strict=True):
        assert gradient.abs().max() > 0
        torch.testing.assert_close(packed, gradient, rtol=0, atol=2e-5 * gradient.abs().max().item())


def test_products_in_bfloat16_round_the_loss_and_its_gradient(monkeypatch):
    results = []
    for rounded in (False, True):
        monkeypatch.setattr("training.packed.BFLOAT16", rounded)
        model = two_layers(ATTENTION, 1)
        value = packed_loss(model, None, some_batch())
        value.backward()
        assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters())
        results.append((value.item(), torch.cat([parameter.grad.flatten() for parameter in model.parameters()])))
    (exact, gradient), (rounded, rounded_gradient) = results
    assert rounded != exact and rounded == pytest.approx(exact, rel=1e-3)
    assert torch.cosine_similarity(gradient, rounded_gradient, dim=0) > 0.999


def test_pieces_of_a_batch_add_up_to_the_gradient_of_the_whole(monkeypatch):
    monkeypatch.setattr("training.packed.BFLOAT16", False)
    gradients = []
    for tokens in (40, 8192):
        monkeypatch.setattr("training.gradients.CPU_ROW_TOKENS", tokens)
        model = two_layers(ATTENTION, 1)
        mean = CpuGradients(model, lambda part, model=model: packed_loss(model, None, part), 0, 1)(some_batch())
        gradients.append([mean, *(parameter.grad for parameter in model.parameters())])
    for whole, pieces in zip(*gradients, strict=True):
        torch.testing.assert_close(pieces, whole, rtol=0, atol=2e-5 * whole.abs().max().item())


@pytest.fixture
def little_held_out(monkeypatch):
    monkeypatch.setattr(train, "HELD_OUT_LENGTH", 256)
    monkeypatch.setattr(train, "KINDS", {"facts": train.KINDS["facts"]})


@pytest.mark.usefixtures("little_held_out")
def test_the_last_stage_goes_on_from_a_finished_model(tmp_path):
    """Its weights, its place in the recipe, and a second call from its own checkpoint."""
    finished, work = tmp_path / "finished", tmp_path / "work"
    two_layers("sdpa", 5).save_pretrained(finished)
    last = Stage(tokens=16_384, row_length=512, rate=0.1, end_rate=0.0, mixture=MIXTURE)
    stages = [Stage(tokens=10 * 16_384, row_length=512, rate=1.0, end_rate=0.1, mixture=MIXTURE), last]
    run = train.Run(work, MINI / "tokenizer.json", stages, layers=2, device="cpu", processes=1)
    train.begin_last_stage(run, finished)
    beginning = train.Training(run)
    beginning.load(work / "checkpoint.pt")
    assert (beginning.step, beginning.tokens) == (10, 10 * 16_384)
    before = {name: value.clone() for name, value in beginning.model.state_dict().items()}
    for name, value in two_layers("sdpa", 5).state_dict().items():
        assert torch.equal(before[name], value), name
    train.train(run)
    train.begin_last_stage(run, finished)  # as a second call of the command does: what has been learned is kept
    beginning.load(work / "checkpoint.pt")
    assert beginning.step == 11
    changed = beginning.model.state_dict()
    assert not any(torch.equal(before[name], changed[name]) for name in before if "norm" not in name)
    train.write_model(run, tmp_path / "written")
    written = train.pretrained(tmp_path / "written", "sdpa").state_dict()
    torch.testing.assert_close(written, changed, rtol=2**-8, atol=1e-6)
    # What was begun from counts as the end of a stage.
    two = dataclasses.replace(run, work=tmp_path / "averaged", averaged=2)
    train.begin_last_stage(two, finished)
    train.train(two)
    train.write_model(two, tmp_path / "written")
    written = train.pretrained(tmp_path / "written", "sdpa").state_dict()
    mean = {name: (before[name] + changed[name]) / 2 for name in before}
    torch.testing.assert_close(written, mean, rtol=2**-8, atol=1e-6)


@pytest.mark.usefixtures("little_held_out")
def test_the_weights_at_the_end_of_the_last_stages_are_averaged(tmp_path):
    stages = [Stage(tokens=16_384, row_length=512, rate=1.0, end_rate=0.5, mixture=MIXTURE)] * 3
    run = train.Run(tmp_path, MINI / "tokenizer.json", stages, layers=2, device="cpu", processes=1, averaged=2)
    train.train(run)
    training = train.Training(run)
    training.load(tmp_path / "checkpoint.pt")
    last = training.model.state_dict()["model.embed_tokens.weight"].clone()
    second, third = (end["model.embed_tokens.weight"] for end in training.ends)
    assert torch.equal(third, last) and not torch.equal(second, third)
    training.average()
    torch.testing.assert_close(training.model.state_dict()["model.embed_tokens.weight"], (second + third) / 2)
