"""`python -m llaisys_mini` is the command line."""

from llaisys_mini.cli import main

main()
