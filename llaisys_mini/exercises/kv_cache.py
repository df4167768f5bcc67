"""kv_cache: keys and values of all tokens so far, in buffers that are larger than what they hold."""

import numpy as np

from llaisys_mini.exercise import exercise


@exercise
class kv_cache:
    """The keys and values of one text, for `layers` layers, float32.

        append(layer, key, value)   key and value [L, K, D] of L new tokens go behind those that this layer holds;
                                    returns (keys, values) of all its S tokens, [S, K, D] each: views of the buffers
        length()                    how many tokens every layer holds

    In a forward pass `append` is called for layer 0, 1, 2, ... in turn, so lower layers may hold more for a while.
    A buffer that is full is replaced by a larger one, at least twice as large, so that copies are rare; and there is
    room for at most twice the tokens that are held, or for 64.
    """

    def __init__(self, layers, kv_heads, head_dim):
        self.lengths = [0] * layers
        self.buffers = [np.empty((2, 0, kv_heads, head_dim), np.float32) for _ in range(layers)]

    def append(self, layer, key, value):
        start = self.lengths[layer]
        end = start + len(key)
        old = self.buffers[layer]
        if end > old.shape[1]:
            self.buffers[layer] = np.empty((2, max(end, 2 * old.shape[1]), *old.shape[2:]), np.float32)
            self.buffers[layer][:, :start] = old[:, :start]
        keys, values = self.buffers[layer]
        keys[start:end], values[start:end] = key, value
        self.lengths[layer] = end
        return keys[:end], values[:end]

    def length(self):
        return min(self.lengths)


_FREE_ROOM = 64  # positions that a buffer may have from the start


@kv_cache.adapter
def watched(answer):
    """Where arrays lie is looked at where the answer runs: a message would be a copy."""
    return lambda *sizes: _Watched(answer(*sizes))


class _Watched:
    """A cache, and what memory it uses."""

    def __init__(self, cache):
        self._cache = cache
        self._last = {}  # layer -> the keys that came back last

    def append(self, layer, key, value):
        """Returns keys, values; whether the keys lie elsewhere than the layer's last ones; the tokens there is room
        for."""
        keys, values = self._cache.append(layer, key, value)
        moved = layer in self._last and not np.may_share_memory(keys, self._last[layer])
        self._last[layer] = keys
        return keys, values, moved, _room(keys, values)

    def length(self):
        return int(self._cache.length())


@kv_cache.trace
def fill(answer, log, layers, kv_heads, head_dim, pieces):
    """pieces: how many tokens each forward pass brings. What is held is compared number by number at the end of each
    pass, and where it lies is looked at: how often it moved, and how much room there is."""
    cache = log.ask("a new cache", lambda: [answer(layers, kv_heads, head_dim)])[0]
    log.entries[-1] = ("a new cache", None)
    rng = np.random.default_rng(len(pieces))
    moved = held = 0
    roomy = False
    for number, count in enumerate(pieces):
        noted = len(pieces) < 10 or number % 50 == 0
        before = cache.length()
        for layer in range(layers):
            key, value = rng.normal(size=(2, count, kv_heads, head_dim)).astype(np.float32)
            keys, values, elsewhere, room = cache.append(layer, key, value)
            moved += layer == 0 and elsewhere
            roomy |= room > max(2 * (held + count), _FREE_ROOM)
            if noted:
                where, total = f"pass {number + 1}, layer {layer}", held + count
                log.note(f"{where}: how many tokens come back", _amount(len(keys), total))
                log.note(f"{where}: keys", np.array(keys[:total]))
                log.note(f"{where}: values", np.array(values[:total]))
                if layer + 1 < layers:
                    log.note(f"{where} has its rows, those above do not: length", cache.length())
        held += count
        if noted:
            log.note(f"length before and after pass {number + 1}", [before, cache.length()])
    most = _most_moves(held)
    log.note(f"keys of layer 0 moved to other memory more often than {most} times", bool(moved > most))
    log.note("room for more than twice the tokens held, and for more than 64", bool(roomy))


def _most_moves(held):
    """Doubling from a room of one token moves this often."""
    return int(held).bit_length() + 1


def _amount(got, expected):
    """A buffer of any size gives the same text, so that returning it whole can be named as a mistake."""
    return "all that are held" if got == expected else "more than are held" if got > expected else "fewer than are held"


def _owner(array):
    while isinstance(getattr(array, "base", None), np.ndarray):
        array = array.base
    return array


def _room(keys, values):
    """For how many tokens there is memory where the keys lie; half of it where the values lie there too."""
    room = _owner(keys).size // max(1, keys[0].size)
    return room // 2 if _owner(keys) is _owner(values) else room


@kv_cache.cases
def cases(rng):
    def inputs(*pieces, layers=2, kv_heads=2, head_dim=3):
        return dict(layers=layers, kv_heads=kv_heads, head_dim=head_dim, pieces=pieces)

    yield "one token", inputs(1, layers=1)
    yield "a prompt", inputs(5)
    yield "a prompt, then three tokens", inputs(4, 1, 1, 1)
    yield "two prompts behind each other", inputs(3, 6, 2, layers=3)
    yield "token after token", inputs(*[1] * 8)
    yield "a prompt that is longer than any first room", inputs(200, 1, 1, layers=1, kv_heads=1)
    yield "three hundred tokens, one by one", inputs(*[1] * 300)
    yield "some sizes", inputs(*(int(i) for i in rng.integers(1, 9, size=5)), layers=int(rng.integers(2, 5)))


class _Concatenating(kv_cache.reference):
    def append(self, layer, key, value):
        keys, values = self.buffers[layer]
        self.buffers[layer] = np.stack([np.concatenate([keys, key]), np.concatenate([values, value])])
        self.lengths[layer] += len(key)
        return tuple(self.buffers[layer])


kv_cache.mistake(
    "all is copied for each token, as np.concatenate does: keep a buffer with room, and write behind what is there"
)(_Concatenating)


@kv_cache.mistake("all layers share one length: the rows of layer 1 go behind those of layer 0")
class _OneLength(kv_cache.reference):
    def append(self, layer, key, value):
        self.lengths[layer] = max(self.lengths)
        return super().append(layer, key, value)

    def length(self):
        return max(self.lengths)


@kv_cache.mistake("length tells of layer 0, the first to get new rows; every layer holds what the last one holds")
class _LengthOfFirst(kv_cache.reference):
    def length(self):
        return self.lengths[0]


@kv_cache.mistake("the whole buffer is returned, with the room behind what is held")
class _WholeBuffer(kv_cache.reference):
    def append(self, layer, key, value):
        super().append(layer, key, value)
        return tuple(self.buffers[layer])


@kv_cache.mistake("what was held is lost when a larger buffer takes its place: copy it over")
class _NotCopied(kv_cache.reference):
    def append(self, layer, key, value):
        start, room = self.lengths[layer], self.buffers[layer].shape[1]
        if start + len(key) > room:
            self.buffers[layer][:, :start] = 0
        return super().append(layer, key, value)


@kv_cache.mistake("the value is stored in place of the key too")
class _ValueTwice(kv_cache.reference):
    def append(self, layer, key, value):
        return super().append(layer, value, value)


@kv_cache.mistake("only the new keys and values are returned, not those of all tokens")
class _NewOnly(kv_cache.reference):
    def append(self, layer, key, value):
        keys, values = super().append(layer, key, value)
        return keys[-len(key) :], values[-len(key) :]
