"""choose_tile: count, compare, take the first of the best."""

import math

from llaisys_mini import answer


@answer("choose_tile")
def choose_tile(n, m, k, cache, tiles):
    ### BEGIN SOLUTION
    def fits(tile):
        rows, columns, depth = tile
        return rows * columns + rows * depth + depth * columns <= cache

    def loads(tile):
        rows, columns, _ = tile
        return math.ceil(n / rows) * math.ceil(m / columns) * k * (rows + columns)

    fitting = [tile for tile in tiles if fits(tile)]
    if not fitting:
        return None
    best = min(fitting, key=loads)  # the first of equal ones
    return best, loads(best)
    ### END SOLUTION
