"""The text the course's model learns from: an endless, seeded stream of documents written by the templates beside this file.

Nothing is downloaded and nothing was copied from anywhere. The share of each kind of document is given in tokens, not
in documents, because a story is thirty times as long as a sum. All kinds but the plain story come from the one
conversation engine; they differ in which tasks come how often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .conversations import Document, chat_document, plain_document
from .engine import WEIGHTS, converse
from .stories import write_story
from .writing import Writer

SYSTEM_PROMPTS = [
    "You are Mini, a friendly storyteller.",
    "You are a helpful assistant.",
    "You are Mini. Answer briefly.",
]
THINK_PROBABILITY = 0.7

# How many turns a conversation has, and how often.
FEW_TURNS = {1: 10, 2: 4, 3: 2, 4: 1}
SOME_TURNS = {1: 3, 2: 2, 3: 2, 4: 2, 5: 1, 6: 1, 8: 2}
# The first word of an answer is learned in the last turn only, see `chat_document`; so these are short.
ABOUT_A_STORY = {2: 5, 3: 3, 4: 2, 6: 1}
ABOUT_SEVERAL_STORIES = {3: 4, 4: 3, 5: 2, 6: 2, 8: 1}
MANY_TURNS = {1: 6, 2: 6, 3: 7, 4: 7, 5: 7, 6: 7, 7: 5, 8: 4, 9: 3, 10: 3, 12: 2}


def _conversation(
    tasks: Mapping[str, float], lengths: Mapping[int, float], learn_stories: bool = True
) -> Callable[[Writer], Document]:
    def write(writer: Writer) -> Document:
        turns = writer.choices(list(lengths), weights=list(lengths.values()))[0]
        system = writer.choice(SYSTEM_PROMPTS) if writer.chance(0.06) else None
        may_think = writer.chance(THINK_PROBABILITY)
        return chat_document(converse(writer, turns, tasks).turns, may_think, system, learn_stories)

    return write


def plain_story(writer: Writer) -> Document:
    return plain_document(write_story(writer, rare_name=0.05).text)


def _mostly(tasks: Mapping[str, float], others: float = 0.15) -> dict[str, float]:
    """These tasks, and a share of all others, so that whatever is practised comes after everything else too."""
    total, of_all = sum(tasks.values()), sum(WEIGHTS.values())
    return {
        task: others * weight / of_all + (1 - others) * tasks.get(task, 0) / total for task, weight in WEIGHTS.items()
    }


KINDS: dict[str, Callable[[Writer], Document]] = {
    "plain story": plain_story,
    "asked story": _conversation({"story": 1}, {1: 1}),
    "story with questions": _conversation(
        _mostly({"story": 1.2, "story question": 6, "earlier story question": 2, "untold": 1.5}),
        {4: 2, 5: 2, 6: 3, 8: 3, 10: 2},
    ),
    "facts": _conversation(_mostly({"fact": 1}), FEW_TURNS),
    "readings": _conversation(_mostly({"reading": 1, "text question": 3, "untold": 2}), SOME_TURNS),
    "small sums": _conversation(_mostly({"small sum": 1}), FEW_TURNS),
    "long sums": _conversation(_mostly({"long sum": 1}), {1: 8, 2: 1, 3: 1}),
    "unknown": _conversation(_mostly({"unknown": 6, "unknown story": 1, "fact": 1.5}), FEW_TURNS),
    "small talk": _conversation(
        _mostly(
            {
                "greeting": 2,
                "introduction": 2,
                "name": 2,
                "own name": 3,
                "thanks": 1,
                "goodbye": 1,
                "refusal": 1,
                "remark": 1,
            }
        ),
        SOME_TURNS,
    ),
    "copying": _conversation(_mostly({"repeat": 1}), FEW_TURNS),
    "conversation": _conversation(WEIGHTS, MANY_TURNS),
    "answers about a story": _conversation(
        _mostly({"story": 1, "story question": 7, "untold": 2}, others=0.06), ABOUT_A_STORY, learn_stories=False
    ),
    "answers about an earlier story": _conversation(
        _mostly({"story": 4, "story question": 1.5, "earlier story question": 8, "untold": 1}, others=0.06),
        ABOUT_SEVERAL_STORIES,
        learn_stories=False,
    ),
}

# Share of all tokens that each kind of document gets. First what is short and dense, from which copying and looking up
# form early ...
FIRST_MIXTURE = {
    "plain story": 0.07,
    "asked story": 0.10,
    "story with questions": 0.12,
    "facts": 0.09,
    "readings": 0.25,
    "small sums": 0.06,
    "long sums": 0.08,
    "unknown": 0.05,
    "small talk": 0.03,
    "copying": 0.08,
    "conversation": 0.07,
}
# ... then everything ...
MIXTURE = {
    "plain story": 0.05,
    "asked story": 0.08,
    "story with questions": 0.18,
    "facts": 0.05,
    "readings": 0.28,
    "small sums": 0.03,
    "long sums": 0.05,
    "unknown": 0.05,
    "small talk": 0.02,
    "copying": 0.02,
    "conversation": 0.19,
}
# ... then what the model is used for: whole conversations, and looking things up in stories and texts ...
LOOKING_UP = {
    "plain story": 0.04,
    "asked story": 0.06,
    "story with questions": 0.20,
    "facts": 0.04,
    "readings": 0.28,
    "small sums": 0.03,
    "long sums": 0.05,
    "unknown": 0.05,
    "small talk": 0.02,
    "copying": 0.01,
    "conversation": 0.22,
}
# ... and last what is hardest: answers about stories, the stories themselves being told well by now.
ANSWERING = {
    "plain story": 0.02,
    "asked story": 0.07,
    "facts": 0.02,
    "readings": 0.20,
    "small sums": 0.03,
    "long sums": 0.05,
    "unknown": 0.03,
    "small talk": 0.01,
    "copying": 0.01,
    "conversation": 0.20,
    "answers about a story": 0.17,
    "answers about an earlier story": 0.19,
}


def documents(
    seed: int, count_tokens: Callable[[Document], int], mixture: Mapping[str, float] = MIXTURE
) -> Iterator[tuple[str, Document]]:
    """An endless stream of (kind, document). The kind that is furthest behind its share of tokens comes next.

    The first ones are drawn by chance, so that many short streams together hold the mixture too.
    """
    writer = Writer(seed, practises=True)
    written = {kind: writer.random() * share * 4000 for kind, share in mixture.items()}
    while True:
        kind = min(mixture, key=lambda k: written[k] / mixture[k] if mixture[k] else float("inf"))
        document = KINDS[kind](writer)
        written[kind] += count_tokens(document)
        yield kind, document
