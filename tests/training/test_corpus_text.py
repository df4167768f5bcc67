"""The training text is good English, says what it should, and repeats exactly from its seed."""

import itertools
import re

import pytest

from llaisys_mini import load_model, paths
from training.corpus import ANSWERING, FIRST_MIXTURE, KINDS, LOOKING_UP, MIXTURE, documents
from training.corpus.conversations import THINK_END, TURN_END, TURN_START, chat_document
from training.corpus.engine import WEIGHTS, converse
from training.corpus.facts import RELATIONS
from training.corpus.tasks import TASKS
from training.corpus.unknown import UNKNOWN, unknown
from training.corpus.writing import Writer, capitalized

CONTEXT = 2048


def written(seed, count, mixture=MIXTURE):
    stream = documents(seed, lambda document: sum(len(text) for text, _ in document) // 4, mixture)
    return list(itertools.islice(stream, count))


@pytest.fixture(scope="module")
def sample():
    return written(1, 4000)


def said_by_the_assistant(document):
    """Texts that are learned, without markers and thoughts."""
    text = "".join(part for part, _ in document)
    for answer in re.findall(rf"{re.escape(TURN_START)}assistant\n(.*?){re.escape(TURN_END)}", text, re.DOTALL):
        yield answer.rpartition(THINK_END)[2].strip()


def test_the_same_seed_gives_the_same_stream():
    assert written(3, 300) == written(3, 300)
    assert written(3, 300) != written(4, 300)


MIXTURES = [FIRST_MIXTURE, MIXTURE, LOOKING_UP, ANSWERING]


def test_every_kind_of_document_is_in_a_mixture():
    assert set().union(*MIXTURES) == set(KINDS)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_each_kind_gets_its_share_of_the_tokens(mixture):
    assert sum(mixture.values()) == pytest.approx(1)
    assert set(mixture) <= set(KINDS)
    lengths = dict.fromkeys(mixture, 0)
    for kind, document in written(5, 8000, mixture):
        lengths[kind] += sum(len(text) for text, _ in document)
    for kind, share in mixture.items():
        assert lengths[kind] / sum(lengths.values()) == pytest.approx(share, abs=0.01), kind


def test_articles_fit_the_word_that_follows(sample):
    wrong_a = re.compile(r"\b[Aa] (?!uni|use|one)[aeiou]\w*")
    wrong_an = re.compile(r"\b[Aa]n (?!hour|API)[^aeiouAEIOU\W]\w*")
    for _, document in sample:
        text = "".join(part for part, _ in document)
        assert not wrong_a.findall(text) and not wrong_an.findall(text), text


def test_no_slot_is_left_open_and_no_space_is_doubled(sample):
    for _, document in sample:
        for part, learned in document:
            assert "  " not in part and " ." not in part.replace(" ...", ""), part
            if learned:
                assert not re.search(r"[{}\[\]|]", part.replace(TURN_END, "").replace("<|endoftext|>", "")), part


def test_every_answer_is_made_of_whole_sentences(sample):
    for _, document in sample:
        for answer in said_by_the_assistant(document):
            assert re.search(r'[.!?]"?$', answer), answer
            for paragraph in answer.split("\n\n"):
                assert paragraph == paragraph.strip()
                # a small letter behind a full stop would be the beginning of a sentence
                assert not re.search(r"[.] [a-z]", paragraph), paragraph


def test_every_kind_of_turn_comes_first_in_between_and_last():
    writer = Writer(2)
    first, between, last = set(), set(), set()
    for _ in range(3000):
        tasks = [turn.task for turn in converse(writer, 6).turns]
        first.add(tasks[0])
        between |= set(tasks[1:-1])
        last.add(tasks[-1])
    every = {*TASKS, "no story"}
    # These follow something by their nature.
    dependent = {"refusal", "story question", "earlier story question", "untold", "text question"}
    assert first == every - dependent
    assert between == last == every


def test_any_kind_comes_after_any_other():
    writer = Writer(3)
    pairs = set()
    for _ in range(5000):
        tasks = [turn.task for turn in converse(writer, 16, most_characters=12_000).turns]
        pairs |= set(itertools.pairwise(tasks))
    # After an offer only; after two stories only.
    offered = {"greeting", "unknown", "unknown story", "no story", "remark"}
    impossible = {(before, "refusal") for before in TASKS if before not in offered}
    impossible |= {("earlier story question", "no story"), ("story", "no story"), ("story question", "no story")}
    possible = set(itertools.product([*TASKS, "no story"], repeat=2)) - impossible
    missing = {
        pair
        for pair in possible - pairs
        if not ({"no story", "refusal"} & set(pair))  # too rare to wait for each of them
    }
    assert not missing


def test_the_weights_name_every_task():
    assert set(WEIGHTS) == set(TASKS)


@pytest.fixture(scope="module")
def tokenizer():
    return load_model(paths.shipped_model()).tokenizer


def test_whole_conversations_fit_the_context(tokenizer):
    longest = 0
    for _, document in written(9, 2500, {"conversation": 0.5, "story with questions": 0.5}):
        length = len(tokenizer.encode("".join(text for text, _ in document)))
        longest = max(longest, length)
    assert CONTEXT / 2 < longest <= CONTEXT


def test_a_conversation_is_laid_out_as_the_chat_template_prints_it(tokenizer):
    writer = Writer(12)
    for _ in range(60):
        turns = converse(writer, writer.randint(1, 5)).turns
        messages = []
        for turn in turns:
            messages += [{"role": "user", "content": turn.question}, {"role": "assistant", "content": turn.answer}]
        document = "".join(text for text, _ in chat_document(turns))
        prompt = tokenizer.render_chat(messages[:-1])
        assert document.startswith(prompt)
        messages[-1]["reasoning_content"] = turns[-1].thinking or ""
        assert tokenizer.render_chat(messages, add_generation_prompt=False).rstrip("\n") == document
        without = "".join(text for text, _ in chat_document(turns, may_think=False))
        assert without.startswith(tokenizer.render_chat(messages[:-1], enable_thinking=False))


def test_what_was_worked_out_in_an_earlier_turn_is_not_learned():
    writer = Writer(14)
    seen = 0
    for _ in range(200):
        turns = converse(writer, 3, {"long sum": 1.0, "fact": 1.0}).turns
        document = chat_document(turns)
        for turn in turns[:-1]:
            rest = turn.answer.partition(" ")[2]
            (learned,) = {learn for text, learn in document if text == f" {rest}{TURN_END}"}
            assert learned == (turn.thinking is None)
            seen += not learned
    assert seen > 50


def test_what_is_known_is_never_refused():
    known = {
        capitalized(wording.format_map(subject)).rstrip(".?!").lower()
        for relation in RELATIONS
        for subject in relation.subjects
        for wording in relation.wordings
    }
    writer = Writer(15)
    for _ in range(20000):
        turn = unknown(writer)
        assert turn.answer == UNKNOWN
        assert turn.question.rstrip(".?!").lower() not in known, turn.question
