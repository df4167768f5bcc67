"""The figures of docs/benchmarks.md, measured on this machine by one command: `python -m benchmarks` or `make bench`.

    surroundings    what else ran while a sample was taken, so that a disturbed sample is repeated
    measure         contestants timed in turn: medians, and ratios that slow drifts cannot bend
    machine         caches, memory, versions, and the same number of threads for every library
    ceilings        what this machine can do at most: multiply-adds and bytes per second
    work            what all of this shares: one piece of work, its contestants, its targets, its result
    contenders      our kernels and their opponents on the same numbers, all answers checked
    operators       each operator against NumPy (numpy_ways: as its user would write it) and torch, with attention and
                    rowwise; shapes: of which models
    end_to_end      whole models against NumPy kernels, transformers and llama.cpp
    training        a training step against torch's
    rivals          whole models behind one interface: ours, transformers, llama.cpp
    random_model    checkpoints of any size for them, with random weights
    report          the report of a run; tables: text, Markdown and JSON of every report; figures draws the pictures
    serving         many texts at once, and servers beside each other: `python -m benchmarks.serving`
    checkpoint      a real checkpoint beside transformers and llama.cpp: `python -m benchmarks.checkpoint FOLDER`
    parallel_loop   what starting a parallel loop costs: `python -m benchmarks.parallel_loop`
    gpu             the CUDA kernels on a device: `make gpu`
    grading         what grading a class costs: `make bench-grade`

Not for correctness: that is what the tests are for. No test depends on a time measured here.
"""
