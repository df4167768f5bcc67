"""The learner's way through the course: labs, progress, whose kernels answered, submission, the machine's doctor."""
