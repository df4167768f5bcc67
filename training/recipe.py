"""The recipe of the shipped model, as data: its shape, how many tokens it reads, of which mixture, at which rate.

It counts tokens, not minutes, so the same command trains the same model on a slow machine and on a fast one. Twice as
much text is twice the work and nothing else: raise the `tokens` of the stages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tokenizers import Tokenizer
from transformers import Qwen3Config

from .corpus import ANSWERING, FIRST_MIXTURE, LOOKING_UP, MIXTURE
from .corpus.conversations import END_OF_TEXT, TURN_END
from .tokenizer import CONTEXT_LENGTH

LAYERS = 8
DRAFT_LAYERS = 2  # with the embedding about a third of the parameters

BATCH_TOKENS = 16_384
WARM_UP_STEPS = 40
MUON_LEARNING_RATE = 0.02
EMBEDDING_LEARNING_RATE = 4e-3
NORM_LEARNING_RATE = 3e-3
WEIGHT_DECAY = 0.05
SEED = 1


@dataclass(frozen=True)
class Stage:
    """A stretch of training.

    tokens: how many are read. row_length: tokens of a row, which holds several documents, none of them cut; a longer
    document waits for a stage with longer rows. The learning rate goes in a straight line from `rate` to `end_rate`,
    1 being the full one.
    """

    tokens: int
    row_length: int
    rate: float
    end_rate: float
    mixture: dict[str, float]

    @property
    def steps(self) -> int:
        return self.tokens // BATCH_TOKENS

    @property
    def rows(self) -> int:
        return BATCH_TOKENS // self.row_length


# Most text goes by in short rows, since attention costs the square of their length; later stages teach the model to use
# its whole context, and the last four practise what was still hard: answers about stories. At the full rate a model of
# this kind learned facts and sums, but no copying of names; within two hundred steps at 0.4 of it, copying appeared.
STAGES = [
    Stage(tokens=24_576_000, row_length=512, rate=1.0, end_rate=0.45, mixture=FIRST_MIXTURE),
    Stage(tokens=147_456_000, row_length=512, rate=0.45, end_rate=0.3, mixture=MIXTURE),
    Stage(tokens=81_920_000, row_length=1024, rate=0.3, end_rate=0.12, mixture=LOOKING_UP),
    Stage(tokens=49_152_000, row_length=CONTEXT_LENGTH, rate=0.12, end_rate=0.0, mixture=LOOKING_UP),
    Stage(tokens=31_129_600, row_length=CONTEXT_LENGTH, rate=0.15, end_rate=0.0, mixture=ANSWERING),
    Stage(tokens=3_932_160, row_length=CONTEXT_LENGTH, rate=0.05, end_rate=0.0, mixture=ANSWERING),
    Stage(tokens=16_384_000, row_length=CONTEXT_LENGTH, rate=0.12, end_rate=0.0, mixture=ANSWERING),
    Stage(tokens=4_915_200, row_length=CONTEXT_LENGTH, rate=0.08, end_rate=0.0, mixture=ANSWERING),
]

# The model is the mean of the weights at the end of its last three stages. Each stage makes some abilities better and
# others worse by chance; the mean keeps what all of them learned. Izmailov et al. 2018, "Averaging Weights Leads to
# Wider Optima and Better Generalization".
AVERAGED_STAGES = 3

# The draft model learns the probabilities that the model gives, not the text: see `train.py`.
DRAFT_STAGES = [
    Stage(tokens=16_384_000, row_length=512, rate=0.6, end_rate=0.3, mixture=MIXTURE),
    Stage(tokens=8_192_000, row_length=CONTEXT_LENGTH, rate=0.3, end_rate=0.0, mixture=LOOKING_UP),
    Stage(tokens=4_096_000, row_length=CONTEXT_LENGTH, rate=0.1, end_rate=0.0, mixture=LOOKING_UP),
]


def place(stages: list[Stage], step: int) -> tuple[int, int]:
    """Which stage the step belongs to, and its number within that stage."""
    for number, stage in enumerate(stages):
        if step < stage.steps:
            return number, step
        step -= stage.steps
    raise IndexError(step)


def rate_at(stages: list[Stage], step: int) -> float:
    """The learning rate as a part of the full one."""
    number, within = place(stages, step)
    stage = stages[number]
    return (stage.rate + (stage.end_rate - stage.rate) * within / stage.steps) * min(1.0, (step + 1) / WARM_UP_STEPS)


def scaled(stages: list[Stage], share: float) -> list[Stage]:
    """The same stages with `share` of their tokens: for a trial."""
    return [replace(stage, tokens=max(BATCH_TOKENS, int(stage.tokens * share))) for stage in stages]


def model_config(tokenizer: Tokenizer, layers: int = LAYERS) -> Qwen3Config:
    """Every feature of Qwen3 that the course teaches, in the smallest useful size."""
    return Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT_LENGTH,
        rope_theta=10_000.0,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        attention_bias=False,
        use_cache=False,
        bos_token_id=tokenizer.token_to_id(END_OF_TEXT),
        eos_token_id=tokenizer.token_to_id(TURN_END),
    )
