"""A model's weights: safetensors files, the hub they come from, quantised weights of our own and of other programs."""
