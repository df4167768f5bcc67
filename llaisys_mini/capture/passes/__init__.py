"""Passes: each takes a Graph and gives one that computes the same, with less."""
