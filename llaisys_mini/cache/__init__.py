"""The KV cache: keys and values of the positions already computed, so that each new token needs only its own.

cache.py         what the decoder asks of a cache
contiguous.py    one text: one pair of tensors per layer
several.py       several texts side by side in one forward pass
"""
