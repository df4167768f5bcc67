"""The decoder's forward pass on a tape, and weights to begin with. The formulas are those of models/decoder.py.

Texts of a batch stand side by side in the heads: the ids are laid out position by position, [L, B], so that the rows of
one position are neighbours and [L * B, H * D] is, without moving a number, [L, B * H, D]. Attention then sees B * H
query heads of which H / K share each of the B * K key heads: each text attends to itself alone, in one call.

Weights are named as in a checkpoint. Qwen3 with tied embeddings and without biases, windows or a stretched context.
"""

from collections.abc import Mapping

import numpy as np

from llaisys_mini.errors import ConfigError
from llaisys_mini.models.config import ModelConfig
from llaisys_mini.training import functions
from llaisys_mini.training.tape import Tape, Variable

Weights = dict[str, np.ndarray]
EMBEDDINGS, FINAL_NORM = "model.embed_tokens.weight", "model.norm.weight"


def require_trainable(config: ModelConfig) -> None:
    """Raises ConfigError if the forward pass here is not that of the config."""
    is_plain = config.qk_norm and config.tied_embeddings and config.rope.is_plain and not config.qkv_bias
    if not is_plain or any(config.windows) or config.quantisation is not None:
        raise ConfigError(
            "Only Qwen3 with tied embeddings can be trained: no biases, no sliding window, no stretched context, no "
            "quantised weights"
        )


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The shape of every weight by its name, in the order of the forward pass."""
    width, inner, head = config.hidden_size, config.intermediate_size, config.head_dim
    queries, keys = config.heads * head, config.kv_heads * head
    found: dict[str, tuple[int, ...]] = {EMBEDDINGS: (config.vocab_size, width)}
    for number in range(config.layers):
        block: dict[str, tuple[int, ...]] = {
            "input_layernorm": (width,),
            "self_attn.q_proj": (queries, width),
            "self_attn.k_proj": (keys, width),
            "self_attn.v_proj": (keys, width),
            "self_attn.q_norm": (head,),
            "self_attn.k_norm": (head,),
            "self_attn.o_proj": (width, queries),
            "post_attention_layernorm": (width,),
            "mlp.gate_proj": (inner, width),
            "mlp.up_proj": (inner, width),
            "mlp.down_proj": (width, inner),
        }
        found |= {f"model.layers.{number}.{name}.weight": shape for name, shape in block.items()}
    return found | {FINAL_NORM: (width,)}


def initial_weights(config: ModelConfig, seed: int) -> Weights:
    """Norms begin with 1. A matrix begins with normal numbers of deviation 1 / sqrt(inputs), and those that write to
    the residual stream with less, so that it does not grow with the number of layers (Radford et al. 2019, GPT-2);
    the embeddings with 0.02, so that the first logits are close to 0."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes(config).items():
        if len(shape) == 1:
            weights[name] = np.ones(shape, np.float32)
            continue
        size = 0.02 if name == EMBEDDINGS else shape[1] ** -0.5
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            size *= (2 * config.layers) ** -0.5
        weights[name] = np.float32(size) * rng.standard_normal(shape, np.float32)
    return weights


def loss(tape: Tape, config: ModelConfig, weights: Mapping[str, Variable], ids: np.ndarray) -> float:
    """The mean loss in nats of predicting each next token of ids [L + 1, B], int64: B texts of L + 1 tokens."""
    inputs, targets = np.ascontiguousarray(ids[:-1]), np.ascontiguousarray(ids[1:])
    return functions.cross_entropy(tape, logits(tape, config, weights, inputs), targets.reshape(-1))


def logits(tape: Tape, config: ModelConfig, weights: Mapping[str, Variable], ids: np.ndarray) -> Variable:
    """[L * B, V]: the logits after each of the tokens ids [L, B], position by position."""
    positions, eps = np.arange(len(ids)), config.rms_norm_eps
    x = functions.embedding(tape, ids.reshape(-1), weights[EMBEDDINGS])
    step: Variable | None = None
    for number in range(config.layers):
        block = Block(tape, config, weights, f"model.layers.{number}", positions)
        if step is None:
            h = functions.rms_norm(tape, x, block.weight("input_layernorm"), eps)
        else:
            x, h = functions.add_rms_norm(tape, x, step, block.weight("input_layernorm"), eps)
        x, h = functions.add_rms_norm(tape, x, block.attention(h), block.weight("post_attention_layernorm"), eps)
        step = block.mlp(h)
    assert step is not None  # a decoder has at least one layer
    _, h = functions.add_rms_norm(tape, x, step, weights[FINAL_NORM], eps)
    return functions.linear(tape, h, weights[EMBEDDINGS])


class Block:
    """One decoder block on the tape. positions: int64 [L]."""

    def __init__(
        self, tape: Tape, config: ModelConfig, weights: Mapping[str, Variable], prefix: str, positions: np.ndarray
    ):
        self.tape, self.config, self.positions = tape, config, positions
        self._weights, self._prefix = weights, prefix

    def weight(self, name: str) -> Variable:
        """The weight `name` of this block, such as "mlp.gate_proj": [M, K], of a norm [E] or [D]."""
        return self._weights[f"{self._prefix}.{name}.weight"]

    def project(self, x: Variable, name: str) -> Variable:
        """x [L * B, K] times the weight `name` [M, K], transposed: [L * B, M]."""
        return functions.linear(self.tape, x, self.weight(name))

    def attention(self, h: Variable) -> Variable:
        """h [L * B, E] -> [L * B, E]."""
        tape, width = self.tape, self.config.head_dim
        q, k, v = (self.heads(self.project(h, f"self_attn.{name}_proj")) for name in "qkv")
        q, k = self.rotated(q, "self_attn.q_norm"), self.rotated(k, "self_attn.k_norm")
        mixed = functions.attention(tape, q, k, v, width**-0.5)
        return self.project(functions.reshape(tape, mixed, len(h.value), -1), "self_attn.o_proj")

    def heads(self, x: Variable) -> Variable:
        """[L * B, heads * D] -> [L, B * heads, D]."""
        return functions.reshape(self.tape, x, len(self.positions), -1, self.config.head_dim)

    def rotated(self, x: Variable, norm: str) -> Variable:
        """Queries or keys [L, B * heads, D], normalised with the weight `norm` and turned by their positions."""
        normalised = functions.rms_norm(self.tape, x, self.weight(norm), self.config.rms_norm_eps)
        return functions.rope(self.tape, normalised, self.positions, self.config.rope.theta)

    def mlp(self, h: Variable) -> Variable:
        """h [L * B, E] -> [L * B, E]."""
        gate, up = self.project(h, "mlp.gate_proj"), self.project(h, "mlp.up_proj")
        return self.project(functions.swiglu(self.tape, gate, up), "mlp.down_proj")


def loss_and_gradients(config: ModelConfig, weights: Weights, ids: np.ndarray, parts: int = 1) -> tuple[float, Weights]:
    """The mean loss over ids [L + 1, B], and its gradient with respect to every weight.

    parts: the texts are taken in so many equal groups, one after the other, whose gradients are added: memory for one
    group, the same loss. B must be a multiple of it.
    """
    total = 0.0
    sums: Weights = {}
    for group in np.split(ids, parts, axis=1):
        tape, variables = Tape(), {name: Variable(array) for name, array in weights.items()}
        total += loss(tape, config, variables, group) / parts
        tape.backward()
        for name, variable in variables.items():
            assert variable.gradient is not None  # every weight has a part in the loss
            share = variable.gradient if parts == 1 else variable.gradient * np.float32(1 / parts)
            sums[name] = share if name not in sums else sums[name] + share
    return total, sums
