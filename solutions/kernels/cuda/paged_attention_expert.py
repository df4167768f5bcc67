"""paged_attention on CUDA, expert version: the ways of attention_expert.py, with keys in pages.

Texts that are writing, with a row or a few: their keys are split among blocks. Prompts: tiles of 64 rows of one text on
tensor cores where flash_pages takes them, else tiles of 32. How many rows a text has stands on the device, and the
launcher does not look: where the numbers of rows and texts leave it open, several kernels are launched, and each leaves
alone what is another's.
"""

from llaisys_mini import kernel

from . import attention_split, flash_pages
from .attention_expert import ANY, launch_tiled
from .attention_split import FEW, WIDEST
from .paged_attention import paged_attention as plain_paged_attention


@kernel(
    "paged_attention",
    device="cuda",
    when=lambda dims: dims["M"] * dims["B"] * dims["K"] * dims["D"] >= 1 << 16,
)
def paged_attention(q, key_pages, value_pages, table, lengths, starts, scale, window, out):
    rows, _, width = q.shape
    texts = table.shape[0]
    if width % 8 or width > WIDEST:
        plain_paged_attention(q, key_pages, value_pages, table, lengths, starts, scale, window, out)
        return
    pages = table, lengths, starts
    most = rows - texts + 1  # rows of one text, if each of the others has one
    if texts > 1 or most <= FEW:
        attention_split.launch(q, key_pages, value_pages, scale, window, out, pages, min(most, FEW))
    long = flash_pages.SHORTEST if flash_pages.takes(key_pages, width) else ANY  # texts of so many rows are flash's
    if most >= long:
        flash_pages.launch(q, key_pages, value_pages, *pages, scale, window, out, long)
    if most > FEW and (texts > 1 or most < long):
        launch_tiled(q, key_pages, value_pages, scale, window, out, pages, long)
