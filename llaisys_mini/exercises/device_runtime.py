"""device_runtime: memory, copies in three directions, streams and events of a small chip."""

import ast

import numpy as np

from llaisys_mini.devices.small_chip import Chip
from llaisys_mini.exercise import exercise


@exercise
class device_runtime:
    """What lies between a program and a chip (llaisys_mini.devices.small_chip.Chip). A stream is a queue of the chip;
    stream 0 is there from the beginning.

        allocate(nbytes)           the address of that many bytes: the lowest free one that is a multiple of 16.
                                   Raises MemoryError where nothing is long enough
        free(address)              waits until the chip has done all it was asked for; then these bytes are free again
        memory_info()              (free, total) bytes. Sizes count rounded up to a multiple of 16
        upload(values, address, stream=0)          values, uint8 [n], go to the chip. Does not wait; the caller may
                                   write something else into `values` right away
        download(address, nbytes)  a new array, uint8 [nbytes], behind all that was asked for before in every stream
        copy(source, target, nbytes, stream=0)     within the chip. Does not wait
        launch(function, arguments, stream=0)      the chip runs function(memory, *arguments). Does not wait
        stream()                   a new stream
        record(stream=0)           an event: a mark behind what the stream holds now
        wait(event, stream)        what is put into the stream from now on is done behind the mark. Does not wait itself
        is_done(event)             whether the mark has been passed. Does not wait
        synchronise(stream=None)   waits until this stream, or without one every stream, has done all it was asked for

    Source: the runtime API of CUDA (memory management, stream management, event management).
    """

    def __init__(self, chip):
        self.chip = chip
        self.used = {}
        self.streams = [0]

    def allocate(self, nbytes):
        wanted, address = self.bytes_for(nbytes), 0
        for start in sorted(self.used):
            if start - address >= wanted:
                break
            address = start + self.used[start]
        if address + wanted > self.chip.size:
            raise MemoryError
        self.used[address] = wanted
        return address

    def bytes_for(self, nbytes):
        return -(-nbytes // 16) * 16

    def free(self, address):
        self.synchronise()
        del self.used[address]

    def memory_info(self):
        return self.chip.size - sum(self.used.values()), self.chip.size

    def upload(self, values, address, stream=0):
        self.chip.put(stream, "write", address, values.copy())

    def download(self, address, nbytes):
        self.synchronise()
        into = np.zeros(nbytes, np.uint8)
        self.chip.put(0, "read", address, into)
        self.chip.drain(0)
        return into

    def copy(self, source, target, nbytes, stream=0):
        self.chip.put(stream, "move", source, target, nbytes)

    def launch(self, function, arguments, stream=0):
        self.chip.put(stream, "run", function, arguments)

    def stream(self):
        self.streams.append(self.chip.new_queue())
        return self.streams[-1]

    def record(self, stream=0):
        flag = self.chip.new_flag()
        self.chip.put(stream, "raise", flag)
        return flag

    def wait(self, event, stream):
        self.chip.put(stream, "await", event)

    def is_done(self, event):
        return self.chip.is_up(event)

    def synchronise(self, stream=None):
        for queue in self.streams if stream is None else [stream]:
            self.chip.drain(queue)


@device_runtime.adapter
def with_a_chip(answer):
    """The chip stays where the answer runs, and so do the arrays that the answer holds on to and fills later."""
    return lambda size: _Host(answer(Chip(size)))


class _Host:
    """The program that uses a runtime."""

    def __init__(self, runtime):
        self.runtime = runtime
        self.values = None  # of the last upload
        self.known = {"add": _add}

    def call(self, line):
        """Run one line of Python, of methods of the runtime and names that were given before. A list is an array."""
        statement = ast.parse(line).body[0]
        method, given = statement.value.func.id, list(map(self._value, statement.value.args))
        if method == "upload":
            self.values = given[0] = np.array(given[0], np.uint8)
        try:
            got = getattr(self.runtime, method)(*given)
        except MemoryError:
            got = "MemoryError" if method == "allocate" else "MemoryError, of all things"
        if isinstance(statement, ast.Assign):
            self.known[statement.targets[0].id] = got
        return got if method in ("allocate", "memory_info", "download", "is_done") else None

    def _value(self, tree):
        if isinstance(tree, ast.Tuple):
            return tuple(map(self._value, tree.elts))
        return self.known[tree.id] if isinstance(tree, ast.Name) else ast.literal_eval(tree)

    def overwrite(self):
        """The array that was uploaded is used for something else."""
        self.values[...] = 255


def _add(memory, address, nbytes, amount):
    memory[address : address + nbytes] += np.uint8(amount)


@device_runtime.trace
def drive(answer, log, size, events):
    """events: lines for _Host."""
    host = answer(size)
    log.note(f"a runtime for a chip of {size} bytes")
    for line in events:
        log.ask(line, host.call, line)
        if line.startswith("upload("):
            host.overwrite()
            log.note("the caller sets its array to 255")


PROGRAMS = {  # name: size of the chip's memory, events
    "there and back": (64, "A = allocate(5); upload([1, 2, 3, 4, 5], A); download(A, 5)"),
    "three buffers of odd sizes": (
        64,
        """A = allocate(5); B = allocate(17); C = allocate(16); memory_info(); upload([1, 1, 1, 1, 1], A);
        upload([2, 2, 2, 2], B); upload([3, 3, 3], C); download(A, 5); download(B, 4); download(C, 3)""",
    ),
    "the memory is full, and then it is not": (
        64,
        """A = allocate(32); B = allocate(32); C = allocate(1); free(A); memory_info();
        C = allocate(16); D = allocate(17); E = allocate(16); memory_info()""",
    ),
    "two gaps side by side are one": (
        64,
        """A = allocate(16); B = allocate(16); C = allocate(16); D = allocate(16);
        free(C); free(B); E = allocate(30); memory_info()""",
    ),
    "a copy within the chip": (
        64,
        """A = allocate(4); B = allocate(4); upload([0, 1, 2, 3], A); copy(A, B, 4);
        upload([9, 9, 9, 9], A); download(B, 4); download(A, 4)""",
    ),
    "a kernel between two copies": (32, "A = allocate(2); upload([1, 2], A); launch(add, (A, 2, 10)); download(A, 2)"),
    "an upload does not wait": (
        32,
        """A = allocate(2); s = stream(); e = record(s); upload([1, 2], A, s); is_done(e); synchronise(s);
        is_done(e); f = record(); upload([3, 4], A); is_done(f); download(A, 2); is_done(f)""",
    ),
    "two streams do not wait for each other": (
        32,
        """A = allocate(2); B = allocate(2); s = stream(); t = stream(); upload([1, 1], A, s); e = record(s);
        upload([2, 2], B, t); f = record(t); synchronise(t); is_done(e); is_done(f); synchronise(s); is_done(e)""",
    ),
    "one stream waits for the other": (
        64,
        """A = allocate(2); B = allocate(2); s = stream(); t = stream(); upload([1, 2], A, t); e = record(t);
        wait(e, s); is_done(e); copy(A, B, 2, s); synchronise(s); is_done(e); download(B, 2)""",
    ),
    "an event marks one place": (
        32,
        """A = allocate(2); s = stream(); t = stream(); upload([1, 2], A, s); e = record(s);
        launch(add, (A, 2, 5), s); f = record(s); wait(e, t); synchronise(t); is_done(e); is_done(f);
        download(A, 2); is_done(f)""",
    ),
    "a download sees the work of every stream": (
        32,
        "A = allocate(3); s = stream(); t = stream(); upload([7, 8, 9], A, t); download(A, 3)",
    ),
    "a buffer is freed while a copy into it waits": (
        32,
        """A = allocate(2); s = stream(); upload([1, 1], A, s); free(A); B = allocate(2);
        upload([2, 2], B); download(B, 2)""",
    ),
    "everything is waited for": (
        32,
        """A = allocate(2); B = allocate(2); s = stream(); upload([1, 1], A, s); e = record(s);
        upload([2, 2], B); f = record(); is_done(f); synchronise(); is_done(e); is_done(f)""",
    ),
}


@device_runtime.cases
def cases(rng):
    for name, (size, events) in PROGRAMS.items():
        yield name, dict(size=size, events=[line.strip() for line in events.split(";")])
    for number in range(3):
        yield f"a busy program, {number}", dict(size=256, events=list(program(rng)))


def program(rng):
    """Three streams, each with a buffer of its own; what one takes from another is ordered by events."""
    streams, buffers = "stu", "ABC"
    for s, b in zip(streams, buffers, strict=True):
        yield from (f"{s} = stream()", f"{b} = allocate(6)", f"upload({numbers(rng)}, {b}, {s})")
    for step in range(24):
        one, other = rng.permutation(3)[:2]
        s, b, t, c = streams[one], buffers[one], streams[other], buffers[other]
        kind = int(rng.integers(6))
        if kind == 0:
            yield f"launch(add, ({b}, 6, {int(rng.integers(1, 9))}), {s})"
        elif kind == 1:
            yield from (f"e{step} = record({t})", f"wait(e{step}, {s})", f"copy({c}, {b}, 6, {s})")
            yield from (f"f{step} = record({s})", f"wait(f{step}, {t})")
        elif kind == 2:
            yield from (f"free({b})", f"{b} = allocate({int(rng.integers(6, 60))})", "memory_info()")
        elif kind == 3:
            yield f"synchronise({s})"
        elif kind == 4:
            yield f"download({b}, 6)"
        if kind in (2, 5):
            yield f"upload({numbers(rng)}, {b}, {s})"
    for b in buffers:
        yield f"download({b}, 6)"


def numbers(rng):
    return [int(number) for number in rng.integers(0, 100, size=6)]


@device_runtime.mistake("upload keeps the caller's array: the chip reads it later, when something else stands in it")
class keeps_the_array(device_runtime.reference):
    def upload(self, values, address, stream=0):
        self.chip.put(stream, "write", address, values)


@device_runtime.mistake("upload waits until the chip has the numbers: nothing can run beside it")
class upload_waits(device_runtime.reference):
    def upload(self, values, address, stream=0):
        super().upload(values, address, stream)
        self.chip.drain(stream)


@device_runtime.mistake("download returns its array before the chip has filled it")
class download_does_not_wait(device_runtime.reference):
    def download(self, address, nbytes):
        into = np.zeros(nbytes, np.uint8)
        self.chip.put(0, "read", address, into)
        return into


@device_runtime.mistake("download waits for stream 0 alone: what other streams still have to do is missing")
class download_of_one_stream(device_runtime.reference):
    def download(self, address, nbytes):
        into = np.zeros(nbytes, np.uint8)
        self.chip.put(0, "read", address, into)
        self.chip.drain(0)
        return into


@device_runtime.mistake("free does not wait: work that is still to come writes into bytes that have a new owner")
class free_does_not_wait(device_runtime.reference):
    def free(self, address):
        del self.used[address]


@device_runtime.mistake("memory that was freed is never given out again")
class never_again(device_runtime.reference):
    def free(self, address):
        self.synchronise()


@device_runtime.mistake("a buffer begins right behind the one before it, not at a multiple of 16")
class not_rounded(device_runtime.reference):
    def bytes_for(self, nbytes):
        return nbytes


@device_runtime.mistake("who waits for one stream waits for the others too, as if all were one queue")
class one_queue(device_runtime.reference):
    def stream(self):
        return 0


@device_runtime.mistake("wait does nothing: the stream goes on before the event")
class wait_forgotten(device_runtime.reference):
    def wait(self, event, stream):
        pass


@device_runtime.mistake("synchronise without a stream waits for stream 0 alone")
class waits_for_the_first(device_runtime.reference):
    def synchronise(self, stream=None):
        self.chip.drain(0 if stream is None else stream)


@device_runtime.mistake("wait makes the host wait, not the stream")
class host_waits(device_runtime.reference):
    def wait(self, event, stream):
        self.synchronise()
