# %% [markdown]
# # Lab 16: many texts at once
#
# One forward pass can contain rows of many texts. For that, each text needs memory for its keys and values that can grow, and a scheduler
# must decide which rows are computed next. You write the parts of such an engine: the pool of pages, the search for a common beginning,
# attention over pages, and the scheduler. At the end your kernel computes attention for 16 texts at once.
#
# | part | minutes | |
# |---|---|---|
# | 1 the page pool | 30 | required |
# | 2 a common beginning | 15 | required |
# | 3 attention over pages | 35 | required |
# | 4 the scheduler | 30 | required |
# | 5 sixteen texts at once | 5 | to look at |
# | 6, 7, 8 slots, speculation, sampled guesses | 30 | extra: nothing later needs them |
# | 9 in your own words | 10 | required |
#
# The checks of this lab call your code for a list of events: a page is taken, a text ends, another begins. The returned values are compared,
# event by event. How you store things is up to you.

# %%
import numpy as np

from llaisys_mini import check, exercises, load_model, use_kernels

# %% [markdown]
# ## 1. The page pool
#
# The memory for keys and values is divided into pages of, say, 16 positions. A text takes another page when its last one is full; the page
# may be anywhere in memory. Two texts with the same beginning use the same pages for it. So the pool must know how many texts use a page.
#
# Write a class. Pages that no text uses are in a queue, at first 0, 1, 2, ...
#
# | method | what it does |
# |---|---|
# | `take()` | returns the page at the front of the queue, for one text; None if the queue is empty |
# | `share(pages)` | one more text uses each of these pages |
# | `release(pages)` | one text no longer uses these pages, which are given in the order of its positions; those that no text uses now go to the back of the queue, **the last page first** |
# | `publish(page, key)` | the page is full, and `find` can find it by this key from now on; if the key is known already, it keeps its old page |
# | `find(keys)` | the list of pages with these keys, up to the first key that is not known |
#
# A page in the queue keeps its content, and can still be found and shared; it then leaves the queue. When it is **taken**, it will be
# overwritten by another text, so its key must be forgotten.
#
# With three pages:
#
# | event | result | queue afterwards |
# |---|---|---|
# | `take()`, `take()` | 0, then 1 | 2 |
# | `publish(0, "A")` | | 2 |
# | `release([0, 1])` | | 2, 1, 0 |
# | `find(["A", "B"])` | [0] | 2, 1, 0 |
# | `share([0])` | | 2, 1 |
# | `take()`, `take()`, `take()` | 2, 1, None | empty |

# %% task="python/page_pool"

# %% [markdown]
# <details><summary>Hint 1: what to store</summary>
#
# Store four things: the queue; for each page how many texts use it; for each key its page. The fourth is for `take`: when a page gets a
# new text, which key must be forgotten?
#
# </details>
# <details><summary>Hint 2: removing a page from the middle of the queue</summary>
#
# A list works. An `OrderedDict` with the pages as keys does the same in constant time: `popitem(last=False)` removes the front,
# `pop(page, None)` removes a page wherever it is, and a new key is added at the end.
#
# </details>
# <details><summary>Hint 3: who is in the queue</summary>
#
# At all times, exactly the pages that no text uses. Go through your five methods: which of them can change the number of users to 0, and
# which can change it from 0 to 1? Only these methods change the queue.
#
# </details>

# %% test="pool-public" points=4
check("page_pool")

# %% test="pool-hidden" points=2
# Other events, when it is graded.
### BEGIN HIDDEN TESTS
check("page_pool", seed=41601)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. A common beginning
#
# Every chat begins with the same instructions, and the prompt of turn 5 contains turns 1 to 4. The keys and values of these ids need not be
# computed again, if their pages are found. A page has a **key**: a hash of its own ids *and* of the key of the page before it. The second
# part is needed because the keys and values of a token depend on everything before it. The same words after another beginning are another
# page. (Do not confuse the key of a page with the keys of attention.)
#
# `prefix_match(ids, size, key_of, pages)` returns `(found, start)`:
#
# - `key_of(before, own)` returns the key of a full page: `before` is the key of the page before it (None for the first), `own` are its
#   `size` ids.
# - `pages` maps keys to page numbers.
# - `found` is the list of pages of the longest known beginning, `start` the position of the first id that must be computed.
# - At least the **last** id must be computed, even if everything is stored.
#
# With `size` 3 and the ids 11 to 17: the first page is 11, 12, 13. If it is known as page 8, and the second one is not, the result is
# `([8], 3)`. If there are only the ids 11, 12, 13, it is `([], 0)`.

