"""Text from a model: load it, let it write, measure what it writes."""
