"""Questions about short texts and sums are answered rightly: each answer is derived anew, from the words alone."""

import re

import pytest

from training.corpus import sums, tables, text_queries, texts
from training.corpus.writing import Writer, sentences, with_article

KINDS = tables.STORY_ANIMALS
PLACES = list(tables.PLACES.values())
NAMES = tables.GIRL_NAMES + tables.BOY_NAMES + tables.RARE_GIRL_NAMES + tables.RARE_BOY_NAMES


def words_of(pool, text):
    """The words or phrases of the pool that occur in the text, whatever their case."""
    return [word for word in pool if re.search(rf"\b{word}\b", text, re.IGNORECASE if word not in NAMES else 0)]


POOLS = {
    "name": NAMES,
    "thing": tables.THING_NAMES,
    "color": tables.COLORS,
    "place": PLACES,
    "kind": KINDS,
    "food": texts.FOODS,
    "day": tables.DAYS,
}


def look_up(text, given, known, wanted):
    """The one `wanted` word in the sentences about `known`; by way of a name where no sentence has both."""
    about = " ".join(s for s in sentences(text) if words_of([known], s))
    found = words_of(POOLS[wanted], about)
    if not found:
        assert given != "name"
        return look_up(text, "name", look_up(text, given, known, "name"), wanted)
    (value,) = found
    return value


@pytest.mark.parametrize("query", text_queries.QUERIES, ids=lambda query: query.name)
def test_answers_are_what_the_text_says(query):
    writer = Writer(1)
    sorts = [sort for sort in texts.SORTS if query.needs <= set(sort)]
    for number in range(60):
        text = texts.write_text(writer, sort=sorts[number % len(sorts)])
        _, question, answer = texts.ask_text(writer, text, query=query)
        (known,) = (
            words_of(POOLS[query.given], question) if query.given != "thing" else words_of(POOLS["thing"], question)
        )
        value = look_up(text.text, query.given, known, query.wanted)
        assert re.search(rf"\b{value}\b", answer), (text.text, question, answer)
        stated = set(words_of(POOLS[query.wanted], answer)) - {known}
        assert stated == {value}, (text.text, question, answer)
        # What is looked up is not the first word: that one is not learned in earlier turns.
        assert answer.split()[0] != value


def test_texts_can_be_asked_in_both_directions():
    names = {query.name for query in text_queries.QUERIES}
    for query in text_queries.QUERIES:
        if query.given != query.wanted:
            assert f"{query.wanted} to {query.given}" in names, query.name


def test_each_sentence_names_one_person_and_nobody_shares_anything():
    writer = Writer(2)
    for _ in range(500):
        text = texts.write_text(writer)
        for slot in ("N", "thing", "color", "place", "kind"):
            assert len({person.values[slot] for person in text.people}) == len(text.people)
        for sentence in sentences(text.text):
            assert len(words_of(NAMES, sentence)) == 1, sentence


def test_what_the_text_does_not_say_is_not_in_it():
    writer = Writer(3)
    for _ in range(1000):
        text = texts.write_text(writer)
        _, question, answer = texts.ask_untold(writer, text, text.words)
        assert answer == texts.NOT_IN_TEXT
        own_names = [person.name for person in text.people]
        named = words_of(NAMES, question)
        if not set(named) & set(own_names):  # it asks for what is absent
            for pool in (tables.THING_NAMES, KINDS, PLACES, NAMES):
                asked = words_of(pool, question)
                assert not set(asked) & set(words_of(pool, text.text)) or "sister" in question, (text.text, question)


def test_a_question_for_yes_or_no_is_answered_by_the_fact():
    writer = Writer(4)
    seen = set()
    for _ in range(3000):
        text = texts.write_text(writer)
        family, question, answer = texts.ask_text(writer, text)
        if family != "yes or no":
            continue
        (name,) = words_of(NAMES, question)
        (wanted,) = (slot for slot in ("thing", "place", "kind", "food") if words_of(POOLS[slot], question))
        (asked,) = words_of(POOLS[wanted], question)
        true = look_up(text.text, "name", name, wanted) == asked
        assert answer.startswith(f"{name} ") and look_up(text.text, "name", name, wanted) in answer
        seen.add((wanted, true))
    assert seen == {(w, t) for w in ("thing", "place", "kind", "food") for t in (True, False)}


def test_long_sums_are_worked_out_rightly():
    writer = Writer(5)
    for _ in range(3000):
        turn = sums.long_sum(writer)
        first, sign, second, result = re.fullmatch(r"(\d+) ([+-]) (\d+) = (\d+)\.", turn.answer).groups()
        assert int(result) == (int(first) + int(second) if sign == "+" else int(first) - int(second))
        lines = turn.thinking.splitlines()
        for line in lines:
            if match := re.fullmatch(r"\w+: ([\d +-]+) = (\d+), write (\d+), (carry|borrow) ([01])", line):
                assert eval(match[1]) == int(match[2]) >= 0, line
            else:
                assert re.fullmatch(r"(carry|zeros): write \d+", line), line
        assert lines[-1].startswith(("carry: ", "zeros: ")) or f"write {result}," in lines[-1]
        assert str(int(re.findall(r"write (\d+)", lines[-1])[0])) == result


def test_a_sum_in_words_asks_for_the_same_numbers():
    writer = Writer(6)
    for _ in range(4000):
        turn = sums.small_sum(writer) if writer.chance(0.5) else sums.long_sum(writer)
        first, sign, second = re.match(r"(\d+) ([+-]) (\d+)", turn.answer).groups()
        spelled = {word: str(number) for number, word in enumerate(sums.NUMBER_WORDS)}
        words = re.findall(r"\d+|[a-z]+", turn.question.lower())
        asked = [spelled.get(word, word) for word in words if word.isdigit() or word in spelled]
        reversed_order = turn.question.startswith(("Subtract", "Take", "Add ")) and asked == [second, first]
        assert asked == [first, second] or reversed_order, turn
        if sign == "-":
            assert int(first) >= int(second)


def test_articles():
    assert [with_article(word) for word in ("owl", "fox", "unicorn", "umbrella")] == [
        "an owl",
        "a fox",
        "a unicorn",
        "an umbrella",
    ]
