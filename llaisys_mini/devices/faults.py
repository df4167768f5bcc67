"""A kernel on a GPU that leaves its arrays ends the driver's context: from then on every request fails, with a number.

What is said of it here, in one sentence: the driver reports a fault with the next request, which is seldom the one that
caused it, so the kernel that was launched last is named.
"""

from llaisys_mini.errors import DeviceError

# The driver's numbers (CUresult) of errors after which the context is lost -> what has happened.
_FATAL = {
    700: "a kernel read or wrote outside of its arrays",
    702: "a kernel ran longer than the system allows",
    714: "a kernel used a stack or heap that is too small",
    715: "a kernel reached an instruction that the GPU does not know",
    716: "a kernel read or wrote at an address that its dtype does not allow",
    717: "a kernel used an address in the wrong kind of memory",
    718: "a kernel jumped to an invalid address",
    719: "a kernel failed, most likely outside of its arrays",
}


class Faults:
    """The kernel launched last, and the fault that the driver has reported, if there was one."""

    def __init__(self) -> None:
        self.launched: str | None = None
        self._told: str | None = None

    def told(self, problem: Exception) -> Exception:
        """The error to raise in the place of what the driver raised: DeviceError for a lost context, else the same."""
        what = _FATAL.get(_number(problem))
        if what is None:
            return problem
        if self._told is None:  # later requests fail as well; they are not to blame
            last = f"; {self.launched} was launched last" if self.launched else ""
            self._told = (
                f"the GPU has stopped: {what}{last}. Restart Python, for the GPU does not answer this one any more, "
                'and run the kernel\'s check first, check(..., device="cuda"): it finds the line before the GPU runs it'
            )
        return DeviceError(self._told)


def _number(problem: Exception) -> int:
    """The driver's number of an error; 0 for an error that is not the driver's."""
    try:
        return int(getattr(problem, "code", 0))
    except (TypeError, ValueError):
        return 0


def driver_error(code: int, what: str) -> Exception:
    """numba-cuda's error for a number (CUresult) with which the driver answered. what: failed."""
    from cuda.bindings import driver
    from numba.cuda.cudadrv.driver import CudaAPIError

    return CudaAPIError(code, f"{what} failed: {driver.CUresult(code).name}")
