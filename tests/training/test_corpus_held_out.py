"""No sentence of the text held out by template can come from a training template."""

import itertools
import re

import pytest

from training.corpus import MIXTURE, documents, facts, tables, text_queries, texts, unknown
from training.corpus.conversations import END_OF_TEXT, TURN_END, TURN_START
from training.corpus.held_out import TEXT_SENTENCES, UNKNOWN_FAMILIES, WORDINGS
from training.corpus.held_out_text import held_out_text
from training.corpus.stories import write_story
from training.corpus.story_questions import GENERAL, UNTOLD
from training.corpus.writing import Writer, capitalized, sentences

NAMES = tables.GIRL_NAMES + tables.BOY_NAMES + tables.RARE_GIRL_NAMES + tables.RARE_BOY_NAMES
REPLACED = [
    (tables.PLACES.values(), "PLACE"),
    (NAMES, "NAME"),
    (tables.KINDS + list(tables.PLURALS.values()) + [animal.name for animal in tables.ANIMALS], "KIND"),
    (tables.THING_NAMES, "THING"),
    (tables.COLORS, "COLOR"),
    (facts.DAYS + facts.MONTHS, "DATE"),
    (texts.FOODS, "FOOD"),
    (["she", "he"], "HE"),
    (["her", "him", "his"], "HIS"),
    (["an", "a"], "A"),
]
PATTERNS = [
    (re.compile(r"\b(?:" + "|".join(sorted(words, key=len, reverse=True)) + r")\b", re.IGNORECASE), label)
    for words, label in REPLACED
]


def skeleton(sentence):
    """A sentence without what differs between two uses of one template: names, animals, things, colors, numbers."""
    for pattern, label in PATTERNS:
        sentence = pattern.sub(label, sentence)
    return re.sub(r"\d+", "1", sentence).strip(' ".?!').lower()


def written(count, held_out):
    """Stories, short texts with a question, and questions for facts, by one writer."""
    writer = Writer(5, held_out)
    for _ in range(count):
        yield write_story(writer).text
        text = texts.write_text(writer)
        yield f"{text.text} {texts.ask_text(writer, text, query=writer.choice(texts.queries_of(text)))[1]}"
        relation = writer.choice(facts.RELATIONS)
        question = writer.pick(f"fact: {relation.name}", relation.wordings, WORDINGS)
        yield capitalized(question.format_map(writer.choice(relation.subjects)))


def skeletons(text):
    return {skeleton(sentence) for part in re.split(r"\n+", text) for sentence in sentences(part)}


@pytest.fixture(scope="module")
def trained():
    stream = documents(21, lambda document: sum(len(text) for text, _ in document) // 4, MIXTURE)
    found = set()
    for _, document in itertools.islice(stream, 5000):
        for text, _ in document:
            for marker in (TURN_START, TURN_END, END_OF_TEXT):
                text = text.replace(marker, "\n")
            found |= skeletons(text)
    return found


def test_the_sample_has_seen_the_training_templates(trained):
    easy = set().union(*map(skeletons, written(100, held_out=False)))
    assert len(easy & trained) > 0.85 * len(easy)


def test_no_sentence_is_shared_with_training(trained):
    kept_back = set().union(*map(skeletons, written(300, held_out=True)))
    assert len(kept_back) > 300
    assert not kept_back & trained


def test_the_texts_repeat_from_their_seed():
    for by_template in (False, True):
        text = held_out_text(3, 12, by_template)
        assert text == held_out_text(3, 12, by_template)
        assert len(text.split(END_OF_TEXT)) == 12


def same(wording):
    return wording.lower().strip(".?! ")


def test_no_wording_is_both_learned_and_held_out():
    learned = {f"fact: {relation.name}": relation.wordings for relation in facts.RELATIONS}
    learned |= {f"text: {query.name}": query.wordings for query in text_queries.QUERIES}
    learned |= {f"story: {question.family}": question.wordings for question in GENERAL}
    learned |= {"story: untold": UNTOLD, "text: untold": texts.UNTOLD}
    assert set(learned) <= set(WORDINGS)
    everything = {same(wording) for wordings in learned.values() for wording in wordings}
    for family, wordings in WORDINGS.items():
        assert not {same(wording) for wording in wordings} & everything, family
    for sort, templates in texts.SENTENCES.items():
        assert not set(templates) & set(TEXT_SENTENCES[sort])


def test_unknown_questions_for_the_evaluation_are_new():
    learned = {same(template) for templates in unknown.FAMILIES.values() for template in templates}
    for family, templates in UNKNOWN_FAMILIES.items():
        assert family not in unknown.FAMILIES
        assert not {same(template) for template in templates} & learned
    for slot, words in unknown.HELD_OUT_FILLERS.items():
        assert not set(words) & set(unknown.FILLERS[slot]), slot
