"""choose_tile: a schedule chosen by counting, not by the clock."""

from llaisys_mini.exercise import exercise


@exercise
def choose_tile(n, m, k, cache, tiles):
    """The tile with which a matrix product loads the fewest numbers from memory.

    The product of [n, k] and [k, m] is cut into tiles of `rows` x `columns` outputs. For a tile, `depth` steps of k at
    a time, the cache holds three blocks: rows * columns outputs, rows * depth and depth * columns inputs; a tile fits
    if these are at most `cache` numbers. tiles: candidates (rows, columns, depth).

    Outputs are loaded and stored once each. For each of the ceil(n / rows) * ceil(m / columns) tiles of outputs all
    k * (rows + columns) inputs are loaded, those at the edges counted as whole tiles.

    Returns (tile, loads) of the candidate that fits and loads the fewest inputs; of equal ones the first. None if none
    fits.
    """
    best = None
    for rows, columns, depth in tiles:
        if rows * columns + rows * depth + depth * columns <= cache:
            loads = -(-n // rows) * -(-m // columns) * k * (rows + columns)
            if best is None or loads < best[1]:
                best = ((rows, columns, depth), loads)
    return best


@choose_tile.cases
def cases(rng):
    square = [(8, 8, 8), (16, 16, 16), (32, 32, 32), (64, 64, 64)]
    yield "square tiles", dict(n=256, m=256, k=256, cache=4096, tiles=square)
    yield "none fits", dict(n=64, m=64, k=64, cache=100, tiles=square)
    yield "one fits", dict(n=64, m=64, k=64, cache=200, tiles=square)
    yield "one row: decoding", dict(n=1, m=512, k=128, cache=2048, tiles=[(16, 16, 16), (1, 64, 16), (1, 256, 4)])
    yield "a tile fits exactly", dict(n=64, m=64, k=64, cache=16 * 16 * 3, tiles=square)
    yield "shallow tiles may be wider", dict(n=256, m=256, k=64, cache=4096, tiles=[(32, 32, 32), (56, 56, 4)])
    yield "the outputs need room too", dict(n=240, m=240, k=64, cache=2100, tiles=[(32, 32, 16), (60, 60, 2)])
    yield "edges count as whole tiles", dict(n=65, m=64, k=16, cache=9000, tiles=[(64, 64, 16), (33, 64, 16)])
    yield "depth does not divide k", dict(n=64, m=64, k=60, cache=4096, tiles=[(16, 16, 4), (32, 32, 16)])
    yield "equal loads: the first", dict(n=64, m=64, k=8, cache=4096, tiles=[(32, 16, 4), (16, 32, 4), (16, 32, 8)])
    tiles = [tuple(int(2**e) for e in rng.integers(2, 8, size=3)) for _ in range(30)]
    yield "thirty tiles", dict(n=384, m=int(rng.integers(200, 900)), k=128, cache=12288, tiles=tiles)


@choose_tile.mistake("a tile that just fits is refused: at most `cache` numbers")
def strictly(n, m, k, cache, tiles):
    return choose_tile.reference(n, m, k, cache - 1, tiles)


@choose_tile.mistake("of equal tiles the last is taken")
def last(n, m, k, cache, tiles):
    return choose_tile.reference(n, m, k, cache, tiles[::-1])


@choose_tile.mistake("the outputs are not counted among what the cache has to hold")
def no_outputs(n, m, k, cache, tiles):
    fitting = [t for t in tiles if t[0] * t[2] + t[2] * t[1] <= cache]
    return choose_tile.reference(n, m, k, 10**12, fitting)


@choose_tile.mistake("n / rows is rounded down, or not at all: tiles at the edges count as whole ones")
def not_rounded_up(n, m, k, cache, tiles):
    best = None
    for rows, columns, depth in tiles:
        if rows * columns + rows * depth + depth * columns <= cache:
            loads = n // rows * (m // columns) * k * (rows + columns)
            if best is None or loads < best[1]:
                best = ((rows, columns, depth), loads)
    return best


@choose_tile.mistake("the largest tile that fits is taken: count what is loaded instead")
def largest(n, m, k, cache, tiles):
    fitting = [t for t in tiles if t[0] * t[1] + t[0] * t[2] + t[2] * t[1] <= cache]
    return choose_tile.reference(n, m, k, cache, sorted(fitting, key=lambda t: -t[0] * t[1] * t[2])[:1])


@choose_tile.mistake("k is counted in whole steps of depth: the last step loads only what is left of k")
def whole_steps(n, m, k, cache, tiles):
    best = None
    for rows, columns, depth in tiles:
        if rows * columns + rows * depth + depth * columns <= cache:
            loads = -(-n // rows) * -(-m // columns) * -(-k // depth) * depth * (rows + columns)
            if best is None or loads < best[1]:
                best = ((rows, columns, depth), loads)
    return best


@choose_tile.mistake("the outputs are counted among the loads: only inputs are")
def outputs_loaded(n, m, k, cache, tiles):
    best = choose_tile.reference(n, m, k, cache, tiles)
    return best and (best[0], best[1] + n * m)
