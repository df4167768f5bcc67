# %% [markdown]
# # Lab 16: many texts at once
#
# One forward pass can carry rows of many texts. For that, each text needs a place for its keys and values that can grow, and somebody
# has to decide whose rows come next. You write the parts of such an engine: the pool of pages, the search for a common beginning,
# attention over pages, and the scheduler. At the end your kernel answers for 16 texts at once.
#
# | part | minutes | |
# |---|---|---|
# | 1 the page pool | 30 | required |
# | 2 a common beginning | 15 | required |
# | 3 attention over pages | 35 | required |
# | 4 the scheduler | 30 | required |
# | 5 sixteen texts at once | 5 | to look at |
# | 6, 7, 8 slots, speculation, sampled guesses | 30 | extra: nothing later needs them |
#
# The checks of this lab drive what you write through a list of events: a page is taken, a text ends, another begins. What is compared is
# what came back, event by event. How you store things is up to you.

# %%
import numpy as np

from llaisys_mini import check, exercises, load_model, use_kernels

# %% [markdown]
# ## 1. The page pool
#
# The memory for keys and values is cut into pages of, say, 16 positions. A text takes a page when its last one is full, wherever that page
# lies. Two texts that begin alike use the same pages for their beginning. So the pool has to know how many texts use a page.
#
# Write a class. Pages that nobody uses stand in a queue, at first 0, 1, 2, ...
#
# | method | what it does |
# |---|---|
# | `take()` | returns the page at the front of the queue, for one text; None if the queue is empty |
# | `share(pages)` | one more text uses each of these pages |
# | `release(pages)` | one text uses these pages no longer, given in the order of its positions; those that nobody uses now go to the back of the queue, **the last page first** |
# | `publish(page, key)` | the page is full, and `find` knows it by this key; a key that is known already stays with its old page |
# | `find(keys)` | the list of pages that these keys are known for, up to the first that is not known |
#
# A page that stands in the queue keeps its content, and can still be found and shared; it leaves the queue then. When it is **taken**,
# another text is written into it, and its key must be forgotten.
#
# With three pages:
#
# | event | result | queue behind it |
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
# Four things: the queue, for each page how many texts use it, and which page a key stands for. The fourth helps `take`: when a page gets a
# new text, which key has to go?
#
# </details>
# <details><summary>Hint 2: a queue that can be left from the middle</summary>
#
# A list works. An `OrderedDict` with the pages as keys does the same in constant time: `popitem(last=False)` gives the front,
# `pop(page, None)` takes a page out wherever it stands, and a new key goes to the end.
#
# </details>
# <details><summary>Hint 3: who is in the queue</summary>
#
# Exactly the pages with no users, at all times. Go through your five methods: which of them can make the number of users 0, and which of
# them can make it 1? Those, and no others, touch the queue.
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
# Every chat begins with the same instructions, and turn 5 repeats turns 1 to 4. What was computed for these ids need not be computed again,
# if the page is found. A page is known by a **key**: a hash of its own ids *and* of the key of the page before it. Why is the second part
# needed? The keys and values of a token depend on everything in front of it. The same words behind another beginning are another page.
#
# `prefix_match(ids, size, key_of, pages)` returns `(found, start)`:
#
# - `key_of(before, own)` gives the key of a full page: `before` is the key of the page in front of it (None for the first), `own` are its
#   `size` ids.
# - `pages` maps keys to page numbers.
# - `found` is the list of pages of the longest known beginning, `start` the position of the first id that has to be computed.
# - At least the **last** id has to be computed, even if everything is stored.
#
# With `size` 3 and the ids 11 to 17: the first page is 11, 12, 13. If it is known as page 8, and the second one is not, the result is
# `([8], 3)`. And if there are just the ids 11, 12, 13, it is `([], 0)`.

# %% task="python/prefix_match"

