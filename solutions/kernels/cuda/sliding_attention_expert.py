"""sliding_attention on CUDA, expert version: attention with fewer keys per query."""

from llaisys_mini import kernel

from .attention_expert import launch


@kernel("sliding_attention", device="cuda", when=lambda dims: dims["S"] * dims["K"] * dims["D"] >= 1 << 16)
def sliding_attention(q, k, v, scale, window, out):
    launch(q, k, v, scale, window, out)
