"""A small chip, simulated, and the device that a runtime makes of it (exercise `device_runtime`).

The chip has memory, queues of commands, and flags. It is as lazy as a chip may be: a command is done when somebody
waits for it, and no sooner. So work that nobody waited for is found every time, not once in a thousand runs.

    with use_device(ChipDevice(Runtime)):
        model = load_model("mini", device="chip")
"""

import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llaisys_mini import sanitizer
from llaisys_mini.devices.device import Device
from llaisys_mini.devices.opaque import OpaqueArray, held_array
from llaisys_mini.errors import DeviceError


class Chip:
    """`size` bytes of memory, and queues that are numbered from 0 on; 0 is there from the beginning.

    put(queue, command, ...) puts one of these behind what the queue holds. Nothing is done yet.

        "write", address, values           from host to chip. values: uint8 [n], read when its turn comes
        "read", address, into              from chip to host. into: uint8 [n], filled when its turn comes
        "move", source, target, nbytes     within the chip
        "run", function, arguments         function(memory, *arguments) is run on the chip's memory, uint8 [size]
        "raise", flag                      the flag is up from then on
        "await", flag                      the queue stands still until the flag is up

    drain(queue) waits until the queue has done all it holds; of other queues only what it awaits is done.
    Raises DeviceError for a queue, flag or address that is not there, and for a wait that has no end.
    """

    def __init__(self, size: int):
        self.size = size
        self._memory = np.full(size, 0xEE, np.uint8)
        self._queues: list[deque] = [deque()]
        self._up: list[bool] = []

    def new_queue(self) -> int:
        """The number of one more queue."""
        self._queues.append(deque())
        return len(self._queues) - 1

    def new_flag(self) -> int:
        """The number of one more flag, which is down."""
        self._up.append(False)
        return len(self._up) - 1

    def is_up(self, flag: int) -> bool:
        """Whether a queue has come to the place where it raises the flag."""
        return self._up[self._known(flag, self._up, "flag")]

    def put(self, queue: int, command: str, *arguments: Any) -> None:
        """See the class."""
        if command not in _COMMANDS:
            raise DeviceError(f"the chip knows no command {command!r}: it knows {', '.join(_COMMANDS)}")
        if len(arguments) != _COMMANDS[command]:
            raise DeviceError(f"{command} takes {_COMMANDS[command]} arguments, and was given {len(arguments)}")
        if command in ("raise", "await"):
            self._known(arguments[0], self._up, "flag")
        self._queues[self._known(queue, self._queues, "queue")].append((command, arguments))

    def drain(self, queue: int) -> None:
        """See the class."""
        self._work(self._known(queue, self._queues, "queue"), lambda: not self._queues[queue], ())

    # ---- the chip at work ------------------------------------------------------------------------------------

    def _work(self, queue: int, is_enough: Callable[[], bool], waiting: tuple[int, ...]) -> None:
        commands = self._queues[queue]
        while not is_enough():
            command, arguments = commands[0]
            if command == "await" and not self._up[arguments[0]]:
                self._raise(arguments[0], (*waiting, queue))
            commands.popleft()
            self._do(command, *arguments)

    def _raise(self, flag: int, waiting: tuple[int, ...]) -> None:
        """Do what has to be done until the flag is up."""
        for queue, commands in enumerate(self._queues):
            if ("raise", (flag,)) in [(command, given) for command, given in commands if command == "raise"]:
                if queue not in waiting:
                    return self._work(queue, lambda: self._up[flag], waiting)
                raise DeviceError(f"queues {_listed(waiting)} wait for each other: none of them can go on")
        raise DeviceError(f"queue {waiting[-1]} awaits flag {flag}, and no queue holds a command that raises it")

    def _do(self, command: str, *arguments: Any) -> None:
        if command == "write":
            address, values = arguments
            self._bytes(address, values.size)[...] = values
        elif command == "read":
            address, into = arguments
            into[...] = self._bytes(address, into.size)
        elif command == "move":
            source, target, nbytes = arguments
            self._bytes(target, nbytes)[...] = self._bytes(source, nbytes).copy()
        elif command == "run":
            function, given = arguments
            function(self._memory, *given)
        elif command == "raise":
            self._up[arguments[0]] = True

    def _bytes(self, address: int, nbytes: int) -> np.ndarray:
        if address < 0 or address + nbytes > self.size:
            raise DeviceError(f"bytes {address} to {address + nbytes} of a memory of {self.size} bytes")
        return self._memory[address : address + nbytes]

    @staticmethod
    def _known(number: int, among: Sequence, what: str) -> int:
        if not isinstance(number, (int, np.integer)) or not 0 <= number < len(among):
            raise DeviceError(f"the chip has no {what} {number!r}")
        return number


_COMMANDS = {"write": 2, "read": 2, "move": 3, "run": 2, "raise": 1, "await": 1}
"""Each command and how many arguments it takes."""


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


# ---- as a device -----------------------------------------------------------------------------------------------------


class ChipDevice(Device):
    """The chip as a device of the package, behind a runtime: a class with the methods of the exercise
    `device_runtime`. Kernels are the CUDA kernels, run by the sanitizer when their turn comes.
    """

    name, kernels = "chip", "cuda"

    def __init__(self, runtime: Callable[[Chip], Any], size: int = 1 << 26):
        self._chip = Chip(size)
        self.runtime = runtime(self._chip)
        self._released: list[int] = []

    def allocate(self, nbytes: int) -> "_Buffer":
        while self._released:  # here, since Python lets go of buffers at any moment, also while the chip is at work
            self.runtime.free(self._released.pop())
        try:
            address = self.runtime.allocate(max(nbytes, 1))
        except MemoryError:
            free, total = self.memory_info()
            raise DeviceError(f"the chip's memory is full: {nbytes} bytes asked for, {free} of {total} free") from None
        buffer = _Buffer(self._chip._memory, address, nbytes)
        weakref.finalize(buffer, self._released.append, address).atexit = False
        return buffer

    def upload(self, values: np.ndarray, buffer: "_Buffer", offset: int = 0, stream: Any = None) -> None:
        plain = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        self.runtime.upload(plain, buffer.address + offset, stream or 0)

    def download(self, buffer: "_Buffer", offset: int, nbytes: int) -> np.ndarray:
        return self.runtime.download(buffer.address + offset, nbytes)

    def copy(self, source, source_offset, target, target_offset, nbytes, stream=None) -> None:
        self.runtime.copy(source.address + source_offset, target.address + target_offset, nbytes, stream or 0)

    def array(self, buffer: "_Buffer", offset: int, shape: tuple[int, ...], dtype: np.dtype) -> OpaqueArray:
        return OpaqueArray(np.ndarray(shape, dtype, np.asarray(buffer), offset))

    def memory_info(self) -> tuple[int, int]:
        return self.runtime.memory_info()

    def stream(self) -> int:
        return self.runtime.stream()

    def synchronise(self, stream: Any = None) -> None:
        self.runtime.synchronise(stream)

    def launcher(self, kernel: Any, configuration: Any) -> Callable:
        run = sanitizer.launcher(kernel, configuration)

        def on_chip(memory: np.ndarray, *arguments: Any) -> None:
            run(*map(held_array, arguments))

        return lambda *arguments: self.runtime.launch(on_chip, arguments)


class _Buffer:
    """Some bytes of the chip's memory. Arrays over them keep it in use."""

    def __init__(self, memory: np.ndarray, address: int, nbytes: int):
        self.address = address
        self.__array_interface__ = memory[address : address + max(nbytes, 1)].__array_interface__
        self._memory = memory