# %% [markdown]
# <details><summary>Hint 1: why the last id?</summary>
#
# What is the output of a forward pass used for? If no row is computed, there is none.
#
# </details>
# <details><summary>Hint 2: how many pages may be shared at most</summary>
#
# Of 6 ids in pages of 3 only one; of 7 ids two. That is a whole-number division of what?
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
# The rows of all texts of a step stand in one array `q`; their keys and values lie in pages.
#
# | array | shape | |
# |---|---|---|
# | `q`, `out` | [T, H, D] | T rows of N texts, text after text |
# | `key_pages`, `value_pages` | [P, B, K, D] | P pages of B positions |
# | `table` | [N, M] | the pages of each text, in order; behind its last page stands anything |
# | `lengths` | [N] | how many keys each text has |
# | `starts` | [N + 1] | the rows of text n are `starts[n] <= t < starts[n + 1]` |
# | `window` | number | a row sees itself and at most `window - 1` keys before it |
#
# - Position s of text n lies in page `table[n, s // B]`, at place `s % B`.
# - The rows of a text are its **last** positions: row t stands at position `lengths[n] - starts[n + 1] + t`, and sees the keys from
#   `position - window + 1` (or 0) to `position`.
# - All else is as in lab 12: head h uses key head `h // (H // K)`, subtract the largest score, `widen` what lies in pages.
#
# With B = 2 and two texts, `lengths = [3, 4]`, `starts = [0, 1, 3]`, `table = [[5, 1], [4, 0]]`: row 0 belongs to text 0, stands at
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
# Take your kernel of lab 12. Three things change: which rows belong to which text, how many keys a row sees, and where key s lies. Which of
# its lines does each of them touch?
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
# `page, place = table[text, s // size], s % size`, then `key_pages[page, place, key_head, d]` in the place of `k[s, key_head, d]`. One
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
# Before each forward pass, `schedule_step(running, waiting, free, total, size, budget)` decides which rows it computes.
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
# 1. **Decode first.** Running texts that miss one id (`ids - stored == 1`) get one row each, the oldest first.
# 2. **Then prompts, in parts.** The other running texts, the oldest first, get what they miss, as far as the budget goes.
# 3. **Pages.** A text needs pages for `stored` plus its new rows. While too few are free, the **youngest** running text makes room: it goes
#    into `preempted`, its pages are free, it gets no row. The youngest can be the text itself.
# 4. **Let in.** If nobody had to make room: from the front of the queue, while the budget is not used up and fewer than `budget` texts run. A
#    text needs free pages for **all** its `ids`; then it gets them, and as many rows as the budget leaves. The first one that does not fit ends
#    the step: nobody overtakes.
# 5. **Refuse.** A text at the front that needs more than `total` pages would wait for ever: it goes into `refused`, and the next is looked at.
#
# With a budget of 8, pages of 4, 5 of 8 free: A has `ids` 9, `stored` 8, `pages` 2; B waits with 20 ids. A gets 1 row and its third page. B
# needs 5 pages, and 4 are left: it waits. The result is `({"A": 1}, [], [])`.

# %% task="python/schedule_step"

# %% [markdown]
# <details><summary>Hint 1: who can be preempted?</summary>
#
# Only a text that has not got a row in this step: whoever needs a page takes it from a *younger* one, or from itself. Why can that younger
# one not have had its turn already?
#
# </details>
# <details><summary>Hint 2: making room</summary>
#
# Work on a copy of `running`. `while wanted > free and text in running: youngest = running.pop()`; what has to be noted, and what is added
# to `free`? In the loop over texts, skip those that are no longer in `running`.
#
# </details>
# <details><summary>Hint 3: counting down</summary>
#
# Keep `left = budget` and `free` up to date at every decision: `count = min(ids - stored, left)`, then `left -= count` and
# `free -= wanted`. `-(-n // size)` rounds up. A text that was let in counts as running from then on.
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
# The course's engine calls `paged_attention` in every layer of every step. From now on that is yours, if it passed. First one text after
# the other, then sixteen at once, both with your kernels; then the course's own.

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
# Sixteen texts take as many passes as one. Do they say the same as alone?

# %%
together, _ = write(prompts)
alone = [write([prompt])[0][0] for prompt in prompts]
print(sum(a == b for a, b in zip(together, alone, strict=True)), "of 16 texts are the same as alone")
print(model.tokenizer.decode(prompts[0] + together[0]))

