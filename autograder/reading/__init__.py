"""A submitted notebook as data: its cells, the code of each task cut out, and what that code may hold."""
