"""`make gpu`: checks and times everything that CUDA kernels of the course claim, on the device of this machine.

    python -m benchmarks.gpu

Without a device it does what needs none (sanitizer, compile check) and says "not run" for every other row.

- rows: what a result is, and the clock that keeps the whole within its time
- correctness, launches, timing, decoding, tools, compiling: one part each, yielding rows; subjects: what timing times
- report: JSON and Markdown
"""
