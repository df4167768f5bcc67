"""`python -m benchmarks.grading`: what grading a class costs, with this autograder and with plain nbgrader.

- students: a class of any size, made from the example class: the same number makes the same files
- commands: each grader run as an instructor runs it; spending: what it used of the machine
- rows: what was found, its aim, and the tables
"""
