"""Attention of prompts over pages of bfloat16, on tensor cores: flash_bfloat16 for several texts in one launch.

A block takes 64 rows of one text and looks up the page of each key as it copies it. How many rows a text has stands in
an array on the device, so the launch has as many blocks as the texts could need at most, and each block finds out which
rows are its own; those that are left over end at once.
"""

import math

import numpy as np

from llaisys_mini import cuda
from llaisys_mini.cuda.tensor_cores import LOWEST_ARCHITECTURE, are_available

from .flash_bfloat16 import LOG2_E, ROWS, SHORTEST, THREADS, TILES_64, TILES_128, WIDEST, attend

__all__ = ["LOWEST_ARCHITECTURE", "launch", "takes"]


@cuda.jit(device=True, forceinline=True)
def rows_of_block(starts, texts, fewest):
    """(text, tile): the block's rows are the 64 from 64 * tile of this text; text is `texts` if it has none.

    Texts of fewer rows than `fewest` are left out. The last rows of a text see most keys: they come first.
    """
    text, tile, left = 0, 0, cuda.blockIdx.x
    while text < texts:
        rows = starts[text + 1] - starts[text]
        tiles = (rows + ROWS - 1) // ROWS if rows >= fewest else 0
        if left < tiles:
            tile = tiles - 1 - left
            break
        left -= tiles
        text += 1
    return text, tile


@cuda.jit(launch_bounds=(THREADS, 2))
def pages_64_kernel(q, k, v, table, lengths, starts, page_bits, key_heads, scale, window, fewest, out):
    """q, out [T, H, 64]; k, v flat, of [pages, 2 ** page_bits, key_heads, 64] bfloat16 as uint16. scale: as there."""
    tiles = cuda.shared.array(TILES_64, np.uint16, alignment=16)
    parts, scores = cuda.local.array((4, 8), np.uint32), cuda.local.array((8, 4), np.float32)
    top, total = cuda.local.array(2, np.float32), cuda.local.array(2, np.float32)
    sums = cuda.local.array((8, 4), np.float32)
    text, tile = rows_of_block(starts, lengths.size, fewest)
    if text < lengths.size:
        arrays = (tiles, parts, scores, sums, top, total)
        begin, end, keys = starts[text], starts[text + 1], lengths[text]
        attend(q, k, v, table, text, page_bits, key_heads, begin, end, keys, tile, scale, window, 4, arrays, out)


@cuda.jit(launch_bounds=(THREADS, 2))
def pages_128_kernel(q, k, v, table, lengths, starts, page_bits, key_heads, scale, window, fewest, out):
    """q, out [T, H, 128]; k, v flat, of [pages, 2 ** page_bits, key_heads, 128] bfloat16 as uint16. scale: as there."""
    tiles = cuda.shared.array(TILES_128, np.uint16, alignment=16)
    parts, scores = cuda.local.array((8, 8), np.uint32), cuda.local.array((8, 4), np.float32)
    top, total = cuda.local.array(2, np.float32), cuda.local.array(2, np.float32)
    sums = cuda.local.array((16, 4), np.float32)
    text, tile = rows_of_block(starts, lengths.size, fewest)
    if text < lengths.size:
        arrays = (tiles, parts, scores, sums, top, total)
        begin, end, keys = starts[text], starts[text + 1], lengths[text]
        attend(q, k, v, table, text, page_bits, key_heads, begin, end, keys, tile, scale, window, 8, arrays, out)


def takes(key_pages, width) -> bool:
    """Whether the kernels are for such pages [P, B, K, D], and this device has what they need. B is a power of two, so
    that finding a page takes no division."""
    is_power = 2 ** int(math.log2(key_pages.shape[1])) == key_pages.shape[1]
    return key_pages.dtype == np.uint16 and width in (64, 128) and is_power and are_available()


def launch(q, key_pages, value_pages, table, lengths, starts, scale, window, out, fewest=SHORTEST):
    """The rows of out that belong to texts of at least `fewest` rows, where `takes` says so; others stay as they are.

    Of texts with fewer than SHORTEST keys the result is a little less exact than the contract asks: see flash_bfloat16.
    """
    rows, heads, width = q.shape
    _, page_size, key_heads, _ = key_pages.shape
    flat = key_pages.reshape(key_pages.size), value_pages.reshape(value_pages.size)
    texts = table, lengths, starts, int(math.log2(page_size))
    most = rows // ROWS + lengths.size  # every text but for whole tiles has one in part
    kernel = pages_128_kernel if width == 128 else pages_64_kernel
    scaled, window = np.float32(scale * LOG2_E), min(window, WIDEST)
    kernel[(most, heads), THREADS](q, *flat, *texts, key_heads, scaled, window, fewest, out)
