"""Measurements: one command prints every figure that the README quotes."""
