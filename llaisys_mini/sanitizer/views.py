"""Arrays as a kernel holds them: a memory, and how indices turn into positions in it."""

import numpy as np

from llaisys_mini.sanitizer import findings
from llaisys_mini.sanitizer.findings import DoesNotCompile, UnsupportedInKernel
from llaisys_mini.sanitizer.indices import (
    NO_INDEX,
    for_every_axis,
    indices_of,
    means_part,
    steps_of_slice,
    whole_number,
)
from llaisys_mini.sanitizer.lanes import Active
from llaisys_mini.sanitizer.memory import Memory
from llaisys_mini.strides import contiguous_strides


class View:
    """shape and strides in elements; offset: an int, or a vector where every lane has a view of its own."""

    __slots__ = ("memory", "offset", "shape", "strides")

    def __init__(self, memory: Memory, offset, shape: tuple[int, ...], strides: tuple[int, ...]):
        self.memory = memory
        self.offset = offset
        self.shape = shape
        self.strides = strides

    @property
    def dtype(self) -> np.dtype:
        return self.memory.cells.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def T(self) -> "View":
        return View(self.memory, self.offset, self.shape[::-1], self.strides[::-1])

    def reshape(self, shape: tuple[int, ...]) -> "View":
        """The same elements in another shape of the same size; the view must be contiguous, as for Numba."""
        if self.strides != contiguous_strides(self.shape):
            raise UnsupportedInKernel(f"{self.memory.name} is not contiguous here; reshaping it is not supported")
        if any(type(n) is not int or n < 0 for n in shape) or int(np.prod(shape)) != self.size:
            raise UnsupportedInKernel(f"{self.memory.name} has shape {self.shape}, which cannot become {shape}")
        return View(self.memory, self.offset, shape, contiguous_strides(shape))

    # ---- what a kernel does with it ------------------------------------------------------------------------------

    def load(self, index, active: Active, site):
        """`view[index]`: a number, uniform where it is the same for all lanes, or a view of fewer dimensions."""
        index = indices_of(index)
        if means_part(index, len(self.shape)):
            return self._part(index, active, site)
        at, active = self._locate(index, active, site)
        memory = self.memory
        if type(at) is int:
            if memory.written is None and memory.machine.counters is None:
                return memory.cells[at]
            positions = np.full(active.size, at)
            memory.load(positions, active, site)
            return memory.cells[at]
        if not active.size:
            return np.zeros(active.resident.size, self.dtype)
        return active.expand(memory.load(at, active, site))

    def store(self, index, value, active: Active, site) -> None:
        """`view[index] = value`: one element, or one number into each element of a part."""
        index = indices_of(index)
        if means_part(index, len(self.shape)):
            if type(value) in (View, tuple):
                raise DoesNotCompile("an array is stored as a whole, which does not compile for a GPU: write a loop")
            part = self._part(index, active, site)
            for place in np.ndindex(part.shape):
                part.store(place, value, active, site)
            return
        at, active, value = self._target(index, value, active, site)
        if active.size:
            self.memory.store(at, value, active, site)

    def elements(self, active: Active, site):
        """All elements, one after the other."""
        return (self.load(place, active, site) for place in np.ndindex(self.shape))

    def update(self, index, value, active: Active, site, combine) -> np.ndarray:
        """An atomic update `view[index] = combine(old, value)`. Returns the old values, per lane."""
        wanted = active
        index = indices_of(index)
        at, active, value = self._target(index, value, active, site)
        if not active.size:
            return np.zeros(wanted.resident.size, self.dtype)
        memory = self.memory
        memory.atomics_at(at, active, site)
        values = [np.broadcast_to(v, at.shape) for v in (value if type(value) is tuple else (value,))]
        if len(np.unique(at)) == len(at):
            old = memory.cells[at]
            memory.cells[at] = combine(old, *values)
        else:  # several lanes update one element: one after the other, in the order of the lanes
            old = np.empty(len(at), self.dtype)
            for lane, position in enumerate(at):
                old[lane] = memory.cells[position]
                memory.cells[position] = combine(old[lane], *(v[lane] for v in values))
        return active.expand(old)

    def check_aligned(self, index, aligned: int, active: Active, site) -> None:
        """Report lanes for which the address of `view[index]` is no multiple of `aligned` bytes."""
        memory = self.memory
        address = memory.address + np.asarray(self.offset + index * self.strides[0]) * self.dtype.itemsize
        wrong = active.select(np.broadcast_to(address % aligned != 0, active.resident.size))
        if wrong.any():
            where = int(np.argmax(wrong))
            thread = memory.machine.launch.thread_name(active.select(memory.machine.resident.thread)[where])
            first = active.select(np.broadcast_to(index, active.resident.size))[where]
            is_loose = memory.space == "shared" and memory.address % aligned
            hint = f": allocate it with alignment={aligned}" if is_loose else ""
            memory.machine.report(
                findings.MISALIGNED,
                site,
                f"{thread} accesses {aligned} bytes at once from {memory.name}[{first}], "
                f"whose address is no multiple of {aligned}{hint}",
                thread,
            )

    def _target(self, index, value, active, site):
        """(positions, the lanes that are in bounds, their values) of a write."""
        index = indices_of(index)
        if len(index) != len(self.shape) or slice in map(type, index):
            raise UnsupportedInKernel(
                f"{self.memory.name} has {self.ndim} dimensions and is written with {len(index)} "
                "indices; a thread writes one element at a time"
            )
        at, inside = self._locate(index, active, site)
        if type(at) is int:
            at = np.full(inside.size, at)
        if not self.memory.cells.flags.writeable:
            self.memory.machine.report(findings.READ_ONLY, site, f"{self.memory.name} may only be read", "")
            inside = inside.resident.no_lanes
        values = value if type(value) is tuple else (value,)
        for one in values:
            if not isinstance(one, (int, float, np.generic, np.ndarray)):
                raise UnsupportedInKernel(f"{type(one).__name__} cannot be stored in an array")
        values = tuple(inside.select(v) if type(v) is np.ndarray else v for v in values)
        return at, inside, values if type(value) is tuple else values[0]

    # ---- from indices to positions ---------------------------------------------------------------------------------

    def _locate(self, index, active, site):
        """(position, lanes): an int where all lanes mean the same element, else one position per lane of `lanes`.

        Lanes whose index is out of bounds are reported and left out of `lanes`.
        """
        if len(index) > len(self.shape):
            raise UnsupportedInKernel(
                f"{self.memory.name} has {self.ndim} dimensions but is given {len(index)} indices"
            )
        outside = negative = None
        position = self.offset if type(self.offset) is int else active.select(self.offset)
        selected = []
        for i, length, stride in zip(index, self.shape, self.strides, strict=False):
            if type(i) is np.ndarray:
                if i.dtype.kind not in "iu":
                    raise DoesNotCompile(NO_INDEX + i.dtype.name)
                i = given = active.select(i)
                out = i.view(np.uint64) >= length if i.dtype.itemsize == 8 else (i < 0) | (i >= length)
                if out.any():
                    below = i < 0
                    if below.any():
                        negative = below if negative is None else negative | below
                        i = np.where(below, i + length, i)
                        out = (i < 0) | (i >= length)
                    if out.any():
                        outside = out if outside is None else outside | out
            else:
                i = given = whole_number(i)
                i = i + length if i < 0 else i  # a number that is the same for all threads is meant
                if not 0 <= i < length:
                    outside = np.ones(active.size, bool)
            selected.append(given)
            position = position + i * stride
        if negative is not None:
            self._remark_negative(selected, negative if outside is None else negative & ~outside, active, site)
        if outside is not None:
            self._report_outside(selected, outside, active, site)
            inside = np.zeros(active.resident.size, bool)
            inside[active.index] = ~outside
            position = np.broadcast_to(position, outside.shape)[~outside]
            active = Active(active.resident, inside)
        if self.memory.start is not None:
            position = position + active.select(self.memory.start)
        return position, active

    def _part(self, index, active, site):
        """A view of fewer dimensions: `x[i]` of a matrix, `x[i, :]`, `x[2:5]`."""
        offset, shape, strides = self.offset, [], []
        axis = -1
        for i in for_every_axis(index, self.ndim, self.memory.name):
            if i is None:  # a new dimension
                shape.append(1)
                strides.append(0)
                continue
            axis += 1
            length, stride = self.shape[axis], self.strides[axis]
            if type(i) is slice:
                start, count, step = steps_of_slice(i, length, active)
                offset = offset + start * stride
                shape.append(count)
                strides.append(stride * step)
                continue
            i = i if type(i) is np.ndarray else whole_number(i)
            values = active.select(i) if type(i) is np.ndarray else np.full(active.size, i)
            below, outside = values < 0, (values < -length) | (values >= length)
            if type(i) is np.ndarray and (below & ~outside).any():
                self._remark_negative([":"] * axis + [values], below & ~outside, active, site)
            i = i + length * (i < 0)
            if outside.any():
                self._report_outside([":"] * axis + [values], outside, active, site)
                i = np.where((i >= 0) & (i < length), i, 0) if type(i) is np.ndarray else 0
            offset = offset + i * stride
        return View(self.memory, offset, tuple(shape), tuple(strides))

    def _names(self, index, which, active):
        """The first thread of `which`, and the element that it means, as text."""
        machine, where = self.memory.machine, int(np.argmax(which))
        values = [i[where] if type(i) is np.ndarray else i for i in index]
        thread = machine.launch.thread_name(active.select(machine.resident.thread)[where])
        return thread, f"{self.memory.name}[{', '.join(map(str, values))}]", values

    def _report_outside(self, index, outside, active, site):
        thread, element, values = self._names(index, outside, active)
        negative = any(type(i) is not str and i < 0 for i in values)
        why = "; a negative index counts from the end, but not beyond the start" if negative else ""
        text = f"{thread} {site.verb} {element} of shape {self.shape}{why}"
        self.memory.machine.report(findings.OUT_OF_BOUNDS, site, text, thread)

    def _remark_negative(self, index, negative, active, site):
        if not negative.any():
            return
        thread, element, values = self._names(index, negative, active)
        whole = (*self.shape,)[: len(values)]
        meant = ", ".join(
            str(i + n) if type(i) is not str and i < 0 else str(i) for i, n in zip(values, whole, strict=True)
        )
        text = (
            f"{thread} {site.verb} {element}, which on a GPU too counts from the end: {self.memory.name}[{meant}]. "
            "If that is not meant, guard the index"
        )
        self.memory.machine.report(findings.NEGATIVE, site, text, thread)
