"""Answers that are alike beyond chance: a hint to look, never a verdict."""
