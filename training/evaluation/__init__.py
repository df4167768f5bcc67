"""Measures the shipped model through the project's own runtime. `python -m training.evaluate` runs it.

generating     many prompts in one forward pass
judging        is the answer to a turn right?
asking         collects verdicts; one line of the table each
abilities      the table: what is tried, and what is demanded of it (stories: story_abilities; helpers: drawing)
conversations  random conversations in which any task follows any other
losses         loss on text held out by seed and by template
report         the table and evaluation.json
"""
