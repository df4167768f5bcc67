"""schedule_step: which rows of which texts the next forward pass computes."""

from llaisys_mini.exercise import exercise


@exercise
def schedule_step(running, waiting, free, total, size, budget):
    """What the next step of an engine does. One that is called again and again, each time with how things stand.

    running: the texts in work, the oldest first; waiting: those that are not, in the order of the queue. A text is
    a dict: name; ids, how many token ids it has so far; stored, how many of them have keys and values in the cache;
    pages, how many pages it holds. A text that is being written has one id that is not stored. free: pages that nobody
    holds, of `total` pages of `size` positions. budget: how many rows a step may have.

    Returns (rows, preempted, refused): a dict from names to how many rows each text gets, and two lists of names.

        1. Texts that are being written get one row each, the oldest first.
        2. Then the other running texts, the oldest first, get the rows that they miss, as far as the budget goes.
        3. A running text needs pages for what is stored and its new rows. While not enough are free, the youngest
           running text makes room: it is preempted, its pages are free, it gets no row. That can be the text itself.
        4. If nobody had to make room, texts are let in from the front of the queue: while the budget is not used up,
           fewer than `budget` texts run, and there are pages for all ids that the text has; these pages are its own
           from then on. The first one that does not fit ends this: nobody overtakes.
        5. A text at the front that needs more pages than there are in all is refused, and the next one is looked at.

    Source: Yu et al. 2022, Orca (OSDI); Agrawal et al. 2023, SARATHI (arXiv:2308.16369); vLLM.
    """
    rows, preempted, refused = {}, [], []
    left, running = budget, list(running)
    in_turn = [text for text in running if missing(text) == 1] + [text for text in running if missing(text) > 1]
    for text in in_turn:
        count = min(missing(text), left)
        if count == 0 or text["name"] in preempted:
            continue
        wanted = pages_for(text["stored"] + count, size) - text["pages"]
        while wanted > free and text["name"] not in preempted:
            youngest = running.pop()
            preempted.append(youngest["name"])
            free += youngest["pages"]
        if text["name"] not in preempted:
            free -= max(0, wanted)
            rows[text["name"]] = count
            left -= count
    let_in = 0
    for text in waiting:
        wanted = pages_for(text["ids"], size)
        if preempted or left == 0 or len(running) + let_in >= budget:
            break
        if wanted > total:
            refused.append(text["name"])
            continue
        if wanted > free:
            break
        free -= wanted
        let_in += 1
        rows[text["name"]] = min(text["ids"], left)
        left -= rows[text["name"]]
    return rows, preempted, refused


def missing(text):
    return text["ids"] - text["stored"]


