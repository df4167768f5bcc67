"""A model's weights: safetensors files, the hub they come from, quantised copies."""
