"""A training as data: the shape of the model, how much it reads, how fast it learns. Nothing here computes.

A run is a function of its recipe and its text: the same two give the same model, on the same machine bit for bit.
"""

from dataclasses import asdict, dataclass

from llaisys_mini.errors import TrainingError

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class Recipe:
    """steps: of the optimiser, each over `sequences` texts of `length` tokens, computed in `parts` groups.
    rates: `matrix_rate` for Muon on matrices, `rate` for AdamW on all else; with optimiser "adamw" `rate` for all.
    clip: the longest that all gradients together may be. checkpoint_every: steps between two checkpoints.
    """

    steps: int = 3000
    sequences: int = 16
    length: int = 256
    parts: int = 1
    layers: int = 2
    width: int = 128
    heads: int = 2
    kv_heads: int = 1
    head_dim: int = 64
    inner: int = 320
    vocabulary: int = 512
    optimiser: str = "muon"
    matrix_rate: float = 0.02
    rate: float = 4e-3
    warm_up: int = 40
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 1
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        if self.sequences % self.parts:
            raise TrainingError(f"{self.sequences} texts cannot be taken in {self.parts} equal groups")
        if self.optimiser not in ("muon", "adamw"):
            raise TrainingError(f"there is no optimiser {self.optimiser!r}; choose muon or adamw")

    def pace(self, step: int) -> float:
        """The learning rate of a step (from 0) as a part of the full one: up in a straight line while warming up, then
        down in a straight line to zero."""
        left = (self.steps - step) / max(1, self.steps - self.warm_up)
        return min((step + 1) / max(1, self.warm_up), left, 1.0)

    def config(self, end_of_text: int) -> dict:
        """config.json of the model. end_of_text: the id that ends a text."""
        return {
            "architectures": ["Qwen3ForCausalLM"],
            "attention_bias": False,
            "bos_token_id": end_of_text,
            "dtype": "float32",
            "eos_token_id": end_of_text,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.width,
            "intermediate_size": self.inner,
            "max_position_embeddings": self.length,
            "model_type": "qwen3",
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10_000.0,
            "tie_word_embeddings": True,
            "vocab_size": self.vocabulary,
        }

    def as_dict(self) -> dict:
        """All settings by name, as they are written to JSON."""
        return asdict(self)
