"""Training a small decoder with the course's own operators: tape, forward pass, optimisers, checkpoints, the loop."""
