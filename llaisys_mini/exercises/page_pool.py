"""page_pool: who uses which page of a KV cache, and which full pages another text may share."""

from llaisys_mini.exercise import exercise
from llaisys_mini.trace import call_methods


@exercise
class page_pool:
    """The pages 0 to `pages` - 1 of a KV cache. Pages that nobody uses stand in a queue, at first in the order of their
    numbers.

        take()               the page at the front of the queue, for one text to write into; None if the queue is empty
        share(pages)         one more text uses each of these pages; one that stands in the queue leaves it
        release(pages)       one text uses these no longer. They are in the order of its positions. Those that now
                             nobody uses go to the back of the queue, the last page first
        publish(page, key)   the page is full: find knows it by this key. A key that is known stays with its page
        find(keys)           the list of the pages that these keys are known for, up to the first that is not known

    A page in the queue can still be found and shared: what was written into it is there. Once it is taken, its key is
    forgotten, since another text is written into it.
    Source: Kwon et al. 2023, PagedAttention (arXiv:2309.06180); the block manager of vLLM.
    """

    def __init__(self, pages):
        self.queue = list(range(pages))
        self.users = dict.fromkeys(range(pages), 0)
        self.page_of = {}

    def take(self):
        if not self.queue:
            return None
        page = self.queue.pop(0)
        self.forget(page)
        self.users[page] = 1
        return page

    def forget(self, page):
        self.page_of = {key: known for key, known in self.page_of.items() if known != page}

    def share(self, pages):
        for page in pages:
            if page in self.queue:
                self.queue.remove(page)
            self.users[page] += 1

    def release(self, pages):
        for page in reversed(pages):
            self.users[page] -= 1
            if self.users[page] == 0:
                self.queue.append(page)

    def publish(self, page, key):
        self.page_of.setdefault(key, page)

    def find(self, keys):
        found = []
        for key in keys:
            if key not in self.page_of:
                break
            found.append(self.page_of[key])
        return found


page_pool.trace(call_methods)


@page_pool.cases
def cases(rng):
    def inputs(pages, *events):
        """After the events every page that is left is taken, and one more is asked for."""
        return dict(pages=pages, events=[*events, *[("take",)] * (pages + 1)])

    take = ("take",)
    yield "as it was made", inputs(3)
    yield "a text gives its pages back", inputs(3, take, take, ("release", [0, 1]))
    yield "every page is in use, and then one is free", inputs(2, take, take, take, ("release", [0]))
    yield (
        "a page that two texts use",
        inputs(2, take, ("share", [0]), ("release", [0]), take, take, ("release", [0])),
    )
    yield (
        "a full page is found while it is used",
        inputs(3, take, ("publish", 0, "A"), ("find", ["A"]), ("find", ["B"]), ("find", [])),
    )
    yield (
        "a full page is found after its text has ended",
        inputs(3, take, ("publish", 0, "A"), ("release", [0]), ("find", ["A"]), ("share", [0]), take, take, take),
    )
    yield (
        "a page that is taken for another text holds its old text no more",
        inputs(1, take, ("publish", 0, "A"), ("release", [0]), take, ("find", ["A"])),
    )
    yield (
        "a page that was taken again gets another key",
        inputs(
            1, take, ("publish", 0, "A"), ("release", [0]), take, ("publish", 0, "B"), ("find", ["A"]), ("find", ["B"])
        ),
    )
    yield (
        "the second of three pages is gone",
        inputs(
            3,
            *(take, take, take, ("publish", 0, "A"), ("publish", 1, "B"), ("publish", 2, "C")),
            *(("find", ["A", "B", "C"]), ("release", [1]), take, ("find", ["A", "B", "C"]), ("find", ["C"])),
        ),
    )
    yield (
        "two texts have written the same page",
        inputs(
            3,
            *(take, ("publish", 0, "A"), take, ("publish", 1, "A"), ("find", ["A"])),
            *(("release", [1]), ("find", ["A"]), take, take, ("find", ["A"])),
        ),
    )
    yield (
        "a long text ends: its beginning is kept longest",
        inputs(
            4,
            *(take, take, take, ("publish", 0, "A"), ("publish", 1, "B"), ("publish", 2, "C"), ("release", [0, 1, 2])),
            *(take, take, ("find", ["A", "B", "C"])),
        ),
    )
    yield (
        "a shared beginning outlives both texts",
        inputs(
            3,
            *(take, ("publish", 0, "A"), take, ("share", [0]), take, ("release", [0, 1]), ("find", ["A"])),
            *(("release", [0, 2]), ("find", ["A"]), ("share", [0]), ("find", ["A"])),
        ),
    )
    for number in range(3):
        yield f"a busy afternoon, {number}", inputs(6, *afternoon(rng, 6))