# %% [markdown]
# With the course's kernels it is 16 of 16, always: they add up a row in the same order in any company. Yours may add in another order in
# `attention` than in `paged_attention`; where two tokens are nearly equally likely, the last bit decides.
#
# And your pool of pages? The engine's cache asks its pool for pages through these few methods. Here yours stands behind them:

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
# Before attention looks back, the keys and values of the new rows are written into the pages. `slots(pages, stored, count, size)` returns
# two int64 arrays `[count]`: `slots`, where each new row goes (page times `size` plus place in the page), and `positions`, which place it has
# in its text. `pages` are the text's page numbers in order, and `stored` positions are filled already.
#
# With pages `[5, 0]` of 4 positions, `stored` 3, `count` 2: the positions are 3 and 4, the slots $5 \cdot 4 + 3 = 23$ and $0 \cdot 4 + 0 = 0$.

# %% task="python/slots"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Compute the positions first. From which number to which do they run?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Which page *of the list* does a position lie in? Index an array of the pages with that.
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
# A pass over 5 rows costs little more than over one. So guess the next four ids, look at all of them in one pass, and keep those that the
# model would have written anyway. `speculate(text, count, guess, model)` returns the list of the next `count` ids:
#
# - `guess(text)` gives a list of ids that may come next, perhaps none.
# - `model(text, wanted)` is one pass. It gives a list of `wanted` ids: what the model puts behind each of the last `wanted` ids of `text`.
# - Each pass reads the text and the guesses behind it, and wants one id more than there are guesses. Guess no more than there is room for:
#   a pass with g guesses can write g + 1 ids.
#
# With the text `[1, 2]` and the guesses 3, 4, 9: `model([1, 2, 3, 4, 9], 4)` gives, say, `[3, 4, 5, 7]`. So behind 2 comes 3, as guessed;
# behind 3 comes 4, as guessed; behind 4 comes 5, and not 9. The new ids are 3, 4, 5. What about the 7?

# %% task="python/speculate"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The 7 is what the model puts behind a text that ends with 9. Nobody has written that text.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Go through what the model said: each id is written down. When may the next one be written too?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `guessed = guess(text + new)[: count - len(new) - 1]`, one pass, then a loop with `enumerate` over what was said. It ends behind the last
# guess, or at the first place where the guess was another.
#
# </details>

# %% test="speculate-public" points=2
check("speculate")

# %% [markdown]
# ## 8. Extra: sampled guesses
#
# Where ids are drawn at random, a guess of a smaller *draft* model can be kept so often that the text is drawn exactly as the large model
# would draw it. `accept_sampled(target, draft, guess, chance, other_chance)` returns the id. `target` and `draft` are the probabilities
# `[V]` of the two models; the draft model has drawn `guess`.
#
# - Keep the guess if `chance < target[guess] / draft[guess]`.
# - Otherwise draw from what the draft model gives too little: $\max(0, \text{target} - \text{draft})$, divided by its sum. In the order of ids
#   add up; the first id at which the sum exceeds `other_chance` is the one.
#
# With target `[0.2, 0.3, 0.5]`, draft `[0.1, 0.6, 0.3]`, guess 1: it is kept for chances below 0.5. Else the rest is `[0.1, 0, 0.2]`, divided
# by its sum `[1/3, 0, 2/3]`: id 0 or 2. Altogether id 1 comes with $0.6 \cdot 0.5 = 0.3$, as it should.

# %% task="python/accept_sampled"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Two cases. In the first one nothing but a comparison is computed.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `np.maximum(target - draft, 0)` is what the draft model gives too little. Its sum is not 1 yet.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Adding up is as in `sample_token` of lab 14. An id whose rest is 0 is never drawn; after the loop return the last one that can be: rounding
# may leave the sum just below 1.
#
# </details>

# %% test="accept-public" points=2
check("accept_sampled")

# %% [markdown]
# ## 9. In your own words
#
# A prompt of 4000 tokens arrives while 15 texts are being written. Say what those who read along notice with a budget of 64 rows and with one
# of 8192, what the one who sent the prompt notices, and what you would change for each of them.

# %% [markdown] written="budget" points=2
# With 64 rows a step computes the 15 rows of the texts and 49 of the prompt: each step is a little longer than before, about 82 steps long,
# and the texts go on all the time. The sender waits for all of these steps until the first token. With 8192 rows the whole prompt is one
# step: the sender's first token comes sooner, since a large pass uses the processor better and the weights are read once, but all readers see
# a gap as long as the whole prompt takes. The budget trades the longest gap against the time to the first token. For readers it is
# lowered to the gap that they may notice; for senders it is raised as far as that allows.
