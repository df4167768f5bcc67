"""The KV cache: keys and values of the positions already computed, so that each new token needs only its own.

cache.py         what the decoder asks of a cache
contiguous.py    one text: one pair of tensors per layer
pool.py          page numbers: which are in use, by how many texts, and what full ones hold
paged.py         many texts in pages; paged_pass.py: side by side in one forward pass
packed.py        what a step on a device has to know, in one copy
"""