def afternoon(rng, pages):
    """Events as a service has them: texts begin, share what is known, grow and end."""
    pool, events, texts = page_pool.reference(pages), [], []

    def do(method, *arguments):
        events.append((method, *(list(a) if isinstance(a, list) else a for a in arguments)))
        return getattr(pool, method)(*arguments)

    for _ in range(60):
        chance = rng.random()
        if chance < 0.25:
            beginning = [f"{'ABC'[int(rng.integers(3))]}{depth}" for depth in range(int(rng.integers(1, 4)))]
            found = do("find", [beginning[0][0] + key[1] for key in beginning])
            do("share", found)
            texts.append((beginning[0][0], found))
        elif texts and chance < 0.75:
            letter, held = texts[int(rng.integers(len(texts)))]
            page = do("take")
            if page is not None:
                held.append(page)
                if rng.random() < 0.8:
                    do("publish", page, f"{letter}{len(held) - 1}")
        elif texts:
            _, held = texts.pop(int(rng.integers(len(texts))))
            do("release", held)
    return events


@page_pool.mistake(
    "a page that is taken keeps its old key: another text would read keys and values that are not its own"
)
class stale_key(page_pool.reference):
    def forget(self, page):
        pass


@page_pool.mistake(
    "a page goes back into the queue although another text still uses it: share and release have to count"
)
class given_away(page_pool.reference):
    def release(self, pages):
        for page in reversed(pages):
            self.users[page] = 0
            if page not in self.queue:
                self.queue.append(page)


@page_pool.mistake("share leaves a page in the queue: it is in use, and the next take gives it away")
class shared_in_queue(page_pool.reference):
    def share(self, pages):
        for page in pages:
            self.users[page] += 1


@page_pool.mistake("release forgets the key, so that nothing is left of a text that has ended")
class forgotten_early(page_pool.reference):
    def release(self, pages):
        super().release(pages)
        for page in pages:
            if self.users[page] == 0:
                self.forget(page)


@page_pool.mistake("find goes on behind a key that is not known: a page that lacks its beginning is of no use")
class with_gaps(page_pool.reference):
    def find(self, keys):
        return [self.page_of[key] for key in keys if key in self.page_of]


@page_pool.mistake("find wants all keys to be known; the known beginning of a text can be shared too")
class all_or_nothing(page_pool.reference):
    def find(self, keys):
        found = super().find(keys)
        return found if len(found) == len(keys) else []


@page_pool.mistake("take gives the page that was left last, whose content is the freshest")
class last_left(page_pool.reference):
    def release(self, pages):
        for page in reversed(pages):
            self.users[page] -= 1
            if self.users[page] == 0:
                self.queue.insert(0, page)


@page_pool.mistake(
    "release puts the first page of a text first into the queue; a text's beginning is what others share"
)
class beginning_first(page_pool.reference):
    def release(self, pages):
        super().release(pages[::-1])


@page_pool.mistake("publish moves a known key to the new page")
class moved_key(page_pool.reference):
    def publish(self, page, key):
        self.page_of[key] = page


@page_pool.mistake("with every page in use, take gives one that is in use")
class over_full(page_pool.reference):
    def take(self):
        page = super().take()
        return 0 if page is None else page
