"""The command: `python -m benchmarks`, see --help.

First of all it makes sure that no environment variable holds a library back; only then may NumPy be imported.
"""

from benchmarks.machine import restart_without_distortion

if __name__ == "__main__":
    restart_without_distortion()
    from benchmarks.command import main

    main(prog_name="python -m benchmarks")