# %% task="python/prefix_match"

# %% [markdown]
# <details><summary>Hint 1: why the last id?</summary>
#
# What is the output of a forward pass used for? If no row is computed, there is no output.
#
# </details>
# <details><summary>Hint 2: how many pages may be shared at most</summary>
#
# With 6 ids and pages of 3, only one page; with 7 ids, two. Which integer division gives this?
#
# </details>
# <details><summary>Hint 3: the loop</summary>
#
# Begin with `key = None`. For each page that may be shared: `key = key_of(key, ids[start : start + size])`; if it is not in `pages`, stop;
# else append its page.
#
# </details>

# %% test="prefix-public" points=3
check("prefix_match")

# %% test="prefix-hidden" points=1
# Other texts, when it is graded.
### BEGIN HIDDEN TESTS
check("prefix_match", seed=41602)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Attention over pages
#
# The rows of all texts in a step are in one array `q`; their keys and values are in pages.
#
# | array | shape | |
# |---|---|---|
# | `q`, `out` | [T, H, D] | T rows of N texts, text after text |
# | `key_pages`, `value_pages` | [P, B, K, D] | P pages of B positions |
# | `table` | [N, M] | the pages of each text, in order; entries after its last page have no meaning |
# | `lengths` | [N] | how many keys each text has |
# | `starts` | [N + 1] | the rows of text n are `starts[n] <= t < starts[n + 1]` |
# | `window` | number | a row sees itself and at most `window - 1` keys before it |
#
# - Position s of text n is in page `table[n, s // B]`, at place `s % B`.
# - The rows of a text are its **last** positions: row t is at position `lengths[n] - starts[n + 1] + t`, and sees the keys from
#   `position - window + 1` (or 0) to `position`.
# - Everything else is as in lab 12: head h uses key head `h // (H // K)`, subtract the largest score, `widen` what is read from pages.
#
# With B = 2 and two texts, `lengths = [3, 4]`, `starts = [0, 1, 3]`, `table = [[5, 1], [4, 0]]`: row 0 belongs to text 0, is at
# position 2, and sees positions 0 and 1 in page 5, and position 2 at place 0 of page 1. Rows 1 and 2 belong to text 1, at positions 2 and 3.

# %% task="cpu/paged_attention" id="paged-attention-cpu"
import math

import numpy as np
from numba import njit

from llaisys_mini import kernel
from llaisys_mini.widen import widen


