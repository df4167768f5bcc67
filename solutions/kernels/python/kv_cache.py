"""kv_cache: a buffer for each layer that doubles when it is full."""

import numpy as np

from llaisys_mini import answer


@answer("kv_cache")
class KVCache:
    def __init__(self, layers, kv_heads, head_dim):
        ### BEGIN SOLUTION
        self.lengths = [0] * layers
        self.keys = [np.empty((16, kv_heads, head_dim), np.float32) for _ in range(layers)]
        self.values = [np.empty((16, kv_heads, head_dim), np.float32) for _ in range(layers)]
        ### END SOLUTION

    def append(self, layer, key, value):
        ### BEGIN SOLUTION
        start = self.lengths[layer]
        end = start + len(key)
        for buffers, new in ((self.keys, key), (self.values, value)):
            old = buffers[layer]
            if end > len(old):
                buffers[layer] = np.empty((max(end, 2 * len(old)), *old.shape[1:]), np.float32)
                buffers[layer][:start] = old[:start]
            buffers[layer][start:end] = new
        self.lengths[layer] = end
        return self.keys[layer][:end], self.values[layer][:end]
        ### END SOLUTION

    def length(self):
        ### BEGIN SOLUTION
        return self.lengths[-1]
        ### END SOLUTION
