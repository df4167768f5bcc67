"""Where grades go: nbgrader's gradebook and the report for the instructor."""