@kernel("paged_attention", device="cpu")
@njit(cache=True)
def paged_attention(q, key_pages, value_pages, table, lengths, starts, scale, window, out):
    ### BEGIN SOLUTION
    heads, width = q.shape[1], q.shape[2]
    size, key_heads = key_pages.shape[1], key_pages.shape[2]
    scale = np.float32(scale)
    scores = np.empty(lengths.max(), np.float32)
    for text in range(lengths.size):
        for row in range(starts[text], starts[text + 1]):
            last = lengths[text] - starts[text + 1] + row + 1
            first = max(0, last - window)
            for head in range(heads):
                key_head = head // (heads // key_heads)
                top = np.float32(-np.inf)
                for s in range(first, last):
                    page, place = table[text, s // size], s % size
                    score = np.float32(0)
                    for d in range(width):
                        score += q[row, head, d] * widen(key_pages[page, place, key_head, d])
                    scores[s] = score * scale
                    top = max(top, scores[s])
                total = np.float32(0)
                for s in range(first, last):
                    scores[s] = math.exp(scores[s] - top)
                    total += scores[s]
                for d in range(width):
                    out[row, head, d] = np.float32(0)
                for s in range(first, last):
                    page, place = table[text, s // size], s % size
                    weight = scores[s] / total
                    for d in range(width):
                        out[row, head, d] += weight * widen(value_pages[page, place, key_head, d])
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint 1: what is new?</summary>
#
# Begin with your kernel of lab 12. Three things change: which rows belong to which text, how many keys a row sees, and where key s is. Which
# of its lines does each of them affect?
#
# </details>
# <details><summary>Hint 2: the loops</summary>
#
# An outer loop over texts, within it one over `range(starts[text], starts[text + 1])`. Then
# `last = lengths[text] - starts[text + 1] + row + 1`, and the keys are `range(max(0, last - window), last)`.
#
# </details>
# <details><summary>Hint 3: a key</summary>
#
# `page, place = table[text, s // size], s % size`, then `key_pages[page, place, key_head, d]` instead of `k[s, key_head, d]`. One
# `np.empty(lengths.max(), np.float32)` for the scores is enough for all rows.
#
# </details>

# %% test="paged-public" points=5
check("paged_attention")

# %% test="paged-hidden" points=3
# Other texts and pages, when it is graded.
### BEGIN HIDDEN TESTS
check("paged_attention", seed=41603)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. The scheduler
#
# Before each forward pass, `schedule_step(running, waiting, free, total, size, budget)` decides which rows the pass computes.
#
# - `running` and `waiting` are lists of texts, the oldest (or the front of the queue) first. A text is a dictionary:
#
# | entry | what |
# |---|---|
# | `name` | what it is called |
# | `ids` | how many token ids it has so far, prompt and written |
# | `stored` | how many of these have keys and values in the cache |
# | `pages` | how many pages it holds |
#
# - `free` of `total` pages are free; a page has `size` positions; a step has at most `budget` rows.
#
# It returns `(rows, preempted, refused)`: a dictionary from names to numbers of rows, and two lists of names. The rules:
#
# 1. **Decode first.** Running texts that lack one id (`ids - stored == 1`) get one row each, the oldest first.
# 2. **Then prompts, in parts.** The other running texts, the oldest first, get the rows that they lack, as far as the budget allows.
# 3. **Pages.** A text needs pages for `stored` plus its new rows. While too few are free, the **youngest** running text is preempted: it goes
#    into `preempted`, its pages become free, and it gets no row. The youngest can be the text itself.
# 4. **Admit.** If no text was preempted, admit texts from the front of the queue, while the budget is not used up and fewer than `budget`
#    texts run. A text is admitted if there are free pages for **all** its `ids`; it then gets these pages, and as many rows as the budget
#    still allows. The first text that does not fit ends the step: no other text may overtake it.
# 5. **Refuse.** A text at the front that needs more than `total` pages would wait for ever: it goes into `refused`, and the next one is
#    considered.
#
# With a budget of 8, pages of 4, 5 of 8 free: A has `ids` 9, `stored` 8, `pages` 2; B waits with 20 ids. A gets 1 row and its third page. B
# needs 5 pages, and 4 are left: it waits. The result is `({"A": 1}, [], [])`.

# %% task="python/schedule_step"

# %% [markdown]
# <details><summary>Hint 1: who can be preempted?</summary>
#
# Only a text that has not been given a row in this step: a text that needs a page takes it from a *younger* one, or from itself. Why can that
# younger one not have had its turn already?
#
# </details>
# <details><summary>Hint 2: making room</summary>
#
# Work on a copy of `running`. `while wanted > free and text in running: youngest = running.pop()`. What must you record then, and what is
# added to `free`? In the loop over texts, skip those that are no longer in `running`.
#
# </details>
# <details><summary>Hint 3: counting down</summary>
#
# Keep `left = budget` and `free` up to date at every decision: `count = min(ids - stored, left)`, then `left -= count` and
# `free -= wanted`. `-(-n // size)` rounds up. A text that was admitted counts as running from then on.
#
# </details>

# %% test="schedule-public" points=5
check("schedule_step")

# %% test="schedule-hidden" points=3
# Other arrivals, when it is graded.
### BEGIN HIDDEN TESTS
check("schedule_step", seed=41604)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. Sixteen texts at once
#
# The course's engine calls `paged_attention` in every layer of every step with several texts. From now on this is your kernel, if it has
# passed. The next cell writes one text, then sixteen at once, both with your kernels; then it does the same with the course's.

# %%
from llaisys_mini.inspect.timing import seconds
from llaisys_mini.kernels.choice import answering_kernel
from llaisys_mini.text.sampling import SamplingParams

model = load_model("mini")
names = "Lily Tom Anna Ben Sue Max Mia Sam Dot Leo Ann Jack Rosa Tim Ella Finn".split()
prompts = [model.tokenizer.encode(f"Once upon a time, there was a child named {name}.") for name in names]
greedy = SamplingParams(temperature=0.0, max_new_tokens=40)


def write(prompts):
    """The texts, and how many forward passes they took."""
    engine = model.engine(capture=False)  # the effect of company alone
    requests = [engine.add(prompt, greedy, stop_ids=()) for prompt in prompts]
    while engine.is_busy:
        engine.step()
    return [request.written for request in requests], engine.counts.steps


def show(what):
    write(prompts[:2])  # compiles what is not compiled yet
    for texts in (1, 16):
        taken = seconds(lambda count=texts: write(prompts[:count]), repeats=3)
        passes = write(prompts[:texts])[1]
        print(f"{what:12} {texts:2d} at once: {passes} passes, {40 * texts / taken:6.0f} tokens per second")


print("paged_attention answers from:", answering_kernel("paged_attention").kernel_set)
show("your kernels")
with use_kernels("solutions"):
    show("the course's")

# %% [markdown]
# Sixteen texts take as many passes as one. Is each of them the same as when it is written alone?

# %%
import textwrap

together, _ = write(prompts)
alone = [write([prompt])[0][0] for prompt in prompts]
print(sum(a == b for a, b in zip(together, alone, strict=True)), "of 16 texts are the same as alone")
print(textwrap.fill(model.tokenizer.decode(prompts[0] + together[0]), 100))

# %% [markdown]
# With the course's kernels it is always 16 of 16: they add up a row in the same order, whatever the other rows. Your kernels may add in another
# order in `attention` than in `paged_attention`; if two tokens are nearly equally likely, the last bit decides.
#
# The engine's cache uses only a few methods of its pool of pages. The next cell implements them with your pool, and writes the same texts with
# it:

# %%
from llaisys_mini.cache.pool import PagesExhausted


class YourPages:
    """Your page_pool in the form in which the engine's cache calls it."""

    def __init__(self, pages, size):
        self.pages, self.size = pages, size
        self.available, self.touched = pages, 0  # free pages; all that were ever taken are below this number
        self.users = [0] * pages
        self.yours = exercises.get("page_pool")(pages)
        self.publish, self.find = self.yours.publish, self.yours.find

    def take(self):
        page = self.yours.take()
        if page is None:
            raise PagesExhausted("every page is in use")
        self.touched = max(self.touched, page + 1)
        self._count([page], 1)
        return page

    def share(self, pages):
        self.yours.share(pages)
        self._count(pages, 1)

    def release(self, pages):
        self.yours.release(list(pages))
        self._count(pages, -1)

    def _count(self, pages, by):
        for number in pages:
            self.users[number] += by
        self.available = self.users.count(0)


engine = model.engine(pages=20)
engine.cache.pool = YourPages(20, 16)
requests = [engine.add(prompt, greedy, stop_ids=()) for prompt in prompts]
most = 0
while engine.is_busy:
    engine.step()
    most = max(most, 20 - engine.cache.pool.available)
written = [request.written for request in requests]
print(sum(a == b for a, b in zip(written, alone, strict=True)), "of 16 texts are the same as alone")
print(f"{engine.counts.steps} passes; at most {most} of 20 pages in use; {engine.cache.pool.available} free at the end")
print(f"made room: {engine.scheduler.preemptions} times")

# %% [markdown]
# ## 6. Extra: slots
#
# Before attention is computed, the keys and values of the new rows are written into the pages. `slots(pages, stored, count, size)` returns
# two int64 arrays `[count]`: `slots`, where each new row is stored (page times `size` plus place in the page), and `positions`, its position
# in the text. `pages` are the text's page numbers in order, and `stored` positions are filled already.
#
# With pages `[5, 0]` of 4 positions, `stored` 3, `count` 2: the positions are 3 and 4, the slots $5 \cdot 4 + 3 = 23$ and $0 \cdot 4 + 0 = 0$.

# %% task="python/slots"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Compute the positions first. What are the first and the last of them?
#
# </details>
# <details><summary>Hint 2</summary>
#
# In which page *of the list* is a position? Index an array of the pages with this number.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `np.array(pages)[positions // size]` are the pages. What is still missing is the place in the page.
#
# </details>

# %% test="slots-public" points=1
check("slots")

# %% [markdown]
# ## 7. Extra: speculation
#
# A pass over 5 rows costs little more than over one. So guess the next four ids, check all of them in one pass, and keep those that the
# model would have written anyway. `speculate(text, count, guess, model)` returns the list of the next `count` ids:
#
# - `guess(text)` gives a list of ids that may come next, perhaps none.
# - `model(text, wanted)` is one pass. It returns a list of `wanted` ids: the model's next id after each of the last `wanted` ids of `text`.
# - Each pass reads the text followed by the guesses, and asks for one id more than there are guesses. Do not guess more than you can use:
#   a pass with g guesses can give g + 1 new ids, and `count` are wanted in all.
#
# With the text `[1, 2]` and the guesses 3, 4, 9: `model([1, 2, 3, 4, 9], 4)` returns, say, `[3, 4, 5, 7]`. So 2 is followed by 3, as guessed;
# 3 is followed by 4, as guessed; 4 is followed by 5, and not by 9. The new ids are 3, 4, 5. What about the 7?

# %% task="python/speculate"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The 7 is the model's next id after a text that ends with 9. But the 9 is not part of the text.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Go through the ids that the model returned: the first one is always new text. When may you also use the one after it?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `guessed = guess(text + new)[: count - len(new) - 1]`, one pass, then a loop with `enumerate` over the returned ids. It ends after the last
# guess, or at the first place where the guess was different.
#
# </details>

# %% test="speculate-public" points=2
check("speculate")

# %% [markdown]
# ## 8. Extra: sampled guesses
#
# If ids are sampled, the guesses of a smaller *draft* model can be accepted with such probabilities that the resulting text has exactly the
# distribution of the large model. `accept_sampled(target, draft, guess, chance, other_chance)` returns the id. `target` and `draft` are the probabilities
# `[V]` of the two models; the draft model has drawn `guess`.
#
# - Keep the guess if `chance < target[guess] / draft[guess]`.
# - Otherwise draw from the rest, the ids to which the draft model gives too little: $\max(0, \text{target} - \text{draft})$, divided by its
#   sum. Add up in the order of ids, and return the first id at which the sum exceeds `other_chance`.
#
# With target `[0.2, 0.3, 0.5]`, draft `[0.1, 0.6, 0.3]`, guess 1: it is kept for chances below 0.5. Otherwise the rest is `[0.1, 0, 0.2]`,
# divided by its sum `[1/3, 0, 2/3]`: id 0 or 2. In all, id 1 has the probability $0.6 \cdot 0.5 = 0.3$, as it should.

# %% task="python/accept_sampled"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# There are two cases. In the first one only a comparison is computed.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.maximum(target - draft, 0)` is what the draft model gives too little. Its sum is not 1 yet.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Add up as in `sample_token` of lab 14. An id whose rest is 0 is never drawn. After the loop, return the last id that can be drawn, since
# rounding may leave the sum slightly below 1.
#
# </details>

# %% test="accept-public" points=2
check("accept_sampled")

# %% [markdown]
# ## 9. In your own words
#
# A prompt of 4000 tokens arrives while 15 texts are being written. What do the users who read these texts notice with a budget of 64 rows,
# and with one of 8192? What does the user who sent the prompt notice? What would you change for each of them?

# %% [markdown] written="budget" points=2
# With 64 rows a step computes the 15 rows of the texts and 49 of the prompt: each step is a little longer than before, about 82 steps long,
# and the texts go on all the time. The sender waits for all of these steps until the first token. With 8192 rows the whole prompt is one
# step: the sender's first token comes sooner, since a large pass uses the processor better and the weights are read once, but all readers see
# a gap as long as the whole prompt takes. The budget trades the longest gap against the time to the first token. For readers it is
# lowered to the gap that they may notice; for senders it is raised as far as that allows.
