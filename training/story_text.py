"""The stories of the corpus as one text file: what `make train` learns from. `python -m training.story_text FILE`

No torch is needed. The same command writes the same text; a file that is there already is left alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from llaisys_mini.files import write_atomically

from .corpus.conversations import END_OF_TEXT
from .corpus.stories import write_story
from .corpus.writing import Writer

SEED, STORIES = 5, 12_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.story_text", description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    path = parser.parse_args().file
    if not path.exists():
        writer = Writer(SEED)
        write_atomically(path, f"\n{END_OF_TEXT}\n".join(write_story(writer).text for _ in range(STORIES)) + "\n")


if __name__ == "__main__":
    main()
