"""Devices: where tensors lie and kernels run. `get("cuda")` finds one by its name.

device.py       the face that all of them have
host.py         the computer's own processor and memory: "cpu"
cuda.py         an NVIDIA GPU: "cuda". cuda_array.py: its arrays; cuda_launches.py: launches, prepared once;
                cuda_graph.py: launches that are recorded and played
sanitized.py    the sanitizer in its place, where there is no GPU or within `cuda.sanitized()`: "cuda" too
small_chip.py   a simulated chip behind a runtime: what lab 10 asks for as an extra
opaque.py       an array whose numbers are out of a launcher's reach, as the judge hands them out
faults.py       what is said when a kernel has ended a GPU's context
in_launchers.py what a launcher may ask of the device that runs it: `cuda.device_array` and others
"""

from collections.abc import Callable
from functools import cache

from llaisys_mini.devices.cuda import Cuda, is_available, why_no_device
from llaisys_mini.devices.device import Device, Event, chosen_devices, use_device
from llaisys_mini.devices.host import HOST
from llaisys_mini.errors import DeviceError

__all__ = ["HOST", "Device", "Event", "get", "require", "use_device"]


def get(name: str) -> Device:
    """The device of this name: one that `use_device` put in force, else one of this machine.

    "cuda" is the GPU, or the sanitizer where there is none. Raises DeviceError for an unknown name.
    """
    if name == "cpu":
        return HOST
    chosen = chosen_devices().get(name)
    if chosen is not None:
        return chosen
    if name in _OF_THIS_MACHINE:
        return _OF_THIS_MACHINE[name]()
    names = [*_OF_THIS_MACHINE, *chosen_devices()]
    raise DeviceError(f"there is no device {name!r}: choose {' or '.join(repr(n) for n in dict.fromkeys(names))}")


def require(name: str) -> Device:
    """`get`, but "cuda" where there is no GPU raises DeviceError unless the sanitizer was asked for: it is a thousand
    times slower, so a model is run on it on purpose only."""
    device = get(name)
    if name == "cuda" and name not in chosen_devices() and not is_available():
        raise DeviceError(
            f"{why_no_device() or 'there is no CUDA device here'}. Choose the device 'cpu'; `llaisys-mini generate "
            "--device cuda --sanitize` writes a few tokens without a GPU"
        )
    return device


@cache
def _gpu() -> Device:
    return Cuda()


@cache
def _sanitized() -> Device:
    from llaisys_mini.devices.sanitized import Sanitized

    return Sanitized()


_OF_THIS_MACHINE: dict[str, Callable[[], Device]] = {
    "cpu": lambda: HOST,
    "cuda": lambda: _gpu() if is_available() else _sanitized(),
}
"""By its name, what gives a device: the same one each time. docs/devices.md tells how another one joins."""
