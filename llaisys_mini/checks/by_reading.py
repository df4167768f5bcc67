"""What makes a CPU kernel wrong whatever comes out when it runs, since that is right or wrong by chance."""

from llaisys_mini.checks.prange_races import RACE, find_races, told_of_races
from llaisys_mini.checks.unset_arrays import UNSET, find_unset, told_of_unset


def fault_by_reading(name: str, source: str) -> tuple[str, str] | None:
    """What is found by reading the source of a kernel called `name`: the mistake in a few words, and the diagnosis."""
    if races := find_races(source):
        return RACE, told_of_races(name, races)
    if unset := find_unset(source):
        return UNSET, told_of_unset(name, unset)
    return None
