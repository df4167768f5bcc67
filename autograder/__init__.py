"""The instructor's side of the course: making the labs, and grading them."""
