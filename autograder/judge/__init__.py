"""The trusted side: what is asked of a submission, and what its answers are worth. Runs no student code."""