def pages_for(positions, size):
    return -(-positions // size)


@schedule_step.trace
def simulate(answer, log, arrivals, pages, size, budget):
    """arrivals: (step, name, ids of the prompt, ids to be written) of each text. The texts, their pages and the queue
    are kept here; the answer only decides."""
    running, waiting, coming, free = [], [], list(arrivals), pages
    ends = {name: prompt + written for _, name, prompt, written in arrivals}

    def told(texts):
        return ", ".join(f"{text['name']} {text['stored']}/{text['ids']}" for text in texts) or "nobody"

    for step in range(_MOST_STEPS):
        while coming and coming[0][0] <= step:
            _, name, prompt, _ = coming.pop(0)
            waiting.append(dict(name=name, ids=prompt, stored=0, pages=0))
        if not (running or waiting or coming):
            return
        state = f"step {step}: running {told(running)}; waiting {told(waiting)}; {free} of {pages} pages free"
        copies = [[dict(text) for text in texts] for texts in (running, waiting)]
        decided = log.ask(state, answer, *copies, free, pages, size, budget)
        try:
            free = _apply(decided, running, waiting, free, size, ends)
            stands_still = not any(decided) and not coming
        except Exception:  # what makes no sense differs from what was asked for, and is told as that
            return
        if free < 0 or stands_still:
            return


_MOST_STEPS = 90


def _apply(decided, running, waiting, free, size, ends):
    """Do what was decided; returns how many pages are free then."""
    rows, preempted, refused = decided
    for name in preempted:
        (text,) = (text for text in running if text["name"] == name)
        running.remove(text)
        free += text["pages"]
        text.update(stored=0, pages=0)
        waiting.insert(0, text)
    waiting[:] = [text for text in waiting if text["name"] not in refused]
    for name, count in rows.items():
        (text,) = (text for text in running + waiting if text["name"] == name)
        held = max(text["pages"], -(-(text["stored"] + count) // size))
        if text in waiting:
            waiting.remove(text)
            running.append(text)
            held = -(-text["ids"] // size)
        free -= held - text["pages"]
        text.update(stored=text["stored"] + count, pages=held)
        text["ids"] += text["stored"] == text["ids"]  # its next token
        if text["ids"] == ends[name]:  # the last one, which needs no row of its own
            running.remove(text)
            free += text["pages"]
    return free


@schedule_step.cases
def cases(rng):
    def inputs(arrivals, pages=40, size=4, budget=8):
        return dict(arrivals=arrivals, pages=pages, size=size, budget=budget)

    yield "one text", inputs([(0, "A", 5, 3)])
    yield "two texts at once", inputs([(0, "A", 3, 4), (0, "B", 4, 2)])
    yield "a text comes while another is being written", inputs([(0, "A", 3, 6), (2, "B", 4, 3)])
    yield "a prompt that is longer than a step", inputs([(0, "A", 21, 2)])
    yield (
        "a long prompt comes while others are being written",
        inputs([(0, "A", 2, 9), (0, "B", 3, 8), (2, "C", 23, 2), (4, "D", 3, 3)]),
    )
    yield "a second prompt waits for the budget", inputs([(0, "A", 13, 2), (0, "B", 6, 2), (1, "C", 2, 2)])
    yield "more texts than rows", inputs([(0, name, 1, 4) for name in "ABCDE"], budget=3)
    yield "the queue waits for pages", inputs([(0, "A", 8, 4), (0, "B", 9, 2), (0, "C", 2, 2)], pages=4)
    yield (
        "a small text does not overtake a large one",
        inputs([(0, "A", 8, 5), (1, "B", 12, 1), (1, "C", 1, 1)], pages=4, budget=16),
    )
    yield (
        "the pages are used up by the first of two that wait",
        inputs([(0, "A", 9, 2), (0, "B", 8, 2)], pages=4, budget=32),
    )
    yield "the youngest makes room", inputs([(0, "A", 4, 9), (0, "B", 4, 9), (1, "C", 3, 6)], pages=5)
    yield (
        "the youngest makes room for an older prompt's next token",
        inputs([(0, "A", 8, 6), (1, "B", 7, 4)], pages=4, budget=9),
    )
    yield "one must make room for itself", inputs([(0, "A", 7, 9), (0, "B", 4, 6)], pages=4)
    yield "several must make room", inputs([(0, name, 3, 12) for name in "ABCD"], pages=5, budget=16)
    yield "a text that can never fit", inputs([(0, "A", 50, 2), (0, "B", 3, 3), (1, "C", 41, 2)], pages=10)
    yield (
        "one that can never fit comes while others run",
        inputs([(0, "A", 5, 6), (1, "B", 30, 2), (2, "C", 3, 3)], pages=6, budget=16),
    )
    yield "it fits exactly", inputs([(0, "A", 16, 1), (1, "B", 12, 2)], pages=4)
    yield "pages of one position", inputs([(0, "A", 3, 4), (0, "B", 2, 5)], pages=9, size=1)
    for number in range(3):
        steps = sorted(int(step) for step in rng.integers(0, 25, size=9))
        texts = [(s, "ABCDEFGHI"[n], int(rng.integers(1, 20)), int(rng.integers(1, 9))) for n, s in enumerate(steps)]
        yield f"a busy afternoon, {number}", inputs(texts, pages=int(rng.integers(8, 12)), budget=6)


@schedule_step.mistake(
    "a prompt is read before the texts that are being written get their rows: everybody waits for it"
)
def prompts_first(running, waiting, free, total, size, budget):
    reading = sum(min(missing(text), budget) for text in running if missing(text) > 1)
    rows, preempted, refused = schedule_step.reference(
        [text for text in running if missing(text) > 1], waiting[:0], free, total, size, budget
    )
    left = max(0, budget - reading)
    for text in running:
        if missing(text) == 1:
            wanted = pages_for(text["stored"] + 1, size) - text["pages"]
            if left and wanted <= free:
                rows[text["name"]], left, free = 1, left - 1, free - max(0, wanted)
    if reading:
        return rows, preempted, refused
    return schedule_step.reference(running, waiting, free, total, size, budget)


@schedule_step.mistake("a prompt is read whole, whatever the budget says: its step takes as long as it is")
def prompts_whole(running, waiting, free, total, size, budget):
    rows, preempted, refused = schedule_step.reference(running, waiting, free, total, size, budget)
    return {name: missing(_named(name, running, waiting)) for name in rows}, preempted, refused


@schedule_step.mistake("a prompt that is longer than what is left of the budget waits; it is never cut into parts")
def prompts_uncut(running, waiting, free, total, size, budget):
    rows, preempted, refused = schedule_step.reference(running, waiting, free, total, size, budget)
    return {n: c for n, c in rows.items() if c == missing(_named(n, running, waiting))}, preempted, refused


@schedule_step.mistake("a small text overtakes a large one that waits for pages; the large one may wait for ever")
def overtaking(running, waiting, free, total, size, budget):
    rows, preempted, refused = schedule_step.reference(running, waiting[:0], free, total, size, budget)
    left = budget - sum(rows.values())
    free -= _taken(rows, running, size) - _given(preempted, running)
    count = len(running)
    for text in waiting if not preempted else ():
        wanted = pages_for(text["ids"], size)
        if wanted > total:
            refused.append(text["name"])
        elif wanted <= free and left and count < budget:
            rows[text["name"]] = min(text["ids"], left)
            left, free, count = left - rows[text["name"]], free - wanted, count + 1
    return rows, preempted, refused


@schedule_step.mistake("the oldest text makes room, and not the youngest: it may never come to its end")
def oldest_makes_room(running, waiting, free, total, size, budget):
    rows, preempted, refused = schedule_step.reference(running, waiting, free, total, size, budget)
    if not preempted:
        return rows, preempted, refused
    victim = running[0]["name"]
    rest, _, _ = schedule_step.reference(running[1:], [], free + running[0]["pages"], total, size, budget)
    return rest, [victim], refused


@schedule_step.mistake("nobody makes room: a text without a page waits for one, and so may all of them")
def nobody_makes_room(running, waiting, free, total, size, budget):
    rows, preempted, refused = schedule_step.reference(running, waiting, free, total, size, budget)
    if not preempted:
        return rows, preempted, refused
    rows, left = {}, budget
    for text in running:
        wanted = pages_for(text["stored"] + 1, size) - text["pages"]
        if missing(text) == 1 and wanted <= free and left:
            rows[text["name"]], free, left = 1, free - max(0, wanted), left - 1
    return rows, [], []


@schedule_step.mistake("a text that finds no page makes room itself, also where a younger one is there")
def makes_room_itself(running, waiting, free, total, size, budget):
    rows, preempted, refused = schedule_step.reference(running, waiting, free, total, size, budget)
    if not preempted:
        return rows, preempted, refused
    rows, preempted, left = {}, [], budget
    for text in [t for t in running if missing(t) == 1] + [t for t in running if missing(t) > 1]:
        count = min(missing(text), left)
        wanted = max(0, pages_for(text["stored"] + count, size) - text["pages"])
        if count and wanted <= free:
            rows[text["name"]], free, left = count, free - wanted, left - count
        elif count:
            preempted.append(text["name"])
            free += text["pages"]
    return rows, preempted, refused


@schedule_step.mistake(
    "a text is let in with pages for its first rows only; the rest of its prompt then pushes others out"
)
def let_in_by_first_rows(running, waiting, free, total, size, budget):
    rows, preempted, refused = schedule_step.reference(running, waiting, free, total, size, budget)
    left = budget - sum(rows.values())
    unused = free - _taken(rows, running + waiting, size) + _given(preempted, running)
    front = next((text for text in waiting if text["name"] not in [*rows, *refused]), None)
    if front and left and not preempted and pages_for(min(front["ids"], left), size) <= unused:
        if len(running) + len([t for t in waiting if t["name"] in rows]) < budget:
            rows[front["name"]] = min(front["ids"], left)
    return rows, preempted, refused


@schedule_step.mistake("a text that can never fit stays at the front of the queue, and all others wait behind it")
def never_refused(running, waiting, free, total, size, budget):
    rows, preempted, refused = schedule_step.reference(running, waiting, free, total, size, budget)
    if refused:
        first = [text["name"] for text in waiting].index(refused[0])
        rows, preempted, _ = schedule_step.reference(running, waiting[:first], free, total, size, budget)
    return rows, preempted, []


def _named(name, running, waiting):
    return next(text for text in [*running, *waiting] if text["name"] == name)


def _taken(rows, texts, size):
    """How many pages these rows take: of a text that runs for its new rows, of one that waited for all its ids."""
    taken = 0
    for text in texts:
        if text["name"] in rows:
            positions = text["stored"] + rows[text["name"]] if text["pages"] else text["ids"]
            taken += max(0, pages_for(positions, size) - text["pages"])
    return taken


def _given(names, texts):
    return sum(text["pages"] for text in texts if text["name"] in names)
