"""Models: what a checkpoint's config asks for, the decoder that computes it, and its KV cache."""
