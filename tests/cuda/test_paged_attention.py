"""The expert paged_attention: keys are read once, pages looked up once, and launches depend on shapes alone."""

import numpy as np

from llaisys_mini import cuda, operators
from llaisys_mini.kernels.choice import from_set
from tests.cuda.traffic import traffic


def paged(texts, **changed):
    """Texts of (rows, length) with pages of 16, two query heads for each of two key heads, 64 wide."""
    rng = np.random.default_rng(0)
    needed = [-(-length // 16) for _, length in texts]
    first = np.cumsum([0, *needed])
    table = np.zeros((len(texts), max(needed)), np.int32)
    for n, count in enumerate(needed):
        table[n, :count] = first[n] + np.arange(count)
    rows = [count for count, _ in texts]
    return (
        dict(
            q=rng.normal(size=(sum(rows), 4, 64)),
            key_pages=rng.normal(size=(first[-1], 16, 2, 64)),
            value_pages=rng.normal(size=(first[-1], 16, 2, 64)),
            table=table,
            lengths=np.array([length for _, length in texts]),
            starts=np.cumsum([0, *rows]),
            scale=0.125,
            window=1 << 20,
        )
        | changed
    )


def test_keys_are_read_once_for_two_query_heads_and_a_page_is_looked_up_once():
    length = 512
    found = traffic("paged_attention", "expert", paged([(1, length)]))
    keys = 4 * length * 2 * 64  # bytes
    assert found["k", "load"][0] == found["v", "load"][0] == keys
    assert traffic("paged_attention", "plain", paged([(1, length)]))["key_pages", "load"][0] == 2 * keys
    warps, key_heads, pages = 4, 2, length // 16
    assert found["table", "load"][0] == 32 * warps * key_heads * pages  # a sector for each warp


def test_a_prompt_reads_its_keys_once_for_a_tile_of_rows():
    found = traffic("paged_attention", "expert", paged([(64, 64)]))
    # Tiles of 32 rows see 32 and 64 keys; each of four query heads reads them.
    assert found["k", "load"][0] == 4 * (32 + 64) * 64 * 4


def launched(texts, **changed):
    """(kernel, grid) of each launch of the expert kernel."""
    inputs = operators.get("paged_attention").convert(paged(texts, **changed))
    with cuda.recorded_launches() as launches:
        from_set("expert", "paged_attention", "cuda").function(*inputs.values(), np.zeros_like(inputs["q"]))
    return [(launch.kernel.__name__, launch.grid) for launch in launches]


def test_what_is_launched_does_not_depend_on_lengths():
    long, short = [(1, 400), (1, 512)], [(1, 40), (1, 12)]
    wide = paged(long)["table"]
    expected = [("split_kernel", (4, 2, 2)), ("join_kernel", (2, 4, 1))]
    assert launched(long) == launched(short, table=wide) == expected
    assert launched([(9, 30), (1, 512)]) == launched([(1, 30), (9, 512)]) != expected


def test_keys_are_split_until_the_card_is_full():
    split, (_, joined) = launched([(1, 16384)])
    assert split == ("split_kernel", (64, 2, 1))
    assert joined == (1, 4, 1)
    wide = np.zeros((300, 32), np.int32)  # of 512 keys each
    assert launched([(1, 16)] * 300, table=wide) == [("split_kernel", (1, 2, 300))]  # full without, nothing to join


def test_only_what_may_have_work_is_launched():
    def names(texts):
        return [name for name, _ in launched(texts)]

    assert names([(1, 20), (1, 30)]) == ["split_kernel"]
    assert names([(6, 20), (1, 30)]) == ["split_kernel"]
    assert names([(40, 40)]) == ["tiled_kernel"]
    assert names([(40, 40), (1, 9)]) == ["split_kernel", "tiled_kernel"]
    assert launched([(40, 40), (30, 33)])[1] == ("tiled_kernel", (70 // 32 + 2, 4, 1))


def test_heads_that_no_load_of_16_bytes_fits_have_the_plain_kernel():
    rng = np.random.default_rng(0)
    odd = dict(q=rng.normal(size=(1, 4, 12)), key_pages=rng.normal(size=(4, 16, 2, 12)))
    assert launched([(1, 60)], **odd, value_pages=odd["key_pages"])[0][0] == "paged_attention_kernel"
